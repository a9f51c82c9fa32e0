//! One error for everything behind the front door; it can be given to many tests.

use std::io;
use std::sync::Arc;

use crate::builder::BuildError;
use crate::container::ContainerError;
use crate::pool::client::ClientError;
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
    /// The snapshot is a file, and has no address on the network.
    #[error("can't forward a port: the first service is a file, not a server")]
    NoServer,
    /// The port that was asked for.
    #[error("can't forward a port to the container")]
    Forward(#[source] Arc<io::Error>),
    /// A request to a pool that leaves something open.
    #[error("can't tell what is meant: {0}")]
    Ask(&'static str),
    /// The pool in another process.
    #[error(transparent)]
    Pool(Arc<ClientError>),
    /// This process is in a container itself.
    #[error(
        "can't have a container of `{snapshot}`: this process is itself in one of `{own}`, and can start no other"
    )]
    Inside {
        /// The snapshot that was asked for.
        snapshot: String,
        /// The snapshot of the container around this process.
        own: String,
    },
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
            Self::NoServer => Some("open its file, or its url".to_owned()),
            Self::Pool(error) => error.hint(),
            Self::Inside { .. } => Some(
                "the first who asks for the container's own snapshot gets it; let tests that need more run outside: \
                 take `snapshot` out of [package.metadata.cowherd], or don't run them by `cowherd run`"
                    .to_owned(),
            ),
            Self::Forward(_) | Self::Ask(_) => None,
            #[cfg(feature = "postgres")]
            Self::Connect(_) => None,
        }
    }
}

#[cfg(feature = "postgres")]
impl Error {
    /// The service doesn't take the connection.
    pub(crate) fn connect(error: postgres::Error) -> Self {
        Self::Connect(Arc::new(error))
    }
}

impl From<ClientError> for Error {
    fn from(error: ClientError) -> Self {
        Self::Pool(Arc::new(error))
    }
}

impl Error {
    /// The exit code of a command that ends for it.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Project(error) => error.exit_code(),
            Self::Build(_) => 101,
            Self::Container(error) if error.is_fixture() => 101,
            Self::NoFile(_) | Self::NoServer | Self::Ask(_) => 2,
            Self::Pool(error) => match &**error {
                ClientError::Refused(refusal) => refusal.code,
                _ => 97,
            },
            _ => 97,
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
