//! A service that is talked to from outside, by its Unix socket.

use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::thread;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::{Container, Woken};
use crate::engine::Socket;

impl Container {
    /// Connects to a socket in the container. A readable `stop` ends every wait for what is said there.
    ///
    /// # Errors
    /// When nobody listens there.
    pub fn connect(&self, socket: &Path, stop: Option<BorrowedFd<'_>>) -> io::Result<Socket> {
        connect(&self.reach(socket), stop)
    }

    /// Has `talk` connect to a socket in the container, and reads the services' logs meanwhile.
    ///
    /// # Errors
    /// When there are no descriptors left; what `talk` gives is not looked at.
    pub fn talk<T: Send>(
        &mut self,
        socket: &Path,
        stop: Option<BorrowedFd<'_>>,
        talk: impl FnOnce(&(dyn Fn() -> io::Result<Socket> + Sync)) -> T + Send,
    ) -> io::Result<T> {
        let socket = self.reach(socket);
        let (over, talking) = io::pipe()?;
        thread::scope(|scope| {
            let talk = scope.spawn(move || {
                let said = talk(&|| connect(&socket, stop));
                drop(talking);
                said
            });
            // With the container, the connection ends too.
            while !matches!(
                self.next(None, Some(over.as_fd())),
                Ok(Woken::Stopped) | Err(_)
            ) {}
            let said = talk.join();
            Ok(said.unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
        })
    }
}

fn connect(socket: &Path, stop: Option<BorrowedFd<'_>>) -> io::Result<Socket> {
    let stream = UnixStream::connect(socket)?;
    Ok(Socket {
        output: Box::new(stream.try_clone()?),
        input: Box::new(Stoppable::new(stream, stop)?),
    })
}

/// What is read from until the order to stop.
#[derive(Debug)]
pub(super) struct Stoppable<S> {
    source: S,
    stop: Option<OwnedFd>,
}

impl<S> Stoppable<S> {
    pub(super) fn new(source: S, stop: Option<BorrowedFd<'_>>) -> io::Result<Self> {
        let stop = stop.map(|stop| stop.try_clone_to_owned()).transpose()?;
        Ok(Self { source, stop })
    }
}

/// [`io::ErrorKind::Interrupted`] once it is time to stop.
impl<S: Read + AsFd> Read for Stoppable<S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if let Some(stop) = &self.stop {
            let mut fds = [stop.as_fd(), self.source.as_fd()]
                .map(|descriptor| PollFd::new(descriptor, PollFlags::POLLIN));
            while let Err(error) = poll(&mut fds, PollTimeout::NONE) {
                if error != nix::errno::Errno::EINTR {
                    return Err(error.into());
                }
            }
            if fds[0].any().unwrap_or(false) {
                return Err(io::ErrorKind::Interrupted.into());
            }
        }
        self.source.read(buffer)
    }
}
