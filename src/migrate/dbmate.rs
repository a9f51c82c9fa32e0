//! dbmate: `<DIGITS>….sql` with a block for each direction, after `pkg/dbmate/db.go` and `migration.go`.

use std::path::Path;

use super::folder::{self, Entry};
use super::history::History;
use super::natural::digits;
use super::{MigrateError, Migration, Tool, script};

/// The files of one folder, by their names as text.
pub(super) fn migrations(
    dir: &Path,
    history: Option<History>,
) -> Result<Vec<Migration>, MigrateError> {
    let mut found: Vec<Migration> = Vec::new();
    // The listing has the order already.
    for file in folder::list(dir, "")?.files {
        let Some(version) = version(&file) else {
            continue;
        };
        let migration = migration(&file, version, history)?;
        if let Some(first) = found.iter().find(|other| other.version == version) {
            return Err(MigrateError::Duplicate {
                tool: Tool::Dbmate,
                version: version.to_owned(),
                first: first.name.clone(),
                second: file.name,
            });
        }
        found.push(migration);
    }
    Ok(found)
}

/// The digits that the name begins with; `None` for a file that dbmate doesn't see.
pub(super) fn version(file: &Entry) -> Option<&str> {
    let stem = file.name.strip_suffix(".sql")?;
    let length = digits(stem.as_bytes()).len();
    (length > 0).then(|| &stem[..length])
}

fn migration(
    file: &Entry,
    version: &str,
    history: Option<History>,
) -> Result<Migration, MigrateError> {
    let bytes = folder::read(&file.path)?;
    let text = script::text(&bytes).map_err(|source| MigrateError::Script {
        name: file.name.clone(),
        source,
    })?;
    let blocks = up_blocks(text).map_err(|why| MigrateError::Blocks {
        name: file.name.clone(),
        why,
    })?;
    let stem = file.sql_stem().unwrap_or_default();
    Ok(Migration {
        path: file.path.clone(),
        name: file.name.clone(),
        version: version.to_owned(),
        description: stem[version.len()..].trim_matches('_').replace('_', " "),
        transaction: blocks.transaction,
        text: Some(blocks.text.into()),
        note: history.map(|history| history.dbmate(version)),
    })
}

/// What is run of a file.
struct Blocks {
    /// The file with everything outside of the blocks taken out, line by line.
    text: String,
    transaction: bool,
}

/// What a line is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mark {
    Up,
    Down,
    None,
}

fn up_blocks(text: &str) -> Result<Blocks, &'static str> {
    let mut blocks = Blocks {
        text: String::with_capacity(text.len()),
        transaction: true,
    };
    // The mark of the block that the line stands in.
    let mut open = Mark::None;
    for line in text.split_inclusive('\n') {
        let (mark, options) = mark(line);
        match mark {
            Mark::Up if open == Mark::Up => return Err(NO_DOWN),
            Mark::Up => {
                let off = |option| option == "transaction:false";
                blocks.transaction &= !options.split_whitespace().any(off);
            }
            Mark::Down if open != Mark::Up => {
                return Err(match open {
                    Mark::None => NO_UP,
                    _ => "it has a `-- migrate:down` with no `-- migrate:up` before it",
                });
            }
            Mark::None if open == Mark::None => {
                let line = line.trim();
                if !line.is_empty() && !line.starts_with("--") {
                    return Err("it has a statement before the first `-- migrate:up`");
                }
            }
            Mark::Down | Mark::None => {}
        }
        if mark != Mark::None {
            open = mark;
        }
        match open {
            Mark::Up => blocks.text.push_str(line),
            // Lines are counted in messages.
            _ => blocks.text.push('\n'),
        }
    }
    match open {
        Mark::Down => Ok(blocks),
        Mark::Up => Err(NO_DOWN),
        Mark::None => Err(NO_UP),
    }
}

const NO_UP: &str = "it has no `-- migrate:up`";
const NO_DOWN: &str = "a `-- migrate:down` is missing after its `-- migrate:up`";

/// Reads `-- migrate:up` and `-- migrate:down` with the options after them. Case counts, and nothing may stand before
/// the dashes.
fn mark(line: &str) -> (Mark, &str) {
    let Some(rest) = line.strip_prefix("--") else {
        return (Mark::None, "");
    };
    let rest = rest.trim_start();
    for (name, mark) in [("migrate:up", Mark::Up), ("migrate:down", Mark::Down)] {
        if let Some(options) = rest.strip_prefix(name)
            && (options.is_empty() || options.starts_with(char::is_whitespace))
        {
            return (mark, options);
        }
    }
    (Mark::None, "")
}
