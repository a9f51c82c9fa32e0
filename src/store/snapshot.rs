//! Named snapshots: which chain of layers a name of a spec stood for at its last use.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use super::records::{self, Hex, Name, SnapshotFile};
use super::{Inner, Layer, Store, StoreError};
use crate::digest::{Digest, Labelled};
use crate::disk::Context as _;
use crate::spec::{Dependency, Service, ServiceProgram};

/// A named snapshot as the store knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnapshotRecord {
    /// Its name in the spec.
    pub name: String,
    /// The spec file; empty for one that the store has by itself: it was imported or committed.
    pub spec: PathBuf,
    /// The keys of its steps, in the order of building.
    pub keys: Vec<Digest>,
    /// The layers of its steps, the lowest first.
    pub layers: Vec<Digest>,
    /// The lengths of all files in all layers, in bytes.
    pub bytes: u64,
    /// When this chain was first recorded.
    pub built_at: SystemTime,
    /// When it was last recorded: at each use.
    pub last_used: SystemTime,
    /// What serves it, for one that the store has by itself: no spec says so.
    pub services: Option<Vec<StoredService>>,
    /// Whether it is one that was committed.
    pub committed: bool,
}

/// A service of a snapshot that the store has by itself, as its spec had it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredService {
    /// Its name: `db`.
    pub name: String,
    /// The engine as a spec names it: `postgres`.
    pub engine: String,
    /// The database.
    pub database: String,
    /// The engine's own settings.
    #[serde(default)]
    pub settings: BTreeMap<String, String>,
    /// What it waits for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub depends_on: Vec<Dependency>,
    /// What it is, where it is a server without an adapter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub program: Option<Box<ServiceProgram>>,
}

impl From<&Service> for StoredService {
    fn from(service: &Service) -> Self {
        Self {
            name: service.name.clone(),
            engine: service.engine.clone(),
            database: service.database.clone(),
            settings: service.settings.clone(),
            depends_on: service.depends_on.clone(),
            program: service.program.clone(),
        }
    }
}

impl SnapshotRecord {
    /// Whether it still keeps its layers from `gc`: the store has it by itself, or its spec file is there, or can't be
    /// looked at, being on a disk that is not mounted.
    pub fn is_wanted(&self) -> bool {
        self.services.is_some()
            || !matches!(fs::metadata(&self.spec), Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory))
    }
}

impl Store {
    /// Notes that the snapshot `name` of the file `spec` (an absolute path) is `chain`, the lowest
    /// layer first, and that it is in use now. This is what keeps the layers from `gc`.
    ///
    /// When that is known already, only the time of use is written.
    ///
    /// # Errors
    /// When the record can't be written.
    pub fn record_snapshot(
        &self,
        name: &str,
        spec: &Path,
        chain: &[Layer],
    ) -> Result<(), StoreError> {
        self.record(name, spec, chain, None, false)
    }

    /// Notes that the snapshot `name` was imported, is `chain`, the lowest layer first, and is served by
    /// `services`. No spec keeps its layers from `gc`: this record does, until they are old enough or all go.
    ///
    /// # Errors
    /// When the record can't be written.
    pub fn record_import(
        &self,
        name: &str,
        chain: &[Layer],
        services: Vec<StoredService>,
    ) -> Result<(), StoreError> {
        self.record(name, Path::new(""), chain, Some(services), false)
    }

    /// As [`record_import`](Self::record_import), for a snapshot that was committed.
    ///
    /// # Errors
    /// When the record can't be written.
    pub fn record_commit(
        &self,
        name: &str,
        chain: &[Layer],
        services: Vec<StoredService>,
    ) -> Result<(), StoreError> {
        self.record(name, Path::new(""), chain, Some(services), true)
    }

    /// Notes that a snapshot that the store has by itself, and that is `chain`, is in use now.
    ///
    /// # Errors
    /// When the record can't be written.
    pub fn record_use(&self, record: &SnapshotRecord, chain: &[Layer]) -> Result<(), StoreError> {
        let services = record.services.clone();
        self.record(
            &record.name,
            &record.spec,
            chain,
            services,
            record.committed,
        )
    }

    fn record(
        &self,
        name: &str,
        spec: &Path,
        chain: &[Layer],
        services: Option<Vec<StoredService>>,
        committed: bool,
    ) -> Result<(), StoreError> {
        let path = self.inner.snapshot_path(name, spec);
        let now = SystemTime::now();
        let mut record = SnapshotFile {
            name: name.to_owned(),
            spec: Name::new(spec),
            keys: chain.iter().map(|layer| Hex(layer.key())).collect(),
            layers: chain.iter().map(|layer| Hex(layer.digest())).collect(),
            bytes: chain.iter().map(Layer::bytes).sum(),
            built_at: now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs(),
            services,
            committed,
        };
        if let Ok(there) = records::read::<SnapshotFile>(&path) {
            let fresh = std::mem::replace(&mut record.built_at, there.built_at);
            if record == there {
                // Gone since: then a gc found the chain in disuse just now, and it is written anew.
                if let Ok(file) = File::options().write(true).open(&path) {
                    return Ok(file.set_modified(now).on("write", &path)?);
                }
            }
            record.built_at = fresh;
        }
        self.inner.write(&path, &records::to_bytes(&record, &path)?)
    }

    /// The snapshot `name` of the file `spec`, as it was last recorded.
    ///
    /// # Errors
    /// When its record can't be read.
    pub fn snapshot(&self, name: &str, spec: &Path) -> Result<Option<SnapshotRecord>, StoreError> {
        read(&self.inner.snapshot_path(name, spec))
    }

    /// The snapshot that the store has by itself under the name `name`: it was imported or committed.
    ///
    /// # Errors
    /// When its record can't be read.
    pub fn stored(&self, name: &str) -> Result<Option<SnapshotRecord>, StoreError> {
        let record = self.snapshot(name, Path::new(""))?;
        Ok(record.filter(|record| record.services.is_some()))
    }

    /// All snapshots, ordered by spec file and name. Records that are damaged are left out with a
    /// warning: each is written anew when its snapshot is used.
    ///
    /// # Errors
    /// When the records can't be listed or read.
    pub fn snapshots(&self) -> Result<Vec<SnapshotRecord>, StoreError> {
        let mut all: Vec<_> = self
            .inner
            .snapshot_files()?
            .into_iter()
            .filter_map(|(_, r)| r)
            .collect();
        all.sort_by(|a, b| (&a.spec, &a.name).cmp(&(&b.spec, &b.name)));
        Ok(all)
    }
}

impl Inner {
    pub(super) fn snapshot_path(&self, name: &str, spec: &Path) -> PathBuf {
        let id = Labelled::new("cowherd snapshot 1")
            .field("spec", spec.as_os_str().as_bytes())
            .field("name", name.as_bytes())
            .finish();
        self.path.join(format!("snapshots/{id}.json"))
    }

    /// Each record's file with what it says; `None` for a damaged one.
    pub(super) fn snapshot_files(
        &self,
    ) -> Result<Vec<(PathBuf, Option<SnapshotRecord>)>, StoreError> {
        let folder = self.path.join("snapshots");
        let mut files = Vec::new();
        for entry in fs::read_dir(&folder).on("list", &folder)? {
            let path = entry.on("list", &folder)?.path();
            match read(&path) {
                Ok(Some(record)) => files.push((path, Some(record))),
                Ok(None) => {}
                Err(StoreError::Damaged { path, source }) => {
                    tracing::warn!("{} is damaged and left out: {source}", path.display());
                    files.push((path, None));
                }
                Err(e) => return Err(e),
            }
        }
        Ok(files)
    }
}

fn read(path: &Path) -> Result<Option<SnapshotRecord>, StoreError> {
    let used = fs::metadata(path).and_then(|metadata| metadata.modified());
    let last_used = match used {
        Ok(time) => time,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(e).on("read", path)?,
    };
    let record: SnapshotFile = match records::read(path) {
        Ok(record) => record,
        Err(StoreError::Disk(e)) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(e),
    };
    let digests = |list: &[Hex]| list.iter().map(|hex| hex.0).collect();
    Ok(Some(SnapshotRecord {
        keys: digests(&record.keys),
        layers: digests(&record.layers),
        name: record.name,
        spec: record.spec.into_path(),
        bytes: record.bytes,
        built_at: UNIX_EPOCH + Duration::from_secs(record.built_at),
        last_used,
        services: record.services,
        committed: record.committed,
    }))
}
