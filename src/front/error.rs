//! One error for everything behind the front door; it can be given to many tests.

use std::sync::Arc;

use crate::builder::BuildError;
use crate::container::ContainerError;
use crate::project::ProjectError;

/// Why a test has no copy of its snapshot. Cheap to clone: a snapshot that can't be built gives the
/// same error to every test that needs it.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The spec, the store or the host.
    #[error(transparent)]
    Project(Arc<ProjectError>),
    /// The snapshot can't be built.
    #[error(transparent)]
    Build(Arc<BuildError>),
    /// The container can't be had.
    #[error(transparent)]
    Container(Arc<ContainerError>),
    /// The snapshot is no file.
    #[error("can't copy `{0}` as a file: its first service is a server, not a SQLite database")]
    NoFile(String),
    /// The service doesn't take the connection.
    #[cfg(feature = "postgres")]
    #[error("can't connect to the container's database")]
    Connect(#[source] Arc<postgres::Error>),
}

impl Error {
    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Project(error) => error.hint(),
            Self::Build(error) => error.hint(),
            Self::Container(error) => error.hint(),
            Self::NoFile(_) => Some("ask for a container, and connect to its url".to_owned()),
            #[cfg(feature = "postgres")]
            Self::Connect(_) => None,
        }
    }
}

impl From<ProjectError> for Error {
    fn from(error: ProjectError) -> Self {
        Self::Project(Arc::new(error))
    }
}

impl From<BuildError> for Error {
    fn from(error: BuildError) -> Self {
        Self::Build(Arc::new(error))
    }
}

impl From<ContainerError> for Error {
    fn from(error: ContainerError) -> Self {
        Self::Container(Arc::new(error))
    }
}
