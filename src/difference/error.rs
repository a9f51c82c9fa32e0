//! Why two states could not be compared.

use std::io;

use crate::container::ContainerError;
use crate::disk::DiskError;
use crate::engine::EngineError;

/// What keeps two states from being compared. That they differ is no error.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DifferenceError {
    /// A container.
    #[error(transparent)]
    Container(#[from] ContainerError),
    /// A database in a file.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// A file of a state.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// The server refuses a query, or is gone.
    #[error("can't read {what}: {message}")]
    Query {
        /// What was to be read.
        what: String,
        /// What the server or its client says.
        message: String,
    },
    /// The client of the server can't be talked to.
    #[error("can't read {what}")]
    Client {
        /// What was to be read.
        what: String,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// Rows come in another order than they were asked for in.
    #[error(
        "can't compare the rows of {table}: the database gives them in another order than it says"
    )]
    Order {
        /// The table.
        table: String,
    },
    /// Neither side has the table.
    #[error("can't find a table `{table}` on either side")]
    NoTable {
        /// The name that was asked for.
        table: String,
        /// Those that are there.
        known: Vec<String>,
    },
    /// The two sides are too different.
    #[error("can't compare {what}: {why}")]
    Incomparable {
        /// What was to be compared.
        what: String,
        /// Why not.
        why: String,
    },
    /// The user asked to stop.
    #[error("interrupted")]
    Interrupted,
}

impl DifferenceError {
    /// The exit code of a command that it ends: 2 where other arguments would do, else as for the container.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::NoTable { .. } | Self::Incomparable { .. } => 2,
            Self::Container(error) if error.is_fixture() => 101,
            _ => 97,
        }
    }

    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Container(error) => error.hint(),
            Self::Engine(error) => error.hint(),
            Self::Disk(error) => error.hint(),
            Self::Order { .. } => Some(
                "is an index damaged, or made under another version of the system's collations? Build the snapshot anew"
                    .to_owned(),
            ),
            Self::NoTable { known, .. } if known.is_empty() => {
                Some("neither side has a table".to_owned())
            }
            Self::NoTable { known, .. } => {
                const SHOWN: usize = 20;
                let more = if known.len() > SHOWN { ", …" } else { "" };
                let known = &known[..known.len().min(SHOWN)];
                Some(format!("the tables are {}{more}", known.join(", ")))
            }
            _ => None,
        }
    }
}
