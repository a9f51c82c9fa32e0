//! Sealed layers: finding them, and keeping them while they are in use.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use super::chain::KeyFile;
use super::records::{self, LayerRecord};
use super::{Inner, KeyLock, SnapshotRecord, Store, StoreError, guard};
use crate::digest::Digest;
use crate::disk::{FileLock, LockMode};

/// A sealed layer that can't be removed while this value, or a clone of it, lives.
#[derive(Debug, Clone)]
pub struct Layer {
    key: Digest,
    label: Arc<str>,
    record: Arc<LayerRecord>,
    path: Arc<PathBuf>,
    held: Arc<FileLock>,
}

impl Layer {
    pub(super) fn new(
        inner: &Inner,
        key: Digest,
        label: &str,
        record: LayerRecord,
        held: Arc<FileLock>,
    ) -> Self {
        let path = Arc::new(inner.layer_path(&record.digest.0));
        Self {
            key,
            label: label.into(),
            record: Arc::new(record),
            path,
            held,
        }
    }

    /// The digest of its parent's digest and its own content: its name.
    ///
    /// The parent is part of it so that no chain has one layer twice, which overlayfs refuses
    /// (ELOOP): two steps that change nothing would give the same empty content.
    pub fn digest(&self) -> Digest {
        self.record.digest.0
    }

    /// The key of the step that it was asked for with.
    pub fn key(&self) -> Digest {
        self.key
    }

    /// The layer that it was built on.
    pub fn parent(&self) -> Option<Digest> {
        self.record.parent.map(|parent| parent.0)
    }

    /// The step in words.
    pub fn label(&self) -> &str {
        &self.label
    }

    /// The engine that wrote it.
    pub fn engine(&self) -> &str {
        &self.record.engine
    }

    /// The engine's exact version.
    pub fn engine_version(&self) -> &str {
        &self.record.engine_version
    }

    /// The lengths of all its files added up, in bytes; holes count.
    pub fn bytes(&self) -> u64 {
        self.record.bytes
    }

    /// The length of its largest file in bytes: what one write may copy up.
    pub fn largest_file(&self) -> u64 {
        self.record.largest_file
    }

    /// How many entries it has.
    pub fn entries(&self) -> u64 {
        self.record.entries
    }

    /// The services that it has files of, sorted.
    pub fn services(&self) -> &[String] {
        &self.record.services
    }

    /// The folder with what the step changed in `service`; `None` when it did not touch it.
    pub fn files(&self, service: &str) -> Option<PathBuf> {
        self.has(service)
            .then(|| self.path.join("files").join(service))
    }

    /// The same, from [`Store::layers_dir`]: `DIGEST/files/SERVICE`. A digest has no character
    /// that overlayfs wants escaped.
    pub fn lower(&self, service: &str) -> Option<String> {
        self.has(service)
            .then(|| format!("{}/files/{service}", self.digest()))
    }

    fn has(&self, service: &str) -> bool {
        self.record.services.iter().any(|name| name == service)
    }
}

/// Layers that stay while this value lives: a container's hold on what it runs over.
#[derive(Debug, Clone)]
pub struct Lease {
    layers: Vec<Layer>,
}

impl Lease {
    /// The layers, in the order they were given.
    pub fn layers(&self) -> &[Layer] {
        &self.layers
    }
}

impl Store {
    /// The layer that the step `key` produced; `None` when it must be built. For a step of a chain
    /// see [`find_on`](Self::find_on).
    ///
    /// # Errors
    /// When a file of the store can't be read. One that is there but makes no sense counts as
    /// absent: building the step again repairs it.
    pub fn find(&self, key: &Digest) -> Result<Option<Layer>, StoreError> {
        let Some(KeyFile { digest, label }) = self.inner.key_file(key)? else {
            return Ok(None);
        };
        let found = self.inner.held_layer(&digest)?;
        Ok(found.map(|(record, held)| Layer::new(&self.inner, *key, &label, record, held)))
    }

    /// As [`find`](Self::find), but only a layer that was built on `parent`.
    ///
    /// A key speaks of what a step reads, not of what it wrote: a database that is initialised
    /// anew has another identity. If a lower layer was lost and built again, the old layers above
    /// it would not fit; to this they are absent, and sealing new ones changes their keys over.
    ///
    /// # Errors
    /// As `find`.
    pub fn find_on(
        &self,
        key: &Digest,
        parent: Option<&Layer>,
    ) -> Result<Option<Layer>, StoreError> {
        let parent = parent.map(Layer::digest);
        Ok(self.find(key)?.filter(|layer| layer.parent() == parent))
    }

    /// Whether the layer `digest` is there at this moment.
    pub fn has(&self, digest: &Digest) -> bool {
        self.inner.layer_path(digest).exists()
    }

    /// The layer `digest`, if it is there and lies on `parent`, for the key that `lock` is the right to build: the key
    /// is one more name of it from then on, as if the step had been done and had given just this.
    ///
    /// # Errors
    /// When a file of the store can't be read or written.
    pub fn name(
        &self,
        lock: &KeyLock,
        digest: &Digest,
        parent: Option<&Layer>,
        label: &str,
    ) -> Result<Option<Layer>, StoreError> {
        let parent = parent.map(Layer::digest);
        let there = self.inner.held_layer(digest)?;
        let fits = |record: &LayerRecord| record.parent.map(|parent| parent.0) == parent;
        let Some((record, held)) = there.filter(|(record, _)| fits(record)) else {
            return Ok(None);
        };
        let label = label.replace(char::is_control, " ");
        self.inner.write_key(&lock.key(), digest, &label)?;
        let layer = Layer::new(&self.inner, lock.key(), &label, record, held);
        Ok(Some(layer))
    }

    /// The layers of a snapshot as it was recorded, the lowest first, whatever their keys stand for by now;
    /// as far as they are there.
    ///
    /// # Errors
    /// When a file of the store can't be read.
    pub fn recorded_layers(&self, snapshot: &SnapshotRecord) -> Result<Vec<Layer>, StoreError> {
        self.inner.held_chain(&snapshot.keys, &snapshot.layers)
    }

    /// Keeps `layers` for a container.
    ///
    /// # Errors
    /// When someone removed one of them by hand.
    pub fn lease(&self, layers: &[Layer]) -> Result<Lease, StoreError> {
        if let Some(gone) = layers.iter().find(|layer| !layer.path.exists()) {
            return Err(StoreError::LayerGone(gone.digest()));
        }
        Ok(Lease {
            layers: layers.to_vec(),
        })
    }

    /// Notes that `layers` were used now: `gc` goes by that when asked for what is old. The first
    /// `find` of a process does the same.
    ///
    /// # Errors
    /// When a lock file can't be written.
    pub fn touch(&self, layers: &[Layer]) -> Result<(), StoreError> {
        layers.iter().try_for_each(|layer| Ok(layer.held.touch()?))
    }
}

impl Inner {
    /// Takes a share of a layer's lock, whether or not the layer exists: look *after* this.
    pub(super) fn hold(&self, digest: &Digest) -> Result<Arc<FileLock>, StoreError> {
        if let Some(held) = guard(&self.held)
            .get(digest)
            .and_then(std::sync::Weak::upgrade)
        {
            return Ok(held);
        }
        // Not under the mutex: `gc`, perhaps of this process, may have the lock for a moment.
        let lock = FileLock::acquire(&self.layer_lock_path(digest), LockMode::Shared)?;
        lock.touch()?;
        let lock = Arc::new(lock);
        let mut held = guard(&self.held);
        if held.len() >= 64 {
            held.retain(|_, lock| lock.strong_count() > 0);
        }
        held.insert(*digest, Arc::downgrade(&lock));
        Ok(lock)
    }

    /// The layers `digests` with the keys that they were recorded with, as far as they are there.
    pub(super) fn held_chain(
        &self,
        keys: &[Digest],
        digests: &[Digest],
    ) -> Result<Vec<Layer>, StoreError> {
        let mut chain: Vec<Layer> = Vec::with_capacity(digests.len());
        for (key, digest) in keys.iter().zip(digests) {
            let Some((record, held)) = self.held_layer(digest)? else {
                break;
            };
            let label = record.label.clone();
            chain.push(Layer::new(self, *key, &label, record, held));
        }
        Ok(chain)
    }

    /// A layer that is there, with a share of its lock.
    fn held_layer(
        &self,
        digest: &Digest,
    ) -> Result<Option<(LayerRecord, Arc<FileLock>)>, StoreError> {
        // Before the lock, so as not to leave a lock file for a layer that is not there.
        if !self.layer_path(digest).exists() {
            return Ok(None);
        }
        let held = self.hold(digest)?;
        Ok(self.read_layer(digest)?.map(|record| (record, held)))
    }

    /// Reads `layer.json`; `None` when it is missing or says nothing.
    pub(super) fn read_layer(&self, digest: &Digest) -> Result<Option<LayerRecord>, StoreError> {
        match records::read::<LayerRecord>(&self.layer_path(digest).join("layer.json")) {
            Ok(record) if record.digest.0 == *digest => Ok(Some(record)),
            Ok(_) | Err(StoreError::Damaged { .. }) => Ok(None),
            Err(StoreError::Disk(e)) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(e),
        }
    }
}

/// The two lines of a key file.
pub(super) fn parse_key(text: &str) -> Option<(Digest, &str)> {
    let (digest, label) = text.split_once('\n')?;
    Some((Digest::parse(digest)?, label.trim_end()))
}
