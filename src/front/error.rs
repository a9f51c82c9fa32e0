//! One error for everything behind the front door; it can be given to many tests.

use std::io;
use std::sync::Arc;

use crate::builder::BuildError;
use crate::container::ContainerError;
use crate::package::PackageError;
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
    #[error("can't forward a port: the first service is a file, or a server without ports")]
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
    #[error("can't connect to the container's database")]
    Connect(#[source] Arc<dyn std::error::Error + Send + Sync>),
    /// What the package says about its snapshot is wrong.
    #[error(transparent)]
    Package(Arc<PackageError>),
    /// Nobody says which of several snapshots a test needs.
    #[error("can't tell which snapshot to copy: the spec has {}", known.join(", "))]
    WhichSnapshot {
        /// The snapshots of the spec.
        known: Vec<String>,
    },
    /// A test asks for a copy that is its own, and for something else that would be another copy.
    #[error(
        "can't give a test a `{0}` beside other arguments: it would be another copy of the database"
    )]
    NotAlone(&'static str),
    /// The system gives no thread.
    #[error("can't start a thread")]
    Thread(#[source] Arc<std::io::Error>),
    /// A fixture of the user's own.
    #[error(transparent)]
    Other(Arc<dyn std::error::Error + Send + Sync>),
}

impl Error {
    /// An error of a fixture of one's own, for [`FromContainer`](crate::FromContainer).
    ///
    /// ```
    /// let error = cowherd::Error::other("can't log in");
    /// assert_eq!(error.to_string(), "can't log in");
    /// ```
    pub fn other(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Other(error.into().into())
    }

    #[cfg_attr(
        not(feature = "sqlite"),
        allow(dead_code, reason = "each feature that brings a client uses it")
    )]
    pub(super) fn connect(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Connect(error.into().into())
    }

    /// Whether this is the very same failure, given to somebody else.
    pub(super) fn is(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Project(one), Self::Project(other)) => Arc::ptr_eq(one, other),
            (Self::Build(one), Self::Build(other)) => Arc::ptr_eq(one, other),
            (Self::Container(one), Self::Container(other)) => Arc::ptr_eq(one, other),
            (Self::Package(one), Self::Package(other)) => Arc::ptr_eq(one, other),
            // A pool tells each client anew.
            (Self::Pool(one), Self::Pool(other)) => one.to_string() == other.to_string(),
            _ => false,
        }
    }

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
            Self::Package(error) => error.hint(),
            Self::WhichSnapshot { known } => {
                let one = known.first().map_or("NAME", String::as_str);
                Some(format!(
                    "name it: `#[cowherd::test(snapshot = \"{one}\")]`, or for the whole package \
                     `[package.metadata.cowherd]` with `snapshot = \"{one}\"` in its Cargo.toml"
                ))
            }
            Self::NotAlone(_) => Some(
                "ask for a `rusqlite::Connection`, a `DatabaseFile` or a `DatabaseUrl`: all arguments \
                 of a test share one container"
                    .to_owned(),
            ),
            Self::Connect(_)
            | Self::Thread(_)
            | Self::Other(_)
            | Self::Forward(_)
            | Self::Ask(_) => None,
        }
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
            Self::NoFile(_)
            | Self::NoServer
            | Self::Ask(_)
            | Self::WhichSnapshot { .. }
            | Self::NotAlone(_) => 2,
            Self::Package(_) => 96,
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

impl From<PackageError> for Error {
    fn from(error: PackageError) -> Self {
        Self::Package(Arc::new(error))
    }
}

impl From<ContainerError> for Error {
    fn from(error: ContainerError) -> Self {
        Self::Container(Arc::new(error))
    }
}
