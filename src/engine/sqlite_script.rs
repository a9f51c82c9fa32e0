//! Runs a SQLite script statement by statement, so that a failure is known by file, line and text.
//!
//! A script that is loaded into a layer runs in transactions of Cowherd's own wherever it has none: the
//! result is the same and a hundred times faster to reach. They end before every statement that can tell the
//! difference (`BEGIN`, `COMMIT`, `PRAGMA`, `VACUUM` …), and are not used at all while foreign keys are checked, since
//! deferred ones are checked at the end of a transaction.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;

use rusqlite::fallible_iterator::FallibleIterator as _;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, OpenFlags, Row};

use super::error::shortened;
use super::sqlite_split::{Piece, Pieces, SplitError};
use super::{EngineError, ScriptFile};
use crate::migrate::psql::Argument;
use crate::migrate::sqlite_shell;

/// How deep `.read` may nest.
const DEPTH: usize = 16;

/// Dot-commands that only change what the shell shows.
const DISPLAY: &str = "bail binary changes crlf databases dbinfo echo eqp explain fullschema header headers help \
     indexes indices lint log mode nullvalue once output print progress prompt scanstats schema separator show stats \
     tables timeout timer width";

/// Opens an existing database as the `sqlite3` shell would: foreign keys are not checked until a script asks
/// for it. (The bundled library would check them by default.)
pub(super) fn open(path: &Path) -> Result<Connection, EngineError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    Connection::open_with_flags(path, flags)
        .and_then(|connection| {
            connection.execute_batch("PRAGMA foreign_keys = OFF")?;
            Ok(connection)
        })
        .map_err(|e| library("open", path, e))
}

pub(super) fn library(doing: &'static str, path: &Path, source: rusqlite::Error) -> EngineError {
    EngineError::Library {
        doing,
        path: path.to_owned(),
        source: source.into(),
    }
}

/// Loads a script into the database.
pub(super) fn load(database: &Path, script: &ScriptFile) -> Result<(), EngineError> {
    let connection = open(database)?;
    // Whatever a crash would lose is lost with the whole step: nothing has to survive one.
    connection
        .execute_batch(
            "PRAGMA synchronous = OFF; PRAGMA temp_store = MEMORY; PRAGMA cache_size = -65536",
        )
        .and_then(|()| {
            let mode: String =
                connection.pragma_query_value(None, "journal_mode", |row| row.get(0))?;
            if mode == "delete" {
                connection.execute_batch("PRAGMA journal_mode = MEMORY")
            } else {
                Ok(())
            }
        })
        .map_err(|e| library("prepare", database, e))?;
    let mut session = Session {
        connection: &connection,
        batch: Batch::Closed,
        output: None,
        folder: &script.folder,
    };
    let run = |sql: &Option<String>| {
        let done = sql.as_ref().map(|sql| connection.execute_batch(sql));
        let failed = |e| failed(&script.name, None, None, &message(&e));
        done.transpose().map_err(failed)
    };
    run(&script.before)?;
    match &script.text {
        None => session.file(&script.name, &script.host, DEPTH)?,
        Some(text) => session.text(&script.name, &script.host, text)?,
    };
    session.commit(&script.name)?;
    if !connection.is_autocommit() {
        return Err(failed(
            &script.name,
            None,
            None,
            "it ends inside a transaction: a COMMIT is missing",
        ));
    }
    run(&script.after)?;
    connection
        .close()
        .map_err(|(_, e)| library("close", database, e))
}

/// Whether statements are gathered in transactions of Cowherd's own.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Batch {
    Never,
    Closed,
    Open,
}

/// A run of one script over one connection.
pub(super) struct Session<'a> {
    connection: &'a Connection,
    batch: Batch,
    /// Where results are printed; `None` while loading, when the script must also stay in its database.
    output: Option<&'a mut dyn Write>,
    folder: &'a Path,
}

impl<'a> Session<'a> {
    /// A run that prints what statements give, and otherwise leaves transactions to the script.
    pub(super) fn printing(
        connection: &'a Connection,
        output: &'a mut dyn Write,
        folder: &'a Path,
    ) -> Self {
        Self {
            connection,
            batch: Batch::Never,
            output: Some(output),
            folder,
        }
    }

    /// Runs a file; `false` when it asked to stop.
    pub(super) fn file(
        &mut self,
        name: &str,
        path: &Path,
        depth: usize,
    ) -> Result<bool, EngineError> {
        let file = File::open(path).map_err(|e| EngineError::file("read", path, e))?;
        let reader = BufReader::with_capacity(64 * 1024, file);
        self.pieces(name, path, reader, depth)
    }

    /// Runs a text that stands for the file at `path`.
    fn text(&mut self, name: &str, path: &Path, text: &str) -> Result<bool, EngineError> {
        self.pieces(name, path, text.as_bytes(), DEPTH)
    }

    fn pieces(
        &mut self,
        name: &str,
        path: &Path,
        reader: impl BufRead,
        depth: usize,
    ) -> Result<bool, EngineError> {
        let mut pieces = Pieces::new(reader);
        while let Some(piece) = pieces.next().map_err(|e| unreadable(name, path, e))? {
            if !self.piece(name, &piece, depth)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Runs one part of a script; `false` when it asked to stop.
    pub(super) fn piece(
        &mut self,
        name: &str,
        piece: &Piece,
        depth: usize,
    ) -> Result<bool, EngineError> {
        match piece {
            Piece::Statement { text, line } => {
                self.statement(name, text, *line)?;
                Ok(true)
            }
            Piece::Dot { text, line } => self.dot(name, text, *line, depth),
        }
    }

    fn dot(
        &mut self,
        name: &str,
        text: &str,
        line: usize,
        depth: usize,
    ) -> Result<bool, EngineError> {
        let shown = text.strip_prefix('.').unwrap_or(text).trim_start();
        let (command, argument) = shown.split_once(char::is_whitespace).unwrap_or((shown, ""));
        match command {
            "exit" | "quit" => return Ok(false),
            "rea" | "read" => {
                let problem = match sqlite_shell::read(text.as_bytes()) {
                    Some(Argument::Text(_)) if depth == 0 => ".read is nested too deeply",
                    Some(Argument::Text(file)) if !file.is_empty() => {
                        return self.file(&file, &self.folder.join(&file), depth - 1);
                    }
                    _ => ".read needs the name of a file",
                };
                return Err(failed(name, Some(line), None, problem));
            }
            "print" => {
                if let Some(output) = &mut self.output {
                    let argument = argument.trim().trim_matches(['"', '\'']);
                    writeln!(output, "{argument}")
                        .map_err(|e| EngineError::file("write", "the output", e))?;
                }
            }
            _ if DISPLAY.split(' ').any(|shown| shown == command) => {}
            _ => {
                return Err(EngineError::Script {
                    name: name.to_owned(),
                    line: Some(line),
                    statement: None,
                    message: format!(".{command} can't be followed here"),
                    hint: Some(
                        "of the shell's commands only .read and those for display work; for others use a \
                         `run:` step that calls sqlite3"
                            .to_owned(),
                    ),
                });
            }
        }
        Ok(true)
    }

    fn statement(&mut self, name: &str, text: &str, line: usize) -> Result<(), EngineError> {
        let verb = first_word(text);
        if self.output.is_none() {
            stays_inside(name, &verb, text, line)?;
        }
        self.gather(name, &verb)?;
        self.execute(text).map_err(|e| match e {
            StatementError::Sql(e) => explained(name, line, text, &e),
            StatementError::Output(e) => EngineError::file("write", "the output", e),
        })?;
        if verb == "PRAGMA" && self.batch == Batch::Closed {
            let checked = self
                .connection
                .pragma_query_value(None, "foreign_keys", |row| row.get(0));
            if checked.map_err(|e| explained(name, line, text, &e))? {
                self.batch = Batch::Never;
            }
        }
        Ok(())
    }

    /// Opens or ends a transaction of Cowherd's own ahead of a statement.
    fn gather(&mut self, name: &str, verb: &str) -> Result<(), EngineError> {
        match verb {
            "BEGIN" | "COMMIT" | "END" | "ROLLBACK" | "SAVEPOINT" | "RELEASE" | "VACUUM"
            | "PRAGMA" | "ATTACH" | "DETACH" => self.commit(name),
            _ if self.batch == Batch::Closed && self.connection.is_autocommit() => {
                self.connection
                    .execute_batch("BEGIN")
                    .map_err(|e| failed(name, None, None, &message(&e)))?;
                self.batch = Batch::Open;
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Ends a transaction of Cowherd's own, if one is open.
    fn commit(&mut self, name: &str) -> Result<(), EngineError> {
        if self.batch == Batch::Open {
            self.connection
                .execute_batch("COMMIT")
                .map_err(|e| failed(name, None, None, &message(&e)))?;
            self.batch = Batch::Closed;
        }
        Ok(())
    }

    fn execute(&mut self, text: &str) -> Result<(), StatementError> {
        // What holds nothing but comments gives no statement.
        let mut statements = rusqlite::Batch::new(self.connection, text);
        while let Some(mut statement) = statements.next()? {
            let columns = statement.column_count();
            // Parameters stay unbound, which is NULL, as in the shell.
            let mut rows = statement.raw_query();
            while let Some(row) = rows.next()? {
                if let Some(output) = &mut self.output {
                    print(self.connection, row, columns, *output)?;
                }
            }
        }
        Ok(())
    }
}

/// What can go wrong with one statement.
enum StatementError {
    Sql(rusqlite::Error),
    Output(std::io::Error),
}

impl From<rusqlite::Error> for StatementError {
    fn from(e: rusqlite::Error) -> Self {
        Self::Sql(e)
    }
}

/// Prints a row in the shell's list mode.
fn print(
    connection: &Connection,
    row: &Row<'_>,
    columns: usize,
    output: &mut dyn Write,
) -> Result<(), StatementError> {
    let mut line = Vec::new();
    for column in 0..columns {
        if column > 0 {
            line.push(b'|');
        }
        match row.get_ref(column)? {
            ValueRef::Null => {}
            ValueRef::Integer(value) => line.extend_from_slice(value.to_string().as_bytes()),
            // SQLite's own text for a float is not Rust's: ask it.
            ValueRef::Real(value) => {
                let mut cast = connection.prepare_cached("SELECT CAST(?1 AS TEXT)")?;
                let text: String = cast.query_row([value], |row| row.get(0))?;
                line.extend_from_slice(text.as_bytes());
            }
            ValueRef::Text(bytes) | ValueRef::Blob(bytes) => line.extend_from_slice(bytes),
        }
    }
    line.push(b'\n');
    output.write_all(&line).map_err(StatementError::Output)
}

fn unreadable(name: &str, path: &Path, error: SplitError) -> EngineError {
    match error {
        SplitError::Read(source) => EngineError::file("read", path, source),
        SplitError::Encoding(line) => EngineError::Script {
            name: name.to_owned(),
            line: Some(line),
            statement: None,
            message: "this is not UTF-8".to_owned(),
            hint: Some("convert the file, for instance with iconv -t UTF-8".to_owned()),
        },
    }
}

/// The layer is made of the data folder alone, and the statement runs in this process: what reaches for
/// other files would be lost, or would change them.
fn stays_inside(name: &str, verb: &str, text: &str, line: usize) -> Result<(), EngineError> {
    let upper = text.to_ascii_uppercase();
    let leaves = match verb {
        "ATTACH" => !upper.contains(":MEMORY:") && !upper.contains("''"),
        "VACUUM" => upper.split_whitespace().any(|word| word == "INTO"),
        _ => false,
    };
    if !leaves {
        return Ok(());
    }
    Err(EngineError::Script {
        name: name.to_owned(),
        line: Some(line),
        statement: Some(shortened(text)),
        message: "the only file of the snapshot is its own database".to_owned(),
        hint: Some("read other files in a `run:` step that calls sqlite3".to_owned()),
    })
}

fn first_word(text: &str) -> String {
    text.chars()
        .take_while(char::is_ascii_alphabetic)
        .collect::<String>()
        .to_ascii_uppercase()
}

fn failed(name: &str, line: Option<usize>, statement: Option<&str>, message: &str) -> EngineError {
    EngineError::Script {
        name: name.to_owned(),
        line,
        statement: statement.map(shortened),
        message: message.to_owned(),
        hint: None,
    }
}

fn message(error: &rusqlite::Error) -> String {
    match error {
        rusqlite::Error::SqlInputError { msg, .. } => msg.clone(),
        rusqlite::Error::SqliteFailure(_, Some(text)) => text.clone(),
        other => other.to_string(),
    }
}

/// The error with the line in which SQLite stopped reading, where it says so.
fn explained(name: &str, line: usize, text: &str, error: &rusqlite::Error) -> EngineError {
    let mut line = line;
    if let rusqlite::Error::SqlInputError { offset, .. } = error {
        let read = usize::try_from(*offset).unwrap_or(0).min(text.len());
        line += text.as_bytes()[..read].split(|&b| b == b'\n').count() - 1;
    }
    failed(name, Some(line), Some(text), &message(error))
}
