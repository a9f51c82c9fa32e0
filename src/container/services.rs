//! The services of a container from their start to their stop: in the order in which they need each other, and
//! those at once that don't.

use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

use super::check::Due;
use super::service::LiveService;
use super::stdio::{Printed, null, pipe};
use super::{Container, ContainerError, Services, Woken, command_of, error};
use crate::engine::{Engine, Ready, Server};
use crate::sandbox::{Exit, Slot};

/// A service that waits for others before it is started.
#[derive(Debug)]
pub(super) struct Waiting {
    /// Its place among the services of the state.
    index: usize,
    name: String,
    server: Server,
}

impl Container {
    /// Starts the services that are wanted, and waits until all are ready.
    pub(super) fn start_services(
        &mut self,
        wanted: Services<'_>,
        building: bool,
        stop: Option<BorrowedFd<'_>>,
    ) -> Result<(), ContainerError> {
        for (index, engine) in self.state.services.iter().enumerate() {
            if wanted.include(engine.place().service())
                && let Some(mut server) = engine.server(building)
            {
                let name = title(engine.as_ref());
                let addresses = self.state.addresses_for(index);
                for exec in server.commands() {
                    let set = |name: &str| exec.environment.iter().any(|(own, _)| own == name);
                    let unset = addresses.iter().filter(|(name, _)| !set(name));
                    let unset: Vec<_> = unset.cloned().collect();
                    exec.environment.extend(unset);
                }
                self.waiting.push(Waiting {
                    index,
                    name,
                    server,
                });
            }
        }
        let asks = |it: &Waiting| matches!(it.server.ready, Ready::Check(_));
        if self.inlet.is_none() && self.waiting.iter().any(asks) {
            let inlet = self.running.inlet().map_err(ContainerError::Output)?;
            self.inlet = Some(inlet);
        }
        loop {
            self.start_whose_turn_it_is()?;
            self.ask()?;
            // One that was ready when it was first asked.
            if self.waiting.iter().any(|waiting| self.may_start(waiting)) {
                continue;
            }
            let unready = self.services.iter().filter(|service| !service.is_ready());
            // One that waits waits for one that is not ready.
            let Some(deadline) = unready.map(LiveService::next_event).min() else {
                return Ok(());
            };
            match self.next(Some(deadline), stop)? {
                Woken::Exited(slot, exit) => self.ended(slot, exit)?,
                Woken::Stopped => return Err(ContainerError::Interrupted),
                Woken::Deadline | Woken::Log => {}
            }
            let now = Instant::now();
            let mut services = self.services.iter_mut();
            if let Some(late) = services.find(|it| !it.is_ready() && it.deadline() <= now) {
                return Err(ContainerError::NotReady {
                    service: late.name.clone(),
                    after: late.server.ready_within,
                    answer: late.answer(),
                    log: late.last_words(),
                });
            }
        }
    }

    /// Starts every service that has what it waits for.
    fn start_whose_turn_it_is(&mut self) -> Result<(), ContainerError> {
        // One that only has to be started lets others start.
        while let Some(at) = (0..self.waiting.len()).find(|at| self.may_start(&self.waiting[*at])) {
            let Waiting {
                index,
                name,
                server,
            } = self.waiting.remove(at);
            let (log, theirs) = pipe(self.owner).map_err(ContainerError::Writable)?;
            let slot = self
                .running
                .spawn(&command_of(&server.exec), [&null()?, &theirs, &theirs])
                .map_err(|source| ContainerError::Start {
                    service: name.clone(),
                    source,
                })?;
            self.services
                .push(LiveService::new(index, name, slot, server, log));
        }
        Ok(())
    }

    /// Whether all that a service waits for is there. What is not to run here isn't waited for.
    fn may_start(&self, waiting: &Waiting) -> bool {
        self.state
            .dependencies(waiting.index)
            .all(|(index, healthy)| {
                let others = self.waiting.iter();
                let waits = others.map(|other| other.index).any(|other| other == index);
                let mut live = self.services.iter();
                let live = live.find(|service| service.index == index);
                !waits && live.is_none_or(|service| !healthy || service.is_ready())
            })
    }

    /// Asks every service that is to be asked now.
    fn ask(&mut self) -> Result<(), ContainerError> {
        for at in 0..self.services.len() {
            let service = &mut self.services[at];
            let (Some(inlet), Some(asking)) = (&self.inlet, &mut service.asking) else {
                continue;
            };
            let command = match asking.go_on(inlet) {
                Due::Nothing => continue,
                Due::Kill(slot) => {
                    self.printed.retain(|printed| printed.program != slot);
                    let killed = self.running.signal(slot, SIGKILL);
                    killed.map_err(ContainerError::Sandbox)?;
                    continue;
                }
                Due::Start(exec) => command_of(exec),
            };
            let called = format!("the check of {}", service.name);
            let slot = self.spawn_for_service(called, &command)?;
            if let Some(asking) = &mut self.services[at].asking {
                asking.runs(slot);
            }
        }
        Ok(())
    }

    /// A program has ended while services are started.
    fn ended(&mut self, slot: Slot, exit: Exit) -> Result<(), ContainerError> {
        let asked = self.services.iter_mut().filter_map(|it| it.asking.as_mut());
        let Some(asking) = asked.into_iter().find(|asking| asking.is(slot)) else {
            return self.mourn(slot, exit);
        };
        let said = take_printed(&mut self.printed, slot)?;
        asking.ended(exit, &said);
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

    /// Starts the services again that [`stop_services`](Self::stop_services) stopped, and waits until they are ready.
    ///
    /// # Errors
    /// As [`Container::start`].
    pub fn start_services_again(
        &mut self,
        stop: Option<BorrowedFd<'_>>,
    ) -> Result<(), ContainerError> {
        self.start_services(Services::All, false, stop)
    }

    /// The last lines of the services' logs, each under the service's name.
    pub fn logs(&mut self) -> String {
        let mut text = String::new();
        for service in &mut self.services {
            let last_words = service.last_words();
            text += &format!("{}:\n{last_words}\n", service.name);
        }
        text
    }

    /// The same of services one of which somebody has lost: it may still be writing why.
    pub fn last_logs(&mut self) -> String {
        let deadline = Instant::now() + Duration::from_secs(1);
        while self.services.iter().all(|service| service.log().is_some()) {
            match self.next(Some(deadline), None) {
                Ok(Woken::Log | Woken::Exited(..)) => {}
                Ok(Woken::Deadline | Woken::Stopped) | Err(_) => break,
            }
        }
        self.logs()
    }
}

/// The same number on every Linux (signal(7)).
const SIGKILL: i32 = 9;

/// A service with its engine, as messages name it.
fn title(engine: &dyn Engine) -> String {
    let (service, version) = (engine.place().service(), engine.version());
    format!("{service} ({} {version})", engine.name())
}

/// The end of what a program printed that has ended.
pub(super) fn take_printed(
    printed: &mut Vec<Printed>,
    program: Slot,
) -> Result<String, ContainerError> {
    let Some(at) = printed.iter().position(|it| it.program == program) else {
        return Ok(String::new());
    };
    let mut printed = printed.remove(at);
    printed.take_in().map_err(ContainerError::Output)?;
    Ok(printed.end())
}
