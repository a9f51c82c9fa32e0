//! Looking at layers without a hold on them: for lists, which must not count as a use.

use std::fs;
use std::time::SystemTime;

use super::chain::KeyFile;
use super::{Store, StoreError};
use crate::digest::Digest;

/// What is known of a layer. It is no hold on it: a moment later the layer may be gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayerFacts {
    /// Its name.
    pub digest: Digest,
    /// How many of the states asked for it and those below it lead to.
    pub through: usize,
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
    /// What there is of a chain of states, the lowest first: as [`find_chain`](Self::find_chain), but
    /// no lock is taken and no use is noted, so that looking doesn't keep a layer from
    /// [`gc`](Self::gc).
    ///
    /// # Errors
    /// When a file of the store can't be read. One that is there but makes no sense counts as
    /// absent.
    pub fn look(&self, keys: &[Digest]) -> Result<Vec<LayerFacts>, StoreError> {
        let mut chain = Vec::new();
        for (index, KeyFile { digest, label }) in self.inner.chain(keys)? {
            let Some(record) = self.inner.read_layer(&digest)? else {
                break;
            };
            let used = fs::metadata(self.inner.layer_lock_path(&digest));
            chain.push(LayerFacts {
                digest,
                through: index + 1,
                parent: record.parent.map(|parent| parent.0),
                label,
                engine: record.engine,
                engine_version: record.engine_version,
                bytes: record.bytes,
                last_used: used.and_then(|file| file.modified()).ok(),
            });
        }
        Ok(chain)
    }
}
