//! Large tables of a server that need not be read, as their files say that they are the same.
//!
//! To read a table, PostgreSQL opens its file for writing, which copies it up, and writes every value out. Comparing two
//! files costs less, and nothing where both sides have the file from the same layer.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::DifferenceError;
use super::client::Client;
use super::files::same_bytes;
use crate::engine::postgres_content::STORED;

/// A part of a table: what its bytes mean, and its files.
type Part = (Option<String>, Vec<PathBuf>);

/// The tables that are the same on both sides, whose data folders are these.
///
/// Whether a row is there is said by its bytes and by how its transaction ended, which is in other files. How a
/// transaction ended does not change any more once the server was stopped. So the same file of the same layer has the
/// same rows; a copy with the same bytes has, where one side lies on all that the other is: no transaction of its
/// own has written to it.
pub(super) fn same_tables(
    before: (&mut Client, &[PathBuf]),
    after: (&mut Client, &[PathBuf]),
) -> Result<BTreeSet<String>, DifferenceError> {
    let [(one, before), (other, after)] = [before, after];
    if before.is_empty() || after.is_empty() {
        return Ok(BTreeSet::new());
    }
    let one_on_other = before.ends_with(after) || after.ends_with(before);
    let mut now = tables(other)?;
    let mut same = BTreeSet::new();
    for (table, was) in tables(one)? {
        let Some(is) = now.remove(&table) else {
            continue;
        };
        let mut known = was.len() == is.len();
        for ((meaning, files), (other_meaning, other_files)) in was.iter().zip(&is) {
            known = known
                && meaning.is_some()
                && meaning == other_meaning
                && files.len() == other_files.len();
            for (one, other) in files.iter().zip(other_files) {
                known = known && same_file((one, before), (other, after), one_on_other)?;
            }
        }
        if known {
            tracing::debug!("{table} has the same files on both sides");
            same.insert(table);
        }
    }
    Ok(same)
}

fn tables(psql: &mut Client) -> Result<BTreeMap<String, Vec<Part>>, DifferenceError> {
    let mut tables: BTreeMap<String, Vec<Part>> = BTreeMap::new();
    for row in psql.answer("the tables", STORED)? {
        let mut row = row.into_iter();
        if let (Some(Some(table)), Some(_part), Some(meaning)) =
            (row.next(), row.next(), row.next())
        {
            let files = row.flatten().map(PathBuf::from).collect();
            tables.entry(table).or_default().push((meaning, files));
        }
    }
    Ok(tables)
}

/// Whether a file is the same, with the parts of 1 GB that PostgreSQL makes of a large one: `NAME`, `NAME.1`, ….
fn same_file(
    (one, before): (&Path, &[PathBuf]),
    (other, after): (&Path, &[PathBuf]),
    one_on_other: bool,
) -> Result<bool, DifferenceError> {
    for part in 0.. {
        let name = |file: &Path| match part {
            0 => file.to_owned(),
            part => PathBuf::from(format!("{}.{part}", file.display())),
        };
        let same = match (topmost(before, &name(one)), topmost(after, &name(other))) {
            (None, None) => return Ok(part > 0),
            (Some(one), Some(other)) => one == other || one_on_other && same_bytes(&one, &other)?,
            _ => false,
        };
        if !same {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The file as an overlay of these folders shows it.
pub(super) fn topmost(folders: &[PathBuf], file: &Path) -> Option<PathBuf> {
    let mut there = folders.iter().map(|folder| folder.join(file));
    let found = there.find(|path| path.symlink_metadata().is_ok());
    // A device is the mark of a file that was removed.
    found.filter(|path| path.is_file())
}
