//! What a database needs, told as data: an engine says what to run, a container runs it.
//!
//! An [`Engine`] starts no server and enters no namespace. It names the programs, arguments and
//! files of one service, and the few things that can be done on a plain folder it does itself
//! ([`Action::InProcess`], [`Engine::seal`]).
//!
//! The life of a data folder:
//!
//! ```text
//! base_actions(0..)   an empty database                        one layer per Base
//! script(file)        an SQL file of the user                  one layer per step
//! freeze()            while the server runs: nothing is left that a reader would have to write
//! -- the server stops --
//! seal(data)          prove that the state is clean, remove what belongs to one run only
//! ```
//!
//! The contract:
//!
//! - *Ready* means that a connection made now is served as any later one: data are loaded, the sockets listen. It is the
//!   server that says so, by a line of its log ([`Ready`]); nobody asks it in a loop. A server that ends before, or is late, is an error
//!   that shows the end of its log.
//! - *Freeze* promises that who reads a copy finds nothing to write or to repair. All that was acknowledged is in the data
//!   folder once the server has stopped; [`Engine::seal`] proves as much as can be told from files, and refuses the layer otherwise. A
//!   start from a sealed layer never recovers, and never takes an old process number for a live server.
//! - A *key* covers all that the data depend on: [`Engine::version`], [`Base::fields`], settings, scripts. What only one
//!   machine can use names it ([`Engine::machine`]). Two builds of one key may differ in their bytes, not in what they mean.
//! - A *script* does all or fails, and the failure names file, line and statement.
//! - An engine for one service knows nothing of others, nor of tests: it gives the same answers however often it is asked.
//!
//! [`adding`] adds one, from nothing.

use std::ffi::OsString;
use std::fmt::{self, Write as _};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::migrate::script::Dialect;
use crate::spec::Service;

#[doc = include_str!("adding.md")]
#[doc = "\n```"]
#[doc = include_str!("../../tests/conformance/added.rs")]
#[doc = "```"]
pub mod adding {}
pub mod content;
mod error;
mod mariadb;
pub mod mariadb_content;
mod mariadb_explain;
pub mod mariadb_find;
mod mariadb_freeze;
mod mariadb_log;
pub mod mariadb_script;
mod mariadb_seal;
mod mariadb_settings;
pub mod mariadb_warm;
mod null;
mod postgres;
pub mod postgres_content;
pub mod postgres_copy;
mod postgres_explain;
pub mod postgres_find;
mod postgres_freeze;
mod postgres_machine;
pub mod postgres_script;
mod postgres_seal;
mod postgres_settings;
mod postgres_warm;
mod postgres_wire;
mod redis;
pub mod redis_client;
pub mod redis_commands;
pub mod redis_find;
pub mod redis_keys;
mod redis_rdb;
pub mod redis_resp;
mod redis_script;
mod script_facts;
mod server;
mod service;
mod service_find;
mod socket;
#[cfg(feature = "sqlite")]
mod sqlite;
#[cfg(feature = "sqlite")]
pub mod sqlite_client;
#[cfg(feature = "sqlite")]
pub mod sqlite_content;
mod sqlite_copy;
#[cfg(feature = "sqlite")]
mod sqlite_file;
#[cfg(feature = "sqlite")]
mod sqlite_freeze;
#[cfg(feature = "sqlite")]
pub mod sqlite_mapped;
#[cfg(feature = "sqlite")]
pub mod sqlite_rows;
#[cfg(feature = "sqlite")]
mod sqlite_script;
#[cfg(feature = "sqlite")]
mod sqlite_split;

pub use error::EngineError;
use redis_keys::Keys;
pub use server::{Check, Endpoint, Load, Probe, Ready, Server, Shutdown};
pub use socket::Socket;
pub use sqlite_copy::private_copy;

/// One kind of database, set up for one service.
pub trait Engine: Send + Sync + fmt::Debug {
    /// What people call it: `PostgreSQL`.
    fn name(&self) -> &'static str;

    /// Whose SQL it speaks; `None` where its data are no tables.
    fn dialect(&self) -> Option<Dialect> {
        None
    }

    /// The exact version, build included; part of every key.
    fn version(&self) -> &str;

    /// What of this machine its files depend on besides its version, as names and values: another machine can use
    /// them only if it has the same. Nothing where files are the same everywhere.
    fn machine(&self) -> Vec<(String, String)> {
        Vec::new()
    }

    /// Where the service lives inside a container.
    fn place(&self) -> &Place;

    /// A folder of the host at whose place its data are too, for a server that can't be told another.
    fn data_dir(&self) -> Option<&Path> {
        None
    }

    /// Files of the data folder itself that every server writes to and that are mostly holes: each container gets a
    /// copy without them. Nothing where there are none: what is written to is copied all the same.
    fn always_written(&self) -> Vec<PathBuf> {
        Vec::new()
    }

    /// Whether it listens on ports that only root may have elsewhere: those below 1024.
    fn has_low_ports(&self) -> bool {
        false
    }

    /// Whether its programs read files of the project.
    fn reads_project(&self) -> bool {
        false
    }

    /// The steps that lead to an empty database, in order; each becomes a layer of its own, so that
    /// what several databases share is stored once.
    fn base(&self) -> Vec<Base>;

    /// What to run for the step `index` of [`Engine::base`]; nothing for an index past its end.
    fn base_actions(&self, index: usize) -> Vec<Action>;

    /// The server process, `None` where the database is a file. `building` is for steps of a
    /// snapshot, which prefer speed over what a test could see; both kinds leave the same data.
    fn server(&self, building: bool) -> Option<Server>;

    /// What the server takes of a host, for who has to know how many there may be.
    fn load(&self) -> Load {
        Load::default()
    }

    /// What to run, in order, for one SQL file.
    ///
    /// # Errors
    /// When the file can't be read.
    fn script(&self, script: &ScriptFile) -> Result<Vec<Action>, EngineError>;

    /// What the user should know about a script that may not do what they think, in a sentence: it
    /// fills another database than the snapshot's.
    fn remark(&self, _script: &ScriptFile) -> Option<String> {
        None
    }

    /// What to run before a layer is sealed, while the server runs.
    fn freeze(&self) -> Vec<Action> {
        Vec::new()
    }

    /// Proves, after the server stopped, that the data needs no recovery, and removes what belongs to
    /// one run only. `data` is the data folder, or the upper folder of an overlay in which the server
    /// ran.
    ///
    /// # Errors
    /// [`EngineError::Unclean`] when a container would have to recover it.
    fn seal(&self, data: &Path) -> Result<(), EngineError>;

    /// The interactive client, for `cowherd shell`.
    fn client(&self) -> Exec;

    /// Runs the file `script` as a test: prints what it selects, fails at the first error.
    fn client_script(&self, script: &Path) -> Exec;

    /// The ending of the files that [`Engine::client_script`] runs.
    fn script_ending(&self) -> &'static str {
        "sql"
    }

    /// The engine's own variables for the environment of a program that reaches it at `address`.
    fn environment(&self, address: &Address) -> Vec<(String, String)>;

    /// `DATABASE_URL`, in the form that the engine's clients and the Rust clients take.
    fn url(&self, address: &Address) -> String;

    /// Uses a server that waits for its test once, at `address`, so that the test's own first use costs less.
    /// Best effort: a server that can't be used shows it to the test.
    fn warm(&self, _address: &Address) {}

    /// What the server behind the connections that `connect` makes holds, where that is keys with values.
    fn keys(&self, _connect: &dyn Fn() -> io::Result<Socket>) -> Option<io::Result<Keys>> {
        None
    }

    /// The database's file, relative to the data folder, where the database is one file.
    fn database_file(&self) -> Option<PathBuf> {
        None
    }

    /// Turns what a failed command wrote to standard error into an error that names file, line and
    /// statement. `script` is the file that it ran, if it ran one.
    fn explain(&self, script: Option<&ScriptFile>, stderr: &str) -> EngineError {
        let doing = script.map_or_else(
            || "prepare the database".to_owned(),
            |script| format!("run {}", script.name),
        );
        let message = stderr.trim().to_owned();
        EngineError::Command { doing, message }
    }
}

/// Where a program reaches a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// In the container that both are in.
    Inside,
    /// By its Unix socket, in this folder.
    Socket(PathBuf),
    /// By this port of 127.0.0.1.
    Port(u16),
    /// As this file.
    File(PathBuf),
}

/// Where a service lives inside a container: fixed, short, the same on every machine.
///
/// ```
/// use cowherd::engine::Place;
/// let place = Place::new("db");
/// assert_eq!(place.data().to_str(), Some("/run/cowherd/db/data"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    service: String,
}

impl Place {
    /// The place of the service of this name.
    pub fn new(service: impl Into<String>) -> Self {
        Self {
            service: service.into(),
        }
    }

    /// The service.
    pub fn service(&self) -> &str {
        &self.service
    }

    /// The folder of its Unix sockets; writable, and no part of the data.
    pub fn sockets(&self) -> PathBuf {
        Path::new("/run/cowherd").join(&self.service)
    }

    /// The data folder: what layers are made of.
    pub fn data(&self) -> PathBuf {
        self.sockets().join("data")
    }
}

/// A command to execute in the container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exec {
    /// The program; an absolute path.
    pub program: PathBuf,
    /// Its arguments, without the program's name.
    pub args: Vec<OsString>,
    /// Variables on top of the container's own.
    pub environment: Vec<(String, String)>,
    /// What it reads from standard input; nothing when `None`.
    pub stdin: Option<Vec<u8>>,
    /// The working folder, where it matters.
    pub folder: Option<PathBuf>,
}

impl Exec {
    /// A command with no arguments.
    pub fn new(program: impl Into<PathBuf>) -> Self {
        Self {
            program: program.into(),
            args: Vec::new(),
            environment: Vec::new(),
            stdin: None,
            folder: None,
        }
    }

    /// Adds one argument.
    #[must_use]
    pub fn arg(mut self, arg: impl Into<OsString>) -> Self {
        self.args.push(arg.into());
        self
    }

    /// Adds arguments.
    #[must_use]
    pub fn args(mut self, args: impl IntoIterator<Item = impl Into<OsString>>) -> Self {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    /// Adds a variable.
    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }
}

/// Work on a data folder inside this process.
pub type InProcess = Box<dyn FnOnce(&Path) -> Result<(), EngineError> + Send>;

/// A running server, as who talks to it from outside finds it.
pub struct Live<'a> {
    /// Connects to its [`Endpoint`].
    pub dial: &'a (dyn Fn() -> io::Result<Socket> + Sync),
    /// The upper folder of the overlay that its data are: what was written since the layers below were sealed.
    pub changes: &'a Path,
}

impl Live<'_> {
    /// A new connection to its [`Endpoint`].
    ///
    /// # Errors
    /// [`EngineError::Gone`] when nobody listens there.
    pub fn connect(&self) -> Result<Socket, EngineError> {
        (self.dial)().map_err(|error| EngineError::Gone {
            doing: "reach the database".to_owned(),
            why: error.to_string(),
        })
    }
}

impl fmt::Debug for Live<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Live")
            .field("changes", &self.changes)
            .finish_non_exhaustive()
    }
}

/// Work that is done by talking to the running server.
pub type Talk = Box<dyn FnOnce(&Live<'_>) -> Result<(), EngineError> + Send>;

/// One thing to do for a step.
pub enum Action {
    /// Runs in the container and must exit with 0; [`Engine::explain`] reads its standard error.
    Exec(Exec),
    /// Runs here, over connections to the server's [`Endpoint`].
    Talk(Talk),
    /// Runs here on the data folder, which must be complete and writable.
    InProcess(InProcess),
}

impl fmt::Debug for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exec(exec) => f.debug_tuple("Exec").field(exec).finish(),
            Self::Talk(_) => f.write_str("Talk"),
            Self::InProcess(_) => f.write_str("InProcess"),
        }
    }
}

/// One step on the way to an empty database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Base {
    /// What it does, for progress lines: `initdb`.
    pub label: String,
    /// What its result depends on, on top of the engine's name and version and the step before it. The
    /// service's settings are among them where they matter.
    pub fields: Vec<(String, Vec<u8>)>,
    /// Whether the server runs during its actions.
    pub with_server: bool,
}

/// An SQL file to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScriptFile {
    /// The name to show to the user, as they wrote it.
    pub name: String,
    /// The file as this process sees it.
    pub host: PathBuf,
    /// The file as the container sees it.
    pub path: PathBuf,
    /// The working folder, the same inside and outside: relative names in `\i` and `.read` start here,
    /// as they do for the clients.
    pub folder: PathBuf,
    /// Whether the file should be all or nothing. A file that has transactions of its own, or a statement
    /// that can't stand in one, is run without.
    pub transaction: bool,
    /// What to run in place of the file, line by line the same but for what is left out or filled in.
    pub text: Option<Arc<str>>,
    /// SQL to run ahead of it, in the same transaction where there is one.
    pub before: Option<String>,
    /// SQL to run after it, likewise, whatever the script has set for its session.
    pub after: Option<String>,
}

/// Sets up the engine of one service: finds its programs, checks its settings.
///
/// # Errors
/// When the engine is unknown, its programs are not there or too old, or a setting is not possible.
pub fn for_service(service: &Service) -> Result<Box<dyn Engine>, EngineError> {
    with_others(service, 0)
}

/// Sets up the engines of a snapshot's services, in order. The services share the container's network, so
/// the first of an engine gets its usual port, and every further one the next; MariaDB and MySQL share theirs.
///
/// # Errors
/// As [`for_service`].
pub fn for_services(services: &[Service]) -> Result<Vec<Box<dyn Engine>>, EngineError> {
    let set_up = |(index, service): (usize, &Service)| {
        // What listens on one usual port: Redis and Valkey, MariaDB and MySQL.
        let kind = |service: &Service| {
            let kind = service.engine.replace(redis::VALKEY, redis::KEY);
            match mariadb::KEYS.iter().any(|(key, _)| *key == kind) {
                true => mariadb::KEYS[0].0.to_owned(),
                false => kind,
            }
        };
        let same = |earlier: &&Service| kind(earlier) == kind(service);
        with_others(service, services[..index].iter().filter(same).count())
    };
    services.iter().enumerate().map(set_up).collect()
}

/// The engine of a service ahead of which `others` of the same engine stand.
fn with_others(service: &Service, others: usize) -> Result<Box<dyn Engine>, EngineError> {
    let port = |first: u16| first.saturating_add(others as u16);
    if let Some((_, product)) = mariadb::KEYS.iter().find(|(key, _)| *key == service.engine) {
        let engine = mariadb::MariaDb::new(service, *product, port(mariadb::PORT))?;
        return Ok(Box::new(engine));
    }
    match service.engine.as_str() {
        postgres::KEY => Ok(Box::new(postgres::Postgres::new(
            service,
            port(postgres::PORT),
        )?)),
        redis::KEY | redis::VALKEY => Ok(Box::new(redis::Redis::new(service, port(redis::PORT))?)),
        #[cfg(feature = "sqlite")]
        sqlite::KEY => Ok(Box::new(sqlite::Sqlite::new(service)?)),
        #[cfg(not(feature = "sqlite"))]
        "sqlite" => Err(EngineError::LeftOut {
            engine: "SQLite",
            feature: "sqlite",
        }),
        service::KEY => Ok(Box::new(service::CustomServer::new(service)?)),
        null::KEY => Ok(Box::new(null::Null::new(service))),
        other => Err(EngineError::Unknown {
            engine: other.to_owned(),
        }),
    }
}

/// `text` for a URL: everything but unreserved characters (RFC 3986, 2.3) and those of `keep` in percent form.
fn percent(text: &str, keep: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        let plain = byte.is_ascii_alphanumeric()
            || b"-._~".contains(&byte)
            || keep.as_bytes().contains(&byte);
        if plain {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}
