//! A file copied without its holes.

use std::ffi::CStr;
use std::os::fd::AsFd;

use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::sys::stat::{Mode, fchmod, fstat};
use nix::unistd::{Gid, Uid, Whence, fchown, ftruncate, lseek};
use rustix::fs::sendfile;

use super::program::errno;

/// Copies the file `source` to `target`, which must not be there; it gets the same mode. For the child of a `clone`.
///
/// # Errors
/// Those of open(2), sendfile(2) and the calls between.
pub(super) fn copy(source: &CStr, target: &CStr, owner: Option<(u32, u32)>) -> Result<(), Errno> {
    let from = open(source, OFlag::O_RDONLY | OFlag::O_CLOEXEC, Mode::empty())?;
    let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_CLOEXEC;
    let to = open(target, flags, Mode::S_IRUSR | Mode::S_IWUSR)?;
    let status = fstat(&from)?;
    if let Some((uid, gid)) = owner {
        fchown(&to, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)))?;
    }
    fchmod(&to, Mode::from_bits_truncate(status.st_mode))?;
    let mut at = 0;
    while at < status.st_size {
        let (start, end) = match lseek(&from, at, Whence::SeekData) {
            Ok(start) => (start, lseek(&from, start, Whence::SeekHole)?),
            Err(Errno::ENXIO) => break,
            // The file system knows nothing of holes.
            Err(Errno::EINVAL) => (at, status.st_size),
            Err(errno) => return Err(errno),
        };
        lseek(&to, start, Whence::SeekSet)?;
        extent(&from, &to, start, end)?;
        at = end;
    }
    // Last: what is written within a file's length may take a huge page (`tmpfs.rs`).
    ftruncate(&to, status.st_size)
}

fn extent(from: impl AsFd, to: impl AsFd, start: i64, end: i64) -> Result<(), Errno> {
    let (mut at, end) = (start.unsigned_abs(), end.unsigned_abs());
    while at < end {
        let rest = usize::try_from(end - at).unwrap_or(usize::MAX);
        if sendfile(&to, &from, Some(&mut at), rest).map_err(errno)? == 0 {
            break;
        }
    }
    Ok(())
}
