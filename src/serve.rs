//! A pool for other processes, in any language, over a Unix socket: `cowherd serve` and the parent of a test run.
//!
//! What is said is in [`crate::pool::protocol`]. Each client has a connection and a thread; what it took is gone
//! when the connection closes, however that comes about, and all is gone with the server's process.
//!
//! The threads take connections themselves, and go on to the next when theirs is closed: a client that wants one
//! container is served by a thread that was there before it.

mod connection;
mod error;
mod served;

use std::io;
use std::os::fd::{AsRawFd as _, BorrowedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::Scope;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{Shutdown, shutdown};
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
    clients: Mutex<Clients>,
}

/// What the threads of a server do.
#[derive(Debug, Default)]
struct Clients {
    /// How many threads wait for a client.
    idle: usize,
    /// The connections, as the server ends them.
    open: Vec<Arc<UnixStream>>,
    /// Nobody is served any more.
    over: bool,
    failed: Option<ServeError>,
}

/// How many threads wait for a client at least and at most.
const IDLE: std::ops::RangeInclusive<usize> = 2..=8;

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
        let stop = self.shared.stop();
        std::thread::scope(|scope| {
            let begun = self.have_idle_threads(scope);
            if begun.is_ok() {
                let watched = [Some(stop.killed()), ended];
                let watched = watched.into_iter().flatten();
                let mut fds: Vec<_> = watched
                    .map(|fd| PollFd::new(fd, PollFlags::POLLIN))
                    .collect();
                // Interrupted by a signal, it is asked again.
                while poll(&mut fds, PollTimeout::NONE).is_err() {}
            }
            // By no signal: a build that nobody waits for any more ends too.
            stop.kill(0);
            let mut clients = self.clients();
            clients.over = true;
            // One that is closed already has a thread that knows, as those who wait in accept(2) do now.
            for client in &clients.open {
                let _ = shutdown(client.as_raw_fd(), Shutdown::Both);
            }
            let _ = shutdown(self.listener.as_raw_fd(), Shutdown::Both);
            begun
        })?;
        self.clients().failed.take().map_or(Ok(()), Err)
    }

    /// Sees to it that clients are waited for.
    fn have_idle_threads<'scope>(
        &'scope self,
        scope: &'scope Scope<'scope, '_>,
    ) -> Result<(), ServeError> {
        let mut clients = self.clients();
        while clients.idle < *IDLE.start() && !clients.over {
            let thread = std::thread::Builder::new().name("cowherd client".to_owned());
            let serve = || {
                if let Err(error) = self.serve(scope) {
                    self.clients().failed = Some(error);
                    self.shared.stop().kill(0);
                }
            };
            thread
                .spawn_scoped(scope, serve)
                .map_err(ServeError::Threads)?;
            clients.idle += 1;
        }
        Ok(())
    }

    /// Serves one client after the other.
    fn serve<'scope>(&'scope self, scope: &'scope Scope<'scope, '_>) -> Result<(), ServeError> {
        loop {
            let client = match self.listener.accept() {
                Ok((client, _)) => Arc::new(client),
                Err(_) if self.clients().over => return Ok(()),
                Err(error) if is_passing(&error) => continue,
                Err(source) => {
                    return Err(ServeError::Listen {
                        socket: self.socket.clone(),
                        source,
                    });
                }
            };
            let mut clients = self.clients();
            if clients.over {
                return Ok(());
            }
            clients.idle -= 1;
            clients.open.push(Arc::clone(&client));
            drop(clients);
            self.have_idle_threads(scope)?;
            Connection::new(Arc::clone(&client), Arc::clone(&self.shared)).talk();
            let mut clients = self.clients();
            clients.open.retain(|open| !Arc::ptr_eq(open, &client));
            if clients.over || clients.idle >= *IDLE.end() {
                return Ok(());
            }
            clients.idle += 1;
        }
    }

    fn clients(&self) -> MutexGuard<'_, Clients> {
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
