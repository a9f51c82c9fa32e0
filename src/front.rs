//! The front door for tests in Rust: a copy of a snapshot in one line.
//!
//! ```no_run
//! use cowherd::Cowherd;
//!
//! let container = Cowherd::open()?.snapshot("shop")?.container()?;
//! println!("{}", container.url());
//! # Ok::<(), cowherd::Error>(())
//! ```
//!
//! Nothing has to be installed or started beforehand. When a [`Container`] is dropped, or its process ends in
//! whatever way, the kernel takes the container apart.

pub mod asynchronous;
mod container;
mod declare;
mod error;
mod fixture;
mod herds;
mod here;
mod inside;
pub mod testing;

use std::os::fd::BorrowedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::container::ContainerError;
use crate::engine::private_copy;
#[cfg(feature = "sqlite")]
use crate::engine::sqlite_mapped::SqliteCopy;
use crate::pool::client::{Client, POOL};
use crate::pool::protocol::Wanted;
use crate::project::{Project, ProjectError};

pub use container::{Container, SqliteFile};
pub use error::Error;
pub use fixture::{DatabaseFile, DatabaseUrl, FromContainer, FromContainerAsync};
pub(crate) use here::{Built, Here};
use inside::Inside;

/// A project with its snapshots, opened once for all tests of a process.
#[derive(Debug, Clone)]
pub struct Cowherd {
    copies: Copies,
}

/// Who makes the copies.
#[derive(Debug, Clone)]
enum Copies {
    /// This process.
    Here(Arc<Here>),
    /// A pool in another process, over this socket, of the spec in this file.
    Pool(Arc<(PathBuf, PathBuf)>),
    /// Nobody: this process is in a container of its own.
    Inside(Arc<Inside>),
}

impl Cowherd {
    /// Opens the `cowherd.yaml` that belongs to this package, as [`Cowherd::open_package`] finds it in
    /// `CARGO_MANIFEST_DIR`, which Cargo sets for tests; without that variable the one that `COWHERD_FILE` names,
    /// else the nearest from the current folder upwards.
    ///
    /// Where `COWHERD_POOL` names the socket of a pool, as in tests under `cowherd cargo` and beside `cowherd serve`,
    /// the containers are taken from there. A process that is in a container itself gets that one.
    ///
    /// # Errors
    /// A spec that is wrong or isn't there, a store that can't be used.
    pub fn open() -> Result<Self, Error> {
        if let Some(inside) = Self::around() {
            return Ok(inside);
        }
        let variable = |name| std::env::var_os(name).map(PathBuf::from);
        match (variable("COWHERD_FILE"), variable("CARGO_MANIFEST_DIR")) {
            (Some(file), _) => Self::open_file(&file),
            (None, Some(package)) => Self::open_package(&package),
            (None, None) => {
                let here = std::env::current_dir().map_err(ProjectError::Folder)?;
                Self::open_file(&crate::spec::find(&here).map_err(ProjectError::from)?)
            }
        }
    }

    /// The container that this process is in, where it is in one.
    fn around() -> Option<Self> {
        let copies = Copies::Inside(Arc::new(Inside::of_environment()?));
        Some(Self { copies })
    }

    /// Opens one spec.
    ///
    /// # Errors
    /// As [`Cowherd::open`].
    pub fn open_file(file: &Path) -> Result<Self, Error> {
        match std::env::var_os(POOL) {
            Some(socket) => Self::open_by_pool(file, socket.as_ref()),
            None => Ok(Self::of(Here::new(Project::open(Some(file))?))),
        }
    }

    /// Opens one spec with the store in the folder `store`, whatever the environment says.
    ///
    /// # Errors
    /// As [`Cowherd::open`].
    pub fn open_in(file: &Path, store: &Path) -> Result<Self, Error> {
        Ok(Self::of(Here::new(Project::open_in(file, store)?)))
    }

    /// Opens one spec, whose copies come from the pool that listens on `socket`, whatever the environment says.
    ///
    /// ```no_run
    /// use cowherd::Cowherd;
    /// let cowherd = Cowherd::open_by_pool("cowherd.yaml".as_ref(), "/tmp/pool.sock".as_ref())?;
    /// let container = cowherd.snapshot("shop")?.container()?;
    /// # Ok::<(), cowherd::Error>(())
    /// ```
    ///
    /// # Errors
    /// When there is no current folder. Whether the pool is there and knows the spec, the first snapshot shows.
    pub fn open_by_pool(file: &Path, socket: &Path) -> Result<Self, Error> {
        let file = std::path::absolute(file).map_err(ProjectError::Folder)?;
        let copies = Copies::Pool(Arc::new((socket.to_owned(), file)));
        Ok(Self { copies })
    }

    /// A project whose containers this process starts.
    pub(crate) fn of(here: Here) -> Self {
        let copies = Copies::Here(Arc::new(here));
        Self { copies }
    }

    /// The snapshot of that name, built if the store lacks it: once, whoever asks.
    ///
    /// # Errors
    /// When it can't be built; everybody who asks for it in this process gets the same error.
    pub fn snapshot(&self, name: &str) -> Result<Snapshot, Error> {
        self.find(Some(name))
    }

    /// The snapshot of that name, or the one that nobody has to name.
    fn find(&self, name: Option<&str>) -> Result<Snapshot, Error> {
        let (name, copies) = match &self.copies {
            Copies::Here(here) => {
                let name = here.one_name(name)?;
                let built = here.snapshot(&name)?;
                (name, Source::Here(built, Arc::clone(here)))
            }
            Copies::Pool(at) => {
                let mut wanted = Wanted {
                    spec: Some(at.1.clone()),
                    snapshot: name.map(str::to_owned),
                };
                let name = Client::connect(&at.0)?.prepare(wanted.clone())?;
                wanted.snapshot = Some(name.clone());
                (name, Source::Pool(at.0.clone(), wanted))
            }
            Copies::Inside(inside) => {
                let name = inside.one_name(name)?;
                (name, Source::Inside(Arc::clone(inside)))
            }
        };
        Ok(Snapshot { name, copies })
    }
}

thread_local! {
    /// Shared with the containers that this thread took from a pool: so it knows whether it holds some.
    static TAKEN: Arc<()> = Arc::default();
}

/// A built snapshot.
#[derive(Debug, Clone)]
pub struct Snapshot {
    name: String,
    copies: Source,
}

/// Where a snapshot's copies come from.
#[derive(Debug, Clone)]
enum Source {
    Here(Arc<Built>, Arc<Here>),
    Pool(PathBuf, Wanted),
    Inside(Arc<Inside>),
}

impl Snapshot {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn of(name: &str, built: Arc<Built>, here: Arc<Here>) -> Self {
        Self {
            name: name.to_owned(),
            copies: Source::Here(built, here),
        }
    }

    /// Starts a container over it and waits until its services answer, or takes one that was started ahead. A
    /// SQLite snapshot needs no processes: its container is a file of its own.
    ///
    /// # Errors
    /// What the host refuses, or a service that isn't ready.
    pub fn container(&self) -> Result<Container, Error> {
        self.take(false, None)
    }

    /// The same for one who holds others already, `more`, and may give up.
    pub(crate) fn take(
        &self,
        more: bool,
        stop: Option<BorrowedFd<'_>>,
    ) -> Result<Container, Error> {
        match &self.copies {
            Source::Here(built, here) => {
                let live = match built.is_served() {
                    false => None,
                    true => Some(here.pool()?.take_for(&built.order, more, stop)?),
                };
                let file = match built.frozen {
                    Some(_) => Some(self.sqlite_file()?),
                    None => None,
                };
                Ok(Container::here(live, Arc::clone(&built.order.state), file))
            }
            Source::Pool(socket, wanted) => {
                let mut client = Client::connect(socket)?;
                let of = TAKEN.with(Arc::clone);
                // One is this call's, one the thread's own.
                if Arc::strong_count(&of) > 2 {
                    client.holding_others();
                }
                let address = client.take(wanted.clone())?;
                Ok(Container::taken(client, address, of))
            }
            Source::Inside(inside) => Ok(Container::around(&self.name, inside.take()?)),
        }
    }

    /// A connection to a copy of a SQLite snapshot inside this process, at any size in a fraction of a
    /// millisecond: the frozen file is mapped, and the kernel copies the pages that are written.
    ///
    /// # Errors
    /// [`Error::NoFile`] when the snapshot's first service isn't a file; when it can't be mapped.
    #[cfg(feature = "sqlite")]
    pub fn sqlite(&self) -> Result<SqliteCopy, Error> {
        let (file, _kept) = self.frozen_file()?;
        Ok(SqliteCopy::of(&file).map_err(ContainerError::from)?)
    }

    /// A file with a copy of a SQLite snapshot, for tests that want a path: several connections, another
    /// process, WAL. It shares blocks with the snapshot where the store's file system can, and is gone when the
    /// value is dropped.
    ///
    /// # Errors
    /// [`Error::NoFile`] when the snapshot's first service isn't a file; when it can't be copied.
    pub fn sqlite_file(&self) -> Result<SqliteFile, Error> {
        match &self.copies {
            Source::Here(_, here) => {
                let (frozen, _) = self.frozen_file()?;
                let folder = here.scratch()?;
                let path = private_copy(&frozen, folder.path()).map_err(ContainerError::from)?;
                Ok(SqliteFile::copied(path, folder))
            }
            Source::Pool(..) | Source::Inside(_) => {
                let container = self.container()?;
                SqliteFile::of(container).ok_or_else(|| Error::NoFile(self.name.clone()))
            }
        }
    }

    /// The file that is copied, and what keeps it there.
    fn frozen_file(&self) -> Result<(PathBuf, Option<Client>), Error> {
        let no_file = || Error::NoFile(self.name.clone());
        match &self.copies {
            Source::Here(built, _) => Ok((built.frozen.clone().ok_or_else(no_file)?, None)),
            Source::Pool(socket, wanted) => {
                let mut client = Client::connect(socket)?;
                Ok((client.frozen(wanted.clone())?, Some(client)))
            }
            Source::Inside(inside) => Ok((inside.file().ok_or_else(no_file)?, None)),
        }
    }
}
