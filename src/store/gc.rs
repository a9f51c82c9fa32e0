//! Removing layers that nothing needs any more. The protocol is told in the store's own page.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::layer::parse_key;
use super::{SnapshotRecord, Store, StoreError};
use crate::digest::Digest;
use crate::disk::{self, Context as _, FileLock, LockMode, Reach};

/// What may go.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct GcPolicy {
    /// Say what would go, and remove nothing.
    pub dry_run: bool,
    /// Layers not used for this long go even when a snapshot reaches them.
    pub older_than: Option<Duration>,
    /// Snapshots go, the one used longest ago first, until the layers of those that stay take at most so many bytes
    /// on the disk.
    pub max_bytes: Option<u64>,
    /// Every layer goes that is not in use at this moment.
    pub all: bool,
}

/// What went.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GcOutcome {
    /// The layers removed, or that would be.
    pub removed: Vec<RemovedLayer>,
    /// Snapshots of which nothing is known any more: their spec file or one of their layers is gone.
    pub forgotten: Vec<String>,
    /// Kept states that go, their layers gone: the tests that left them.
    pub dropped: Vec<String>,
    /// How many layers stay because a snapshot, or a layer that stays, needs them.
    pub kept: usize,
    /// How many layers stay only because someone uses them now.
    pub in_use: usize,
}

/// A layer that went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemovedLayer {
    /// Its name.
    pub digest: Digest,
    /// Its step in words; empty when its `layer.json` was lost.
    pub label: String,
    /// The bytes that it took on the disk.
    pub bytes: u64,
}

impl Store {
    /// Removes the layers that no snapshot reaches whose spec file still exists, and that nobody
    /// uses. Only one runs at a time; others wait.
    ///
    /// # Errors
    /// When the store can't be read, or a layer can't be removed.
    pub fn gc(&self, policy: &GcPolicy) -> Result<GcOutcome, StoreError> {
        self.collect(policy, &|_| true)
    }

    /// Removes one layer, if `gc` would.
    pub(super) fn remove_unwanted(&self, layer: &Digest) -> Result<(), StoreError> {
        self.collect(&GcPolicy::default(), &|digest| digest == layer)?;
        Ok(())
    }

    fn collect(
        &self,
        policy: &GcPolicy,
        meant: &dyn Fn(&Digest) -> bool,
    ) -> Result<GcOutcome, StoreError> {
        let _one = FileLock::acquire(&self.inner.lock_path("gc"), LockMode::Exclusive)?;
        let mut outcome = GcOutcome::default();
        let layers = self.layer_digests()?;

        let wanted = self.wanted(policy)?;
        let mut locked = HashMap::new();
        let unwanted = |digest: &&Digest| !wanted.contains(digest) && meant(digest);
        for digest in layers.iter().filter(unwanted) {
            let path = self.inner.layer_lock_path(digest);
            match FileLock::try_acquire(&path, LockMode::Exclusive)? {
                Some(lock) => drop(locked.insert(*digest, lock)),
                None => outcome.in_use += 1,
            }
        }
        // Again, now that nobody can record what is locked: see the store's page.
        let wanted = self.wanted(policy)?;
        locked.retain(|digest, _| !wanted.contains(digest));
        self.spare_ancestors(&layers, &mut locked)?;
        outcome.kept = layers.len() - locked.len() - outcome.in_use;

        for digest in layers.iter().filter(|digest| locked.contains_key(digest)) {
            outcome.removed.push(self.removed_layer(digest)?);
        }
        let gone: HashSet<Digest> = locked.keys().copied().collect();
        outcome.forgotten = self.forget(policy, &gone)?;
        outcome.dropped = self.drop_bare(policy, &gone)?;
        if !policy.dry_run {
            self.remove_keys(&gone)?;
            let scratch = self.scratch()?;
            for (digest, lock) in locked {
                let name = digest.to_string();
                let from = self.inner.layer_path(&digest);
                fs::rename(&from, scratch.path().join(name)).on("remove", &from)?;
                lock.remove()?;
            }
            self.remove_stray_locks()?;
            scratch.remove()?;
        }
        Ok(outcome)
    }

    fn layer_digests(&self) -> Result<Vec<Digest>, StoreError> {
        let mut digests: Vec<_> = names(self.layers_dir())?
            .iter()
            .filter_map(|name| Digest::parse(name))
            .collect();
        digests.sort_unstable();
        Ok(digests)
    }

    /// The layers that a snapshot keeps.
    fn wanted(&self, policy: &GcPolicy) -> Result<HashSet<Digest>, StoreError> {
        let mut wanted = HashSet::new();
        if policy.all {
            return Ok(wanted);
        }
        let mut records = self.snapshots()?;
        records.retain(SnapshotRecord::is_wanted);
        if let Some(most) = policy.max_bytes {
            records = self.newest(records, most)?;
        }
        for record in records {
            wanted.extend(record.layers);
        }
        wanted.extend(self.kept()?.into_iter().flat_map(|kept| kept.layers));
        if let Some(limit) = policy.older_than {
            wanted.retain(|digest| !self.is_older(digest, limit));
        }
        Ok(wanted)
    }

    /// The snapshots that were used last, as many as take at most `most` bytes together.
    fn newest(
        &self,
        mut records: Vec<SnapshotRecord>,
        most: u64,
    ) -> Result<Vec<SnapshotRecord>, StoreError> {
        let mut sizes = self.layer_sizes()?;
        let mut left = most;
        records.sort_by_key(|record| std::cmp::Reverse(record.last_used));
        let mut fits = |record: &SnapshotRecord| {
            // What snapshots share counts once.
            let layers = record.layers.iter();
            let more: u64 = layers.filter_map(|layer| sizes.remove(layer)).sum();
            left.checked_sub(more).map(|less| left = less).is_some()
        };
        let count = records.iter().take_while(|record| fits(record)).count();
        records.truncate(count);
        Ok(records)
    }

    /// Takes from `locked` every layer that a layer which stays lies on. Built anew, it might be
    /// another one, and the layers above would fit no more.
    fn spare_ancestors(
        &self,
        layers: &[Digest],
        locked: &mut HashMap<Digest, FileLock>,
    ) -> Result<(), StoreError> {
        let mut staying: Vec<Digest> = layers
            .iter()
            .filter(|digest| !locked.contains_key(digest))
            .copied()
            .collect();
        while let Some(digest) = staying.pop() {
            let parent = self
                .inner
                .read_layer(&digest)?
                .and_then(|record| record.parent);
            if let Some(parent) = parent
                && locked.remove(&parent.0).is_some()
            {
                staying.push(parent.0);
            }
        }
        Ok(())
    }

    fn is_older(&self, digest: &Digest, limit: Duration) -> bool {
        fs::metadata(self.inner.layer_lock_path(digest))
            .or_else(|_| fs::metadata(self.inner.layer_path(digest)))
            .and_then(|metadata| metadata.modified())
            .is_ok_and(|used| {
                SystemTime::now()
                    .duration_since(used)
                    .is_ok_and(|age| age > limit)
            })
    }

    fn removed_layer(&self, digest: &Digest) -> Result<RemovedLayer, StoreError> {
        let size = disk::tree_size(&self.inner.layer_path(digest), Reach::Force)?;
        let label = self
            .inner
            .read_layer(digest)?
            .map(|record| record.label)
            .unwrap_or_default();
        Ok(RemovedLayer {
            digest: *digest,
            label,
            bytes: size.allocated,
        })
    }

    /// Drops the records that keep nothing any more.
    fn forget(&self, policy: &GcPolicy, gone: &HashSet<Digest>) -> Result<Vec<String>, StoreError> {
        let mut forgotten = Vec::new();
        for (path, record) in self.inner.snapshot_files()? {
            if let Some(record) = record {
                if record.is_wanted() && !record.layers.iter().any(|layer| gone.contains(layer)) {
                    continue;
                }
                forgotten.push(record.name);
            }
            if !policy.dry_run {
                remove_if_there(&path)?;
            }
        }
        forgotten.sort_unstable();
        Ok(forgotten)
    }

    /// Drops the kept states of which a layer is gone.
    fn drop_bare(
        &self,
        policy: &GcPolicy,
        gone: &HashSet<Digest>,
    ) -> Result<Vec<String>, StoreError> {
        let mut dropped = Vec::new();
        let kept = self.kept()?.into_iter();
        for kept in kept.filter(|kept| kept.layers.iter().any(|layer| gone.contains(layer))) {
            if !policy.dry_run {
                disk::remove_tree(&kept.folder)?;
            }
            dropped.push(kept.test);
        }
        Ok(dropped)
    }

    /// Removes the names of layers that go, and of those that went without their names.
    fn remove_keys(&self, gone: &HashSet<Digest>) -> Result<(), StoreError> {
        let folder = self.inner.path.join("keys");
        for name in names(&folder)? {
            let path = folder.join(name);
            let text = fs::read_to_string(&path).unwrap_or_default();
            let names_one = parse_key(&text).map(|(digest, _)| digest);
            if names_one.is_some_and(|digest| gone.contains(&digest)) {
                remove_if_there(&path)?;
            }
        }
        Ok(())
    }

    /// Removes the lock files of layers that were never made or went otherwise.
    fn remove_stray_locks(&self) -> Result<(), StoreError> {
        for name in names(&self.inner.path.join("locks"))? {
            let digest = name
                .strip_prefix("layer-")
                .and_then(|name| name.strip_suffix(".lock"))
                .and_then(Digest::parse);
            let Some(digest) = digest else { continue };
            let path = self.inner.layer_lock_path(&digest);
            if self.inner.layer_path(&digest).exists() {
                continue;
            }
            if let Some(lock) = FileLock::try_acquire(&path, LockMode::Exclusive)? {
                // Made meanwhile: whoever made it held this lock, and it is here again.
                if !self.inner.layer_path(&digest).exists() {
                    lock.remove()?;
                }
            }
        }
        Ok(())
    }
}

pub(super) fn names(folder: &Path) -> Result<Vec<String>, StoreError> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).on("list", folder)? {
        names.extend(entry.on("list", folder)?.file_name().into_string());
    }
    Ok(names)
}

fn remove_if_there(path: &PathBuf) -> Result<(), StoreError> {
    match fs::remove_file(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e).on("remove", path)?,
        _ => Ok(()),
    }
}
