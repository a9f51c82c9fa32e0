//! The services of a container from their start to their stop.

use std::os::fd::BorrowedFd;
use std::time::Instant;

use super::service::LiveService;
use super::stdio::{null, pipe};
use super::{Container, ContainerError, Services, Woken, command_of, error};
use crate::sandbox::{Exit, Slot};

impl Container {
    pub(super) fn start_services(
        &mut self,
        wanted: Services<'_>,
        building: bool,
    ) -> Result<(), ContainerError> {
        let null = null()?;
        for engine in self.state.services.clone() {
            if !wanted.include(engine.place().service()) {
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
            let (log, theirs) = pipe(self.owner).map_err(ContainerError::Writable)?;
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

    pub(super) fn wait_until_ready(
        &mut self,
        stop: Option<BorrowedFd<'_>>,
    ) -> Result<(), ContainerError> {
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

    /// Stops every service cleanly, as its engine wants it, and waits for it.
    ///
    /// # Errors
    /// A service that doesn't stop in time or not with success.
    pub fn stop_services(&mut self, stop: Option<BorrowedFd<'_>>) -> Result<(), ContainerError> {
        let begun = Instant::now();
        for service in &self.services {
            self.running
                .signal(service.slot, service.server.stop.signal)
                .map_err(ContainerError::Sandbox)?;
        }
        let mut left: Vec<usize> = (0..self.services.len()).collect();
        let within =
            |container: &Self, service: &usize| container.services[*service].server.stop.within;
        while let Some(first) = left.iter().copied().min_by_key(|it| within(self, it)) {
            let after = within(self, &first);
            match self.next(Some(begun + after), stop)? {
                Woken::Exited(slot, exit) => {
                    let ended =
                        |service: &LiveService| service.slot == slot && service.ended_well(exit);
                    match self.services.iter().position(ended) {
                        Some(service) => left.retain(|known| *known != service),
                        None => self.mourn(slot, exit)?,
                    }
                }
                Woken::Log => {}
                Woken::Deadline => {
                    let late = &mut self.services[first];
                    return Err(ContainerError::NotStopped {
                        service: late.name.clone(),
                        after,
                        log: late.last_words(),
                    });
                }
                Woken::Stopped => return Err(ContainerError::Interrupted),
            }
        }
        self.services.clear();
        Ok(())
    }

    /// Starts the services again that [`stop_services`](Self::stop_services) stopped, and waits until they are ready.
    ///
    /// # Errors
    /// As [`Container::start`].
    pub fn start_services_again(
        &mut self,
        stop: Option<BorrowedFd<'_>>,
    ) -> Result<(), ContainerError> {
        self.start_services(Services::All, false)?;
        self.wait_until_ready(stop)
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
}
