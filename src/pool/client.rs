//! A pool in another process, as its clients see it.

use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::protocol::{
    Address, Answer, Ended, Hello, Inside, Named, Refusal, Request, Run, Take, Text, Wanted,
};
use super::wire::Wire;

/// The variable that names the socket of the pool to use.
pub const POOL: &str = "COWHERD_POOL";

/// A connection to a pool. What was taken by it is gone when it closes.
#[derive(Debug)]
pub struct Client {
    wire: Wire,
    socket: PathBuf,
    stop: Option<OwnedFd>,
    /// Whether who asks has containers by other connections.
    holds_others: bool,
    /// Whether the pool has answered the greeting, which goes with the first request: waiting for that answer
    /// alone would be half of the time that a container takes.
    greeted: bool,
}

/// Why a pool gave nothing.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// Nobody listens there.
    #[error("can't reach the pool at {socket}")]
    Connect {
        /// The socket.
        socket: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The pool was there and is gone.
    #[error("can't go on: the pool at {socket} is gone")]
    Gone {
        /// The socket.
        socket: PathBuf,
    },
    /// It speaks, but not as it should.
    #[error("can't understand the pool at {socket}")]
    Conversation {
        /// The socket.
        socket: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The order to stop came before an answer; the connection is of no more use.
    #[error("interrupted")]
    Stopped,
    /// It said why not.
    #[error("{}", .0.message)]
    Refused(Refusal),
}

impl ClientError {
    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Connect { .. } => Some(format!(
                "start `cowherd serve` again, or unset {POOL} to do without a pool"
            )),
            Self::Gone { .. } => {
                Some("it ended with its parent or was killed: run the tests again".to_owned())
            }
            Self::Conversation { .. } => {
                Some("use the same version of Cowherd on both sides".to_owned())
            }
            Self::Stopped => None,
            Self::Refused(refusal) => refusal.hint.clone(),
        }
    }
}

impl Client {
    /// Connects to the pool that listens on `socket`. That another version of Cowherd does is told by the first request.
    ///
    /// # Errors
    /// When nobody listens there.
    pub fn connect(socket: &Path) -> Result<Self, ClientError> {
        let stream = UnixStream::connect(socket).map_err(|source| ClientError::Connect {
            socket: socket.to_owned(),
            source,
        })?;
        let mut client = Self {
            wire: Wire::new(stream),
            socket: socket.to_owned(),
            stop: None,
            holds_others: false,
            greeted: false,
        };
        let greeting = client.wire.hold(&Request::Hello(Hello::own()));
        greeting.map_err(|source| client.garbled(source))?;
        Ok(client)
    }

    /// From now on no answer is waited for once `stop` is readable.
    ///
    /// # Errors
    /// When there is no descriptor left.
    pub fn stop_by(&mut self, stop: BorrowedFd<'_>) -> io::Result<()> {
        self.stop = Some(stop.try_clone_to_owned()?);
        Ok(())
    }

    /// Says that who asks has containers by other connections: it never waits for a place, as it would wait for itself.
    pub fn holding_others(&mut self) {
        self.holds_others = true;
    }

    fn ask(&mut self, request: &Request) -> Result<Answer, ClientError> {
        self.ask_with(request, &[])
    }

    fn ask_with(
        &mut self,
        request: &Request,
        descriptors: &[&dyn AsFd],
    ) -> Result<Answer, ClientError> {
        let descriptors: Vec<_> = descriptors.iter().map(|fd| fd.as_fd()).collect();
        match self.wire.send(request, &descriptors) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Err(self.gone()),
            Err(source) => return Err(self.garbled(source)),
        }
        loop {
            if !self.wire.has_line() && self.is_stopped() {
                return Err(ClientError::Stopped);
            }
            match self.wire.receive() {
                Ok(Some((Answer::Error(refusal), _))) => return Err(ClientError::Refused(refusal)),
                Ok(Some((Answer::Hello(_), _))) if !self.greeted => self.greeted = true,
                Ok(Some((answer, _))) => return Ok(answer),
                Ok(None) => return Err(self.gone()),
                Err(source) => return Err(self.garbled(source)),
            }
        }
    }

    /// Waits until there is an answer or the order to stop, and says whether it is that.
    fn is_stopped(&self) -> bool {
        let Some(stop) = &self.stop else { return false };
        let watched = [self.wire.as_fd(), stop.as_fd()];
        let mut fds = watched.map(|fd| PollFd::new(fd, PollFlags::POLLIN));
        while poll(&mut fds, PollTimeout::NONE) == Err(Errno::EINTR) {}
        let ready = fds.map(|fd| fd.revents().is_some_and(|events| !events.is_empty()));
        ready == [false, true]
    }

    fn gone(&self) -> ClientError {
        ClientError::Gone {
            socket: self.socket.clone(),
        }
    }

    fn garbled(&self, source: io::Error) -> ClientError {
        ClientError::Conversation {
            socket: self.socket.clone(),
            source,
        }
    }

    fn unexpected(&self, answer: &Answer) -> ClientError {
        self.garbled(io::Error::other(format!(
            "an unexpected answer: {answer:?}"
        )))
    }

    /// Has a snapshot built, and gives its name.
    ///
    /// # Errors
    /// When it can't be built.
    pub fn prepare(&mut self, wanted: Wanted) -> Result<String, ClientError> {
        match self.ask(&Request::Prepare(wanted))? {
            Answer::Prepared { snapshot } => Ok(snapshot),
            other => Err(self.unexpected(&other)),
        }
    }

    /// Takes a container for clients outside of it.
    ///
    /// # Errors
    /// When it can't be had.
    pub fn take(&mut self, wanted: Wanted) -> Result<Address, ClientError> {
        self.take_container(wanted, None)
    }

    /// Takes a container for programs inside of it, which see the host's own project folder and what `inside` names.
    ///
    /// # Errors
    /// When it can't be had.
    pub fn take_inside(&mut self, wanted: Wanted, inside: Inside) -> Result<Address, ClientError> {
        self.take_container(wanted, Some(inside))
    }

    fn take_container(
        &mut self,
        wanted: Wanted,
        inside: Option<Inside>,
    ) -> Result<Address, ClientError> {
        let Wanted { spec, snapshot } = wanted;
        let take = Take {
            spec,
            snapshot,
            inside,
            more: self.holds_others,
        };
        match self.ask(&Request::Take(take))? {
            Answer::Container(address) => Ok(address),
            other => Err(self.unexpected(&other)),
        }
    }

    /// The file of a SQLite snapshot, to be mapped or copied; it stays while this client does.
    ///
    /// # Errors
    /// When the snapshot is no file.
    pub fn frozen(&mut self, wanted: Wanted) -> Result<PathBuf, ClientError> {
        match self.ask(&Request::Frozen(wanted))? {
            Answer::File { path, .. } => Ok(path),
            other => Err(self.unexpected(&other)),
        }
    }

    /// A port of 127.0.0.1 that leads to a container's first service, with the address by it.
    ///
    /// # Errors
    /// When its first service has no socket.
    pub fn forward(&mut self, container: u64) -> Result<(u16, String), ClientError> {
        match self.ask(&Request::Forward(Named { container }))? {
            Answer::Forwarded { port, url } => Ok((port, url)),
            other => Err(self.unexpected(&other)),
        }
    }

    /// Runs a program in a container and waits for its end.
    ///
    /// # Errors
    /// When it can't be executed, or the pool is gone.
    pub fn run(
        &mut self,
        container: u64,
        command: &[impl AsRef<OsStr>],
        folder: &Path,
        environment: impl IntoIterator<Item = (impl AsRef<OsStr>, impl AsRef<OsStr>)>,
        stdio: [&dyn AsFd; 3],
    ) -> Result<Ended, ClientError> {
        let run = Run {
            container,
            command: command.iter().map(|part| part.as_ref().into()).collect(),
            folder: Text::from(folder.as_os_str()),
            environment: environment
                .into_iter()
                .map(|(name, value)| (name.as_ref().into(), value.as_ref().into()))
                .collect(),
        };
        match self.ask_with(&Request::Run(run), &stdio)? {
            Answer::Ended(ended) => Ok(ended),
            other => Err(self.unexpected(&other)),
        }
    }

    /// Gives a container back before the connection closes.
    ///
    /// # Errors
    /// When it isn't this connection's.
    pub fn drop_container(&mut self, container: u64) -> Result<(), ClientError> {
        match self.ask(&Request::Drop(Named { container }))? {
            Answer::Dropped(_) => Ok(()),
            other => Err(self.unexpected(&other)),
        }
    }
}
