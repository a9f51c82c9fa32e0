//! A container that somebody works in, whose state can be committed meanwhile: `cowherd shell`, `exec` and `enter`.
//!
//! It listens on a socket in a scratch folder of the store, which goes with the process. Who connects sends one line of
//! JSON and gets one:
//!
//! ```text
//! → {"commit":{"name":"by-hand","replace":false}}
//! ← {"committed":{"bytes":4071424}}      or {"failed":{"message":"…","hint":"…"}}
//! ```
//!
//! For a commit the services are frozen and stopped as after a step of a snapshot, and started again: programs in the
//! container lose their connections, and nothing else.

use std::fs::{self, Permissions};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags};
use serde::{Deserialize, Serialize};

use crate::builder::{AtRest, Builder, StepError};
use crate::container::{ContainerError, Ended, Live, Order};
use crate::event;
use crate::pool::Wire;
use crate::sandbox::Command;
use crate::schedule::Stop;
use crate::store::{Layer, Scratch, Store, StoreError, StoredService};

/// The socket's name in its scratch folder.
const SOCKET: &str = "attended";
/// What is in the container, in words, beside the socket.
const ABOUT: &str = "about";
/// How long who connects may take to say what they want.
const PATIENCE: Duration = Duration::from_secs(5);

/// Why a state could not be committed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CommitError {
    /// The name is taken.
    #[error("can't commit as `{0}`: there is a snapshot of this name")]
    Taken(String),
    /// The services, the files or the store.
    #[error(transparent)]
    Step(#[from] StepError),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The services don't start again.
    #[error("can't go on after the commit")]
    Again(#[source] ContainerError),
    /// The container that was named.
    #[error("can't reach the container {id}")]
    Unreachable {
        /// Its name.
        id: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// What the process that has the container said.
    #[error("{message}")]
    There {
        /// What went wrong, cause by cause.
        message: String,
        /// What to do about it.
        hint: Option<String>,
    },
}

impl CommitError {
    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Taken(_) => Some("take another name, or --replace it".to_owned()),
            Self::Step(error) => error.hint(),
            Self::Store(error) => error.hint(),
            Self::Again(error) => error.hint(),
            Self::Unreachable { .. } => Some("has its command ended meanwhile?".to_owned()),
            Self::There { hint, .. } => hint.clone(),
        }
    }
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Request {
    Commit { name: String, replace: bool },
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Answer {
    Committed {
        bytes: u64,
    },
    Failed {
        message: String,
        hint: Option<String>,
    },
}

/// A container that somebody works in.
#[derive(Debug)]
pub struct Attended {
    container: Live,
    order: Order,
    services: Vec<StoredService>,
    listener: UnixListener,
    id: String,
    // The socket's.
    _scratch: Scratch,
}

impl Attended {
    /// Starts a container that can be committed; `services` are those of its snapshot, as the spec has them, and
    /// `about` says in words what is done in it.
    ///
    /// # Errors
    /// As [`Order::start`], and when the socket can't be made.
    pub fn start(
        order: Order,
        services: Vec<StoredService>,
        about: &str,
        stop: &Stop,
    ) -> Result<Self, ContainerError> {
        let scratch = order.host.store.scratch().map_err(ContainerError::Store)?;
        let socket = scratch.path().join(SOCKET);
        let listener = UnixListener::bind(&socket).map_err(ContainerError::Writable)?;
        // Whoever else may look into the store must not change what is in it.
        fs::set_permissions(&socket, Permissions::from_mode(0o600))
            .and_then(|()| fs::write(scratch.path().join(ABOUT), about))
            .and_then(|()| listener.set_nonblocking(true))
            .map_err(ContainerError::Writable)?;
        Ok(Self {
            container: order.start(Some(stop.killed()))?,
            order,
            services,
            listener,
            id: scratch.owner(),
            _scratch: scratch,
        })
    }

    /// The container's name, for [`commit`].
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Runs a command to its end, and commits what it is asked to meanwhile.
    ///
    /// # Errors
    /// As [`Container::run`](crate::container::Container::run).
    pub fn run(
        &mut self,
        command: &Command,
        stdio: [&dyn AsFd; 3],
        stop: &Stop,
    ) -> Result<Ended, ContainerError> {
        let program = self.container.spawn(command, stdio)?;
        let either = either(stop.killed(), self.listener.as_fd());
        let either = either.map_err(|errno| ContainerError::Writable(errno.into()))?;
        loop {
            match self.container.wait(program, None, Some(either.0.as_fd()))? {
                Ended::Stopped => match self.listener.accept() {
                    Ok((client, _)) => self.serve(client, stop),
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                        return Ok(Ended::Stopped);
                    }
                    // Whoever connected is gone again.
                    Err(_) => {}
                },
                ended => return Ok(ended),
            }
        }
    }

    fn serve(&mut self, client: UnixStream, stop: &Stop) {
        let ready = client
            .set_nonblocking(false)
            .and_then(|()| client.set_read_timeout(Some(PATIENCE)));
        if ready.is_err() {
            return;
        }
        let mut wire = Wire::new(client);
        let Ok(Some((Request::Commit { name, replace }, _))) = wire.receive() else {
            return;
        };
        let answer = match self.commit_meanwhile(&name, replace, stop) {
            Ok(bytes) => Answer::Committed { bytes },
            Err(error) => Answer::Failed {
                message: event::in_words(&error),
                hint: error.hint(),
            },
        };
        // Who asked may be gone; what was done is done.
        let _ = wire.send(&answer, &[]);
    }

    /// Makes what was changed a snapshot, and leaves its services stopped. Gives the size of its layer in bytes.
    ///
    /// # Errors
    /// As [`commit_live`].
    pub fn commit(&mut self, name: &str, replace: bool, stop: &Stop) -> Result<u64, CommitError> {
        let (container, services) = (&mut self.container, &self.services);
        commit_live(container, &self.order, services, (name, replace), stop)
    }

    /// The same, and the services go on.
    fn commit_meanwhile(
        &mut self,
        name: &str,
        replace: bool,
        stop: &Stop,
    ) -> Result<u64, CommitError> {
        let committed = self.commit(name, replace, stop);
        if matches!(committed, Err(CommitError::Taken(_))) {
            return committed;
        }
        let again = self.container.start_services_again(Some(stop.killed()));
        let bytes = committed?;
        again.map_err(CommitError::Again)?;
        Ok(bytes)
    }
}

/// Makes what a container has changed a snapshot of its own. Its services are stopped afterwards, unless the name
/// was taken. Gives the size of its layer in bytes.
///
/// # Errors
/// A name that is taken, services that don't stop, a full disk; the store is as before then.
pub fn commit_live(
    container: &mut Live,
    order: &Order,
    services: &[StoredService],
    (name, replace): (&str, bool),
    stop: &Stop,
) -> Result<u64, CommitError> {
    let store = &order.host.store;
    if !replace && store.stored(name)?.is_some() {
        return Err(CommitError::Taken(name.to_owned()));
    }
    let stopped = || stop.asked().is_some();
    let builder = Builder::on(&order.host, stop.killed(), &stopped);
    let key = crate::store::unique_key("cowherd commit 1", name);
    let label = format!("commit {name}");
    let left = builder.capture(container, &order.state, AtRest::Frozen, (&key, &label))?;
    store.record_commit(name, &left.chain(), services.to_vec())?;
    Ok(left.layers.first().map_or(0, Layer::bytes))
}

/// The containers that somebody works in, of all processes that use the store: their names, and what they are for.
///
/// # Errors
/// When the store can't be read.
pub fn containers(store: &Store) -> Result<Vec<(String, String)>, StoreError> {
    let found = store.find_in_scratch(SOCKET)?.into_iter();
    let about = |socket: &Path| fs::read_to_string(socket.with_file_name(ABOUT));
    // One that has just ended is none.
    Ok(found
        .filter(|(_, socket)| UnixStream::connect(socket).is_ok())
        .map(|(id, socket)| (id, about(&socket).unwrap_or_default()))
        .collect())
}

/// Has the container `id` committed as the snapshot `name`; gives the size of its layer in bytes.
///
/// # Errors
/// When it isn't there, and what [`commit_live`] says there.
pub fn commit(store: &Store, id: &str, name: &str, replace: bool) -> Result<u64, CommitError> {
    let unreachable = |source| CommitError::Unreachable {
        id: id.to_owned(),
        source,
    };
    let found: Vec<(String, PathBuf)> = store.find_in_scratch(SOCKET)?;
    let socket = found.into_iter().find(|(known, _)| known == id);
    let (_, socket) = socket.ok_or_else(|| unreachable(io::ErrorKind::NotFound.into()))?;
    let mut wire = Wire::new(UnixStream::connect(socket).map_err(unreachable)?);
    let request = Request::Commit {
        name: name.to_owned(),
        replace,
    };
    wire.send(&request, &[]).map_err(unreachable)?;
    match wire.receive().map_err(unreachable)? {
        Some((Answer::Committed { bytes }, _)) => Ok(bytes),
        Some((Answer::Failed { message, hint }, _)) => Err(CommitError::There { message, hint }),
        None => Err(unreachable(io::ErrorKind::UnexpectedEof.into())),
    }
}

/// Readable when one of the two is.
fn either(one: BorrowedFd<'_>, other: BorrowedFd<'_>) -> nix::Result<Epoll> {
    let either = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
    for descriptor in [one, other] {
        either.add(descriptor, EpollEvent::new(EpollFlags::EPOLLIN, 0))?;
    }
    Ok(either)
}
