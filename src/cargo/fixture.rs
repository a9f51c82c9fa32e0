//! What the tests of one package get: a copy of its snapshot for each program that is run.

use std::ffi::OsString;
use std::io;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::binary::Binary;
use super::seen::{environment, shared, shown};
use super::wanted::Wanted;
use crate::builder::BuildError;
use crate::container::{ContainerError, Ended, Order, ProjectFiles};
use crate::event::Event;
use crate::pool::client::{Client, ClientError, POOL};
use crate::pool::protocol::{self, Inside};
use crate::pool::{Budget, Pool};
use crate::project::{self, Project, ProjectError};
use crate::sandbox::{Command, Exit, Identity, SandboxError};
use crate::schedule::Stop;

/// The prepared snapshot of a package, of which each program that is run gets a copy.
#[derive(Debug)]
pub struct Fixture {
    source: Source,
    identity: Identity,
    environment: Vec<(OsString, OsString)>,
    folder: PathBuf,
}

/// Whose the containers are.
#[derive(Debug)]
enum Source {
    /// This process's own.
    Own {
        order: Box<Order>,
        pool: Option<Pool>,
    },
    /// Those of a pool in another process.
    Pool {
        socket: PathBuf,
        wanted: protocol::Wanted,
        inside: Inside,
        /// The connection by which the snapshot was asked for.
        first: Mutex<Option<Client>>,
    },
}

/// A program, as a test runs it.
#[derive(Debug, Clone)]
pub struct Program {
    /// The program and its arguments.
    pub words: Vec<OsString>,
    /// The name of the test.
    pub test: String,
}

/// Why there is no fixture.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FixtureError {
    /// The spec, the store or this host.
    #[error(transparent)]
    Project(#[from] ProjectError),
    /// The snapshot can't be built.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// The snapshot can't be built, and the parent of this run has told why.
    #[error("can't build `{snapshot}`: the cause is told once, above")]
    Told {
        /// The snapshot.
        snapshot: String,
    },
    /// The pool.
    #[error(transparent)]
    Pool(#[from] ClientError),
    /// The connection to the pool.
    #[error("can't wait for the pool")]
    Wait(#[source] io::Error),
}

impl FixtureError {
    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Project(error) => error.hint(),
            Self::Build(error) => error.hint(),
            Self::Pool(error) => error.hint(),
            Self::Told { .. } | Self::Wait(_) => None,
        }
    }

    /// Whether the snapshot is at fault, rather than the spec or this host.
    pub fn is_snapshot(&self) -> bool {
        match self {
            Self::Build(_) | Self::Told { .. } => true,
            Self::Pool(ClientError::Refused(refusal)) => refusal.code == SNAPSHOT,
            _ => false,
        }
    }
}

/// The exit code for a snapshot that can't be built.
const SNAPSHOT: u8 = 101;

/// Why a program was not run, or not to its end.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// A container of this process.
    #[error(transparent)]
    Container(#[from] ContainerError),
    /// A container of a pool.
    #[error(transparent)]
    Pool(#[from] ClientError),
    /// The connection to the pool.
    #[error("can't wait for the pool")]
    Wait(#[source] io::Error),
    /// The pipe for what a program prints.
    #[error("can't read what a test prints")]
    Output(#[source] io::Error),
    /// The user asked to stop.
    #[error("interrupted")]
    Interrupted,
}

impl RunError {
    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Container(error) => error.hint(),
            Self::Pool(error) => error.hint(),
            Self::Wait(_) | Self::Output(_) | Self::Interrupted => None,
        }
    }

    /// Whether the fault lies with the snapshot or its engine, rather than with this host.
    pub fn is_fixture(&self) -> bool {
        match self {
            Self::Container(error) => error.is_fixture(),
            Self::Pool(ClientError::Refused(refusal)) => refusal.code == SNAPSHOT,
            _ => false,
        }
    }

    /// The code that a shell has for a program that can't be executed, where that is the fault.
    pub fn not_executed(&self) -> Option<i32> {
        match self {
            Self::Container(ContainerError::Sandbox(error @ SandboxError::Spawn { .. })) => {
                Some(error.shell_code())
            }
            _ => None,
        }
    }
}

impl Fixture {
    /// Has the snapshot built as far as it is not, for a program of the package in `folder`: by the pool that the
    /// variable `COWHERD_POOL` names, else here.
    ///
    /// # Errors
    /// What is wrong with the spec, the snapshot or the host.
    pub fn prepare(
        wanted: &Wanted,
        folder: &Path,
        binary: &Binary,
        stop: &Stop,
        sink: &mut dyn FnMut(Event),
    ) -> Result<Self, FixtureError> {
        let identity = Identity::of_caller().map_err(ProjectError::from)?;
        let source = match std::env::var_os(POOL) {
            Some(socket) => Source::of_pool(socket.into(), wanted, folder, binary, stop)?,
            None => Source::own(wanted, folder, binary, stop, sink)?,
        };
        Ok(Self {
            source,
            identity,
            environment: environment(identity),
            folder: std::env::current_dir().unwrap_or_else(|_| folder.to_owned()),
        })
    }

    /// How many tests at once this machine has room for.
    pub fn jobs(&self) -> usize {
        match &self.source {
            Source::Own { order, .. } => project::default_jobs([&**order]),
            // The pool lets those wait for whose containers there is no room.
            Source::Pool { .. } => std::thread::available_parallelism().map_or(1, usize::from),
        }
    }

    /// Says that `times` programs will be run, `jobs` of them at once: their containers are started ahead of need.
    ///
    /// # Errors
    /// When there are no threads left.
    pub fn expect(&mut self, times: usize, jobs: usize) -> io::Result<()> {
        if let Source::Own { order, pool } = &mut self.source {
            let ahead = Pool::new(Budget::of_jobs(jobs))?;
            ahead.expect(order, times);
            *pool = Some(ahead);
        }
        Ok(())
    }

    /// Runs a program to its end in a container of its own, with these three descriptors.
    ///
    /// # Errors
    /// When there is no container to be had, the program can't be executed, or `stop` was ordered.
    pub fn run(
        &self,
        program: &Program,
        stdio: [&dyn AsFd; 3],
        stop: &Stop,
    ) -> Result<Exit, RunError> {
        let killed = Some(stop.killed());
        let test = (
            OsString::from("COWHERD_TEST"),
            OsString::from(&program.test),
        );
        let variables = self.environment.iter().chain([&test]).cloned();
        let ended = match &self.source {
            Source::Own { order, pool } => {
                let mut command = Command::from_argv(&program.words);
                command
                    .envs(variables)
                    .envs(order.state.environment())
                    .current_dir(&self.folder);
                match pool {
                    Some(pool) => pool.take(order, killed)?.run(&command, stdio, None, killed),
                    None => order.start(killed)?.run(&command, stdio, None, killed),
                }
            }
            Source::Pool {
                socket,
                wanted,
                inside,
                first,
            } => {
                // Nothing can panic while the lock is held.
                let first = first.lock().unwrap_or_else(PoisonError::into_inner).take();
                let mut client = match first {
                    Some(client) => client,
                    None => connect(socket, stop).map_err(RunError::Wait)??,
                };
                let address = client.take_inside(wanted.clone(), inside.clone());
                let ended = address.and_then(|address| {
                    client.run(address.id, &program.words, &self.folder, variables, stdio)
                });
                return match ended {
                    Ok(protocol::Ended::Code(code)) => Ok(Exit::Code(code)),
                    Ok(protocol::Ended::Signal(signal)) => Ok(Exit::Signal(signal)),
                    // A pool that the same Ctrl-C has ended is no news, though its end may be known here before it is.
                    Err(error) if is_asked(stop, &error) => Err(RunError::Interrupted),
                    Err(error) => Err(error.into()),
                };
            }
        };
        match ended {
            Ok(Ended::Exited(exit)) => Ok(exit),
            Ok(Ended::TimedOut | Ended::Stopped) | Err(ContainerError::Interrupted) => {
                Err(RunError::Interrupted)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Who the programs are, where that is not this process's own user.
    pub(super) fn owner(&self) -> Option<(u32, u32)> {
        let identity = self.identity;
        identity.is_root().then(|| identity.user())
    }
}

impl Source {
    fn own(
        wanted: &Wanted,
        folder: &Path,
        binary: &Binary,
        stop: &Stop,
        sink: &mut dyn FnMut(Event),
    ) -> Result<Self, FixtureError> {
        let project = Project::open(Some(&wanted.file))?;
        let state = project.prepare_one(&wanted.snapshot, stop, sink)??;
        let snapshots = &project.spec().snapshots;
        let known = snapshots.iter().find(|known| known.name == wanted.snapshot);
        let limits = known.map(|known| known.limits).unwrap_or_default();
        let host = project.on();
        if let Some(remark) = host.remark(&state) {
            tracing::warn!("{remark}");
        }
        let order = Order {
            host: Arc::clone(host),
            state,
            project: ProjectFiles::Host,
            shown: [&host.shown[..], &shown(binary)].concat(),
            shared: shared(folder, binary),
            limits: project::enforceable(limits),
        };
        Ok(Self::Own {
            order: Box::new(order),
            pool: None,
        })
    }

    fn of_pool(
        socket: PathBuf,
        wanted: &Wanted,
        folder: &Path,
        binary: &Binary,
        stop: &Stop,
    ) -> Result<Self, FixtureError> {
        let file = std::path::absolute(&wanted.file).map_err(FixtureError::Wait)?;
        let asked = protocol::Wanted {
            spec: Some(file),
            snapshot: Some(wanted.snapshot.clone()),
        };
        let mut client = connect(&socket, stop).map_err(FixtureError::Wait)??;
        match client.prepare(asked.clone()) {
            Ok(_) => {}
            Err(ClientError::Refused(refusal))
                if refusal.code == SNAPSHOT && std::env::var_os(super::CARGO).is_some() =>
            {
                let snapshot = wanted.snapshot.clone();
                return Err(FixtureError::Told { snapshot });
            }
            Err(error) => return Err(error.into()),
        }
        Ok(Self::Pool {
            socket,
            wanted: asked,
            inside: Inside {
                shown: shown(binary),
                shared: shared(folder, binary),
            },
            first: Mutex::new(Some(client)),
        })
    }
}

/// Whether the order to stop is here, or comes within what a signal to all may be late on a busy machine.
fn is_asked(stop: &Stop, error: &ClientError) -> bool {
    if matches!(error, ClientError::Gone { .. }) {
        let mut fds = [PollFd::new(stop.killed(), PollFlags::POLLIN)];
        // Interrupted by the very signal that it waits for, it knows.
        let _ = poll(&mut fds, PollTimeout::from(1000_u16));
    }
    stop.asked().is_some()
}

fn connect(socket: &Path, stop: &Stop) -> io::Result<Result<Client, ClientError>> {
    let mut client = match Client::connect(socket) {
        Ok(client) => client,
        Err(error) => return Ok(Err(error)),
    };
    client.stop_by(stop.killed())?;
    Ok(Ok(client))
}
