//! What can go wrong with an engine.

use std::error::Error;
use std::io;
use std::path::PathBuf;

use crate::units;

/// An error of an engine: of its programs, its settings, or a user's SQL.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EngineError {
    /// No engine has this name.
    #[error("can't use the engine `{engine}`: there is none of this name")]
    Unknown {
        /// The name.
        engine: String,
    },
    /// Cowherd was built without the engine.
    #[error("can't use {engine}: this program was built without it")]
    LeftOut {
        /// The engine.
        engine: &'static str,
        /// The feature of the crate that it is.
        feature: &'static str,
    },
    /// A program is in none of the usual places.
    #[error("can't find {program}: looked in {}", .looked.join(", "))]
    NotFound {
        /// The program or product.
        program: String,
        /// The places.
        looked: Vec<String>,
        /// How to get it.
        remedy: String,
    },
    /// The programs that were found are too old.
    #[error("can't use {program} {version} in {}: {oldest} is the oldest that works", .place.display())]
    TooOld {
        /// The program or product.
        program: &'static str,
        /// Its version.
        version: String,
        /// Where it was found.
        place: PathBuf,
        /// The oldest version that would do.
        oldest: &'static str,
    },
    /// A program can't be started or says nothing useful.
    #[error("can't run {}", .program.display())]
    Run {
        /// The program.
        program: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A setting of the service is not possible.
    #[error("can't apply the setting `{setting}` of {engine}: {why}")]
    Setting {
        /// The engine.
        engine: &'static str,
        /// The setting.
        setting: String,
        /// Why not.
        why: String,
    },
    /// The database's name is not possible.
    #[error("can't create the database `{database}`: {why}")]
    Database {
        /// The name.
        database: String,
        /// Why not.
        why: &'static str,
    },
    /// A file can't be read, written or removed.
    #[error("can't {verb} {}", .path.display())]
    File {
        /// What was tried.
        verb: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// An SQL file failed.
    #[error("can't run {name}: {}{message}{}", at(*.line), quoted(.statement.as_deref()))]
    Script {
        /// The file, as the user knows it.
        name: String,
        /// The line, from 1, as exactly as it is known.
        line: Option<usize>,
        /// The statement, shortened.
        statement: Option<String>,
        /// What the database says.
        message: String,
        /// What to do about it.
        hint: Option<String>,
    },
    /// A command of the engine itself failed.
    #[error("can't {doing}: {message}")]
    Command {
        /// What it was to do.
        doing: String,
        /// What it says.
        message: String,
    },
    /// A conversation with the server has ended before its time.
    #[error("can't {doing}: {why}")]
    Gone {
        /// What it was to do.
        doing: String,
        /// How it ended.
        why: String,
    },
    /// The data would need recovery.
    #[error("can't seal {}: {why}", .path.display())]
    Unclean {
        /// The data folder or the file.
        path: PathBuf,
        /// What is unclean.
        why: String,
    },
    /// This process gets no address space for a copy of a database.
    #[error("can't reserve {} of address space for a copy of {}", units::format_size(*.bytes), .path.display())]
    Room {
        /// How much was asked for.
        bytes: u64,
        /// The database.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// The database library failed.
    #[error("can't {doing} {}", .path.display())]
    Library {
        /// What was tried.
        doing: &'static str,
        /// The database.
        path: PathBuf,
        /// What the library says.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
}

impl EngineError {
    /// What to do next.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Unknown { .. } => Some("the engines are `postgres`, `sqlite`, `mariadb`, `mysql`, `redis` and `service`".to_owned()),
            Self::LeftOut { feature, .. } => Some(format!(
                "give the dependency `cowherd` its feature `{feature}`, or let `cowherd cargo test` make the containers"
            )),
            Self::NotFound { remedy, .. } => Some(remedy.clone()),
            Self::TooOld { .. } => {
                Some("install a newer one, or name its folder with `bin_dir:`".to_owned())
            }
            Self::Script { hint, .. } => hint.clone(),
            Self::Unclean { .. } => Some(
                "a step left a process or a transaction behind; make its command wait for all that it starts"
                    .to_owned(),
            ),
            Self::Room { .. } => Some(
                "a limit is in the way: `ulimit -v` or `ulimit -d` of this process, or `vm.overcommit_memory=2` of the \
                 host; raise it, or ask for less room (`SqliteCopy::with_room`)"
                    .to_owned(),
            ),
            _ => None,
        }
    }

    pub(super) fn file(verb: &'static str, path: impl Into<PathBuf>, source: io::Error) -> Self {
        Self::File {
            verb,
            path: path.into(),
            source,
        }
    }
}

fn at(line: Option<usize>) -> String {
    line.map_or_else(String::new, |line| format!("line {line}: "))
}

fn quoted(statement: Option<&str>) -> String {
    let mut text = String::new();
    for line in statement.unwrap_or_default().lines() {
        text.push_str("\n    ");
        text.push_str(line);
    }
    text
}

/// The beginning of a statement, as far as it helps to recognise it.
pub(super) fn shortened(statement: &str) -> String {
    const LINES: usize = 6;
    const COLUMNS: usize = 160;
    let mut lines: Vec<String> = Vec::new();
    for line in statement.trim().lines() {
        if lines.len() == LINES {
            lines.push("…".to_owned());
            break;
        }
        let line = line.trim_end();
        if line.chars().count() > COLUMNS {
            lines.push(line.chars().take(COLUMNS).chain(['…']).collect());
        } else {
            lines.push(line.to_owned());
        }
    }
    lines.join("\n")
}
