//! States of tests that were kept: what a failing test left behind.
//!
//! `kept/ID/kept.json` says what it was; beside it lie `output`, all that the test printed, and `logs`, the end of what
//! its services logged. Its writable layer is a layer like any other, which the record keeps from `gc`.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use super::records::{self, Hex, Name};
use super::{Layer, Scratch, Store, StoreError, unique_key};
use crate::digest::Digest;
use crate::disk::{self, Context as _};

/// A state that was kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptRecord {
    /// Its name: eight digits.
    pub id: String,
    /// The test.
    pub test: String,
    /// The spec file that the test is of.
    pub spec: PathBuf,
    /// The snapshot that it was a copy of.
    pub snapshot: String,
    /// How the test ended, in words.
    pub outcome: String,
    /// The keys of its layers, the lowest first; the last is its own.
    pub keys: Vec<Digest>,
    /// The layers.
    pub layers: Vec<Digest>,
    /// The lengths of the files in its own layer, in bytes.
    pub bytes: u64,
    /// The variables that the test had from Cowherd and from its spec.
    pub environment: Vec<(String, String)>,
    /// When.
    pub kept_at: SystemTime,
    /// The folder with the record.
    pub folder: PathBuf,
}

/// What is kept at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeptLimits {
    /// Older ones go.
    pub age: Duration,
    /// Beyond this many bytes of their own, the oldest go.
    pub bytes: u64,
}

impl Default for KeptLimits {
    /// Two weeks, 2 GB.
    fn default() -> Self {
        Self {
            age: Duration::from_secs(14 * 24 * 60 * 60),
            bytes: 2 << 30,
        }
    }
}

/// `kept.json`.
#[derive(Debug, Serialize, Deserialize)]
struct KeptFile {
    test: String,
    spec: Name,
    snapshot: String,
    outcome: String,
    keys: Vec<Hex>,
    layers: Vec<Hex>,
    bytes: u64,
    environment: Vec<(String, String)>,
    /// Microseconds since 1970: several are kept in one second.
    kept_at: u64,
}

impl KeptRecord {
    /// A name for the state that the test `test` of `spec` leaves now, and the key for its layer.
    pub fn name(test: &str, spec: &Path) -> (String, Digest) {
        let key = unique_key("cowherd kept 1", &format!("{}\n{test}", spec.display()));
        (key.to_string()[..8].to_owned(), key)
    }

    /// All that the test printed.
    pub fn output(&self) -> PathBuf {
        self.folder.join("output")
    }

    /// The end of the services' logs.
    pub fn logs(&self) -> PathBuf {
        self.folder.join("logs")
    }
}

impl Store {
    /// Keeps a state, with what its test printed and what its services logged. The layers must be held meanwhile.
    ///
    /// # Errors
    /// When something can't be written; nothing is left then.
    pub fn keep(
        &self,
        record: &KeptRecord,
        output: &mut dyn io::Read,
        logs: &str,
    ) -> Result<(), StoreError> {
        let scratch = Scratch::new(&self.inner)?;
        let new = scratch.path().join("kept");
        fs::create_dir(&new).on("create", &new)?;
        let path = new.join("output");
        let mut file = fs::File::create(&path).on("create", &path)?;
        io::copy(output, &mut file).on("write", &path)?;
        let path = new.join("logs");
        fs::write(&path, logs).on("write", &path)?;
        let path = new.join("kept.json");
        let hex = |list: &[Digest]| list.iter().copied().map(Hex).collect();
        let file = KeptFile {
            test: record.test.clone(),
            spec: Name::new(&record.spec),
            snapshot: record.snapshot.clone(),
            outcome: record.outcome.clone(),
            keys: hex(&record.keys),
            layers: hex(&record.layers),
            bytes: record.bytes,
            environment: record.environment.clone(),
            kept_at: micros(record.kept_at),
        };
        fs::write(&path, records::to_bytes(&file, &path)?).on("write", &path)?;
        let to = self.kept_folder(&record.id);
        fs::rename(&new, &to).on("create", &to)?;
        Ok(disk::sync_directory(&self.inner.path.join("kept"))?)
    }

    /// All states that are kept, the oldest first. A record that is damaged is left out with a warning.
    ///
    /// # Errors
    /// When they can't be listed.
    pub fn kept(&self) -> Result<Vec<KeptRecord>, StoreError> {
        let folder = self.inner.path.join("kept");
        let mut all = Vec::new();
        for entry in fs::read_dir(&folder).on("list", &folder)? {
            let folder = entry.on("list", &folder)?.path();
            match read(folder) {
                Ok(record) => all.push(record),
                Err(StoreError::Disk(e)) if e.kind() == io::ErrorKind::NotFound => {}
                Err(StoreError::Damaged { path, source }) => {
                    tracing::warn!("{} is damaged and left out: {source}", path.display());
                }
                Err(e) => return Err(e),
            }
        }
        all.sort_by(|a, b| (a.kept_at, &a.id).cmp(&(b.kept_at, &b.id)));
        Ok(all)
    }

    /// The layers of a state that was kept, the lowest first.
    ///
    /// # Errors
    /// [`StoreError::LayerGone`] when one of them isn't there any more.
    pub fn kept_layers(&self, record: &KeptRecord) -> Result<Vec<Layer>, StoreError> {
        let chain = self.inner.held_chain(&record.keys, &record.layers)?;
        match record.layers.get(chain.len()) {
            Some(gone) => Err(StoreError::LayerGone(*gone)),
            None => Ok(chain),
        }
    }

    /// Keeps a state no longer. Its layer goes with it, unless somebody uses it at this moment or builds on it.
    ///
    /// # Errors
    /// When something can't be removed.
    pub fn drop_kept(&self, record: &KeptRecord) -> Result<(), StoreError> {
        let scratch = Scratch::new(&self.inner)?;
        match fs::rename(&record.folder, scratch.path().join("kept")) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => {}
            renamed => renamed.on("remove", &record.folder)?,
        }
        match record.layers.last() {
            Some(layer) => self.remove_unwanted(layer),
            None => Ok(()),
        }
    }

    /// Drops what exceeds `limits`, the oldest first. Gives what went.
    ///
    /// # Errors
    /// As [`drop_kept`](Self::drop_kept).
    pub fn limit_kept(&self, limits: &KeptLimits) -> Result<Vec<KeptRecord>, StoreError> {
        let now = SystemTime::now();
        let mut bytes = 0_u64;
        let mut gone = Vec::new();
        // From the newest on, as long as they fit.
        for record in self.kept()?.into_iter().rev() {
            let age = now.duration_since(record.kept_at).unwrap_or_default();
            bytes = bytes.saturating_add(record.bytes);
            if age > limits.age || bytes > limits.bytes {
                self.drop_kept(&record)?;
                gone.push(record);
            }
        }
        Ok(gone)
    }

    fn kept_folder(&self, id: &str) -> PathBuf {
        self.inner.path.join("kept").join(id)
    }
}

pub(super) fn read(folder: PathBuf) -> Result<KeptRecord, StoreError> {
    let file: KeptFile = records::read(&folder.join("kept.json"))?;
    let digests = |list: Vec<Hex>| list.into_iter().map(|hex| hex.0).collect();
    let id = folder.file_name().unwrap_or_default();
    Ok(KeptRecord {
        id: id.to_string_lossy().into_owned(),
        test: file.test,
        spec: file.spec.into_path(),
        snapshot: file.snapshot,
        outcome: file.outcome,
        keys: digests(file.keys),
        layers: digests(file.layers),
        bytes: file.bytes,
        environment: file.environment,
        kept_at: UNIX_EPOCH + Duration::from_micros(file.kept_at),
        folder,
    })
}

fn micros(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH);
    since.unwrap_or_default().as_micros() as u64
}
