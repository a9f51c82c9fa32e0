//! Brings SQLite databases to rest: nothing beside the file that a reader would have to bring in or roll back.

use std::ffi::OsStr;
use std::fs;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use super::EngineError;
use super::sqlite_script::{library, open};

/// The endings of what SQLite keeps beside a database: rollback journal, write-ahead log, index of the log.
const JOURNAL: &str = "-journal";
const LOG: &str = "-wal";
const INDEX: &str = "-shm";

/// Freezes every database of the data folder.
pub(super) fn freeze(data: &Path) -> Result<(), EngineError> {
    databases(data)?
        .iter()
        .try_for_each(|database| freeze_one(database))
}

/// Proves that every database of the data folder, or of an upper folder, is at rest.
pub(super) fn seal(data: &Path) -> Result<(), EngineError> {
    // In an upper folder a database may be missing beside its log: look for what lies beside.
    for path in files(data)? {
        let name = path.as_os_str().as_bytes();
        let mut endings = [JOURNAL, LOG, INDEX].into_iter();
        if let Some(database) = endings.find_map(|ending| name.strip_suffix(ending.as_bytes())) {
            clear_companions(Path::new(OsStr::from_bytes(database)), true)?;
        }
    }
    Ok(())
}

/// The SQLite databases directly in the data folder: the service's own, and any that a command made.
fn databases(data: &Path) -> Result<Vec<PathBuf>, EngineError> {
    let mut found = Vec::new();
    for path in files(data)? {
        let mut head = [0; 16];
        match fs::File::open(&path).and_then(|mut file| file.read_exact(&mut head)) {
            Ok(()) if &head == b"SQLite format 3\0" => found.push(path),
            Ok(()) => {}
            Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => {}
            Err(e) => return Err(EngineError::file("read", path, e)),
        }
    }
    Ok(found)
}

/// The files directly in a folder, by name.
fn files(folder: &Path) -> Result<Vec<PathBuf>, EngineError> {
    let failed = |e| EngineError::file("read", folder, e);
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        if entry.file_type().map_err(failed)?.is_file() {
            found.push(entry.path());
        }
    }
    found.sort();
    Ok(found)
}

/// Brings everything into the one file and proves it sound.
fn freeze_one(database: &Path) -> Result<(), EngineError> {
    clear_companions(database, false)?;
    let connection = open(database)?;
    let failed = |e| library("freeze", database, e);
    let busy: i64 = connection
        .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))
        .map_err(failed)?;
    if busy != 0 {
        return Err(unclean(
            database,
            "another process still uses it".to_owned(),
        ));
    }
    let verdict: String = connection
        .query_row("PRAGMA quick_check(1)", [], |row| row.get(0))
        .map_err(failed)?;
    if verdict != "ok" {
        return Err(unclean(database, verdict));
    }
    // The last connection that closes removes the log.
    connection.close().map_err(|(_, e)| failed(e))?;
    clear_companions(database, true)
}

/// Removes what SQLite keeps beside a database when it is of no use, and refuses it when it is: a journal whose
/// header was not cleared would be rolled back (<https://sqlite.org/fileformat2.html#the_rollback_journal>), a log has pages that a
/// checkpoint can still bring in, so it counts only once that is `checkpointed`.
fn clear_companions(database: &Path, checkpointed: bool) -> Result<(), EngineError> {
    let journal = companion(database, JOURNAL);
    if let Some(head) = head(&journal)? {
        if head.iter().any(|&byte| byte != 0) {
            return Err(unclean(
                database,
                format!("{} holds an unfinished transaction", name(&journal)),
            ));
        }
        remove(&journal)?;
    }
    if !checkpointed {
        return Ok(());
    }
    let (log, index) = (companion(database, LOG), companion(database, INDEX));
    if let Some(head) = head(&log)? {
        if !head.is_empty() {
            return Err(unclean(
                database,
                format!("{} was not brought into the database", name(&log)),
            ));
        }
        remove(&log)?;
    }
    if index.exists() {
        remove(&index)?;
    }
    Ok(())
}

fn companion(database: &Path, ending: &str) -> PathBuf {
    let mut name = database.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

/// The first eight bytes of a file, fewer if it is shorter, `None` if there is none.
fn head(path: &Path) -> Result<Option<Vec<u8>>, EngineError> {
    let mut head = Vec::new();
    match fs::File::open(path) {
        Ok(file) => {
            file.take(8)
                .read_to_end(&mut head)
                .map_err(|e| EngineError::file("read", path, e))?;
            Ok(Some(head))
        }
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(EngineError::file("read", path, e)),
    }
}

fn name(path: &Path) -> String {
    path.file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}

fn remove(path: &Path) -> Result<(), EngineError> {
    fs::remove_file(path).map_err(|e| EngineError::file("remove", path, e))
}

fn unclean(path: &Path, why: String) -> EngineError {
    EngineError::Unclean {
        path: path.to_owned(),
        why,
    }
}
