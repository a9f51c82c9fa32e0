//! Diesel: a folder with `up.sql` for each migration, after `migrations_internals` and `diesel_migrations`.

use std::path::Path;

use super::folder::{self, Entry};
use super::history::History;
use super::{MigrateError, Migration, Tool};

/// The folders by version, which Diesel compares as text.
pub(super) fn migrations(
    dir: &Path,
    history: Option<History>,
) -> Result<Vec<Migration>, MigrateError> {
    let mut found = Vec::new();
    for folder in folder::list(dir, "")?.folders {
        let inside = folder::list(&folder.path, &format!("{}/", folder.name))?;
        let named = |name: &str| inside.files.iter().find(|file| file.file_name() == name);
        let Some(up) = named("up.sql") else {
            if inside.files.is_empty() && inside.folders.is_empty() {
                continue;
            }
            return Err(MigrateError::NoUp { name: folder.name });
        };
        let settings = named("metadata.toml");
        found.push(migration(&folder, up, settings, history)?);
    }
    found.sort_by(|a: &Migration, b| (&a.version, &a.name).cmp(&(&b.version, &b.name)));
    let versions = found.iter().map(|file| (&file.version, &*file.name));
    folder::each_version_once(Tool::Diesel, versions)?;
    Ok(found)
}

fn migration(
    folder: &Entry,
    up: &Entry,
    settings: Option<&Entry>,
    history: Option<History>,
) -> Result<Migration, MigrateError> {
    let (first, rest) = folder.name.split_once('_').unwrap_or((&folder.name, ""));
    let version = first.replace('-', "");
    if folder::read(&up.path)?.is_empty() {
        return Err(MigrateError::EmptyFile {
            tool: Tool::Diesel,
            name: up.name.clone(),
        });
    }
    let transaction = match settings {
        None => true,
        // A file that is there and doesn't say it means no: `#[serde(default)]` of a boolean.
        Some(file) => folder::settings(&file.path)?
            .iter()
            .any(|(key, value)| key == "run_in_transaction" && value == "true"),
    };
    Ok(Migration {
        path: up.path.clone(),
        name: up.name.clone(),
        note: history.map(|history| history.diesel(&version)),
        version,
        description: rest.replace('_', " "),
        transaction,
        text: None,
    })
}
