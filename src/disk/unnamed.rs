//! Files without a name.

use std::fs::File;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use super::{Context as _, DiskError};

/// A file on the file system of `folder` that has no name: the kernel frees it when the last
/// descriptor is closed, however its process ends (open(2), `O_TMPFILE`).
///
/// # Errors
/// When the folder can't be written to, or its file system knows no such files.
pub fn unnamed_file(folder: &Path) -> Result<File, DiskError> {
    File::options()
        .read(true)
        .append(true)
        .custom_flags(nix::fcntl::OFlag::O_TMPFILE.bits())
        .mode(0o600)
        .open(folder)
        .on("create a temporary file in", folder)
}
