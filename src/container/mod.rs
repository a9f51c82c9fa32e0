//! One copy of a prepared state: a sandbox over sealed layers with the state's services running in it.
//!
//! A container is throw-away, with its writable layer in memory or in a scratch folder, or it is a
//! draft: what it changes becomes the next layer of a snapshot. Both are started in the same way, so
//! that what a test sees is what was built.

mod check;
mod commands;
mod copied;
mod dialogue;
mod drain;
mod error;
mod forward;
mod host;
mod service;
mod services;
mod setup;
mod state;
mod stdio;
mod stop;
mod talk;

use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};
use std::time::Instant;

use crate::sandbox::cgroup::Group;
use crate::sandbox::{Command, Exit, Inlet, Running, Sandbox, Slot, Wake};

pub use copied::CopiedUp;
pub use dialogue::Dialogue;
pub use error::ContainerError;
pub use forward::Forward;
pub use host::{Host, LARGE_FILE, Live, Order, ProjectFiles};
use service::LiveService;
use services::Waiting;
pub use setup::{Services, Setup, Writable, base_environment, command_of};
pub use state::{State, dependencies, group_is_alive};

use stdio::{Keep, Printed, null, pipe};

/// A live container; dropping it kills everything inside.
#[derive(Debug)]
pub struct Container {
    // In this order: the group can be removed once its processes are gone.
    running: Running,
    group: Option<Group>,
    services: Vec<LiveService>,
    waiting: Vec<Waiting>,
    /// The way to the ports of services that are asked whether they are ready.
    inlet: Option<Inlet>,
    printed: Vec<Printed>,
    changes: Vec<(String, PathBuf)>,
    state: State,
    /// Who the programs are, where that is not this process's own user.
    owner: Option<(u32, u32)>,
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
        if let Some(scratch) = setup::scratch_folder(setup)? {
            sandbox.scratch(scratch);
        }
        if state.largest_file() > host::LARGE_FILE {
            sandbox.large_files();
        }
        for folder in setup.shown {
            sandbox.show(folder);
        }
        for folder in setup.shared {
            sandbox.share(folder);
        }
        if let Ok(program) = std::env::current_exe() {
            sandbox.program(program, "cowherd");
        }
        let mut changes = Vec::new();
        for engine in &state.services {
            let overlay = setup::overlay(state, engine.as_ref(), setup)?;
            changes.push((engine.place().service().to_owned(), overlay.changes()));
            sandbox.folder(engine.place().sockets());
            sandbox.overlay(overlay);
            if engine.has_low_ports() {
                sandbox.low_ports();
            }
            if let Some(folder) = engine.data_dir() {
                sandbox.also_at(engine.place().data(), folder);
            }
        }
        let running = sandbox.start().map_err(ContainerError::Sandbox)?;
        let mut container = Self {
            running,
            group,
            services: Vec::new(),
            waiting: Vec::new(),
            inlet: None,
            printed: Vec::new(),
            changes,
            state: state.clone(),
            owner: setup.identity.is_root().then(|| setup.identity.user()),
        };
        let building = matches!(setup.writable, Writable::Draft(_));
        container.start_services(setup.services, building, setup.stop)?;
        Ok(container)
    }

    /// Waits for the next thing to happen, and reads the services' logs meanwhile: a service whose
    /// log nobody reads would stand still once the pipe is full.
    fn next(
        &mut self,
        deadline: Option<Instant>,
        stop: Option<BorrowedFd<'_>>,
    ) -> Result<Woken, ContainerError> {
        let mut sources: Vec<(Source, BorrowedFd<'_>)> =
            stop.map(|stop| (Source::Stop, stop)).into_iter().collect();
        for (index, service) in self.services.iter().enumerate() {
            sources.extend(service.log().map(|log| (Source::Log(index), log)));
            sources.extend(service.answers().map(|it| (Source::Answer(index), it)));
        }
        let printed = self.printed.iter().enumerate();
        sources.extend(printed.map(|(index, it)| (Source::Printed(index), it.pipe())));
        let (sources, watched): (Vec<_>, Vec<_>) = sources.into_iter().unzip();
        let wake = self.running.next(deadline, &watched);
        match wake.map_err(ContainerError::Sandbox)? {
            Wake::Exited(slot, exit) => {
                let mut services = self.services.iter_mut();
                if let Some(service) = services.find(|service| service.slot == slot) {
                    service.ended = Some(exit);
                }
                return Ok(Woken::Exited(slot, exit));
            }
            Wake::Deadline => return Ok(Woken::Deadline),
            Wake::Readable(index) => match sources[index] {
                Source::Stop => return Ok(Woken::Stopped),
                Source::Log(service) => self.services[service].read_log(),
                Source::Answer(service) => self.services[service].read_answer(),
                Source::Printed(index) => self.printed[index]
                    .take_in()
                    .map_err(ContainerError::Output)?,
            },
        }
        // Where there is always something to read, nobody else looks at the clock.
        Ok(match deadline {
            Some(deadline) if Instant::now() >= deadline => Woken::Deadline,
            _ => Woken::Log,
        })
    }

    /// Whether every service that was started still runs, as far as is known without waiting.
    pub fn is_well(&mut self) -> bool {
        loop {
            match self.next(Some(Instant::now()), None) {
                Ok(Woken::Deadline) => return true,
                Ok(Woken::Log) => {}
                Ok(Woken::Exited(..) | Woken::Stopped) | Err(_) => return false,
            }
        }
    }

    /// Leaves the services' logs to a thread that reads them and throws them away, for a container that nobody
    /// waits for: a service whose log nobody reads stands still once the pipe is full.
    pub fn let_logs_go(&mut self) {
        for service in &mut self.services {
            service.let_log_go();
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

    /// Starts a program.
    ///
    /// # Errors
    /// When it can't be executed.
    pub fn spawn(
        &mut self,
        command: &Command,
        stdio: [&dyn AsFd; 3],
    ) -> Result<Slot, ContainerError> {
        let program = self
            .running
            .spawn(command, stdio)
            .map_err(ContainerError::Sandbox)?;
        // The number is that of a program which has ended.
        self.printed.retain(|printed| printed.program != program);
        Ok(program)
    }

    /// Starts a program that reads nothing, and whose output is all kept in a file.
    ///
    /// # Errors
    /// As [`Container::spawn`].
    pub fn spawn_printing(&mut self, command: &Command, to: &File) -> Result<Slot, ContainerError> {
        let keep = Keep::All(to.try_clone().map_err(ContainerError::Output)?);
        let pipe = pipe(self.owner).map_err(ContainerError::Output)?;
        let program = self.spawn(command, [&null()?, &pipe.1, &pipe.1])?;
        self.printed.push(Printed::new(program, pipe, keep));
        Ok(program)
    }

    /// Waits for a program to its end, a deadline, or the order to stop; in the last two cases it still
    /// runs, and is killed with the container.
    ///
    /// # Errors
    /// When the container is gone.
    pub fn wait(
        &mut self,
        program: Slot,
        deadline: Option<Instant>,
        stop: Option<BorrowedFd<'_>>,
    ) -> Result<Ended, ContainerError> {
        let ended = loop {
            match self.next(deadline, stop)? {
                Woken::Exited(ended, exit) if ended == program => break Ended::Exited(exit),
                // A test may shut its database down; that is for the test to judge.
                Woken::Exited(..) | Woken::Log => {}
                Woken::Deadline => break Ended::TimedOut,
                Woken::Stopped => break Ended::Stopped,
            }
        };
        // What it wrote before it ended is in the pipe by now, and no more than that need be read: others
        // that it started may go on printing.
        for printed in &mut self.printed {
            if printed.program == program {
                printed.take_in().map_err(ContainerError::Output)?;
            }
        }
        Ok(ended)
    }

    /// Starts a program and waits for it.
    ///
    /// # Errors
    /// As [`Container::spawn`] and [`Container::wait`].
    pub fn run(
        &mut self,
        command: &Command,
        stdio: [&dyn AsFd; 3],
        deadline: Option<Instant>,
        stop: Option<BorrowedFd<'_>>,
    ) -> Result<Ended, ContainerError> {
        let program = self.spawn(command, stdio)?;
        self.wait(program, deadline, stop)
    }

    /// Where the changes of a service's data lie, as the host reaches them while the container lives: the
    /// upper folder of its overlay.
    pub fn changes(&self, service: &str) -> Option<PathBuf> {
        let (_, changes) = self.changes.iter().find(|(name, _)| name == service)?;
        Some(self.reach(changes))
    }

    /// What the container has written in its data layers so far.
    pub fn copied_up(&self) -> CopiedUp {
        let mut copied = CopiedUp::default();
        for (service, changes) in &self.changes {
            copied.add(service, &self.reach(changes));
        }
        copied
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

/// What may have something to read.
#[derive(Clone, Copy)]
enum Source {
    Stop,
    Log(usize),
    Answer(usize),
    Printed(usize),
}

enum Woken {
    Exited(Slot, Exit),
    Log,
    Deadline,
    Stopped,
}
