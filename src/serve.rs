//! A pool for other processes, in any language, over a Unix socket: `cowherd serve` and the parent of a test run.
//!
//! What is said is in [`crate::pool::protocol`]. Each client has a connection and a thread; what it took is gone
//! when the connection closes, however that comes about, and all is gone with the server's process.

mod connection;
mod error;
mod served;

use std::io;
use std::net::Shutdown;
use std::os::fd::{AsFd as _, BorrowedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::stat::{Mode, umask};

use crate::event::Event;
use crate::pool::{Budget, Pool};
use crate::schedule::Stop;
use connection::Connection;
pub use error::ServeError;
use served::Shared;

/// A pool that listens.
///
/// ```no_run
/// use cowherd::pool::Budget;
/// use cowherd::schedule::Stop;
/// use cowherd::serve::{Options, Server};
///
/// let options = Options::new(Budget::of_machine(), Stop::new()?);
/// Server::bind("/tmp/cowherd.sock".as_ref(), options)?.run(None)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Server {
    listener: UnixListener,
    socket: PathBuf,
    shared: Arc<Shared>,
    clients: Mutex<Vec<Client>>,
}

/// A connection, as the server ends it.
#[derive(Debug)]
struct Client {
    stream: UnixStream,
    thread: JoinHandle<()>,
}

/// How a server serves.
pub struct Options {
    /// The most that there may be.
    pub budget: Budget,
    /// The order to stop, which ends builds and the server.
    pub stop: Stop,
    /// The spec of requests that name none.
    pub spec: Option<PathBuf>,
    /// Whether specs and the files that they name are looked at again while the server lives, as an editor or a
    /// watching test runner wants it. A test run has one state from its beginning to its end.
    pub watches: bool,
    /// Hears of builds.
    pub told: Arc<dyn Fn(Event) + Send + Sync>,
}

impl Options {
    /// A server that watches nothing and tells nobody.
    pub fn new(budget: Budget, stop: Stop) -> Self {
        Self {
            budget,
            stop,
            spec: None,
            watches: false,
            told: Arc::new(|_| {}),
        }
    }
}

impl Server {
    /// Listens on `socket`, which only this user may connect to. One that a killed server left is replaced.
    ///
    /// # Errors
    /// When another server listens there, or nobody can.
    pub fn bind(socket: &Path, options: Options) -> Result<Self, ServeError> {
        let cant = |source| ServeError::Listen {
            socket: socket.to_owned(),
            source,
        };
        if UnixStream::connect(socket).is_ok() {
            return Err(ServeError::Taken(socket.to_owned()));
        }
        match std::fs::remove_file(socket) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(cant(error)),
            _ => {}
        }
        let pool = Pool::new(options.budget).map_err(ServeError::Threads)?;
        let listener = private(|| UnixListener::bind(socket)).map_err(cant)?;
        listener.set_nonblocking(true).map_err(cant)?;
        Ok(Self {
            listener,
            socket: socket.to_owned(),
            shared: Arc::new(Shared::new(pool, options)),
            clients: Mutex::default(),
        })
    }

    /// Where it listens.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// The pool.
    pub fn pool(&self) -> &Pool {
        &self.shared.pool
    }

    /// Serves until it is ordered to stop, or `ended` is readable. Then all its connections are closed, and their
    /// containers gone.
    ///
    /// # Errors
    /// When no more connections can be taken.
    pub fn run(&self, ended: Option<BorrowedFd<'_>>) -> Result<(), ServeError> {
        let served = self.serve(ended);
        // By no signal: a build that nobody waits for any more ends too.
        self.shared.stop().kill(0);
        for client in std::mem::take(&mut *self.clients()) {
            // One that is closed already has a thread that knows.
            let _ = client.stream.shutdown(Shutdown::Both);
            // A panic there has been told.
            let _ = client.thread.join();
        }
        served
    }

    fn serve(&self, ended: Option<BorrowedFd<'_>>) -> Result<(), ServeError> {
        let stop = self.shared.stop();
        let watched = [Some(self.listener.as_fd()), Some(stop.killed()), ended];
        let watched: Vec<_> = watched.into_iter().flatten().collect();
        loop {
            let polled = watched.iter().map(|fd| PollFd::new(*fd, PollFlags::POLLIN));
            let mut fds: Vec<_> = polled.collect();
            // Interrupted by a signal, it is asked again.
            let _ = poll(&mut fds, PollTimeout::NONE);
            let mut ends = fds[1..].iter().filter_map(PollFd::revents);
            if ends.any(|events| !events.is_empty()) {
                return Ok(());
            }
            match self.listener.accept() {
                Ok((stream, _)) => self.talk_to(stream)?,
                Err(error) if is_passing(&error) => {}
                Err(source) => {
                    return Err(ServeError::Listen {
                        socket: self.socket.clone(),
                        source,
                    });
                }
            }
        }
    }

    fn talk_to(&self, stream: UnixStream) -> Result<(), ServeError> {
        stream.set_nonblocking(false).map_err(ServeError::Threads)?;
        let ours = stream.try_clone().map_err(ServeError::Threads)?;
        let shared = Arc::clone(&self.shared);
        let thread = std::thread::Builder::new().name("cowherd client".to_owned());
        let talk = move || Connection::new(stream, shared).talk();
        let mut clients = self.clients();
        clients.retain(|client| !client.thread.is_finished());
        clients.push(Client {
            stream: ours,
            thread: thread.spawn(talk).map_err(ServeError::Threads)?,
        });
        Ok(())
    }

    fn clients(&self) -> MutexGuard<'_, Vec<Client>> {
        // Nothing can panic while the lock is held.
        self.clients.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Nobody is led astray by one that stays: who connects is refused.
        let _ = std::fs::remove_file(&self.socket);
    }
}

/// Whether the next client may be luckier.
fn is_passing(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, Interrupted, WouldBlock};
    matches!(error.kind(), ConnectionAborted | Interrupted | WouldBlock)
}

/// Makes a file that only this user can use.
fn private<T>(make: impl FnOnce() -> T) -> T {
    let before = umask(Mode::from_bits_truncate(0o177));
    let made = make();
    umask(before);
    made
}
