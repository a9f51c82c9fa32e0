//! The marks by which overlayfs hides what lower layers have.

use std::path::Path;

use nix::sys::stat::{Mode, SFlag, mknod};

use super::{Context as _, DiskError, xattr};

/// Makes a whiteout: the mark for a name that was removed. It takes no privilege (`mknod(2)`, since Linux 5.8).
///
/// # Errors
/// When it can't be made, or the name is taken.
pub fn make_whiteout(path: &Path) -> Result<(), DiskError> {
    mknod(path, SFlag::S_IFCHR, Mode::empty(), 0).on("create", path)
}

/// Marks a folder as one that hides what lower layers have in it.
///
/// # Errors
/// When its file system takes no attributes, or it isn't the caller's.
pub fn make_opaque(folder: &Path) -> Result<(), DiskError> {
    xattr::make_opaque(folder)
}
