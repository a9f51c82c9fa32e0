//! Sealed layers, the leases on them, and everything else that outlives a command.
//!
//! ```text
//! STORE/
//!   format                 "cowherd store 1\n"; any other version is refused
//!   layers/DIGEST/         one sealed layer
//!     files/SERVICE/       what overlayfs gets as a lower folder, one for each service
//!     layer.json           what `find` needs: parent, label, engine, sizes
//!     manifest.json        every entry with its mode, size and SHA-256, for `verify`
//!   keys/KEY               "DIGEST\nLABEL\n": what the step KEY produced; written last
//!   snapshots/ID.json      a named snapshot; ID = digest of (spec file, name), the file being empty for
//!                          an imported one; its modification time is the last use
//!   kept/ID/               what a test left: its layers, output and logs; see `store/kept.rs`
//!   locks/key-KEY.lock     held exclusively by the one who builds KEY; says in words who that is
//!   locks/layer-DIGEST.lock  held shared by whoever uses the layer, exclusively by who removes it;
//!                          its modification time is the last use
//!   locks/gc.lock, locks/history.lock
//!   scratch/OWNER.lock     held exclusively by one open `Store`
//!   scratch/OWNER/N/       the private folders of that store: drafts, containers, what is being
//!                          deleted
//!   quarantine/            what `fsck` found damaged, as it was: layers, keys, snapshots, kept
//!   history.sqlite         durations and outcomes of tests; losing it loses nothing else
//! ```
//!
//! # Why nothing is ever half there
//!
//! *A layer* is made in a scratch folder. [`Draft::seal`] hashes it, flushes the file system and
//! checks the result, renames the folder to `layers/DIGEST`, flushes `layers`, and only then
//! writes the name, `keys/KEY`, in the same manner. A layer that no key names does not exist for
//! [`Store::find`]; a key whose layer is missing doesn't either.
//!
//! *Who uses a layer* holds its lock shared. A [`Layer`] is proof of that: `find` and `seal` give
//! it out only with the lock held and the folder there, so a layer in hand can't be removed.
//! One process opens each lock once, however many containers it starts.
//!
//! *Who removes a layer* ([`Store::gc`]) has its lock alone. With the locks of all candidates in
//! hand it reads the snapshot records again: [`Store::record_snapshot`] takes layers that are
//! held, so a record that matters was written before the lock could be had. Then the keys go,
//! then the folder is renamed to scratch, then the lock is given back, and only then are the
//! files deleted. Whoever is stopped between two of these leaves a layer without a name, or
//! scratch.
//!
//! gc never removes a layer that one which stays lies on, and [`Store::find_on`] refuses a layer
//! that was built on another parent: two builds of one step need not give the same bytes.
//! [`Store::find_chain`] goes from the top down by what each layer says it lies on, so that a layer may stand for
//! several steps.
//!
//! [`Store::fsck`] moves what is damaged to `quarantine`: a layer with its lock in hand, as gc does, and a key with the
//! right to build it. It holds `gc.lock`, so what it looks at doesn't go meanwhile.
//!
//! *Scratch* is made only below `scratch/OWNER` and only while `OWNER.lock` is held, which the
//! kernel gives back however a process dies. [`Store::sweep`] removes what it can lock. No
//! process ids, no timestamps: they would be wrong across containers and clock changes.
//!
//! *One builder for each key*: see [`Store::lock_key`].
//!
//! Locks are `flock(2)`, so a store must be on a file system of this machine.

mod chain;
mod content;
mod draft;
mod error;
mod fsck;
mod gc;
mod history;
mod kept;
mod key;
mod layer;
mod look;
mod manifest;
mod records;
mod scratch;
mod snapshot;
mod stored;
mod usage;

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use crate::digest::Digest;
use crate::disk::{self, Context as _, DiskError, FileLock};

pub use content::{Sealed, SealedKind};
pub use draft::{Draft, LayerInfo};
pub use error::StoreError;
pub use fsck::{Checked, Damage};
pub use gc::{GcOutcome, GcPolicy, RemovedLayer};
pub use history::{History, HistoryError, TestResult};
pub use kept::{KeptLimits, KeptRecord};
pub use key::KeyLock;
pub(crate) use key::unique_key;
pub use layer::{Layer, Lease};
pub use look::LayerFacts;
pub use manifest::{Difference, Hashed};
pub use scratch::{Scratch, Swept};
pub use snapshot::{SnapshotRecord, StoredService};
pub use stored::spec_of;
pub use usage::{SnapshotUsage, Usage};

use scratch::Owner;

/// The content of `STORE/format`.
const FORMAT: &str = "cowherd store 1\n";
const FOLDERS: [&str; 6] = ["layers", "keys", "snapshots", "kept", "locks", "scratch"];

/// An open store. Clones are the same store: they share locks and scratch.
#[derive(Debug, Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    path: PathBuf,
    layers: PathBuf,
    /// The mode of folders: users' services must get through them when Cowherd runs as root.
    folder_mode: u32,
    /// The layer locks that this process holds, each opened once.
    held: Mutex<HashMap<Digest, Weak<FileLock>>>,
    /// The keys that it has the right to build, or is about to give back; how often.
    building: Mutex<HashMap<Digest, usize>>,
    owner: Mutex<Option<Owner>>,
}

impl Store {
    /// Where the store is: `$COWHERD_STORE`, else `$XDG_DATA_HOME/cowherd`, else
    /// `$HOME/.local/share/cowherd`. Empty variables count as unset, and so does a relative
    /// `XDG_DATA_HOME` (XDG Base Directory Specification).
    ///
    /// ```
    /// use cowherd::store::Store;
    /// let path = Store::default_path(&|name| (name == "HOME").then(|| "/home/ann".into()))?;
    /// assert_eq!(path.to_str(), Some("/home/ann/.local/share/cowherd"));
    /// # Ok::<(), cowherd::store::StoreError>(())
    /// ```
    ///
    /// # Errors
    /// When none of the variables is set.
    pub fn default_path(
        variable: &dyn Fn(&str) -> Option<OsString>,
    ) -> Result<PathBuf, StoreError> {
        let set = |name| {
            variable(name)
                .filter(|value| !value.is_empty())
                .map(PathBuf::from)
        };
        set("COWHERD_STORE")
            .or_else(|| {
                set("XDG_DATA_HOME")
                    .filter(|path| path.is_absolute())
                    .map(|path| path.join("cowherd"))
            })
            .or_else(|| set("HOME").map(|home| home.join(".local/share/cowherd")))
            .ok_or(StoreError::NoHome)
    }

    /// Opens the store at `path`, and makes it where there is nothing or an empty folder.
    ///
    /// # Errors
    /// When the folder can't be made or read, holds something else, or a store of another format.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let folder_mode = if disk::is_root() { 0o755 } else { 0o700 };
        if !path.exists() {
            fs::create_dir_all(path).on("create the store", path)?;
            set_mode(path, folder_mode)?;
        }
        let path = fs::canonicalize(path).on("open the store", path)?;
        check_format(&path)?;
        for name in FOLDERS {
            let folder = path.join(name);
            match fs::create_dir(&folder) {
                Ok(()) => set_mode(&folder, folder_mode)?,
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
                Err(e) => return Err(e).on("create", &folder)?,
            }
        }
        let layers = path.join("layers");
        Ok(Self {
            inner: Arc::new(Inner {
                path,
                layers,
                folder_mode,
                held: Mutex::default(),
                building: Mutex::default(),
                owner: Mutex::default(),
            }),
        })
    }

    /// The store's folder: absolute, without links.
    pub fn path(&self) -> &Path {
        &self.inner.path
    }

    /// The folder that holds the layers: overlays are mounted from here, so that the names of
    /// their lower folders stay short (see [`Layer::lower`]).
    pub fn layers_dir(&self) -> &Path {
        &self.inner.layers
    }
}

impl Inner {
    fn key_path(&self, key: &Digest) -> PathBuf {
        self.path.join(format!("keys/{key}"))
    }

    fn layer_path(&self, digest: &Digest) -> PathBuf {
        self.layers.join(digest.to_string())
    }

    fn layer_lock_path(&self, digest: &Digest) -> PathBuf {
        self.path.join(format!("locks/layer-{digest}.lock"))
    }

    fn lock_path(&self, name: &str) -> PathBuf {
        self.path.join(format!("locks/{name}.lock"))
    }

    /// Gives a layer the name `key`.
    fn write_key(
        self: &Arc<Self>,
        key: &Digest,
        digest: &Digest,
        label: &str,
    ) -> Result<(), StoreError> {
        self.write(
            &self.key_path(key),
            format!("{digest}\n{label}\n").as_bytes(),
        )
    }

    /// Writes a file of the store whole or not at all; the temporary file is scratch.
    fn write(self: &Arc<Self>, path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
        let scratch = Scratch::new(self)?;
        Ok(disk::place(&scratch.path().join("new"), path, bytes)?)
    }
}

/// A guard, whatever another thread did while it had it: the maps are whole after each statement.
fn guard<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn set_mode(folder: &Path, mode: u32) -> Result<(), DiskError> {
    fs::set_permissions(folder, Permissions::from_mode(mode)).on("write", folder)
}

fn check_format(path: &Path) -> Result<(), StoreError> {
    let file = path.join("format");
    match fs::read(&file) {
        Ok(found) if found == FORMAT.as_bytes() => return Ok(()),
        Ok(found) => {
            let found = String::from_utf8_lossy(&found)
                .trim()
                .chars()
                .take(60)
                .collect();
            return Err(StoreError::OtherFormat {
                path: path.to_owned(),
                found,
            });
        }
        Err(e) if e.kind() == io::ErrorKind::NotFound => {}
        Err(e) => return Err(e).on("read", &file)?,
    }
    for entry in fs::read_dir(path).on("list", path)? {
        if !may_be_in_a_new_store(&entry.on("list", path)?.file_name()) {
            return Err(StoreError::NotAStore {
                path: path.to_owned(),
            });
        }
    }
    Ok(disk::write_atomic(&file, FORMAT.as_bytes())?)
}

/// What stands in a store that another process is making at this moment, or on a fresh disk.
fn may_be_in_a_new_store(name: &OsStr) -> bool {
    let name = name.to_string_lossy();
    FOLDERS.contains(&&*name)
        || name == "format"
        || name == "lost+found"
        || (name.starts_with(".format.") && name.ends_with(".tmp"))
}
