//! A plain folder: every `*.sql` file in it, in natural order.

use std::path::Path;

use super::folder::{self, Entry};
use super::foreign::Marked;
use super::natural::{digits, significant};
use super::{MigrateError, Migration, foreign, natural_order};

/// Each file runs as the engine's client runs a file: no transaction around it.
pub(super) fn migrations(dir: &Path) -> Result<Vec<Migration>, MigrateError> {
    let mut files: Vec<Entry> = folder::list(dir, "")?.files;
    files.retain(|file| file.sql_stem().is_some());
    files.sort_by(|a, b| natural_order(&a.name, &b.name));
    files.into_iter().map(migration).collect()
}

fn migration(file: Entry) -> Result<Migration, MigrateError> {
    let stem = file.sql_stem().unwrap_or_default().to_owned();
    if stem.to_ascii_lowercase().ends_with(".down") {
        return Err(MigrateError::Down { name: file.name });
    }
    if let Some(mark) = foreign::marked(&folder::head(&file.path)?) {
        return Err(match mark {
            Marked::Dbmate => MigrateError::Marked { name: file.name },
            Marked::Foreign(tool) => MigrateError::Foreign {
                tool,
                evidence: Some(file.name),
            },
        });
    }
    let version = number(&stem);
    let description = stem[version.len()..]
        .trim_matches(['_', '-', '.', ' '])
        .replace('_', " ");
    Ok(Migration {
        path: file.path,
        name: file.name,
        version: version.to_owned(),
        description,
        transaction: false,
        text: None,
        note: None,
    })
}

/// The number at the start of a name, with what people use as parts: `007`, `2024-02-29`, `1.10`.
pub(super) fn number(stem: &str) -> &str {
    let bytes = stem.as_bytes();
    let mut end = digits(bytes).len();
    while end > 0 && matches!(bytes.get(end), Some(b'-' | b'.')) {
        match digits(&bytes[end + 1..]).len() {
            0 => break,
            length => end += 1 + length,
        }
    }
    &stem[..end]
}

/// Whether two numbers differ in leading zeros only.
pub(super) fn same_number(a: &str, b: &str) -> bool {
    let parts = |text: &str| -> Vec<Vec<u8>> {
        text.split(['-', '.'])
            .map(|part| significant(part.as_bytes()).to_vec())
            .collect()
    };
    !a.is_empty() && !b.is_empty() && parts(a) == parts(b)
}
