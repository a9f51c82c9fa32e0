//! A frozen SQLite database as a file: what it is like.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use super::EngineError;
use super::sqlite_copy::at_rest;

/// Where the header has the versions for writing and for reading, which say whether the database is in WAL mode
/// (<https://sqlite.org/fileformat2.html>, 1.3.3).
pub(super) const VERSIONS: usize = 18;
/// The version for rollback mode.
pub(super) const ROLLBACK: u8 = 1;
const WAL: u8 = 2;

/// A database file that is at rest.
pub(super) struct Frozen {
    pub(super) file: File,
    pub(super) length: u64,
    /// Whether its header says WAL mode, which memory can't have: SQLite then fails to open it.
    pub(super) wal: bool,
}

impl Frozen {
    pub(super) fn open(path: &Path) -> Result<Self, EngineError> {
        let failed = |e| EngineError::file("read", path, e);
        let metadata = fs::symlink_metadata(path).map_err(failed)?;
        if metadata.is_symlink() {
            // What SQLite keeps beside a database lies beside the file, not beside a link to it.
            return Self::open(&fs::canonicalize(path).map_err(failed)?);
        }
        if !metadata.is_file() {
            return Err(failed(io::Error::other("it is not a regular file")));
        }
        at_rest(path)?;
        let file = File::open(path).map_err(failed)?;
        let length = file.metadata().map_err(failed)?.len();
        let mut head = [0; VERSIONS + 2];
        match file.read_exact_at(&mut head, 0) {
            // SQLite itself says what is wrong with such a file, if it is not empty.
            Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => head.fill(0),
            read => read.map_err(failed)?,
        }
        Ok(Self {
            file,
            length,
            wal: head[VERSIONS..].contains(&WAL),
        })
    }
}
