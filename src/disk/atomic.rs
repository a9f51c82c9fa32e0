//! Files that are there whole, or not at all, whenever the power fails.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::hash::{BuildHasher as _, RandomState};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use super::{Context as _, DiskError};

/// Writes `bytes` to `path`, by way of a temporary file beside it.
///
/// # Errors
/// When any step fails; `path` is then as it was before. See [`place`].
pub fn write_atomic(path: &Path, bytes: &[u8]) -> Result<(), DiskError> {
    let mut name = OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(format!(".{:016x}.tmp", RandomState::new().hash_one(0)));
    place(&path.with_file_name(name), path, bytes)
}

/// Writes `bytes` to the new file `temporary`, flushes it, renames it to `path` and flushes the
/// folder of `path`. Both must be on one file system.
///
/// # Errors
/// When any step fails. A failed flush is final: the kernel may have dropped the pages and
/// would report success the next time (`fsync(2)`, NOTES), so nothing is renamed after it.
pub fn place(temporary: &Path, path: &Path, bytes: &[u8]) -> Result<(), DiskError> {
    let written = write_new(temporary, bytes)
        .and_then(|()| fs::rename(temporary, path).on("write", path))
        .and_then(|()| path.parent().map_or(Ok(()), sync_directory));
    if written.is_err() {
        let _ = fs::remove_file(temporary);
    }
    written
}

fn write_new(path: &Path, bytes: &[u8]) -> Result<(), DiskError> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o644)
        .open(path)
        .on("create", path)?;
    file.write_all(bytes).on("write", path)?;
    file.sync_all().on("flush", path)
}

/// Flushes a folder: what was created, renamed and removed in it is on the disk afterwards.
///
/// # Errors
/// When the folder can't be opened or flushed.
pub fn sync_directory(path: &Path) -> Result<(), DiskError> {
    File::open(path)
        .and_then(|folder| folder.sync_all())
        .on("flush", path)
}

/// Flushes the whole file system that `folder` is on, and reports the write errors since
/// `folder` was *opened*: open it before the first write (`syncfs(2)`, since Linux 5.8).
///
/// `path` is what an error names.
///
/// # Errors
/// When anything could not be written.
pub fn sync_file_system(folder: &File, path: &Path) -> Result<(), DiskError> {
    nix::unistd::syncfs(folder).on("flush", path)
}
