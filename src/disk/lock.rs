//! Advisory locks on files, which the kernel gives back however the owner dies.
//!
//! The lock is `flock(2)`: it belongs to the open file, so two threads that open a lock file
//! each exclude one another as two processes do.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::{Context as _, DiskError};

/// How a lock is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LockMode {
    /// With any number of others that share it.
    Shared,
    /// Alone.
    Exclusive,
}

/// A lock file that is held, until the value is dropped or the process is gone.
#[derive(Debug)]
pub struct FileLock {
    file: File,
    path: PathBuf,
}

impl FileLock {
    /// Locks the file at `path`, which is created when there is none; waits as long as it takes.
    ///
    /// A holder may remove the file (see [`remove`](Self::remove)). So after locking, the path
    /// is looked at again: when it is another file by now, the lock is worth nothing, and the
    /// next round locks the new one.
    ///
    /// # Errors
    /// When the file can't be opened or locked.
    pub fn acquire(path: &Path, mode: LockMode) -> Result<Self, DiskError> {
        loop {
            let file = open(path)?;
            match mode {
                LockMode::Shared => file.lock_shared(),
                LockMode::Exclusive => file.lock(),
            }
            .on("lock", path)?;
            if let Some(lock) = Self::checked(file, path)? {
                return Ok(lock);
            }
        }
    }

    /// As [`acquire`](Self::acquire), but `None` at once when another holds the lock.
    ///
    /// # Errors
    /// When the file can't be opened or locked for another reason.
    pub fn try_acquire(path: &Path, mode: LockMode) -> Result<Option<Self>, DiskError> {
        loop {
            let file = open(path)?;
            let locked = match mode {
                LockMode::Shared => file.try_lock_shared(),
                LockMode::Exclusive => file.try_lock(),
            };
            match locked {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => return Ok(None),
                Err(TryLockError::Error(e)) => return Err(e).on("lock", path),
            }
            if let Some(lock) = Self::checked(file, path)? {
                return Ok(Some(lock));
            }
        }
    }

    fn checked(file: File, path: &Path) -> Result<Option<Self>, DiskError> {
        let held = file.metadata().on("lock", path)?;
        match fs::metadata(path) {
            Ok(now) if (now.dev(), now.ino()) == (held.dev(), held.ino()) => Ok(Some(Self {
                file,
                path: path.to_owned(),
            })),
            Ok(_) => Ok(None),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(e).on("lock", path),
        }
    }

    /// Writes into the file, for those who wait, who the holder is.
    ///
    /// # Errors
    /// When the file can't be written.
    pub fn set_words(&mut self, words: &str) -> Result<(), DiskError> {
        self.file
            .set_len(0)
            .and_then(|()| self.file.rewind())
            .and_then(|()| self.file.write_all(words.as_bytes()))
            .on("write", &self.path)
    }

    /// Sets the file's modification time to now: when the thing that it guards was last used.
    ///
    /// # Errors
    /// When the time can't be set.
    pub fn touch(&self) -> Result<(), DiskError> {
        self.file
            .set_modified(SystemTime::now())
            .on("write", &self.path)
    }

    /// Removes the file, then gives the lock back. Only for a lock that is held alone: one who
    /// shared it could go on holding a file that is no longer at the path.
    ///
    /// # Errors
    /// When the file can't be removed.
    pub fn remove(self) -> Result<(), DiskError> {
        fs::remove_file(&self.path).on("remove", &self.path)
    }
}

impl Drop for FileLock {
    /// Unlocks, rather than only closing: a child process that was forked a moment ago and has
    /// not come to its `exec` holds a copy of the descriptor, and with it the lock.
    fn drop(&mut self) {
        let _ = self.file.unlock();
    }
}

/// What the holder of the lock file at `path` wrote into it; empty when nothing is known.
pub fn holder(path: &Path) -> String {
    let mut words = String::new();
    if let Ok(file) = File::open(path) {
        let _ = file.take(4096).read_to_string(&mut words);
    }
    words.trim().to_owned()
}

fn open(path: &Path) -> Result<File, DiskError> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
        .on("open", path)
}
