//! Whose a folder of the host is, and who may pass it.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

/// The user and the group that own a folder; `None` when it can't be asked.
pub(super) fn owner_of(folder: &Path) -> Option<(u32, u32)> {
    let status = fs::metadata(folder).ok()?;
    Some((status.uid(), status.gid()))
}

/// The first folder on the way to `folder` that the user `uid` may not pass, by its mode bits. One that
/// can't be looked at is left to the step that enters it, which names it when it fails.
pub(super) fn first_closed_ancestor(folder: &Path, uid: u32, gid: u32) -> Option<PathBuf> {
    let mut path = PathBuf::new();
    for part in folder.parent().unwrap_or(folder).components() {
        path.push(part);
        if part == Component::RootDir {
            continue;
        }
        let status = fs::metadata(&path).ok()?;
        let pass = match status.mode() {
            mode if status.uid() == uid => mode & 0o100,
            mode if status.gid() == gid => mode & 0o010,
            mode => mode & 0o001,
        };
        if pass == 0 {
            return Some(path);
        }
    }
    None
}
