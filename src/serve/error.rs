//! Why a pool can't be served.

use std::io;
use std::path::PathBuf;

/// An error of the server's own; what a client asks in vain, it is told.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// Another server is there.
    #[error("can't listen at {}: another pool does", .0.display())]
    Taken(PathBuf),
    /// The socket.
    #[error("can't listen at {}", socket.display())]
    Listen {
        /// The socket.
        socket: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Threads and descriptors.
    #[error("can't start the threads of the pool")]
    Threads(#[source] io::Error),
}

impl ServeError {
    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Taken(_) => Some("use that one, end it, or name another socket".to_owned()),
            Self::Listen { source, .. } if source.kind() == io::ErrorKind::InvalidInput => {
                Some("the path of a socket has at most 107 bytes: name a shorter one".to_owned())
            }
            Self::Listen { .. } | Self::Threads(_) => None,
        }
    }
}
