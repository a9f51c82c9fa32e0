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

mod error;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use crate::container::{ContainerError, Host, Live, Order, ProjectFiles, State};
use crate::engine::Engine;
use crate::engine::sqlite_mapped::{SqliteCopy, private_copy};
use crate::project::{Project, ProjectError};
use crate::sandbox::cgroup::Limits;
use crate::schedule::Stop;
use crate::spec;
use crate::store::Scratch;

pub use error::Error;

/// A project with its snapshots, opened once for all tests of a process.
#[derive(Debug, Clone)]
pub struct Cowherd {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    project: Project,
    built: Mutex<HashMap<String, Arc<Built>>>,
}

/// A snapshot that was asked for, once it is built or can't be.
type Built = OnceLock<Result<Snapshot, Error>>;

impl Cowherd {
    /// Opens the `cowherd.yaml` that belongs to this package: the one that `COWHERD_FILE` names, else the
    /// nearest from the package's folder upwards (`CARGO_MANIFEST_DIR`, which Cargo sets for tests), else from
    /// the current folder.
    ///
    /// # Errors
    /// A spec that is wrong or isn't there, a store that can't be used.
    pub fn open() -> Result<Self, Error> {
        let variable = |name| std::env::var_os(name).map(PathBuf::from);
        match (variable("COWHERD_FILE"), variable("CARGO_MANIFEST_DIR")) {
            (Some(file), _) => Self::open_file(&file),
            (None, Some(package)) => {
                Self::open_file(&spec::find(&package).map_err(ProjectError::from)?)
            }
            (None, None) => Ok(Self::of(Project::open(None)?)),
        }
    }

    /// Opens one spec.
    ///
    /// # Errors
    /// As [`Cowherd::open`].
    pub fn open_file(file: &Path) -> Result<Self, Error> {
        Ok(Self::of(Project::open(Some(file))?))
    }

    /// Opens one spec with the store in the folder `store`, whatever the environment says.
    ///
    /// # Errors
    /// As [`Cowherd::open`].
    pub fn open_in(file: &Path, store: &Path) -> Result<Self, Error> {
        Ok(Self::of(Project::open_in(file, store)?))
    }

    fn of(project: Project) -> Self {
        let built = Mutex::default();
        Self {
            inner: Arc::new(Inner { project, built }),
        }
    }

    /// The snapshot of that name, built if the store lacks it: once, whoever asks.
    ///
    /// # Errors
    /// When it can't be built; everybody who asks for it in this process gets the same error.
    pub fn snapshot(&self, name: &str) -> Result<Snapshot, Error> {
        let cell = {
            // Nothing can panic while the lock is held.
            let built = self.inner.built.lock();
            let mut built = built.unwrap_or_else(PoisonError::into_inner);
            Arc::clone(built.entry(name.to_owned()).or_default())
        };
        cell.get_or_init(|| self.build(name)).clone()
    }

    fn build(&self, name: &str) -> Result<Snapshot, Error> {
        let project = &self.inner.project;
        let stop = Stop::new().map_err(ProjectError::Signals)?;
        let mut prepared = project.prepare(&[name], &stop, &mut |_| {})?;
        let (_, state) = prepared.pop().expect("an answer for every name");
        Ok(Snapshot {
            state: state?,
            host: Arc::clone(project.on()),
        })
    }
}

/// A built snapshot.
#[derive(Debug, Clone)]
pub struct Snapshot {
    state: Arc<State>,
    host: Arc<Host>,
}

impl Snapshot {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.state.snapshot
    }

    /// Starts a container over it and waits until its services answer. A SQLite snapshot needs no
    /// processes: its container is a file of its own.
    ///
    /// # Errors
    /// What the host refuses, or a service that isn't ready.
    pub fn container(&self) -> Result<Container, Error> {
        let served = |engine: &Arc<dyn Engine>| engine.server(false).is_some();
        let live = match self.state.services.iter().any(served) {
            true => Some(self.start()?),
            false => None,
        };
        let file = match self.frozen_file() {
            Ok(_) => Some(self.sqlite_file()?),
            Err(_) => None,
        };
        Ok(Container {
            live,
            state: Arc::clone(&self.state),
            file,
        })
    }

    fn start(&self) -> Result<Live, Error> {
        let order = Order {
            host: Arc::clone(&self.host),
            state: Arc::clone(&self.state),
            project: ProjectFiles::Unseen,
            shown: Vec::new(),
            limits: Limits::default(),
        };
        let mut live = order.start(None)?;
        live.let_logs_go();
        Ok(live)
    }

    /// A connection to a copy of a SQLite snapshot inside this process, at any size in a fraction of a
    /// millisecond: the frozen file is mapped, and the kernel copies the pages that are written.
    ///
    /// # Errors
    /// [`Error::NoFile`] when the snapshot's first service isn't a file; when it can't be mapped.
    pub fn sqlite(&self) -> Result<SqliteCopy, Error> {
        Ok(SqliteCopy::of(&self.frozen_file()?).map_err(ContainerError::from)?)
    }

    /// A file with a copy of a SQLite snapshot, for tests that want a path: several connections, another
    /// process, WAL. It shares blocks with the snapshot where the store's file system can, and is gone when the
    /// value is dropped.
    ///
    /// # Errors
    /// [`Error::NoFile`] when the snapshot's first service isn't a file; when it can't be copied.
    pub fn sqlite_file(&self) -> Result<SqliteFile, Error> {
        let frozen = self.frozen_file()?;
        let folder = self.host.store.scratch().map_err(ContainerError::Store)?;
        let path = private_copy(&frozen, folder.path()).map_err(ContainerError::from)?;
        Ok(SqliteFile {
            path,
            _folder: folder,
        })
    }

    fn frozen_file(&self) -> Result<PathBuf, Error> {
        let frozen = self.state.services.first().and_then(|engine| {
            let file = engine.database_file()?;
            let layers = self.state.layers.iter();
            let mut folders = layers.filter_map(|layer| layer.files(engine.place().service()));
            folders.find_map(|folder| Some(folder.join(&file)).filter(|path| path.exists()))
        });
        frozen.ok_or_else(|| Error::NoFile(self.name().to_owned()))
    }
}

/// A SQLite file of one test's own.
#[derive(Debug)]
pub struct SqliteFile {
    path: PathBuf,
    // Removed when it is dropped, or by the next command.
    _folder: Scratch,
}

impl SqliteFile {
    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// One test's copy of a snapshot, with its services running.
///
/// Addresses are for programs *outside* the container: PostgreSQL is reached by its Unix socket, which needs no
/// port of this host's.
#[derive(Debug)]
pub struct Container {
    live: Option<Live>,
    state: Arc<State>,
    file: Option<SqliteFile>,
}

impl Container {
    /// The address of the first service: `postgres://postgres@%2F…/shop`, whose host is the folder of the
    /// Unix socket, or `sqlite:///abs/path`. libpq and the Rust clients take it as it stands.
    pub fn url(&self) -> String {
        if let Some(file) = &self.file {
            return format!("sqlite://{}", file.path().display());
        }
        let Some(engine) = self.state.services.first() else {
            return String::new();
        };
        match self.socket_folder() {
            Some(folder) => engine.url_by_socket(&folder),
            None => engine.url(),
        }
    }

    /// The folder of the first service's Unix socket, as this process reaches it.
    pub fn socket_folder(&self) -> Option<PathBuf> {
        let engine = self.state.services.first()?;
        engine.server(false)?;
        let live = self.live.as_ref()?;
        Some(live.reach(&engine.place().sockets()))
    }

    /// The file of a SQLite snapshot, this container's own.
    pub fn file(&self) -> Option<&Path> {
        self.file.as_ref().map(SqliteFile::path)
    }

    /// A connection to the first service by the `postgres` crate. Connect, use and drop it on a thread that is
    /// no async worker: the crate drives a runtime of its own.
    ///
    /// # Errors
    /// When the service isn't PostgreSQL or the connection fails.
    #[cfg(feature = "postgres")]
    pub fn postgres(&self) -> Result<postgres::Client, Error> {
        postgres::Client::connect(&self.url(), postgres::NoTls)
            .map_err(|error| Error::Connect(Arc::new(error)))
    }
}
