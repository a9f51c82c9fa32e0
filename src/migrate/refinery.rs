//! Refinery: `V1__name.sql` and `U1__name.sql`, after `refinery_core/src/util.rs` and `runner.rs`.

use std::fs;
use std::path::Path;

use super::checksum;
use super::folder::{self, Entry};
use super::history::History;
use super::{MigrateError, Migration, Tool};

/// The files below the folder by version. `U` is no undo: it may be applied out of order.
pub(super) fn migrations(
    dir: &Path,
    history: Option<History>,
) -> Result<Vec<Migration>, MigrateError> {
    let mut named: Vec<(i64, String, Entry)> = Vec::new();
    for file in folder::list_deep(dir)? {
        let Some(Parts {
            version,
            rest: name,
            rust,
        }) = parse(file.file_name())
        else {
            continue;
        };
        if rust {
            return Err(MigrateError::Program { name: file.name });
        }
        let Ok(version) = version.parse() else {
            return Err(MigrateError::Version {
                tool: Tool::Refinery,
                name: file.name,
                wants: "a whole number after the letter",
            });
        };
        named.push((version, name.to_owned(), file));
    }
    named.sort_by(|a, b| (a.0, &a.2.name).cmp(&(b.0, &b.2.name)));
    let versions = named
        .iter()
        .map(|(version, _, file)| (version, &*file.name));
    folder::each_version_once(Tool::Refinery, versions)?;
    let wide = is_wide(dir)
        || named
            .iter()
            .any(|(version, ..)| i32::try_from(*version).is_err());
    let mut migrations = Vec::with_capacity(named.len());
    for (version, name, file) in named {
        let note = match history {
            Some(history) => {
                let bytes = folder::read(&file.path)?;
                let sql = String::from_utf8_lossy(&bytes);
                let sum = checksum::refinery(&name, version, wide, &sql);
                Some(history.refinery(version, &name, sum))
            }
            None => None,
        };
        migrations.push(Migration {
            path: file.path,
            name: file.name,
            version: version.to_string(),
            description: name.replace('_', " "),
            transaction: true,
            text: None,
            note,
        });
    }
    Ok(migrations)
}

/// What makes the table.
pub(super) fn table(dir: &Path, migrations: &[Migration]) -> String {
    let wide = |migration: &Migration| migration.version.parse::<i32>().is_err();
    History::refinery_table(is_wide(dir) || migrations.iter().any(wide))
}

/// Whether the application takes versions of 64 bits, which changes every checksum.
fn is_wide(dir: &Path) -> bool {
    let wide = folder::find_above(dir, |folder| {
        let text = fs::read_to_string(folder.join("Cargo.toml")).ok()?;
        text.contains("int8-versions").then_some(())
    });
    wide.is_some()
}

struct Parts<'a> {
    version: &'a str,
    rest: &'a str,
    rust: bool,
}

/// Reads `^([U|V])(\d+(?:\.\d+)?)__(\w+)\.(rs|sql)$`.
fn parse(file: &str) -> Option<Parts<'_>> {
    let (stem, rust) = match file.strip_suffix(".sql") {
        Some(stem) => (stem, false),
        None => (file.strip_suffix(".rs")?, true),
    };
    let (version, name) = stem.strip_prefix(['U', 'V'])?.split_once("__")?;
    let number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let (whole, part) = version.split_once('.').unwrap_or((version, "0"));
    let word = !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || c == '_');
    (number(whole) && number(part) && word).then_some(Parts {
        version,
        rest: name,
        rust,
    })
}

/// Whether the name is one of Refinery's.
pub(super) fn is_program(file: &Entry) -> bool {
    parse(file.file_name()).is_some_and(|name| name.rust)
}
