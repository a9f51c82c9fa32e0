//! One builder for each key and machine.

use std::collections::hash_map::Entry;
use std::sync::Arc;
use std::thread::sleep;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::{Inner, Store, StoreError, guard};
use crate::digest::{Digest, Labelled};
use crate::disk::{self, FileLock, LockMode};

/// How often one who may be told to stop tries again.
const POLL: Duration = Duration::from_millis(50);

/// The right to build the layer of one key. It ends when this and every draft made with it are
/// gone, or with the process.
#[derive(Debug, Clone)]
pub struct KeyLock {
    pub(super) held: Arc<HeldKey>,
}

#[derive(Debug)]
pub(super) struct HeldKey {
    pub(super) key: Digest,
    lock: Option<FileLock>,
    // Keeps the store open as long as someone builds for it.
    pub(super) inner: Arc<Inner>,
}

/// A key that nothing else has, for a layer that comes of no step.
pub(crate) fn unique_key(kind: &str, name: &str) -> Digest {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    Labelled::new(kind)
        .field("name", name.as_bytes())
        .field("process", &std::process::id().to_le_bytes())
        .field("time", &now.unwrap_or_default().as_nanos().to_le_bytes())
        .finish()
}

impl KeyLock {
    /// The key.
    pub fn key(&self) -> Digest {
        self.held.key
    }
}

impl Drop for HeldKey {
    fn drop(&mut self) {
        // The file has done its duty; those who wait for it look again and make a new one.
        if let Some(lock) = self.lock.take() {
            let _ = lock.remove();
        }
        // Another thread may have the right by now.
        let mut building = guard(&self.inner.building);
        if let Entry::Occupied(mut times) = building.entry(self.key) {
            *times.get_mut() -= 1;
            if *times.get() == 0 {
                times.remove();
            }
        }
    }
}

impl Store {
    /// Waits until nobody else builds `key`, and takes the right to build it.
    ///
    /// When another process or thread builds it, `waiting` is called once, with words like
    /// `process 4242 (shop: sql seed.sql)`; the second part is the `label` that the other gave.
    ///
    /// The one who waited, and even one who did not, must call [`Store::find_on`] again *after*
    /// this returns: the layer may have come into being since the last look.
    ///
    /// # Errors
    /// When the lock file can't be opened, locked or written.
    pub fn lock_key(
        &self,
        key: &Digest,
        label: &str,
        waiting: &mut dyn FnMut(&str),
    ) -> Result<KeyLock, StoreError> {
        let path = self.inner.lock_path(&format!("key-{key}"));
        if let Some(lock) = FileLock::try_acquire(&path, LockMode::Exclusive)? {
            return self.own(key, label, lock);
        }
        if let Some(builder) = self.builder(key) {
            waiting(&builder);
        }
        self.own(key, label, FileLock::acquire(&path, LockMode::Exclusive)?)
    }

    /// As [`lock_key`](Self::lock_key), but gives up when `cancelled`, asked every 50 ms, says so:
    /// then there is no lock.
    ///
    /// # Errors
    /// When the lock file can't be opened, locked or written.
    pub fn lock_key_unless(
        &self,
        cancelled: &dyn Fn() -> bool,
        key: &Digest,
        label: &str,
        waiting: &mut dyn FnMut(&str),
    ) -> Result<Option<KeyLock>, StoreError> {
        let path = self.inner.lock_path(&format!("key-{key}"));
        let mut told = false;
        while !cancelled() {
            if let Some(lock) = FileLock::try_acquire(&path, LockMode::Exclusive)? {
                return self.own(key, label, lock).map(Some);
            }
            if !told && let Some(builder) = self.builder(key) {
                waiting(&builder);
                told = true;
            }
            sleep(POLL);
        }
        Ok(None)
    }

    fn own(&self, key: &Digest, label: &str, lock: FileLock) -> Result<KeyLock, StoreError> {
        *guard(&self.inner.building).entry(*key).or_default() += 1;
        let mut held = HeldKey {
            key: *key,
            lock: Some(lock),
            inner: Arc::clone(&self.inner),
        };
        if let Some(lock) = &mut held.lock {
            lock.set_words(&format!("process {} ({label})\n", std::process::id()))?;
        }
        Ok(KeyLock {
            held: Arc::new(held),
        })
    }

    /// Whether a thread of this process builds `key`, through this store.
    pub fn builds(&self, key: &Digest) -> bool {
        guard(&self.inner.building).contains_key(key)
    }

    /// Who builds `key`, in words; `None` when nobody does any more. The lock comes a moment before the words.
    fn builder(&self, key: &Digest) -> Option<String> {
        let path = self.inner.lock_path(&format!("key-{key}"));
        (0..20).find_map(|_| {
            let words = Some(disk::holder(&path)).filter(|words| !words.is_empty());
            if words.is_none() {
                sleep(Duration::from_millis(1));
            }
            words
        })
    }
}
