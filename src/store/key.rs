//! One builder for each key and machine.

use std::sync::Arc;
use std::thread::sleep;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::{Inner, Store, StoreError};
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
        waiting(&self.builder(key));
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
            if !told {
                waiting(&self.builder(key));
                told = true;
            }
            sleep(POLL);
        }
        Ok(None)
    }

    fn own(&self, key: &Digest, label: &str, mut lock: FileLock) -> Result<KeyLock, StoreError> {
        lock.set_words(&format!("process {} ({label})\n", std::process::id()))?;
        let held = HeldKey {
            key: *key,
            lock: Some(lock),
            inner: Arc::clone(&self.inner),
        };
        Ok(KeyLock {
            held: Arc::new(held),
        })
    }

    /// Who builds `key`, in words. The lock comes a moment before the words.
    fn builder(&self, key: &Digest) -> String {
        let path = self.inner.lock_path(&format!("key-{key}"));
        for _ in 0..20 {
            let words = disk::holder(&path);
            if !words.is_empty() {
                return words;
            }
            sleep(Duration::from_millis(1));
        }
        "another process".to_owned()
    }
}
