//! The file system: writes that are there whole or not at all, advisory locks, and trees
//! that are walked, measured, copied and removed without ever following a link.
//!
//! Everything here is blocking and knows nothing of layers; the store gives it meaning.

mod atomic;
mod copy;
mod holes;
mod lock;
mod marks;
mod merge;
mod remove;
mod space;
mod unnamed;
mod walk;
mod xattr;

use std::io;
use std::path::{Path, PathBuf};

pub use atomic::{place, sync_directory, sync_file_system, write_atomic};
pub use copy::{Copied, can_reflink, copy_entry, copy_tree, date_back};
pub use holes::{clear, dig_holes};
pub use lock::{FileLock, LockMode, holder};
pub use marks::{make_opaque, make_whiteout};
pub use merge::{Below, merge_layers};
pub use remove::remove_tree;
pub use space::{FileSystem, file_system, page_size};
pub use unnamed::{Unnamed, unnamed_file};
pub use walk::{Entry, Kind, Reach, TreeSize, chown_tree, open_for_reading, tree_size, walk};
pub use xattr::memory_takes_user_xattrs;

/// A file or folder that could not be worked on.
#[derive(Debug, thiserror::Error)]
#[error("can't {verb} {}", path.display())]
pub struct DiskError {
    /// What was tried: `read`, `write`, `remove`.
    pub verb: &'static str,
    /// On what.
    pub path: PathBuf,
    /// What the system said.
    #[source]
    pub source: io::Error,
}

impl DiskError {
    /// The kind of the system's error.
    pub fn kind(&self) -> io::ErrorKind {
        self.source.kind()
    }

    /// What to do about it, where that can be known.
    pub fn hint(&self) -> Option<String> {
        let text = match self.kind() {
            io::ErrorKind::StorageFull => {
                "its file system is full: free some space (`cowherd gc`), or put the store on another one with COWHERD_STORE"
            }
            io::ErrorKind::QuotaExceeded => {
                "the disk quota is used up: free some space (`cowherd gc`), or put the store elsewhere with COWHERD_STORE"
            }
            io::ErrorKind::ReadOnlyFilesystem => {
                "its file system is read-only: put the store on a writable one with COWHERD_STORE"
            }
            io::ErrorKind::PermissionDenied => {
                "it belongs to another user: was Cowherd run with sudo once? Change its owner, or set COWHERD_STORE to a folder of your own"
            }
            io::ErrorKind::Unsupported if self.verb == "lock" => {
                "its file system has no locks: put the store on a local disk with COWHERD_STORE"
            }
            _ => return None,
        };
        Some(text.to_owned())
    }
}

/// Whether this process acts as root: then it can give files away, and others must get through
/// the folders that it makes.
pub fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}

/// Says what was being done to which path when an input or output error came up.
pub(crate) trait Context<T> {
    /// Wraps the error: *can't VERB PATH*.
    fn on(self, verb: &'static str, path: &Path) -> Result<T, DiskError>;
}

impl<T, E: Into<io::Error>> Context<T> for Result<T, E> {
    fn on(self, verb: &'static str, path: &Path) -> Result<T, DiskError> {
        self.map_err(|source| DiskError {
            verb,
            path: path.to_owned(),
            source: source.into(),
        })
    }
}
