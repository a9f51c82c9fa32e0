//! Removing a tree, whatever modes its folders have.

use std::ffi::{CStr, CString, OsStr};
use std::fs;
use std::io;
use std::os::fd::{AsFd as _, BorrowedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use nix::dir::{Dir, Type};
use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, OFlag, renameat};
use nix::sys::stat::{FchmodatFlags, Mode, fchmod, fchmodat};
use nix::unistd::{UnlinkatFlags, unlinkat};

use super::{Context as _, DiskError};

/// How many folders are held open at once; what lies deeper is moved up first.
const DEPTH: usize = 64;

/// Removes `path` and everything below it; it is no error when there is nothing.
///
/// Links are removed, never followed, even if someone exchanges a folder for a link meanwhile:
/// each step goes from an open folder. Folders that their owner may not write or list, as
/// overlayfs leaves in its work folder (mode 000) and tests make on purpose, are opened up on
/// the way.
///
/// # Errors
/// When something can't be removed; the rest may be gone by then.
pub fn remove_tree(path: &Path) -> Result<(), DiskError> {
    match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_dir() => {}
        Ok(_) => return fs::remove_file(path).on("remove", path),
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(e) => return Err(e).on("remove", path),
    }
    let name = CString::new(path.as_os_str().as_bytes())
        .map_err(io::Error::from)
        .on("remove", path)?;
    loop {
        let mut top = open(AT_FDCWD, &name).on("remove", path)?;
        let names = names(&mut top).on("list", path)?;
        let mut removal = Removal {
            top: top.as_fd(),
            moved: 0,
            at: path.to_owned(),
        };
        removal.clear(top.as_fd(), &names, 1)?;
        if removal.moved == 0 {
            return fs::remove_dir(path).on("remove", path);
        }
    }
}

struct Removal<'a> {
    top: BorrowedFd<'a>,
    moved: usize,
    /// Where the removal is, for the words of an error.
    at: PathBuf,
}

impl Removal<'_> {
    fn clear(
        &mut self,
        folder: BorrowedFd<'_>,
        names: &[(CString, Option<Type>)],
        depth: usize,
    ) -> Result<(), DiskError> {
        for (name, of) in names {
            self.at.push(OsStr::from_bytes(name.to_bytes()));
            self.one(folder, name, *of, depth)?;
            self.at.pop();
        }
        Ok(())
    }

    fn one(
        &mut self,
        folder: BorrowedFd<'_>,
        name: &CStr,
        of: Option<Type>,
        depth: usize,
    ) -> Result<(), DiskError> {
        if !matches!(of, Some(Type::Directory) | None) {
            return unlink(folder, name, UnlinkatFlags::NoRemoveDir).on("remove", &self.at);
        }
        match unlink(folder, name, UnlinkatFlags::RemoveDir) {
            Ok(()) => return Ok(()),
            Err(Errno::ENOTDIR) => {
                return unlink(folder, name, UnlinkatFlags::NoRemoveDir).on("remove", &self.at);
            }
            Err(Errno::ENOTEMPTY | Errno::EEXIST) => {}
            Err(e) => return Err(e).on("remove", &self.at),
        }
        let mut inner = open(folder, name).on("remove", &self.at)?;
        if depth == DEPTH {
            return self.move_up(folder, &inner, name);
        }
        let inside = names(&mut inner).on("list", &self.at)?;
        self.clear(inner.as_fd(), &inside, depth + 1)?;
        unlink(folder, name, UnlinkatFlags::RemoveDir).on("remove", &self.at)
    }

    /// Moves a folder that lies too deep to the top, for the next round.
    fn move_up(
        &mut self,
        folder: BorrowedFd<'_>,
        inner: &Dir,
        name: &CStr,
    ) -> Result<(), DiskError> {
        // Moving a folder writes its `..`, which takes write permission on itself.
        fchmod(inner, Mode::S_IRWXU).on("remove", &self.at)?;
        loop {
            let new = format!(".deep-{}", self.moved);
            self.moved += 1;
            match renameat(folder, name, self.top, new.as_str()) {
                Ok(()) => return Ok(()),
                Err(Errno::ENOTEMPTY | Errno::EEXIST | Errno::ENOTDIR) => {}
                Err(Errno::EACCES) => {
                    fchmod(folder, Mode::S_IRWXU).on("remove", &self.at)?;
                    fchmod(self.top, Mode::S_IRWXU).on("remove", &self.at)?;
                }
                Err(e) => return Err(e).on("remove", &self.at),
            }
        }
    }
}

fn names(folder: &mut Dir) -> nix::Result<Vec<(CString, Option<Type>)>> {
    let mut names = Vec::new();
    for entry in folder.iter() {
        let entry = entry?;
        if !matches!(entry.file_name().to_bytes(), b"." | b"..") {
            names.push((entry.file_name().to_owned(), entry.file_type()));
        }
    }
    Ok(names)
}

fn open(folder: BorrowedFd<'_>, name: &CStr) -> nix::Result<Dir> {
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    match Dir::openat(folder, name, flags, Mode::empty()) {
        Err(Errno::EACCES) => {
            fchmodat(folder, name, Mode::S_IRWXU, FchmodatFlags::NoFollowSymlink)?;
            Dir::openat(folder, name, flags, Mode::empty())
        }
        other => other,
    }
}

fn unlink(folder: BorrowedFd<'_>, name: &CStr, flag: UnlinkatFlags) -> nix::Result<()> {
    match unlinkat(folder, name, flag) {
        Err(Errno::EACCES) => {
            fchmod(folder, Mode::S_IRWXU)?;
            unlinkat(folder, name, flag)
        }
        other => other,
    }
}
