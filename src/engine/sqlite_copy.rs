//! A copy of a frozen SQLite database as a file, for a test that wants a path.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use super::EngineError;
use crate::disk;

/// Refuses a database that is not all in its one file: a copy would miss what lies beside.
pub(super) fn at_rest(path: &Path) -> Result<(), EngineError> {
    for ending in ["-wal", "-journal"] {
        let mut beside = path.as_os_str().to_owned();
        beside.push(ending);
        let beside = Path::new(&beside);
        if fs::metadata(beside).is_ok_and(|beside| beside.len() > 0) {
            let name = beside.file_name().unwrap_or_default().to_string_lossy();
            let why = format!("{name} beside it may hold changes that are not in it yet");
            return Err(EngineError::file("copy", path, io::Error::other(why)));
        }
    }
    Ok(())
}

/// A copy of the database `file` as a file of its own in `folder`, for a test that wants a path; only its owner
/// may read and write it. Returns its path.
///
/// Its blocks are shared with the original where the file system can, else they are copied: its holes stay holes, but
/// it takes time and space by its size. A file in WAL mode stays one.
///
/// # Errors
/// When `file` is no regular file or not at rest, when `folder` already has an entry of its name, and when
/// something can't be read or written.
pub fn private_copy(file: &Path, folder: &Path) -> Result<PathBuf, EngineError> {
    let failed = |e| EngineError::file("copy", file, e);
    // The file, not a link to it.
    let from = fs::canonicalize(file).map_err(failed)?;
    if !fs::metadata(&from).map_err(failed)?.is_file() {
        return Err(failed(io::Error::other("it is not a regular file")));
    }
    at_rest(&from)?;
    let to = folder.join(file.file_name().unwrap_or_default());
    if fs::symlink_metadata(&to).is_ok() {
        let there = io::ErrorKind::AlreadyExists.into();
        return Err(EngineError::file("create", to, there));
    }
    disk::copy_entry(&from, &to).map_err(|e| EngineError::file(e.verb, e.path, e.source))?;
    fs::set_permissions(&to, Permissions::from_mode(0o600))
        .map_err(|e| EngineError::file("write", &to, e))?;
    Ok(to)
}
