//! One test's copy, however it was had.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use super::Error;
use crate::container::{Forward, State};
use crate::engine::{Address, Endpoint, Engine};
use crate::pool::Handed;
use crate::pool::client::Client;
use crate::pool::protocol;
use crate::store::Scratch;

/// One test's copy of a snapshot, with its services running.
///
/// Addresses are for programs *outside* the container: PostgreSQL is reached by its Unix socket, which needs no
/// port of this host's. A server without an adapter is reached by a port of this host's that leads to its first.
///
/// A clone is the same container, not another copy: it goes when the last one is dropped.
#[derive(Debug, Clone)]
pub struct Container {
    held: Arc<Held>,
}

#[derive(Debug)]
enum Held {
    /// By this process.
    Here {
        // The ports end before what they lead to.
        forwards: Mutex<BTreeMap<String, Forward>>,
        live: Option<Handed>,
        state: Arc<State>,
        file: Option<SqliteFile>,
    },
    /// By a pool, for as long as the connection is open.
    Taken {
        client: Mutex<Client>,
        address: protocol::Address,
        /// Counts them, for the thread that took it.
        _of: Arc<()>,
    },
    /// By whoever started this process in it.
    Around {
        snapshot: String,
        url: String,
        file: Option<PathBuf>,
    },
}

impl Container {
    pub(super) fn here(live: Option<Handed>, state: Arc<State>, file: Option<SqliteFile>) -> Self {
        let mut live = live;
        if let Some(live) = &mut live {
            live.let_logs_go();
        }
        let held = Held::Here {
            forwards: Mutex::default(),
            live,
            state,
            file,
        };
        Self {
            held: Arc::new(held),
        }
    }

    pub(super) fn taken(client: Client, address: protocol::Address, of: Arc<()>) -> Self {
        let held = Held::Taken {
            client: Mutex::new(client),
            address,
            _of: of,
        };
        Self {
            held: Arc::new(held),
        }
    }

    pub(super) fn around(snapshot: &str, (url, file): (String, Option<PathBuf>)) -> Self {
        let held = Held::Around {
            snapshot: snapshot.to_owned(),
            url,
            file,
        };
        Self {
            held: Arc::new(held),
        }
    }

    /// The name of the snapshot that it is a copy of.
    pub fn snapshot(&self) -> &str {
        match &*self.held {
            Held::Here { state, .. } => &state.snapshot,
            Held::Taken { address, .. } => &address.snapshot,
            Held::Around { snapshot, .. } => snapshot,
        }
    }

    /// The address of the first service: `postgres://postgres@%2F…/shop`, whose host is the folder of the
    /// Unix socket, or `sqlite:///abs/path`. libpq and the Rust clients take it as it stands.
    pub fn url(&self) -> String {
        match &*self.held {
            Held::Here { state, .. } => match state.services.first() {
                Some(engine) => engine.url(&self.address(engine.as_ref())),
                None => String::new(),
            },
            Held::Taken { address, .. } => address.url.clone(),
            Held::Around { url, .. } => url.clone(),
        }
    }

    /// The address of the first service by a port of 127.0.0.1, for clients that know no sockets. The port is
    /// opened when this is first called, and closed with the container.
    ///
    /// ```no_run
    /// # let snapshot = cowherd::Cowherd::open()?.snapshot("shop")?;
    /// let container = snapshot.container()?;
    /// assert!(container.tcp_url()?.starts_with("postgres://postgres@127.0.0.1:"));
    /// # Ok::<(), cowherd::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::NoServer`] where the first service is a file; when no port can be had.
    pub fn tcp_url(&self) -> Result<String, Error> {
        match &*self.held {
            Held::Here { .. } => self.forwarded().map(|(_, url)| url),
            Held::Taken {
                client, address, ..
            } => {
                // A panic of another thread's in between leaves it as it was.
                let mut client = client.lock().unwrap_or_else(PoisonError::into_inner);
                Ok(client.forward(address.id)?.1)
            }
            Held::Around { url, file, .. } => match file {
                Some(_) => Err(Error::NoServer),
                None => Ok(url.clone()),
            },
        }
    }

    /// The port, and the first service's address by it.
    pub(crate) fn forwarded(&self) -> Result<(u16, String), Error> {
        let Held::Here { state, .. } = &*self.held else {
            return Err(Error::NoServer);
        };
        let engine = state.services.first().ok_or(Error::NoServer)?;
        let port = self.port_of(engine.as_ref())?;
        Ok((port, engine.url(&Address::Port(port))))
    }

    /// A port of this host that leads to a service, opened when it is first asked for.
    fn port_of(&self, engine: &dyn Engine) -> Result<u16, Error> {
        let Held::Here {
            forwards,
            live: Some(live),
            ..
        } = &*self.held
        else {
            return Err(Error::NoServer);
        };
        let endpoint = engine.server(false).and_then(|server| server.endpoint);
        let endpoint = endpoint.ok_or(Error::NoServer)?;
        // A panic of another thread's in between leaves it as it was.
        let mut forwards = forwards.lock().unwrap_or_else(PoisonError::into_inner);
        let service = engine.place().service();
        if let Some(forward) = forwards.get(service) {
            return Ok(forward.port());
        }
        let new = live.forward(&endpoint);
        let new = new.map_err(|error| Error::Forward(Arc::new(error)))?;
        let port = new.port();
        forwards.insert(service.to_owned(), new);
        Ok(port)
    }

    /// The folder of the first service's Unix socket, as this process reaches it.
    pub fn socket_folder(&self) -> Option<PathBuf> {
        match &*self.held {
            Held::Here { state, .. } => {
                let engine = state.services.first()?;
                match self.address(engine.as_ref()) {
                    Address::Socket(folder) => Some(folder),
                    Address::Inside | Address::Port(_) | Address::File(_) => None,
                }
            }
            Held::Taken { address, .. } => address.socket_folder.clone(),
            Held::Around { .. } => None,
        }
    }

    /// The file of a SQLite snapshot, this container's own.
    pub fn file(&self) -> Option<&Path> {
        match &*self.held {
            Held::Here { file, .. } => file.as_ref().map(SqliteFile::path),
            Held::Taken { address, .. } => address.file.as_deref(),
            Held::Around { file, .. } => file.as_deref(),
        }
    }

    /// The variables by which a program that this process starts finds the container's services: `DATABASE_URL`,
    /// `<SERVICE>_URL`, `COWHERD_SNAPSHOT` and the engines' own, such as `PGHOST`.
    pub fn environment(&self) -> BTreeMap<String, String> {
        match &*self.held {
            Held::Here { state, .. } => {
                let variables = state.environment_at(&|engine| self.address(engine));
                variables.into_iter().collect()
            }
            Held::Taken { address, .. } => address.environment.clone(),
            // They are this process's own.
            Held::Around { .. } => BTreeMap::new(),
        }
    }

    /// Where this process reaches a service of a container that it holds.
    fn address(&self, engine: &dyn Engine) -> Address {
        let Held::Here { live, file, .. } = &*self.held else {
            return Address::Inside;
        };
        let server = engine.server(false);
        let endpoint = server.as_ref().and_then(|server| server.endpoint.as_ref());
        match (live, file, endpoint) {
            (Some(live), _, Some(Endpoint::Socket(_))) => {
                Address::Socket(live.reach(&engine.place().sockets()))
            }
            // Where no port is to be had, its own leads to nobody, which is what whoever connects is told.
            (Some(_), _, Some(Endpoint::Port(_))) => {
                self.port_of(engine).map_or(Address::Inside, Address::Port)
            }
            (_, Some(file), None) if server.is_none() => Address::File(file.path().to_owned()),
            _ => Address::Inside,
        }
    }

    /// What a pool tells its clients of it.
    pub(crate) fn told_as(&self, id: u64) -> protocol::Address {
        let live = match &*self.held {
            Held::Here { live, .. } => live.as_ref(),
            Held::Taken { .. } | Held::Around { .. } => None,
        };
        protocol::Address {
            id,
            pid: live.map(|live| live.pid()),
            parked: live.is_some_and(Handed::was_parked),
            snapshot: self.snapshot().to_owned(),
            url: self.url(),
            socket_folder: self.socket_folder(),
            file: self.file().map(Path::to_owned),
            environment: self.environment(),
        }
    }

    /// A connection to the first service by the `postgres` crate. Connect, use and drop it on a thread that is
    /// no async worker: the crate drives a runtime of its own.
    ///
    /// # Errors
    /// When the service isn't PostgreSQL or the connection fails.
    #[cfg(feature = "postgres")]
    pub fn postgres(&self) -> Result<postgres::Client, Error> {
        postgres::Client::connect(&self.url(), postgres::NoTls).map_err(Error::connect)
    }
}

/// A SQLite file of one test's own.
#[derive(Debug)]
pub struct SqliteFile {
    path: PathBuf,
    // Gone with it, or by the next command.
    _kept: Kept,
}

#[derive(Debug)]
enum Kept {
    Folder(#[allow(dead_code, reason = "held until it is dropped")] Scratch),
    Container(#[allow(dead_code, reason = "held until it is dropped")] Box<Container>),
}

impl SqliteFile {
    pub(super) fn copied(path: PathBuf, folder: Scratch) -> Self {
        Self {
            path,
            _kept: Kept::Folder(folder),
        }
    }

    /// The file of a container that has one.
    pub(super) fn of(container: Container) -> Option<Self> {
        let path = container.file()?.to_owned();
        Some(Self {
            path,
            _kept: Kept::Container(Box::new(container)),
        })
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }
}
