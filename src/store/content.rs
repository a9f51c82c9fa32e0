//! What a sealed layer contains, as it was sealed: for who carries it elsewhere.

use std::path::PathBuf;

use super::manifest::Manifest;
use super::records::{self, EntryRecord};
use super::{Layer, Store, StoreError};
use crate::digest::Digest;

/// One entry of a sealed layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sealed {
    /// Where, from the layer's `files` folder: `db/base/1/1259`.
    pub path: PathBuf,
    /// The permission bits; 0 for links and whiteouts, which have none.
    pub mode: u32,
    /// What it is.
    pub kind: SealedKind,
}

/// What an entry of a sealed layer is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SealedKind {
    /// A folder.
    Folder {
        /// Whether it hides what lower layers have in it.
        opaque: bool,
    },
    /// A regular file.
    File {
        /// Its length in bytes.
        size: u64,
        /// The digest of its bytes.
        sha256: Digest,
    },
    /// A symbolic link.
    Link(PathBuf),
    /// The mark for a name that was removed.
    Whiteout,
    /// Anything else, in a word: `fifo`, `socket`.
    Other(String),
}

impl Store {
    /// What a layer contains, as its manifest says, in the order in which it was hashed: a folder before what is
    /// in it, names in the order of their bytes. The manifest is held against the layer's name; the files are
    /// not looked at.
    ///
    /// # Errors
    /// When the manifest can't be read or isn't that of this layer.
    pub fn content(&self, layer: &Layer) -> Result<Vec<Sealed>, StoreError> {
        let path = self.inner.layer_path(&layer.digest()).join("manifest.json");
        let manifest = Manifest {
            entries: records::read(&path)?,
            bytes: layer.bytes(),
            largest_file: layer.largest_file(),
        };
        let found = manifest.digest(layer.parent());
        if found != layer.digest() {
            return Err(StoreError::Damaged {
                path,
                source: format!("it is the manifest of {}", found.short()).into(),
            });
        }
        Ok(manifest.entries.into_iter().map(sealed).collect())
    }
}

fn sealed(entry: EntryRecord) -> Sealed {
    let kind = match (entry.kind.as_str(), entry.size, entry.sha256, entry.target) {
        ("directory", ..) => SealedKind::Folder { opaque: false },
        ("opaque", ..) => SealedKind::Folder { opaque: true },
        ("file", Some(size), Some(sha256), _) => SealedKind::File {
            size,
            sha256: sha256.0,
        },
        ("symlink", _, _, Some(target)) => SealedKind::Link(target.into_path()),
        ("whiteout", ..) => SealedKind::Whiteout,
        _ => SealedKind::Other(entry.kind),
    };
    Sealed {
        path: entry.path.into_path(),
        mode: entry.mode,
        kind,
    }
}
