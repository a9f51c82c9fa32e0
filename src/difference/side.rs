//! One service of a state, opened to be read.

use std::io;
use std::os::fd::BorrowedFd;
use std::path::PathBuf;

use super::DifferenceError;
use super::client::Client;
use super::stored::topmost;
use crate::container::{Container, State};
use crate::engine::content::{Object, Sequence, Table};
use crate::engine::redis_keys::Keys;
use crate::engine::sqlite_content::Content;
use crate::engine::{Endpoint, Engine, EngineError, mariadb_content, postgres_content};
use crate::migrate::script::Dialect;

/// One service of a state, opened to be read.
#[derive(Debug)]
pub struct Side {
    pub(super) source: Source,
    /// The data folders, topmost first.
    pub(super) folders: Vec<PathBuf>,
}

/// Where it is read from.
#[derive(Debug)]
pub(super) enum Source {
    Postgres(Client),
    /// MariaDB or MySQL.
    MariaDb(Client),
    Sqlite(Content),
    Keys(Keys),
}

impl Side {
    /// Opens the service of `engine`: by its server in `container`, or as a file in `folders`, the data folders that
    /// an overlay of the state has, topmost first. `None` where there are no tables to be read.
    ///
    /// The folders of a server must be as one left them that was stopped cleanly: a large table whose files are the
    /// same on both sides is not read. Where that isn't known, give none.
    ///
    /// The container must live as long as the side is read. A readable `stop` ends every wait.
    ///
    /// # Errors
    /// A server that can't be connected to or is not there, a file that can't be read or is not at rest.
    pub fn open(
        engine: &dyn Engine,
        folders: &[PathBuf],
        container: Option<&mut Container>,
        stop: Option<BorrowedFd<'_>>,
    ) -> Result<Option<Self>, DifferenceError> {
        let endpoint = engine.server(false).and_then(|server| server.endpoint);
        if let (Some(Endpoint::Socket(socket)), Some(container)) = (&endpoint, container.as_deref())
            && let Some(keys) = engine.keys(&|| container.connect(socket, stop))
        {
            return Ok(Some(Self {
                source: Source::Keys(keys.map_err(|error| unread("the keys", error))?),
                folders: folders.to_vec(),
            }));
        }
        let source = match (engine.dialect(), container, engine.database_file()) {
            (Some(Dialect::Postgres), Some(container), _) => {
                Source::Postgres(Client::start(engine, container, stop)?)
            }
            (Some(Dialect::Mysql), Some(container), _) => {
                Source::MariaDb(Client::start(engine, container, stop)?)
            }
            (Some(Dialect::Sqlite), _, Some(file)) => {
                let found = topmost(folders, &file).ok_or_else(|| EngineError::File {
                    verb: "find",
                    path: file,
                    source: std::io::ErrorKind::NotFound.into(),
                });
                Source::Sqlite(Content::open(&found?)?)
            }
            (None, ..) => return Ok(None),
            (Some(_), ..) => {
                return Err(DifferenceError::Incomparable {
                    what: engine.place().service().to_owned(),
                    why: format!("its {} doesn't run", engine.name()),
                });
            }
        };
        Ok(Some(Self {
            source,
            folders: folders.to_vec(),
        }))
    }

    /// Fails where the two have nothing to be compared by.
    pub(super) fn check_comparable(&self, other: &Self) -> Result<(), DifferenceError> {
        let why = match (&self.source, &other.source) {
            (Source::Postgres(_), Source::Postgres(_))
            | (Source::MariaDb(_), Source::MariaDb(_))
            | (Source::Keys(_), Source::Keys(_)) => return Ok(()),
            (Source::Sqlite(one), Source::Sqlite(other)) => {
                if one.encoding() == other.encoding() {
                    return Ok(());
                }
                "they store text in different encodings"
            }
            _ => "they are not of one engine",
        };
        Err(DifferenceError::Incomparable {
            what: "the databases".to_owned(),
            why: why.to_owned(),
        })
    }

    /// The objects of the schema.
    pub(super) fn objects(&mut self) -> Result<Vec<Object>, DifferenceError> {
        match &mut self.source {
            Source::Postgres(psql) => {
                let answer = psql.answer("the schema", postgres_content::OBJECTS)?;
                Ok(postgres_content::objects(answer.into_iter()))
            }
            Source::MariaDb(client) => {
                let answer = client.answer("the schema", &mariadb_content::objects())?;
                Ok(postgres_content::objects(answer.into_iter()))
            }
            Source::Sqlite(content) => Ok(content.objects()?),
            Source::Keys(keys) => keys.functions().map_err(|e| unread("the functions", e)),
        }
    }

    /// The tables whose rows can be read.
    pub(super) fn tables(&mut self) -> Result<Vec<Table>, DifferenceError> {
        match &mut self.source {
            Source::Postgres(psql) => {
                let answer = psql.answer("the tables", postgres_content::COLUMNS)?;
                Ok(postgres_content::tables(answer.into_iter()))
            }
            Source::MariaDb(client) => {
                let answer = client.answer("the tables", &mariadb_content::columns())?;
                let tables = postgres_content::tables(answer.into_iter());
                Ok(tables.into_iter().map(mariadb_content::from).collect())
            }
            Source::Sqlite(content) => Ok(content.tables()?),
            Source::Keys(keys) => keys.databases().map_err(|e| unread("the databases", e)),
        }
    }

    /// Where the sequences stand.
    pub(super) fn sequences(&mut self) -> Result<Vec<Sequence>, DifferenceError> {
        match &mut self.source {
            Source::Postgres(psql) => {
                let answer = psql.answer("the sequences", postgres_content::SEQUENCES)?;
                Ok(postgres_content::sequences(answer.into_iter()))
            }
            Source::MariaDb(client) => {
                let answer = client.answer("the sequences", &mariadb_content::sequences())?;
                Ok(postgres_content::sequences(answer.into_iter()))
            }
            Source::Sqlite(content) => Ok(content.sequences()?),
            Source::Keys(_) => Ok(Vec::new()),
        }
    }

    /// How many rows a table has.
    pub(super) fn count(&mut self, table: &Table) -> Result<u64, DifferenceError> {
        match &mut self.source {
            Source::Postgres(client) | Source::MariaDb(client) => {
                let what = format!("the rows of {}", table.name);
                let count =
                    client.answer(&what, &format!("SELECT count(*) FROM {}", table.from))?;
                let count = count
                    .first()
                    .and_then(|row| row.first()?.as_ref()?.parse().ok());
                Ok(count.unwrap_or_default())
            }
            Source::Sqlite(content) => Ok(content.count(table)?),
            Source::Keys(keys) => {
                let count = keys.count(&table.from);
                count.map_err(|error| unread(&table.name, error))
            }
        }
    }
}

/// Why nothing can be read of a server of keys.
pub(super) fn unread(what: &str, source: io::Error) -> DifferenceError {
    let what = what.to_owned();
    match source.kind() {
        io::ErrorKind::Interrupted => DifferenceError::Interrupted,
        io::ErrorKind::Other => DifferenceError::Query {
            what,
            message: source.to_string(),
        },
        _ => DifferenceError::Client { what, source },
    }
}

/// The folders of a state's service, topmost first: what [`Side::open`] and [`files`](super::files) take.
pub fn folders(state: &State, service: &str) -> Vec<PathBuf> {
    let layers = state.layers.iter();
    layers.filter_map(|layer| layer.files(service)).collect()
}
