//! golang-migrate: `<NUMBER>_<NAME>.up.<ANYTHING>`, after `source/parse.go`.

use std::path::Path;

use super::folder;
use super::history::History;
use super::natural::digits;
use super::{MigrateError, Migration, Tool};

/// The files of one folder by number; those for the way down are not applied.
pub(super) fn migrations(
    dir: &Path,
    history: Option<History>,
) -> Result<Vec<Migration>, MigrateError> {
    let mut found: Vec<(u64, Migration)> = Vec::new();
    for file in folder::list(dir, "")?.files {
        let Some((version, description)) = parse(&file.name) else {
            continue;
        };
        let migration = Migration {
            path: file.path,
            description: description.replace('_', " "),
            name: file.name,
            version: version.to_string(),
            // The server gets the whole file at once, which makes it one transaction.
            transaction: true,
            text: None,
            note: history.map(|history| history.golang_migrate(version)),
        };
        found.push((version, migration));
    }
    found.sort_by(|a, b| (a.0, &a.1.name).cmp(&(b.0, &b.1.name)));
    let versions = found.iter().map(|(version, file)| (version, &*file.name));
    folder::each_version_once(Tool::GolangMigrate, versions)?;
    Ok(found.into_iter().map(|(_, migration)| migration).collect())
}

/// Version and name of a file for the way up, `^([0-9]+)_(.*)\.(down|up)\.(.*)$`; `None` for all others.
fn parse(name: &str) -> Option<(u64, &str)> {
    let length = digits(name.as_bytes()).len();
    let version = name[..length].parse().ok()?;
    let rest = name[length..].strip_prefix('_')?;
    // The last direction counts, as the part before it takes all that it can.
    let up = rest.rfind(".up.")?;
    let down = rest.rfind(".down.");
    down.is_none_or(|down| down < up)
        .then(|| (version, &rest[..up]))
}
