//! One copy of a prepared state: a sandbox over sealed layers with the state's services running in it.
//!
//! A container is throw-away, with its writable layer in memory or in a scratch folder, or it is a
//! draft: what it changes becomes the next layer of a snapshot. Both are started in the same way, so
//! that what a test sees is what was built.

mod copied;
mod error;
mod service;
mod state;

use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::Instant;

use nix::fcntl::{FcntlArg, OFlag};
use nix::sys::memfd::{MFdFlags, memfd_create};

use crate::engine::{Exec, Place};
use crate::sandbox::cgroup::{Cgroups, Group, Limits};
use crate::sandbox::{Command, Exit, Identity, Overlay, RUN, Running, Sandbox, Slot, Upper, Wake};
use crate::store::{Draft, Scratch};

pub use copied::CopiedUp;
pub use error::ContainerError;
use service::LiveService;
pub use state::{State, group_is_alive};

/// Where the writable layer of a container lies.
#[derive(Debug, Clone, Copy)]
pub enum Writable<'a> {
    /// In memory: gone with the container.
    Memory,
    /// In a scratch folder of the store, whose file system can share blocks with the layers.
    Scratch(&'a Scratch),
    /// In a draft: the container is there to make a layer.
    Draft(&'a Draft),
}

/// What a container is given beside its state.
#[derive(Debug)]
pub struct Setup<'a> {
    /// Who the processes are.
    pub identity: Identity,
    /// The project's folder, and whether it is the host's own rather than a copy-on-write view.
    pub project: Option<(&'a Path, bool)>,
    /// Where changes go.
    pub writable: Writable<'a>,
    /// Limits, and the cgroups to set them by.
    pub limits: Option<(&'a Cgroups, Limits)>,
    /// Which services are started.
    pub services: Services<'a>,
    /// Readable from the moment on that the container must end.
    pub stop: Option<BorrowedFd<'a>>,
}

/// Which services of a state a container starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Services<'a> {
    /// All of them.
    All,
    /// The one of this name.
    Only(&'a str),
    /// None: the data folders are there, nobody serves them.
    None,
}

impl Services<'_> {
    /// Whether the service of this name is among them.
    pub fn include(self, service: &str) -> bool {
        match self {
            Self::All => true,
            Self::Only(name) => name == service,
            Self::None => false,
        }
    }
}

/// A live container; dropping it kills everything inside.
#[derive(Debug)]
pub struct Container {
    // In this order: the group can be removed once its processes are gone.
    running: Running,
    group: Option<Group>,
    services: Vec<LiveService>,
    changes: Vec<(String, PathBuf)>,
    state: State,
}

impl Container {
    /// Starts a copy of `state` and waits until every service is ready.
    ///
    /// # Errors
    /// What the host refuses, or a service that died or was not ready in time, with the end of its log.
    pub fn start(state: &State, setup: &Setup<'_>) -> Result<Self, ContainerError> {
        let mut sandbox = Sandbox::new(setup.identity);
        let group = match &setup.limits {
            Some((cgroups, limits)) if !limits.is_empty() => Some(
                cgroups
                    .create(&state::group_name(), limits)
                    .map_err(ContainerError::Limits)?,
            ),
            _ => None,
        };
        if let Some(group) = &group {
            sandbox.group(group);
        }
        if let Some((folder, host)) = setup.project {
            sandbox.project(folder, host);
        }
        if let Ok(program) = std::env::current_exe() {
            sandbox.program(program, "cowherd");
        }
        let mut changes = Vec::new();
        for engine in &state.services {
            let overlay = overlay(state, engine.place(), setup)?;
            changes.push((engine.place().service().to_owned(), overlay.changes()));
            sandbox.folder(engine.place().sockets());
            sandbox.overlay(overlay);
        }
        let running = sandbox.start().map_err(ContainerError::Sandbox)?;
        let mut container = Self {
            running,
            group,
            services: Vec::new(),
            changes,
            state: state.clone(),
        };
        container.start_services(setup)?;
        container.wait_until_ready(setup.stop)?;
        Ok(container)
    }

    fn start_services(&mut self, setup: &Setup<'_>) -> Result<(), ContainerError> {
        let null = null()?;
        let building = matches!(setup.writable, Writable::Draft(_));
        for engine in self.state.services.clone() {
            if !setup.services.include(engine.place().service()) {
                continue;
            }
            let Some(server) = engine.server(building) else {
                continue;
            };
            let name = format!(
                "{} ({} {})",
                engine.place().service(),
                engine.name(),
                engine.version()
            );
            let (log, theirs) = log_pipe().map_err(ContainerError::Writable)?;
            let slot = self
                .running
                .spawn(&command_of(&server.exec), [&null, &theirs, &theirs])
                .map_err(|source| ContainerError::Start {
                    service: name.clone(),
                    source,
                })?;
            self.services
                .push(LiveService::new(name, slot, server, log));
        }
        Ok(())
    }

    fn wait_until_ready(&mut self, stop: Option<BorrowedFd<'_>>) -> Result<(), ContainerError> {
        while let Some(deadline) = self
            .services
            .iter()
            .filter(|service| !service.ready)
            .map(LiveService::deadline)
            .min()
        {
            match self.next(Some(deadline), stop)? {
                Woken::Exited(slot, exit) => self.mourn(slot, exit)?,
                Woken::Deadline => {
                    let late = self.services.iter_mut().find(|service| !service.ready);
                    let Some(late) = late else { continue };
                    return Err(ContainerError::NotReady {
                        service: late.name.clone(),
                        after: late.server.ready_within,
                        log: late.last_words(),
                    });
                }
                Woken::Stopped => return Err(ContainerError::Interrupted),
                Woken::Log => {}
            }
        }
        Ok(())
    }

    /// An error when the program that ended is a service.
    fn mourn(&mut self, slot: Slot, exit: Exit) -> Result<(), ContainerError> {
        match self
            .services
            .iter_mut()
            .find(|service| service.slot == slot)
        {
            None => Ok(()),
            Some(service) => Err(ContainerError::Died {
                service: service.name.clone(),
                exit: error::ending(exit),
                log: service.last_words(),
            }),
        }
    }

    /// Waits for the next thing to happen, and reads the services' logs meanwhile: a service whose
    /// log nobody reads would stand still once the pipe is full.
    fn next(
        &mut self,
        deadline: Option<Instant>,
        stop: Option<BorrowedFd<'_>>,
    ) -> Result<Woken, ContainerError> {
        let mut watched: Vec<BorrowedFd<'_>> = stop.into_iter().collect();
        let logs: Vec<usize> = (0..self.services.len())
            .filter(|index| self.services[*index].log().is_some())
            .collect();
        watched.extend(logs.iter().filter_map(|index| self.services[*index].log()));
        match self
            .running
            .next(deadline, &watched)
            .map_err(ContainerError::Sandbox)?
        {
            Wake::Exited(slot, exit) => Ok(Woken::Exited(slot, exit)),
            Wake::Deadline => Ok(Woken::Deadline),
            Wake::Readable(0) if stop.is_some() => Ok(Woken::Stopped),
            Wake::Readable(index) => {
                self.services[logs[index - usize::from(stop.is_some())]].read_log();
                Ok(Woken::Log)
            }
        }
    }

    /// The variables that programs in the container get.
    pub fn environment(&self) -> Vec<(String, String)> {
        self.state.environment()
    }

    /// The process id of the container's init, as the host sees it.
    pub fn pid(&self) -> i32 {
        self.running.pid()
    }

    /// A path inside the container as the host reaches it while the container lives.
    pub fn reach(&self, inside: &Path) -> PathBuf {
        self.running.reach(inside)
    }

    /// Runs a program to its end, its deadline, or the order to stop; in the last two cases it still
    /// runs, and is killed with the container.
    ///
    /// # Errors
    /// When the program can't be executed.
    pub fn run(
        &mut self,
        command: &Command,
        stdio: [&dyn AsFd; 3],
        deadline: Option<Instant>,
        stop: Option<BorrowedFd<'_>>,
    ) -> Result<Ended, ContainerError> {
        let slot = self
            .running
            .spawn(command, stdio)
            .map_err(ContainerError::Sandbox)?;
        loop {
            match self.next(deadline, stop)? {
                Woken::Exited(ended, exit) if ended == slot => return Ok(Ended::Exited(exit)),
                // A test may shut its database down; that is for the test to judge.
                Woken::Exited(..) | Woken::Log => {}
                Woken::Deadline => return Ok(Ended::TimedOut),
                Woken::Stopped => return Ok(Ended::Stopped),
            }
        }
    }

    /// The last lines of the logs of the services that have ended.
    pub fn fallen_services(&mut self) -> Option<String> {
        let mut text = String::new();
        for service in &mut self.services {
            service.read_log();
            if service.log().is_none() {
                let last_words = service.last_words();
                text += &format!(
                    "{} has ended; its last words:\n{last_words}\n",
                    service.name
                );
            }
        }
        (!text.is_empty()).then_some(text)
    }

    /// Runs a program that reads `input` and must succeed.
    ///
    /// # Errors
    /// [`ContainerError::Command`] with the end of what it printed when it doesn't.
    pub fn must_succeed(
        &mut self,
        what: &str,
        command: &Command,
        input: Option<&[u8]>,
        stop: Option<BorrowedFd<'_>>,
    ) -> Result<(), ContainerError> {
        let output = memory_file(b"").map_err(ContainerError::Writable)?;
        let input = match input {
            Some(bytes) => memory_file(bytes).map_err(ContainerError::Writable)?,
            None => null()?,
        };
        self.succeed(what, command, [&input, &output, &output], &output, stop)
    }

    /// Runs a program that must succeed, and returns what it wrote to its standard output.
    ///
    /// # Errors
    /// [`ContainerError::Command`] with the end of its standard error when it doesn't.
    pub fn output_of(
        &mut self,
        what: &str,
        command: &Command,
        stop: Option<BorrowedFd<'_>>,
    ) -> Result<String, ContainerError> {
        let mut output = memory_file(b"").map_err(ContainerError::Writable)?;
        let errors = memory_file(b"").map_err(ContainerError::Writable)?;
        self.succeed(what, command, [&null()?, &output, &errors], &errors, stop)?;
        let mut bytes = Vec::new();
        output
            .rewind()
            .and_then(|()| output.read_to_end(&mut bytes))
            .map_err(ContainerError::Writable)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    fn succeed(
        &mut self,
        what: &str,
        command: &Command,
        stdio: [&dyn AsFd; 3],
        explains: &File,
        stop: Option<BorrowedFd<'_>>,
    ) -> Result<(), ContainerError> {
        match self.run(command, stdio, None, stop)? {
            Ended::Exited(exit) if exit.success() => Ok(()),
            Ended::Exited(exit) => Err(ContainerError::Command {
                what: what.to_owned(),
                exit: error::ending(exit),
                output: last_lines(explains).map_err(ContainerError::Writable)?,
            }),
            Ended::TimedOut | Ended::Stopped => Err(ContainerError::Interrupted),
        }
    }

    /// Stops every service cleanly, as its engine wants it, and waits for it.
    ///
    /// # Errors
    /// A service that doesn't stop in time or not with success.
    pub fn stop_services(&mut self, stop: Option<BorrowedFd<'_>>) -> Result<(), ContainerError> {
        for service in &self.services {
            self.running
                .signal(service.slot, service.server.stop_signal)
                .map_err(ContainerError::Sandbox)?;
        }
        let deadline = Instant::now() + service::STOP_WITHIN;
        let mut left: Vec<Slot> = self.services.iter().map(|service| service.slot).collect();
        while !left.is_empty() {
            match self.next(Some(deadline), stop)? {
                Woken::Exited(slot, Exit::Code(0)) => left.retain(|known| *known != slot),
                Woken::Exited(slot, exit) => self.mourn(slot, exit)?,
                Woken::Log => {}
                Woken::Deadline => {
                    let late = self
                        .services
                        .iter_mut()
                        .find(|service| left.contains(&service.slot));
                    let Some(late) = late else { break };
                    return Err(ContainerError::NotStopped {
                        service: late.name.clone(),
                        after: service::STOP_WITHIN,
                        log: late.last_words(),
                    });
                }
                Woken::Stopped => return Err(ContainerError::Interrupted),
            }
        }
        self.services.clear();
        Ok(())
    }

    /// What the container has written in its data layers so far.
    ///
    /// # Errors
    /// When they can't be read.
    pub fn copied_up(&self) -> Result<CopiedUp, ContainerError> {
        let mut copied = CopiedUp::default();
        for (service, changes) in &self.changes {
            copied
                .add(service, &self.reach(changes))
                .map_err(ContainerError::Disk)?;
        }
        Ok(copied)
    }

    /// How often the kernel has ended a process of the container for want of memory.
    pub fn out_of_memory(&self) -> bool {
        self.group
            .as_ref()
            .is_some_and(|group| group.out_of_memory() > 0)
    }
}

/// How a program in a container came to its end, or didn't.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// It ended.
    Exited(Exit),
    /// Its time was up.
    TimedOut,
    /// The run was stopped.
    Stopped,
}

enum Woken {
    Exited(Slot, Exit),
    Log,
    Deadline,
    Stopped,
}

/// `/dev/null`, for a program that reads nothing.
///
/// # Errors
/// When it can't be opened.
pub fn null() -> Result<File, ContainerError> {
    File::options()
        .read(true)
        .write(true)
        .open("/dev/null")
        .map_err(ContainerError::Writable)
}

/// The data folder of one service: the state's layers, topmost first, under one writable layer.
fn overlay(state: &State, place: &Place, setup: &Setup<'_>) -> Result<Overlay, ContainerError> {
    let name = place.service();
    let (uid, gid) = setup.identity.user();
    let own = |path: PathBuf| -> Result<PathBuf, ContainerError> {
        if setup.identity.is_root() {
            std::os::unix::fs::chown(&path, Some(uid), Some(gid))
                .map_err(ContainerError::Writable)?;
        }
        Ok(path)
    };
    let relative =
        |path: PathBuf, root: &Path| path.strip_prefix(root).map(Path::to_owned).unwrap_or(path);
    let upper = match setup.writable {
        Writable::Memory => Upper::Memory,
        Writable::Scratch(scratch) => Upper::Folder {
            path: scratch.path().to_owned(),
            upper: PathBuf::from(format!("upper-{name}")),
            work: PathBuf::from(format!("work-{name}")),
        },
        Writable::Draft(draft) => Upper::Folder {
            path: draft.path().to_owned(),
            upper: relative(
                own(draft.files(name).map_err(ContainerError::Store)?)?,
                draft.path(),
            ),
            work: relative(
                own(draft.work(name).map_err(ContainerError::Store)?)?,
                draft.path(),
            ),
        },
    };
    let mut lower: Vec<PathBuf> = state
        .layers
        .iter()
        .filter_map(|layer| layer.lower(name).map(PathBuf::from))
        .collect();
    if lower.is_empty() {
        // overlayfs wants a lower folder; one that nothing is ever put into does.
        lower.push(Path::new(RUN).join("empty"));
    }
    Ok(Overlay {
        name: name.to_owned(),
        target: place.data(),
        from: state.layers_folder.clone(),
        lower,
        upper,
        mode: 0o700,
    })
}

/// A pipe for a service's log; this end doesn't block.
fn log_pipe() -> io::Result<(File, OwnedFd)> {
    let (ours, theirs) = nix::unistd::pipe2(OFlag::O_CLOEXEC)?;
    nix::fcntl::fcntl(&ours, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
    Ok((File::from(ours), theirs))
}

/// A file in memory with `bytes` in it, to be read from its start.
fn memory_file(bytes: &[u8]) -> io::Result<File> {
    let mut file = File::from(memfd_create(c"cowherd", MFdFlags::MFD_CLOEXEC)?);
    file.write_all(bytes)?;
    file.rewind()?;
    Ok(file)
}

/// The last lines of what a program printed.
fn last_lines(mut output: &File) -> io::Result<String> {
    const SHOWN: u64 = 16 * 1024;
    let length = output.metadata()?.len();
    output.seek(io::SeekFrom::Start(length.saturating_sub(SHOWN)))?;
    let mut bytes = Vec::new();
    output.read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// A command of an engine's as the sandbox takes it.
///
/// Where the command is this very program, it is the container's own view of it: the host's path may
/// be hidden, or closed to the container's user.
pub fn command_of(exec: &Exec) -> Command {
    let own = std::env::current_exe().is_ok_and(|own| own == exec.program);
    let mut command = match own {
        true => Command::new(Path::new(RUN).join("bin/cowherd")),
        false => Command::new(&exec.program),
    };
    command
        .args(&exec.args)
        .envs(base_environment())
        .envs(exec.environment.iter().map(|(k, v)| (k, v)));
    if let Some(folder) = &exec.folder {
        command.current_dir(folder);
    }
    command
}

/// The variables that services and build steps get: few, and the same everywhere, so that a state
/// doesn't depend on whose shell it was built or started from.
pub fn base_environment() -> [(&'static str, String); 4] {
    let path = std::env::var("PATH").unwrap_or_else(|_| "/usr/local/bin:/usr/bin:/bin".to_owned());
    [
        ("PATH", path),
        ("HOME", "/tmp".to_owned()),
        ("LANG", "C.UTF-8".to_owned()),
        ("TZ", "UTC".to_owned()),
    ]
}
