//! Finds the files of a migration tool and puts them into the order in which that tool applies
//! them to an empty database.
//!
//! Where two tools would take the same folder for different states, nothing is guessed: the error
//! says how to name the tool.

mod body;
mod detect;
mod dialect;
mod error;
mod flyway;
mod flyway_config;
mod folder;
mod foreign;
pub(crate) mod lexer;
pub(crate) mod listener;
mod natural;
mod plain;
pub(crate) mod psql;
pub mod script;
pub(crate) mod sqlite_shell;
mod sqlx;
pub(crate) mod tee;

use std::fmt;
use std::path::{Path, PathBuf};

pub use error::MigrateError;
pub use foreign::Foreign;
pub use natural::natural_order;

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
}

impl Tool {
    /// Every tool.
    pub const ALL: [Self; 3] = [Self::Sql, Self::Flyway, Self::Sqlx];

    /// The name that `tool:` takes.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sql => "sql",
            Self::Flyway => "flyway",
            Self::Sqlx => "sqlx",
        }
    }
}

impl fmt::Display for Tool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The migrations of one folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MigrationSet {
    /// The tool whose rules hold: the one asked for, or the one detected.
    pub tool: Tool,
    /// In the order of application; never empty.
    pub migrations: Vec<Migration>,
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
}

/// Finds the migrations in `dir` and orders them as `tool` does; detects the tool when it is
/// `None`. `dialect` is the one that the scripts are written in.
///
/// # Errors
/// When the folder can't be read, the tool is not known, a name is wrong, two files have the same
/// version, or, without a tool, more than one reading is possible.
pub fn discover(
    dir: &Path,
    tool: Option<&str>,
    dialect: Dialect,
) -> Result<MigrationSet, MigrateError> {
    let tool = match tool {
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
        None => detect::detect(dir)?,
    };
    let migrations = match tool {
        Tool::Sql => plain::migrations(dir)?,
        Tool::Flyway => flyway::migrations(dir, dialect)?,
        Tool::Sqlx => sqlx::migrations(dir)?,
    };
    if migrations.is_empty() {
        return Err(MigrateError::Empty { tool: Some(tool) });
    }
    Ok(MigrationSet { tool, migrations })
}
