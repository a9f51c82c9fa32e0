//! A connection to a server, as what is said and what is heard.

use std::fmt;
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;

/// Both directions of a connection to a server.
pub struct Socket {
    /// What the server says.
    pub input: Box<dyn Read + Send>,
    /// What is said to it.
    pub output: Box<dyn Write + Send>,
}

impl Socket {
    /// Connects to a Unix socket.
    ///
    /// # Errors
    /// When nobody listens there.
    pub fn connect(path: &Path) -> io::Result<Self> {
        Self::of(UnixStream::connect(path)?)
    }

    pub(super) fn of(stream: UnixStream) -> io::Result<Self> {
        Ok(Self {
            output: Box::new(stream.try_clone()?),
            input: Box::new(stream),
        })
    }
}

impl fmt::Debug for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Socket").finish_non_exhaustive()
    }
}
