//! What keeps a command from being done at all.

use std::io;

use crate::capacity::Room;
use crate::container::ContainerError;
use crate::engine::EngineError;
use crate::plan::PlanError;
use crate::sandbox::SandboxError;
use crate::spec::SpecError;
use crate::store::StoreError;

/// An error of the project as a whole.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProjectError {
    /// The spec is wrong or not there.
    #[error(transparent)]
    Spec(#[from] SpecError),
    /// The plan: files or names that aren't there.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// The engine: its programs aren't there, a setting isn't possible.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The sandbox.
    #[error(transparent)]
    Sandbox(#[from] SandboxError),
    /// A container that isn't a test's.
    #[error(transparent)]
    Container(#[from] ContainerError),
    /// The spec's folder.
    #[error("can't enter the project's folder")]
    Folder(#[source] io::Error),
    /// The runtime or the signal handlers.
    #[error("can't set up signal handling")]
    Signals(#[source] io::Error),
    /// The threads that start containers.
    #[error("can't start the threads that start containers")]
    Pool(#[source] io::Error),
    /// A `discover:` command failed.
    #[error("can't discover the tests of `{entry}`: its command {exit}\n{output}")]
    Discover {
        /// The entry of the spec.
        entry: String,
        /// How the command ended.
        exit: String,
        /// What it printed.
        output: String,
    },
    /// No test has a name that fits.
    #[error("no test matches {}", filters.join(", "))]
    NoMatch {
        /// What was asked for.
        filters: Vec<String>,
        /// The names that there are.
        known: Vec<String>,
    },
    /// Layers of a snapshot that was imported were removed since.
    #[error("can't use the imported snapshot `{name}`: its layers are gone")]
    StoredGone {
        /// Its name.
        name: String,
    },
    /// A limit of this host leaves no room for a single container.
    #[error("can't start a container: there is no room for one, by {0}")]
    NoRoom(Room),
    /// The spec has no tests.
    #[error("the spec has no tests")]
    NoTests,
    /// Ctrl-C or its like before there was a test to run.
    #[error("interrupted")]
    Interrupted {
        /// The signal that asked for it.
        signal: i32,
    },
}

impl ProjectError {
    /// The exit code that says what kind of error it is.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::NoMatch { .. } | Self::NoTests => 4,
            // The name came from the command line: a spec's own names are checked as it is read.
            Self::Plan(PlanError::UnknownSnapshot { .. }) => 2,
            Self::Spec(_) | Self::Plan(_) => 96,
            Self::Discover { .. } => 101,
            Self::Interrupted { signal } => 128 + *signal as u8,
            _ => 97,
        }
    }

    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Spec(error) => error.hint(),
            Self::Plan(error) => error.hint(),
            Self::Engine(error) => error.hint(),
            Self::Store(error) => error.hint(),
            Self::Sandbox(error) => error.hint(),
            Self::Container(error) => error.hint(),
            Self::NoRoom(room) => Some(room.remedy(1)),
            Self::NoTests => Some("write a `tests:` list; `cowherd init` shows how".to_owned()),
            Self::NoMatch { known, .. } => Some(match known.len() {
                0..=20 => format!("there are: {}", known.join(", ")),
                more => format!("there are {more} tests, such as {}", known[..5].join(", ")),
            }),
            Self::StoredGone { .. } => Some("import it again".to_owned()),
            _ => None,
        }
    }
}
