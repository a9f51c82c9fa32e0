//! The front door for async callers, on any runtime: what would block is done by a thread of its own.
//!
//! ```no_run
//! use cowherd::asynchronous::Cowherd;
//!
//! # async fn test() -> Result<(), cowherd::Error> {
//! let snapshot = Cowherd::open().await?.snapshot("shop").await?;
//! let container = snapshot.container().await?;
//! println!("{}", container.url());
//! # Ok(())
//! # }
//! ```
//!
//! A call that is cancelled goes on in its thread, and what it would have given is dropped there.

use std::panic::{self, AssertUnwindSafe};
use std::path::Path;
use std::thread;

use futures::channel::oneshot;

use super::{Container, Error, SqliteFile};
#[cfg(feature = "sqlite")]
use crate::engine::sqlite_mapped::SqliteCopy;

/// A project with its snapshots: [`crate::Cowherd`] for async callers.
#[derive(Debug, Clone)]
pub struct Cowherd(super::Cowherd);

impl From<super::Cowherd> for Cowherd {
    /// The same project. Opening one reads a few files; building and starting is what takes time.
    fn from(herd: super::Cowherd) -> Self {
        Self(herd)
    }
}

impl Cowherd {
    /// As [`crate::Cowherd::open`].
    ///
    /// # Errors
    /// As there.
    pub async fn open() -> Result<Self, Error> {
        elsewhere(super::Cowherd::open).await.map(Self)
    }

    /// As [`crate::Cowherd::open_package`].
    ///
    /// # Errors
    /// As there.
    pub async fn open_package(folder: &Path) -> Result<Self, Error> {
        let folder = folder.to_owned();
        let open = move || super::Cowherd::open_package(&folder);
        elsewhere(open).await.map(Self)
    }

    /// As [`crate::Cowherd::open_file`].
    ///
    /// # Errors
    /// As there.
    pub async fn open_file(file: &Path) -> Result<Self, Error> {
        let file = file.to_owned();
        let open = move || super::Cowherd::open_file(&file);
        elsewhere(open).await.map(Self)
    }

    /// As [`crate::Cowherd::open_in`].
    ///
    /// # Errors
    /// As there.
    pub async fn open_in(file: &Path, store: &Path) -> Result<Self, Error> {
        let (file, store) = (file.to_owned(), store.to_owned());
        let open = move || super::Cowherd::open_in(&file, &store);
        elsewhere(open).await.map(Self)
    }

    /// The snapshot of that name, built if the store lacks it: once, whoever asks.
    ///
    /// # Errors
    /// As [`crate::Cowherd::snapshot`].
    pub async fn snapshot(&self, name: &str) -> Result<Snapshot, Error> {
        let (herd, name) = (self.0.clone(), name.to_owned());
        let built = elsewhere(move || herd.snapshot(&name));
        built.await.map(Snapshot)
    }
}

/// A built snapshot: [`crate::Snapshot`] for async callers.
#[derive(Debug, Clone)]
pub struct Snapshot(super::Snapshot);

impl From<super::Snapshot> for Snapshot {
    fn from(snapshot: super::Snapshot) -> Self {
        Self(snapshot)
    }
}

impl Snapshot {
    /// Its name.
    pub fn name(&self) -> &str {
        self.0.name()
    }

    /// Starts a container over it and waits until its services answer. Dropping one waits for nothing: a thread of
    /// the pool takes it apart.
    ///
    /// # Errors
    /// As [`crate::Snapshot::container`].
    pub async fn container(&self) -> Result<Container, Error> {
        let snapshot = self.0.clone();
        elsewhere(move || snapshot.container()).await
    }

    /// A connection to a copy of a SQLite snapshot inside this process. This doesn't wait for anything: the
    /// connection itself is one that blocks.
    ///
    /// # Errors
    /// As [`crate::Snapshot::sqlite`].
    #[cfg(feature = "sqlite")]
    pub fn sqlite(&self) -> Result<SqliteCopy, Error> {
        self.0.sqlite()
    }

    /// A file with a copy of a SQLite snapshot.
    ///
    /// # Errors
    /// As [`crate::Snapshot::sqlite_file`].
    pub async fn sqlite_file(&self) -> Result<SqliteFile, Error> {
        let snapshot = self.0.clone();
        elsewhere(move || snapshot.sqlite_file()).await
    }
}

/// Does `work` on a thread of its own: that needs no runtime, and works in each.
async fn elsewhere<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    let (give, take) = oneshot::channel();
    let work = move || {
        // Nobody takes it when the caller was cancelled.
        let _ = give.send(panic::catch_unwind(AssertUnwindSafe(work)));
    };
    let thread = thread::Builder::new().name("cowherd".to_owned());
    thread
        .spawn(work)
        .map_err(|error| Error::Thread(error.into()))?;
    match take.await {
        Ok(Ok(result)) => result,
        Ok(Err(payload)) => panic::resume_unwind(payload),
        Err(oneshot::Canceled) => unreachable!("the thread gives something in any case"),
    }
}
