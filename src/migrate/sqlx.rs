//! sqlx: `<VERSION>_<DESCRIPTION>.sql`, after `sqlx-core/src/migrate/source.rs`.

use std::path::Path;

use super::folder::{self, Entry};
use super::history::History;
use super::{MigrateError, Migration, Tool};
use crate::digest;

/// The files of one folder by version; `.down.sql` files are not applied. What is noted goes to `table`.
pub(super) fn migrations(
    dir: &Path,
    history: Option<History>,
    table: &str,
) -> Result<Vec<Migration>, MigrateError> {
    let mut found: Vec<(i64, Migration)> = Vec::new();
    for file in folder::list(dir, "")?.files {
        found.extend(migration(file, history, table)?);
    }
    found.sort_by(|a, b| (a.0, &a.1.name).cmp(&(b.0, &b.1.name)));
    let versions = found.iter().map(|(version, file)| (version, &*file.name));
    folder::each_version_once(Tool::Sqlx, versions)?;
    Ok(found.into_iter().map(|(_, migration)| migration).collect())
}

/// The table that `sqlx.toml` names (`migrate.table-name`), or the usual one.
///
/// # Errors
/// When it has a setting by which checksums or schemas come out otherwise.
pub(super) fn table(dir: &Path) -> Result<String, MigrateError> {
    let file = folder::find_above(dir, |folder| {
        let file = folder.join("sqlx.toml");
        file.is_file().then_some(file)
    });
    let mut table = "_sqlx_migrations".to_owned();
    let Some(file) = file else { return Ok(table) };
    for (key, value) in folder::settings(&file)? {
        match key.strip_prefix("migrate.") {
            Some("table-name") => table = value,
            Some("ignored-chars" | "create-schemas") if !value.is_empty() => {
                return Err(MigrateError::Setting { file, key, value });
            }
            _ => {}
        }
    }
    Ok(table)
}

fn migration(
    file: Entry,
    history: Option<History>,
    table: &str,
) -> Result<Option<(i64, Migration)>, MigrateError> {
    // The suffix is compared as it stands: sqlx does not see `1_a.SQL`.
    let Some((version, rest)) = file.name.split_once('_') else {
        return Ok(None);
    };
    let Some(rest) = rest.strip_suffix(".sql") else {
        return Ok(None);
    };
    let version: i64 = version.parse().map_err(|_| MigrateError::Version {
        tool: Tool::Sqlx,
        name: file.name.clone(),
        wants: "a whole number before the first `_`",
    })?;
    if rest.strip_suffix(".down").is_some() {
        return Ok(None);
    }
    let description = rest.strip_suffix(".up").unwrap_or(rest).replace('_', " ");
    let transaction = !folder::head(&file.path)?.starts_with(NO_TRANSACTION);
    let note = match history {
        Some(history) => {
            let sum = digest::sha384(&folder::read(&file.path)?);
            Some(history.sqlx(table, version, &description, &sum))
        }
        None => None,
    };
    let migration = Migration {
        path: file.path,
        name: file.name,
        version: version.to_string(),
        description,
        transaction,
        text: None,
        note,
    };
    Ok(Some((version, migration)))
}

/// As the very first bytes of a file: no transaction around it.
pub(super) const NO_TRANSACTION: &[u8] = b"-- no-transaction";
