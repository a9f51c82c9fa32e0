//! A connection to a server, as what is said and what is heard.

use std::fmt;
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

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

    /// As [`Socket::connect`], for a server that has to answer within `patience`.
    pub(super) fn patient(path: &Path, patience: Duration) -> io::Result<Self> {
        let stream = UnixStream::connect(path)?;
        stream.set_read_timeout(Some(patience))?;
        stream.set_write_timeout(Some(patience))?;
        Self::of(stream)
    }

    fn of(stream: UnixStream) -> io::Result<Self> {
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
