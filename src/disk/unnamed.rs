//! Files without a name, for good or until they are whole.

use std::fs::{self, File, OpenOptions};
use std::hash::{BuildHasher as _, RandomState};
use std::io;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use nix::fcntl::{AT_FDCWD, AtFlags, OFlag};
use nix::unistd::linkat;

use super::{Context as _, DiskError, sync_directory};

/// A file on the file system of `folder` that has no name: the kernel frees it when the last
/// descriptor is closed, however its process ends (open(2), `O_TMPFILE`).
///
/// # Errors
/// When the folder can't be written to, or its file system knows no such files.
pub fn unnamed_file(folder: &Path) -> Result<File, DiskError> {
    without_name(OpenOptions::new().append(true).mode(0o600), folder)
        .on("create a temporary file in", folder)
}

fn without_name(options: &mut OpenOptions, folder: &Path) -> io::Result<File> {
    options
        .read(true)
        .custom_flags(OFlag::O_TMPFILE.bits())
        .open(folder)
}

/// A file that gets its name when it is whole. Dropped before, or with its process killed, it leaves nothing;
/// only where the file system knows no files without a name, it has a temporary one, and a kill leaves that.
#[derive(Debug)]
pub struct Unnamed {
    file: File,
    temporary: Option<PathBuf>,
}

impl Unnamed {
    /// A new file that will lie in `folder`, or nowhere.
    ///
    /// # Errors
    /// When the folder can't be written to.
    pub fn new(folder: &Path) -> Result<Self, DiskError> {
        let mut options = OpenOptions::new();
        options.write(true).mode(0o644);
        match without_name(&mut options, folder) {
            Ok(file) => Ok(Self {
                file,
                temporary: None,
            }),
            Err(e)
                if matches!(
                    e.kind(),
                    io::ErrorKind::Unsupported | io::ErrorKind::IsADirectory
                ) =>
            {
                let path = folder.join(temporary_name());
                let file = OpenOptions::new()
                    .read(true)
                    .write(true)
                    .create_new(true)
                    .mode(0o644)
                    .open(&path)
                    .on("create", &path)?;
                Ok(Self {
                    file,
                    temporary: Some(path),
                })
            }
            Err(e) => Err(e).on("create a file in", folder),
        }
    }

    /// What to write to.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// Flushes the file and gives it its name, in the folder that it was made for; a file of that name is replaced.
    ///
    /// # Errors
    /// When it can't be flushed or named. What had the name before is then still there.
    pub fn name(mut self, path: &Path) -> Result<(), DiskError> {
        self.file.sync_all().on("flush", path)?;
        let temporary = match self.temporary.take() {
            Some(temporary) => temporary,
            None => self.link_beside(path)?,
        };
        let named = fs::rename(&temporary, path).on("write", path);
        if named.is_err() {
            let _ = fs::remove_file(&temporary);
        }
        named?;
        match path.parent() {
            Some(folder) if folder.as_os_str().is_empty() => sync_directory(Path::new(".")),
            Some(folder) => sync_directory(folder),
            None => Ok(()),
        }
    }
}

impl Unnamed {
    /// Gives the file a temporary name beside `path`: a link takes no name that is there, a rename does.
    fn link_beside(&self, path: &Path) -> Result<PathBuf, DiskError> {
        let temporary = path.with_file_name(temporary_name());
        let descriptor = format!("/proc/self/fd/{}", self.file.as_raw_fd());
        let follow = AtFlags::AT_SYMLINK_FOLLOW;
        linkat(AT_FDCWD, descriptor.as_str(), AT_FDCWD, &temporary, follow).on("create", path)?;
        Ok(temporary)
    }
}

impl Drop for Unnamed {
    fn drop(&mut self) {
        if let Some(temporary) = self.temporary.take() {
            let _ = fs::remove_file(temporary);
        }
    }
}

fn temporary_name() -> String {
    format!(".cowherd-{:016x}.tmp", RandomState::new().hash_one(0))
}
