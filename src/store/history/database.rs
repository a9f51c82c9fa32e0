//! The run history as a SQLite database.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rusqlite::{Connection, ErrorCode, OptionalExtension as _, params};

use super::super::{Inner, Store};
use super::TestResult;
use crate::disk::{DiskError, FileLock, LockMode};

/// How many results of one test are kept.
const KEPT: u32 = 20;
/// How many of them make the expected duration.
const RECENT: u32 = 5;

/// The tables, as version 1 of them.
const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS results (
        id INTEGER PRIMARY KEY,
        spec BLOB NOT NULL,
        test TEXT NOT NULL,
        at INTEGER NOT NULL,      -- seconds since 1970
        micros INTEGER NOT NULL,
        passed INTEGER NOT NULL,
        flaky INTEGER NOT NULL
    );
    CREATE INDEX IF NOT EXISTS results_of_a_test ON results (spec, test, id);
    PRAGMA user_version = 1;";

/// Why the history could not be read or written. Nothing but estimates depends on it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HistoryError {
    /// The database.
    #[error("can't use the run history {}", path.display())]
    Database {
        /// The database.
        path: PathBuf,
        /// What the library said.
        #[source]
        source: rusqlite::Error,
    },
    /// The disk.
    #[error(transparent)]
    Disk(#[from] DiskError),
}

impl HistoryError {
    /// What to do about it, where that can be known.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Database { path, .. } => Some(format!(
                "remove {}: only estimates are lost with it",
                path.display()
            )),
            Self::Disk(error) => error.hint(),
        }
    }
}

/// The history, open.
#[derive(Debug)]
pub struct History {
    path: PathBuf,
    lock: PathBuf,
    connection: Connection,
    replaced: bool,
}

impl Store {
    /// Opens the history. One that is damaged is replaced by an empty one
    /// with a warning in the log: see [`History::was_replaced`].
    ///
    /// # Errors
    /// When it can neither be opened nor replaced.
    pub fn history(&self) -> Result<History, HistoryError> {
        History::open(&self.inner)
    }
}

impl History {
    fn open(inner: &Inner) -> Result<Self, HistoryError> {
        let path = inner.path.join("history.sqlite");
        let lock = inner.lock_path("history");
        let (connection, replaced) = match connect(&path) {
            Ok(connection) => (connection, false),
            Err(e) if is_damage(&e) => (replace(&path, &lock, &e)?, true),
            Err(source) => return Err(HistoryError::Database { path, source }),
        };
        Ok(Self {
            path,
            lock,
            connection,
            replaced,
        })
    }

    /// Whether what was there before was damaged and is gone.
    pub fn was_replaced(&self) -> bool {
        self.replaced
    }

    /// Adds the results of one run of the tests of the file `spec`: all, or none on an error.
    ///
    /// # Errors
    /// When the database can't be written.
    pub fn record(&mut self, spec: &Path, results: &[TestResult]) -> Result<(), HistoryError> {
        self.repaired(|connection| record(connection, spec, results))
    }

    /// The mean duration of the last five results of each test of `spec`, by name.
    ///
    /// # Errors
    /// When the database can't be read.
    pub fn expected(&mut self, spec: &Path) -> Result<Vec<(String, Duration)>, HistoryError> {
        self.repaired(|connection| expected(connection, spec))
    }

    /// How often a test of `spec` was flaky, of how many of its last 20 results; `None` for one
    /// that never ran.
    ///
    /// # Errors
    /// When the database can't be read.
    pub fn flakiness(
        &mut self,
        spec: &Path,
        test: &str,
    ) -> Result<Option<(u32, u32)>, HistoryError> {
        self.repaired(|connection| {
            connection
                .query_row(
                    "SELECT sum(flaky), count(*) FROM results WHERE spec = ?1 AND test = ?2
                     HAVING count(*) > 0",
                    params![bytes(spec), test],
                    |row| Ok((row.get(0)?, row.get(1)?)),
                )
                .optional()
        })
    }

    /// Runs `work`; when that shows the file to be damaged, once more on an empty one.
    fn repaired<T>(
        &mut self,
        work: impl Fn(&mut Connection) -> rusqlite::Result<T>,
    ) -> Result<T, HistoryError> {
        let mut result = work(&mut self.connection);
        if let Err(e) = &result
            && is_damage(e)
        {
            self.connection = replace(&self.path, &self.lock, e)?;
            self.replaced = true;
            result = work(&mut self.connection);
        }
        result.map_err(|source| HistoryError::Database {
            path: self.path.clone(),
            source,
        })
    }
}

fn connect(path: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open(path)?;
    connection.busy_timeout(Duration::from_secs(10))?;
    // A power cut may damage the file; then it is replaced. Waiting for the disk is worth more.
    connection.pragma_update(None, "synchronous", "OFF")?;
    let version: u32 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if version == 0 {
        connection.execute_batch(&format!("BEGIN IMMEDIATE; {SCHEMA} COMMIT;"))?;
    }
    // Fails when the file is a database of something else.
    connection.prepare("SELECT spec, test, at, micros, passed, flaky FROM results")?;
    Ok(connection)
}

fn is_damage(error: &rusqlite::Error) -> bool {
    match error {
        rusqlite::Error::SqliteFailure(failure, _) => matches!(
            failure.code,
            ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt | ErrorCode::Unknown
        ),
        // "no such table" and "no such column" among them.
        rusqlite::Error::SqlInputError { .. } => true,
        _ => false,
    }
}

/// Moves the damaged database aside and makes an empty one, unless another process just did.
fn replace(path: &Path, lock: &Path, why: &rusqlite::Error) -> Result<Connection, HistoryError> {
    let _one = FileLock::acquire(lock, LockMode::Exclusive)?;
    if let Ok(connection) = connect(path)
        && is_sound(&connection)
    {
        return Ok(connection);
    }
    let aside = path.with_extension("damaged");
    tracing::warn!(
        "{} is damaged ({why}): a new one is begun, the old one is {}",
        path.display(),
        aside.display()
    );
    let failed = |source: io::Error, path: &Path| DiskError {
        verb: "replace",
        path: path.to_owned(),
        source,
    };
    match fs::rename(path, &aside) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(failed(e, path).into()),
        _ => {}
    }
    // A journal of the old file must not be played into the new one.
    let mut journal = path.as_os_str().to_owned();
    journal.push("-journal");
    match fs::remove_file(&journal) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => {
            return Err(failed(e, Path::new(&journal)).into());
        }
        _ => {}
    }
    connect(path).map_err(|source| HistoryError::Database {
        path: path.to_owned(),
        source,
    })
}

fn is_sound(connection: &Connection) -> bool {
    connection
        .query_row("PRAGMA quick_check(1)", [], |row| row.get::<_, String>(0))
        .is_ok_and(|verdict| verdict == "ok")
}

fn bytes(spec: &Path) -> &[u8] {
    std::os::unix::ffi::OsStrExt::as_bytes(spec.as_os_str())
}

fn record(
    connection: &mut Connection,
    spec: &Path,
    results: &[TestResult],
) -> rusqlite::Result<()> {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs();
    let transaction =
        connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    {
        let mut add = transaction.prepare(
            "INSERT INTO results (spec, test, at, micros, passed, flaky) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )?;
        let mut prune = transaction.prepare(
            "DELETE FROM results WHERE spec = ?1 AND test = ?2 AND id <= (
                 SELECT id FROM results WHERE spec = ?1 AND test = ?2
                 ORDER BY id DESC LIMIT 1 OFFSET ?3)",
        )?;
        for result in results {
            let micros = i64::try_from(result.duration.as_micros()).unwrap_or(i64::MAX);
            let at = i64::try_from(now).unwrap_or(i64::MAX);
            add.execute(params![
                bytes(spec),
                result.name,
                at,
                micros,
                result.passed,
                result.flaky
            ])?;
            prune.execute(params![bytes(spec), result.name, KEPT])?;
        }
    }
    transaction.commit()
}

fn expected(connection: &Connection, spec: &Path) -> rusqlite::Result<Vec<(String, Duration)>> {
    let mut query = connection.prepare(
        "SELECT test, CAST(avg(micros) AS INTEGER) FROM (
             SELECT test, micros, row_number() OVER (PARTITION BY test ORDER BY id DESC) AS age
             FROM results WHERE spec = ?1)
         WHERE age <= ?2 GROUP BY test ORDER BY test",
    )?;
    let rows = query.query_map(params![bytes(spec), RECENT], |row| {
        let micros: i64 = row.get(1)?;
        Ok((row.get(0)?, Duration::from_micros(micros.unsigned_abs())))
    })?;
    rows.collect()
}
