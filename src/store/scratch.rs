//! Private folders of one open store, and the sweeping of those whose owner is gone.

use std::fs::{self, DirBuilder};
use std::hash::{BuildHasher as _, RandomState};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::{Inner, Store, StoreError, guard, set_mode};
use crate::disk::{self, Context as _, DiskError, FileLock, LockMode, Reach};

/// The lock that all scratch folders of one open store live under.
#[derive(Debug)]
pub(super) struct Owner {
    folder: PathBuf,
    lock: FileLock,
    next: AtomicU64,
}

impl Owner {
    fn new(inner: &Inner) -> Result<Self, StoreError> {
        let scratch = inner.path.join("scratch");
        loop {
            // Short: the path of a Unix socket in a scratch folder has at most 107 bytes.
            let name = format!("{:08x}", RandomState::new().hash_one(0) & 0xffff_ffff);
            let path = scratch.join(format!("{name}.lock"));
            // Someone else's by a rare chance, or taken by a sweeper before it was locked.
            if path.exists() {
                continue;
            }
            let Some(lock) = FileLock::try_acquire(&path, LockMode::Exclusive)? else {
                continue;
            };
            let folder = scratch.join(name);
            match DirBuilder::new().mode(inner.folder_mode).create(&folder) {
                Ok(()) => {}
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {
                    drop(lock);
                    continue;
                }
                Err(e) => {
                    let _ = lock.remove();
                    return Err(e).on("create", &folder)?;
                }
            }
            set_mode(&folder, inner.folder_mode)?;
            return Ok(Self {
                folder,
                lock,
                next: AtomicU64::new(0),
            });
        }
    }

    fn close(self) {
        // A folder that is not empty could not be removed before: it is left to the sweeper,
        // with the file that lets it be locked.
        if fs::remove_dir(&self.folder).is_ok() {
            let _ = self.lock.remove();
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        if let Some(owner) = guard(&self.owner).take() {
            owner.close();
        }
    }
}

/// A private folder. It is removed when the value is dropped; if that can't be done, or the
/// process dies first, by the next [`Store::sweep`] after the end of this process.
#[derive(Debug)]
pub struct Scratch {
    path: PathBuf,
    // Keeps the owner's lock.
    inner: Arc<Inner>,
}

impl Scratch {
    pub(super) fn new(inner: &Arc<Inner>) -> Result<Self, StoreError> {
        let path = {
            let mut owner = guard(&inner.owner);
            let owner = match &mut *owner {
                Some(owner) => owner,
                none => none.insert(Owner::new(inner)?),
            };
            owner
                .folder
                .join(owner.next.fetch_add(1, Ordering::Relaxed).to_string())
        };
        DirBuilder::new()
            .mode(inner.folder_mode)
            .create(&path)
            .on("create", &path)?;
        if inner.folder_mode != 0o700 {
            // The umask may have taken away what services need.
            set_mode(&path, inner.folder_mode)?;
        }
        Ok(Self {
            path,
            inner: Arc::clone(inner),
        })
    }

    /// The name that all scratch folders of this open store have in common, and those of no other.
    pub fn owner(&self) -> String {
        let owner = self.path.parent().and_then(Path::file_name);
        owner.unwrap_or_default().to_string_lossy().into_owned()
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Removes the folder and says whether that could be done.
    ///
    /// # Errors
    /// When something in it can't be removed.
    pub fn remove(self) -> Result<(), StoreError> {
        Ok(disk::remove_tree(&self.path)?)
    }

    pub(super) fn inner(&self) -> &Arc<Inner> {
        &self.inner
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = disk::remove_tree(&self.path);
    }
}

/// What a sweep did.
#[derive(Debug, Default)]
pub struct Swept {
    /// Private folders removed.
    pub folders: u64,
    /// The bytes that they took on the disk.
    pub bytes: u64,
    /// What could not be removed, and stays for the next time.
    pub failed: Vec<DiskError>,
}

impl Store {
    /// Makes a private folder on the store's file system.
    ///
    /// # Errors
    /// When it can't be made.
    pub fn scratch(&self) -> Result<Scratch, StoreError> {
        Scratch::new(&self.inner)
    }

    /// Removes the scratch folders of owners that are gone. One that lives keeps its lock, and is
    /// not looked into.
    ///
    /// # Errors
    /// When the scratch folder can't be listed; a folder that can't be removed is no error, see
    /// [`Swept::failed`].
    pub fn sweep(&self) -> Result<Swept, StoreError> {
        let scratch = self.inner.path.join("scratch");
        let mut swept = Swept::default();
        for entry in fs::read_dir(&scratch).on("list", &scratch)? {
            let entry = entry.on("list", &scratch)?;
            let lock = entry.path().with_extension("lock");
            match sweep_owner(&lock, &mut swept) {
                Ok(()) => {}
                Err(e) if e.kind() == io::ErrorKind::NotFound => {}
                Err(e) => swept.failed.push(e),
            }
        }
        Ok(swept)
    }
}

/// A folder without a lock file is dead too: the file is made first and removed last. Then this
/// makes the file, and has the lock that it takes to remove the folder.
fn sweep_owner(path: &Path, swept: &mut Swept) -> Result<(), DiskError> {
    let Some(lock) = FileLock::try_acquire(path, LockMode::Exclusive)? else {
        return Ok(());
    };
    let folder = path.with_extension("");
    if let Ok(entries) = fs::read_dir(&folder) {
        let folders = entries.count() as u64;
        let bytes = disk::tree_size(&folder, Reach::Force).map_or(0, |size| size.allocated);
        disk::remove_tree(&folder)?;
        swept.folders += folders;
        swept.bytes += bytes;
    }
    lock.remove()
}

impl Store {
    /// The files of this name in scratch folders of all who have this store open, each with its
    /// [owner](Scratch::owner).
    pub(crate) fn find_in_scratch(&self, name: &str) -> Result<Vec<(String, PathBuf)>, StoreError> {
        let scratch = self.inner.path.join("scratch");
        let mut found = Vec::new();
        for owner in fs::read_dir(&scratch).on("list", &scratch)? {
            let owner = owner.on("list", &scratch)?;
            // What goes away meanwhile isn't there.
            for folder in fs::read_dir(owner.path()).into_iter().flatten().flatten() {
                let path = folder.path().join(name);
                if fs::symlink_metadata(&path).is_ok() {
                    found.push((owner.file_name().to_string_lossy().into_owned(), path));
                }
            }
        }
        Ok(found)
    }
}
