//! Looking for damage: every file against what was sealed, every name against what it names.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::gc::names;
use super::kept;
use super::layer::parse_key;
use super::manifest::{Difference, Hashed, Manifest, differences};
use super::records::{self, EntryRecord, LayerRecord, SnapshotFile};
use super::{Store, StoreError};
use crate::cause::in_words;
use crate::digest::Digest;
use crate::disk::{self, Context as _, FileLock, LockMode, Reach};

/// Where damaged things are put, below the store.
const QUARANTINE: &str = "quarantine";

/// What [`Store::fsck`] found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Checked {
    /// How many layers were read.
    pub layers: usize,
    /// The bytes of their files.
    pub bytes: u64,
    /// What is damaged.
    pub damage: Vec<Damage>,
    /// Snapshots some of whose layers are not there, by name; they are built again when they are used.
    pub incomplete: Vec<String>,
    /// How many layers have no name: `gc` removes them.
    pub unnamed: usize,
}

/// One damaged thing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// What it is, from the store's folder: `layers/DIGEST`, `keys/KEY`, `snapshots/ID.json`, `kept/ID`.
    pub path: PathBuf,
    /// The step or snapshot in words, as far as that is known.
    pub label: String,
    /// What is wrong with it, one thing each.
    pub faults: Vec<String>,
    /// Where it was put, from the store's folder; `None` when it stays where it is, for the reason that is the last of
    /// `faults`.
    pub moved: Option<PathBuf>,
}

impl Store {
    /// Reads every byte of every layer and holds it against what was sealed; looks at names and records too. What is
    /// damaged is moved whole to the folder `quarantine` of the store, where nobody finds it, and is built again when
    /// it is needed; nothing is repaired and nothing removed. A layer that is in use stays.
    ///
    /// No `gc` runs meanwhile; builds and runs do. `progress` is told each layer's step before it is read.
    ///
    /// # Errors
    /// When the store itself can't be read, or something damaged not be moved.
    pub fn fsck(&self, progress: &mut dyn FnMut(&str)) -> Result<Checked, StoreError> {
        let _no_gc = FileLock::acquire(&self.inner.lock_path("gc"), LockMode::Exclusive)?;
        let mut checked = Checked::default();
        let mut layers = names(self.layers_dir())?;
        layers.sort_unstable();
        for name in layers {
            self.check_layer(&name, &mut checked, progress)?;
        }
        let named = self.check_keys(&mut checked)?;
        for name in names(self.layers_dir())? {
            let unnamed = Digest::parse(&name).is_some_and(|digest| !named.contains(&digest));
            checked.unnamed += usize::from(unnamed);
        }
        self.check_snapshots(&mut checked)?;
        self.check_kept(&mut checked)?;
        Ok(checked)
    }

    fn check_layer(
        &self,
        name: &str,
        checked: &mut Checked,
        progress: &mut dyn FnMut(&str),
    ) -> Result<(), StoreError> {
        let path = Path::new("layers").join(name);
        let Some(digest) = Digest::parse(name) else {
            let faults = vec!["it is no layer: its name is no digest".to_owned()];
            return self.put_aside(&path, String::new(), faults, checked);
        };
        let folder = self.inner.layer_path(&digest);
        let (label, faults) = match records::read::<LayerRecord>(&folder.join("layer.json")) {
            Ok(record) => {
                progress(&record.label);
                checked.layers += 1;
                let faults = match faults(&folder, &digest, &record, checked) {
                    Ok(faults) => faults,
                    Err(StoreError::Disk(e)) if e.kind() == io::ErrorKind::PermissionDenied => {
                        // It may be as it should be: this user can't tell.
                        let fault = format!("{e}: permission denied; run fsck as the user who may");
                        checked.damage.push(Damage {
                            path,
                            label: record.label,
                            faults: vec![fault],
                            moved: None,
                        });
                        return Ok(());
                    }
                    Err(error) => vec![in_words(&error)],
                };
                (record.label, faults)
            }
            Err(error) => (String::new(), vec![in_words(&error)]),
        };
        match faults.is_empty() {
            true => Ok(()),
            false => self.put_aside(&path, label, faults, checked),
        }
    }

    /// Gives the layers that have a name.
    fn check_keys(&self, checked: &mut Checked) -> Result<BTreeSet<Digest>, StoreError> {
        let mut named = BTreeSet::new();
        let mut keys = names(&self.inner.path.join("keys"))?;
        keys.sort_unstable();
        for name in keys {
            let path = Path::new("keys").join(&name);
            let Some(key) = Digest::parse(&name) else {
                let faults = vec!["it is no name: it is called as no key is".to_owned()];
                self.put_aside(&path, String::new(), faults, checked)?;
                continue;
            };
            // Who builds it writes it anew.
            let lock = self.inner.lock_path(&format!("key-{key}"));
            let Some(lock) = FileLock::try_acquire(&lock, LockMode::Exclusive)? else {
                continue;
            };
            let text = fs::read_to_string(self.inner.key_path(&key));
            let (label, fault) = match text.as_deref().ok().and_then(parse_key) {
                Some((digest, _)) if self.has(&digest) => {
                    named.insert(digest);
                    lock.remove()?;
                    continue;
                }
                Some((digest, label)) => {
                    let fault =
                        format!("it names the layer {}, which is not there", digest.short());
                    (label.to_owned(), fault)
                }
                None => (String::new(), "it names no layer".to_owned()),
            };
            self.put_aside(&path, label, vec![fault], checked)?;
            lock.remove()?;
        }
        Ok(named)
    }

    fn check_snapshots(&self, checked: &mut Checked) -> Result<(), StoreError> {
        let folder = self.inner.path.join("snapshots");
        let mut files = names(&folder)?;
        files.sort_unstable();
        for name in files {
            let file = folder.join(&name);
            let (label, fault) = match records::read::<SnapshotFile>(&file) {
                Ok(record) => {
                    let spec = record.spec.as_path();
                    if self.inner.snapshot_path(&record.name, spec) == file {
                        if record.layers.iter().any(|layer| !self.has(&layer.0)) {
                            checked.incomplete.push(record.name);
                        }
                        continue;
                    }
                    (
                        record.name,
                        "it is the record of another snapshot".to_owned(),
                    )
                }
                Err(StoreError::Disk(e)) if e.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => (String::new(), in_words(&error)),
            };
            let path = Path::new("snapshots").join(&name);
            self.put_aside(&path, label, vec![fault], checked)?;
        }
        Ok(())
    }

    fn check_kept(&self, checked: &mut Checked) -> Result<(), StoreError> {
        let folder = self.inner.path.join("kept");
        let mut ids = names(&folder)?;
        ids.sort_unstable();
        for id in ids {
            let path = folder.join(&id);
            let (label, fault) = match kept::read(path.clone()) {
                Ok(record) => {
                    let gone = record.layers.iter().find(|layer| !self.has(layer));
                    let Some(gone) = gone else { continue };
                    let fault =
                        format!("it lies on the layer {}, which is not there", gone.short());
                    (record.test, fault)
                }
                // Dropped meanwhile.
                Err(_) if !path.exists() => continue,
                Err(error) => (String::new(), in_words(&error)),
            };
            let path = Path::new("kept").join(&id);
            self.put_aside(&path, label, vec![fault], checked)?;
        }
        Ok(())
    }

    /// Moves something damaged to where nobody looks for it, unless it is a layer in use.
    fn put_aside(
        &self,
        path: &Path,
        label: String,
        mut faults: Vec<String>,
        checked: &mut Checked,
    ) -> Result<(), StoreError> {
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let layer = Digest::parse(&name).filter(|_| path.starts_with("layers"));
        let lock = match &layer {
            None => None,
            Some(digest) => {
                let lock = self.inner.layer_lock_path(digest);
                let lock = FileLock::try_acquire(&lock, LockMode::Exclusive)?;
                if lock.is_none() {
                    faults.push("it is in use, and stays: run fsck again later".to_owned());
                    checked.damage.push(Damage {
                        path: path.to_owned(),
                        label,
                        faults,
                        moved: None,
                    });
                    return Ok(());
                }
                lock
            }
        };
        let from = self.inner.path.join(path);
        let kind = path.parent().unwrap_or(Path::new(""));
        let folder = self.inner.path.join(QUARANTINE).join(kind);
        fs::create_dir_all(&folder).on("create", &folder)?;
        // What was put aside before, under the same name, stays too.
        let (mut free, mut number) = (name.clone(), 0);
        while fs::symlink_metadata(folder.join(&free)).is_ok() {
            number += 1;
            free = format!("{name}.{number}");
        }
        fs::rename(&from, folder.join(&free)).on("move", &from)?;
        for changed in [&folder, &self.inner.path.join(kind)] {
            disk::sync_directory(changed)?;
        }
        if let Some(lock) = lock {
            lock.remove()?;
        }
        checked.damage.push(Damage {
            path: path.to_owned(),
            label,
            faults,
            moved: Some(Path::new(QUARANTINE).join(kind).join(free)),
        });
        Ok(())
    }

    /// Where `fsck` puts what is damaged; it need not be there.
    pub fn quarantine(&self) -> PathBuf {
        self.inner.path.join(QUARANTINE)
    }
}

/// What is wrong with a layer whose record can be read.
fn faults(
    folder: &Path,
    digest: &Digest,
    record: &LayerRecord,
    checked: &mut Checked,
) -> Result<Vec<String>, StoreError> {
    let sealed: Vec<EntryRecord> = records::read(&folder.join("manifest.json"))?;
    let now = Manifest::of(&folder.join("files"), Reach::AsIs, &Hashed::new())?;
    checked.bytes += now.bytes;
    let parent = record.parent.map(|parent| parent.0);
    let found = differences(&sealed, &now, parent, digest);
    let mut faults: Vec<String> = found.iter().map(Difference::to_string).collect();
    let entries = now.entries.len() as u64;
    let counts = (record.bytes, record.entries, record.largest_file);
    if record.digest.0 != *digest {
        faults.push("layer.json: it is that of another layer".to_owned());
    } else if faults.is_empty() && counts != (now.bytes, entries, now.largest_file) {
        faults.push("layer.json: its sizes are not the layer's".to_owned());
    }
    Ok(faults)
}
