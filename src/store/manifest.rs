//! What a layer contains: the list that its digest is made of, and the check against it.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::records::{self, EntryRecord, Hex, Name};
use super::{Layer, Store, StoreError};
use crate::digest::{Digest, Labelled};
use crate::disk::{self, Context as _, Entry, Kind, Reach, open_for_reading};

/// The digests of files of a draft that were known when they were written, by their paths from its folder of files on.
pub type Hashed = BTreeMap<PathBuf, Digest>;

/// Every entry below a layer's `files`, sorted as the walk gives them.
pub(super) struct Manifest {
    pub(super) entries: Vec<EntryRecord>,
    pub(super) bytes: u64,
    pub(super) largest_file: u64,
}

impl Manifest {
    /// Reads and hashes the tree, but for the files whose digests are known.
    pub(super) fn of(files: &Path, reach: Reach, known: &Hashed) -> Result<Self, StoreError> {
        let mut manifest = Self {
            entries: Vec::new(),
            bytes: 0,
            largest_file: 0,
        };
        disk::walk(files, reach, &mut |entry| {
            let record = record(entry, reach, known)?;
            if let Some(size) = record.size {
                manifest.bytes += size;
                manifest.largest_file = manifest.largest_file.max(size);
            }
            manifest.entries.push(record);
            Ok::<(), StoreError>(())
        })?;
        Ok(manifest)
    }

    /// The digest of the layer. Owners and times are no part of it: they are this machine's and
    /// this moment's, and two builds of one step should meet in one layer.
    pub(super) fn digest(&self, parent: Option<Digest>) -> Digest {
        let parent = parent.map(|parent| parent.to_string()).unwrap_or_default();
        let mut digest = Labelled::new("cowherd layer 1").field("parent", parent.as_bytes());
        for entry in &self.entries {
            digest = digest
                .field("path", entry.path.as_path().as_os_str().as_bytes())
                .field("kind", entry.kind.as_bytes())
                .field("mode", &entry.mode.to_be_bytes());
            if let (Some(size), Some(sha256)) = (entry.size, entry.sha256) {
                digest = digest
                    .field("size", &size.to_be_bytes())
                    .field("sha256", sha256.0.to_string().as_bytes());
            }
            if let Some(target) = &entry.target {
                digest = digest.field("target", target.as_path().as_os_str().as_bytes());
            }
        }
        digest.finish()
    }
}

fn record(entry: &Entry, reach: Reach, known: &Hashed) -> Result<EntryRecord, StoreError> {
    let mut record = EntryRecord {
        path: Name::new(&entry.relative),
        kind: String::new(),
        mode: entry.mode(),
        size: None,
        sha256: None,
        target: None,
    };
    match entry.kind() {
        Kind::Directory if entry.is_opaque(reach)? => "opaque".clone_into(&mut record.kind),
        Kind::Directory => "directory".clone_into(&mut record.kind),
        Kind::File => {
            "file".clone_into(&mut record.kind);
            let (sha256, size) = match (known.get(&entry.relative), reach) {
                (Some(sha256), _) => (*sha256, entry.metadata.len()),
                (None, Reach::AsIs) => {
                    let file = fs::File::open(&entry.path).on("read", &entry.path)?;
                    Digest::of_reader(file).on("read", &entry.path)?
                }
                (None, Reach::Force) => {
                    Digest::of_reader(open_for_reading(entry)?).on("read", &entry.path)?
                }
            };
            record.size = Some(size);
            record.sha256 = Some(Hex(sha256));
        }
        Kind::Symlink => {
            "symlink".clone_into(&mut record.kind);
            // Links have no mode of their own.
            record.mode = 0;
            let target = fs::read_link(&entry.path).on("read", &entry.path)?;
            record.target = Some(Name::new(&target));
        }
        Kind::Whiteout => {
            "whiteout".clone_into(&mut record.kind);
            record.mode = 0;
        }
        Kind::Fifo => "fifo".clone_into(&mut record.kind),
        Kind::Socket => "socket".clone_into(&mut record.kind),
        Kind::Device => record.kind = format!("device {:#x}", entry.metadata.rdev()),
    }
    Ok(record)
}

/// One entry of a sealed layer that is not as it was sealed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// Where, from the layer's `files` folder: `db/base/1/1259`.
    pub path: PathBuf,
    /// In words: `missing`, `new`, `content changed`, `mode 600, was 644`.
    pub what: String,
}

impl Store {
    /// Reads every byte of a layer and compares it with what was sealed. An empty list is what
    /// one wants to see.
    ///
    /// # Errors
    /// When the layer or its manifest can't be read.
    pub fn verify(&self, layer: &Layer) -> Result<Vec<Difference>, StoreError> {
        let folder = self.inner.layer_path(&layer.digest());
        let sealed: Vec<EntryRecord> = records::read(&folder.join("manifest.json"))?;
        let now = Manifest::of(&folder.join("files"), Reach::AsIs, &Hashed::new())?;
        Ok(differences(&sealed, &now, layer.parent(), &layer.digest()))
    }
}

/// How what is there differs from what was sealed as the layer `digest` on `parent`.
pub(super) fn differences(
    sealed: &[EntryRecord],
    now: &Manifest,
    parent: Option<Digest>,
    digest: &Digest,
) -> Vec<Difference> {
    let mut was: BTreeMap<&Path, &EntryRecord> = sealed
        .iter()
        .map(|entry| (entry.path.as_path(), entry))
        .collect();
    let mut differences = Vec::new();
    for entry in &now.entries {
        let path = entry.path.as_path();
        let what = match was.remove(path) {
            None => "new".to_owned(),
            Some(sealed) if sealed == entry => continue,
            Some(sealed) => change(sealed, entry),
        };
        differences.push(Difference {
            path: path.to_owned(),
            what,
        });
    }
    differences.extend(was.into_keys().map(|path| Difference {
        path: path.to_owned(),
        what: "missing".to_owned(),
    }));
    if differences.is_empty() && now.digest(parent) != *digest {
        // Then someone edited the manifest too.
        let what = "the digest is not the layer's name".to_owned();
        differences.push(Difference {
            path: PathBuf::new(),
            what,
        });
    }
    differences
}

impl std::fmt::Display for Difference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.path.as_os_str().is_empty() {
            true => f.write_str(&self.what),
            false => write!(f, "{}: {}", self.path.display(), self.what),
        }
    }
}

fn change(was: &EntryRecord, is: &EntryRecord) -> String {
    if was.kind != is.kind {
        format!("{}, was {}", is.kind, was.kind)
    } else if was.size != is.size {
        let size = |entry: &EntryRecord| entry.size.unwrap_or_default();
        format!("{} bytes, was {}", size(is), size(was))
    } else if was.mode != is.mode {
        format!("mode {:o}, was {:o}", is.mode, was.mode)
    } else {
        "content changed".to_owned()
    }
}
