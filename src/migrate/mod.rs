//! Finds the files of a migration tool and puts them into the order in which that tool applies
//! them to an empty database, with what the tool itself would note in its history table.
//!
//! Where two tools would take the same folder for different states, nothing is guessed: the error
//! says how to name the tool.

mod body;
mod checksum;
mod dbmate;
mod detect;
mod dialect;
mod diesel;
mod error;
mod flyway;
mod flyway_config;
mod flyway_name;
mod flyway_text;
mod folder;
mod foreign;
mod golang_migrate;
mod history;
pub(crate) mod lexer;
mod lexer_state;
pub(crate) mod listener;
mod mysql_client;
mod natural;
mod plain;
pub(crate) mod psql;
mod refinery;
pub mod script;
pub(crate) mod sqlite_shell;
mod sqlx;
pub(crate) mod tee;

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use error::MigrateError;
pub use foreign::Foreign;
pub use natural::natural_order;

use history::History;
use script::Dialect;

/// A tool whose rules are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Tool {
    /// No tool: every `*.sql` file of one folder in natural order.
    Sql,
    /// Flyway: `V1__name.sql`, `R__name.sql`, `B1__name.sql`.
    Flyway,
    /// sqlx: `1_name.sql`, `1_name.up.sql`.
    Sqlx,
    /// Refinery: `V1__name.sql`, `U1__name.sql`.
    Refinery,
    /// Diesel: `1_name/up.sql`.
    Diesel,
    /// golang-migrate: `1_name.up.sql`.
    GolangMigrate,
    /// dbmate: `1_name.sql` with `-- migrate:up` and `-- migrate:down`.
    Dbmate,
}

impl Tool {
    /// Every tool.
    pub const ALL: [Self; 7] = [
        Self::Sql,
        Self::Flyway,
        Self::Sqlx,
        Self::Refinery,
        Self::Diesel,
        Self::GolangMigrate,
        Self::Dbmate,
    ];

    /// The name that `tool:` takes.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sql => "sql",
            Self::Flyway => "flyway",
            Self::Sqlx => "sqlx",
            Self::Refinery => "refinery",
            Self::Diesel => "diesel",
            Self::GolangMigrate => "golang-migrate",
            Self::Dbmate => "dbmate",
        }
    }
}

impl fmt::Display for Tool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What is known of a set of migrations besides its folder.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// The tool; detected when absent.
    pub tool: Option<&'a str>,
    /// What the scripts are written in.
    pub dialect: Dialect,
    /// Whether the tool's history table is to be written.
    pub history: bool,
    /// The database that they are applied to, for scripts that are told its name.
    pub database: &'a str,
    /// Values for placeholders, over those of the tool's configuration.
    pub placeholders: &'a BTreeMap<String, String>,
}

/// The migrations of one folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MigrationSet {
    /// The tool whose rules hold: the one asked for, or the one detected.
    pub tool: Tool,
    /// In the order of application; never empty.
    pub migrations: Vec<Migration>,
    /// SQL that makes the tool's history table, before the first migration; `None` where none is written.
    pub history: Option<String>,
}

/// One file to apply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Migration {
    /// The file: the folder's path and the name.
    pub path: PathBuf,
    /// The path below the folder, with `/`.
    pub name: String,
    /// The version as the tool writes it; empty where the tool has none.
    pub version: String,
    /// What the rest of the file's name says.
    pub description: String,
    /// Whether the tool runs the file in one transaction.
    pub transaction: bool,
    /// What the tool runs in place of the whole file, with the same lines: one block of it, placeholders filled in.
    pub text: Option<Arc<str>>,
    /// SQL that notes the migration as applied in the tool's history table; `None` where the tool notes nothing.
    pub note: Option<String>,
}

/// Finds the migrations in `dir` and orders them as `tool` does; detects the tool when it is
/// `None`. `dialect` is the one that the scripts are written in.
///
/// # Errors
/// As [`discover_as`].
pub fn discover(
    dir: &Path,
    tool: Option<&str>,
    dialect: Dialect,
) -> Result<MigrationSet, MigrateError> {
    let asked = Asked {
        tool,
        dialect,
        history: true,
        database: "",
        placeholders: &BTreeMap::new(),
    };
    discover_as(dir, &asked)
}

/// Finds the migrations in `dir`, orders them as their tool does, and tells what that would note of them.
///
/// # Errors
/// When the folder can't be read, the tool is not known, a name is wrong, two files have the same
/// version, or, without a tool, more than one reading is possible.
pub fn discover_as(dir: &Path, asked: &Asked<'_>) -> Result<MigrationSet, MigrateError> {
    let tool = match asked.tool {
        Some(name) => match Tool::ALL.into_iter().find(|tool| tool.name() == name) {
            Some(tool) => tool,
            None => {
                return Err(match Foreign::named(name) {
                    Some(foreign) => MigrateError::Foreign {
                        tool: foreign,
                        evidence: None,
                    },
                    None => MigrateError::UnknownTool(name.to_owned()),
                });
            }
        },
        None => detect::detect(dir, asked.history)?,
    };
    if tool != Tool::Flyway && !asked.placeholders.is_empty() {
        return Err(MigrateError::NoPlaceholders(tool));
    }
    let history = asked.history.then(|| History::of(asked.dialect));
    let (migrations, table) = match tool {
        Tool::Sql => (plain::migrations(dir)?, None),
        Tool::Flyway => flyway::migrations(dir, asked, history)?,
        Tool::Sqlx => {
            let name = match history {
                Some(_) => sqlx::table(dir)?,
                None => String::new(),
            };
            let table = history.map(|history| history.sqlx_table(&name));
            (sqlx::migrations(dir, history, &name)?, table)
        }
        Tool::Refinery => {
            let migrations = refinery::migrations(dir, history)?;
            let table = history.map(|_| refinery::table(dir, &migrations));
            (migrations, table)
        }
        Tool::Diesel => {
            let table = history.map(|_| History::diesel_table());
            (diesel::migrations(dir, history)?, table)
        }
        Tool::GolangMigrate => {
            let table = history.map(History::golang_migrate_table);
            (golang_migrate::migrations(dir, history)?, table)
        }
        Tool::Dbmate => {
            let table = history.map(|_| History::dbmate_table());
            (dbmate::migrations(dir, history)?, table)
        }
    };
    if migrations.is_empty() {
        return Err(MigrateError::Empty { tool: Some(tool) });
    }
    Ok(MigrationSet {
        tool,
        migrations,
        history: table,
    })
}
