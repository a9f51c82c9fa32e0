//! Why a snapshot could not be built.

use std::io;

use crate::container::ContainerError;
use crate::disk::DiskError;
use crate::engine::EngineError;
use crate::event;
use crate::store::StoreError;

/// Why a snapshot could not be built.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// A step failed.
    #[error("can't build `{snapshot}`: step {index} of {of}, {label}")]
    Step {
        /// The snapshot.
        snapshot: String,
        /// The step in words.
        label: String,
        /// Which step, from 1.
        index: usize,
        /// Of how many.
        of: usize,
        /// Why.
        #[source]
        source: Box<StepError>,
    },
    /// The user asked to stop.
    #[error("interrupted while building `{0}`")]
    Interrupted(String),
}

/// Why one step failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StepError {
    /// The container, or a command in it.
    #[error(transparent)]
    Container(#[from] ContainerError),
    /// The engine: a statement that fails, a state that isn't clean.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The engine's server ended, or began anew, while it was asked.
    #[error("{said}; the logs end with:\n{log}")]
    Lost {
        /// What the client said.
        said: Box<EngineError>,
        /// The last lines of the services' logs.
        log: String,
    },
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A file operation.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// Somebody writes to the files all the time.
    #[error("can't copy the database: it is being written to")]
    Busy,
    /// A layer of a stored snapshot is gone, and nothing tells how to make it.
    #[error("can't find its layers in the store any more")]
    NotStored,
    /// A folder or file of the draft.
    #[error("can't prepare the layer")]
    Draft(#[source] io::Error),
}

impl StepError {
    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Container(error) => error.hint(),
            Self::Engine(error) => error.hint(),
            Self::Lost { said, .. } => said.hint(),
            Self::Store(error) => error.hint(),
            Self::Disk(error) => error.hint(),
            Self::Busy => Some("try again when no program writes to it".to_owned()),
            Self::NotStored => Some("import or commit the snapshot again".to_owned()),
            Self::Draft(_) => None,
        };
        hint.or_else(|| self.is_for_want_of_room().then(|| ROOM.to_owned()))
    }

    /// Whether the store's file system is full, as far as that can be read from what a program of the
    /// engine's or the user's says: `strerror(ENOSPC)`, `strerror(EDQUOT)`, `SQLITE_FULL`.
    fn is_for_want_of_room(&self) -> bool {
        let words = event::in_words(self);
        let full = [
            "No space left on device",
            "Disk quota exceeded",
            "database or disk is full",
        ];
        full.iter().any(|text| words.contains(text))
    }
}

const ROOM: &str = "a step writes to the store's file system: free some space (`cowherd gc`), or put the store on \
                    another one with COWHERD_STORE";

impl BuildError {
    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Step { source, .. } => source.hint(),
            Self::Interrupted(_) => None,
        }
    }
}
