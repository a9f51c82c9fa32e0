//! Looking at layers without a hold on them: for lists, which must not count as a use.

use std::fs;
use std::io;
use std::time::SystemTime;

use super::layer::parse_key;
use super::{Store, StoreError};
use crate::digest::Digest;
use crate::disk::Context as _;

/// What is known of a layer. It is no hold on it: a moment later the layer may be gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayerFacts {
    /// Its name.
    pub digest: Digest,
    /// The layer that it was built on.
    pub parent: Option<Digest>,
    /// The step in words.
    pub label: String,
    /// The engine that wrote it.
    pub engine: String,
    /// The engine's exact version.
    pub engine_version: String,
    /// The lengths of all its files added up, in bytes; holes count.
    pub bytes: u64,
    /// When a command last used it, as far as that is known.
    pub last_used: Option<SystemTime>,
}

impl Store {
    /// What there is of a chain of steps, the lowest first: as [`find_chain`](Self::find_chain), but
    /// no lock is taken and no use is noted, so that looking doesn't keep a layer from
    /// [`gc`](Self::gc).
    ///
    /// # Errors
    /// When a file of the store can't be read. One that is there but makes no sense counts as
    /// absent.
    pub fn look(&self, keys: &[Digest]) -> Result<Vec<LayerFacts>, StoreError> {
        let mut chain: Vec<LayerFacts> = Vec::with_capacity(keys.len());
        for key in keys {
            let parent = chain.last().map(|layer| layer.digest);
            match self.look_at(key)?.filter(|layer| layer.parent == parent) {
                Some(layer) => chain.push(layer),
                None => break,
            }
        }
        Ok(chain)
    }

    fn look_at(&self, key: &Digest) -> Result<Option<LayerFacts>, StoreError> {
        let path = self.inner.key_path(key);
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(e)
                if matches!(
                    e.kind(),
                    io::ErrorKind::NotFound | io::ErrorKind::InvalidData
                ) =>
            {
                return Ok(None);
            }
            Err(e) => return Err(e).on("read", &path)?,
        };
        let Some((digest, label)) = parse_key(&text) else {
            return Ok(None);
        };
        let Some(record) = self.inner.read_layer(&digest)? else {
            return Ok(None);
        };
        let used = fs::metadata(self.inner.layer_lock_path(&digest));
        Ok(Some(LayerFacts {
            digest,
            parent: record.parent.map(|parent| parent.0),
            label: label.to_owned(),
            engine: record.engine,
            engine_version: record.engine_version,
            bytes: record.bytes,
            last_used: used.and_then(|file| file.modified()).ok(),
        }))
    }
}
