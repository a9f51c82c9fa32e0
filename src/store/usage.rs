//! What takes how much room in a store, and for whom. No lock is taken and no use is noted.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use super::gc::names;
use super::{KeptRecord, SnapshotRecord, Store, StoreError};
use crate::digest::Digest;
use crate::disk;

/// How the room of a store is used, in bytes on the disk. Files that share blocks (reflinks) count each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Usage {
    /// The snapshots, ordered by spec file and name.
    pub snapshots: Vec<SnapshotUsage>,
    /// How many layers there are.
    pub layers: usize,
    /// What they take.
    pub bytes: u64,
    /// Of that, what [`gc`](Store::gc) would free: layers that no snapshot needs.
    pub reclaimable: u64,
    /// What tests left that are kept: their output, and the layers that are needed for nothing else.
    pub kept: u64,
    /// What running commands have in scratch, and killed ones left there.
    pub scratch: u64,
    /// What `fsck` put aside.
    pub quarantine: u64,
    /// What the file system has left.
    pub free: u64,
    /// What the file system has in all.
    pub total: u64,
}

/// What one snapshot takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnapshotUsage {
    /// The snapshot.
    pub record: SnapshotRecord,
    /// What its layers take.
    pub bytes: u64,
    /// Of that, what nothing else needs: no other snapshot, and nothing that a test left.
    pub own: u64,
    /// How many of its layers are gone.
    pub missing: usize,
    /// Whether `gc` leaves it alone: it was imported, or its spec file is there.
    pub kept: bool,
}

impl Store {
    /// Measures the store. What others make or remove meanwhile may be counted or not.
    ///
    /// # Errors
    /// When the store or its file system can't be looked at.
    pub fn usage(&self) -> Result<Usage, StoreError> {
        let sizes = self.layer_sizes()?;
        let (records, kept) = (self.snapshots()?, self.kept()?);
        let mut users: BTreeMap<Digest, usize> = BTreeMap::new();
        let chains = records.iter().map(|record| &record.layers);
        for chain in chains.chain(kept.iter().map(|kept| &kept.layers)) {
            for layer in chain.iter().collect::<BTreeSet<_>>() {
                *users.entry(*layer).or_default() += 1;
            }
        }
        let mut wanted = BTreeSet::new();
        let mut snapshots = Vec::with_capacity(records.len());
        for record in records {
            let there = record
                .layers
                .iter()
                .filter_map(|layer| Some((layer, sizes.get(layer)?)));
            let own = there
                .clone()
                .filter(|(layer, _)| users.get(layer) == Some(&1));
            let kept = record.is_wanted();
            if kept {
                wanted.extend(record.layers.iter().copied());
            }
            snapshots.push(SnapshotUsage {
                bytes: there.clone().map(|(_, size)| size).sum(),
                own: own.map(|(_, size)| size).sum(),
                missing: record.layers.len() - there.count(),
                kept,
                record,
            });
        }
        let of_kept = |record: &KeptRecord| {
            let own = record.layers.iter().filter(|layer| !wanted.contains(layer));
            allocated(&record.folder) + own.filter_map(|layer| sizes.get(layer)).sum::<u64>()
        };
        let kept_bytes = kept.iter().map(of_kept).sum();
        wanted.extend(kept.into_iter().flat_map(|record| record.layers));
        let needless = sizes.iter().filter(|(layer, _)| !wanted.contains(layer));
        let system = disk::file_system(self.path())?;
        Ok(Usage {
            snapshots,
            layers: sizes.len(),
            bytes: sizes.values().sum(),
            reclaimable: needless.map(|(_, size)| size).sum(),
            kept: kept_bytes,
            scratch: allocated(&self.inner.path.join("scratch")),
            quarantine: allocated(&self.quarantine()),
            free: system.free,
            total: system.total,
        })
    }

    /// What each layer takes on the disk, in bytes.
    pub(super) fn layer_sizes(&self) -> Result<BTreeMap<Digest, u64>, StoreError> {
        let names = names(self.layers_dir())?;
        let digests = names.iter().filter_map(|name| Digest::parse(name));
        let size = |digest: Digest| (digest, allocated(&self.inner.layer_path(&digest)));
        Ok(digests.map(size).collect())
    }
}

/// What everything below a folder takes on the disk, in bytes, as far as it can be seen and is still there.
fn allocated(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let size = |entry: fs::DirEntry| {
        let Ok(metadata) = entry.metadata() else {
            return 0;
        };
        let inside = match metadata.is_dir() {
            true => allocated(&entry.path()),
            false => 0,
        };
        metadata.blocks() * 512 + inside
    };
    entries.map(size).sum()
}
