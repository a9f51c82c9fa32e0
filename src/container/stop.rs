//! The stop of a container's services: those first that need others, each with all that it has started.

use std::fs;
use std::os::fd::BorrowedFd;
use std::path::Path;
use std::time::{Duration, Instant};

use super::services::take_printed;
use super::{Container, ContainerError, Woken, command_of, error};
use crate::sandbox::{Exit, Slot};

/// A service on its way to its stop.
struct Stopping {
    service: usize,
    /// Until when it may take, once it was asked to.
    until: Option<Instant>,
    /// The command that asks it to.
    command: Option<Slot>,
    /// When to look again whether all that it has started is gone, once it is, and the time between two looks.
    look: Option<(Instant, Duration)>,
}

impl Stopping {
    fn new(service: usize) -> Self {
        Self {
            service,
            until: None,
            command: None,
            look: None,
        }
    }

    fn next_event(&self) -> Option<Instant> {
        let look = self.look.map(|(at, _)| at);
        self.until
            .map(|until| look.map_or(until, |look| look.min(until)))
    }
}

impl Container {
    /// Stops every service cleanly, as its engine wants it, and waits for it: those first that need others.
    ///
    /// # Errors
    /// A service that doesn't stop in time or not with success.
    pub fn stop_services(&mut self, stop: Option<BorrowedFd<'_>>) -> Result<(), ContainerError> {
        let mut left: Vec<Stopping> = (0..self.services.len()).map(Stopping::new).collect();
        while !left.is_empty() {
            for at in 0..left.len() {
                if left[at].until.is_none() && !self.is_needed(left[at].service, &left) {
                    left[at].until = Some(self.ask_to_stop(&mut left[at])?);
                    // A step may have stopped it itself.
                    let service = &self.services[left[at].service];
                    if let (slot, Some(exit)) = (service.slot, service.ended) {
                        self.stopped(&mut left, slot, exit)?;
                    }
                }
            }
            // In a circle, which no spec has, everybody would wait.
            let Some(next) = left.iter().filter_map(Stopping::next_event).min() else {
                return Ok(());
            };
            match self.next(Some(next), stop)? {
                Woken::Exited(slot, exit) => self.stopped(&mut left, slot, exit)?,
                Woken::Log | Woken::Deadline => {}
                Woken::Stopped => return Err(ContainerError::Interrupted),
            }
            self.look_for_remains(&mut left);
            let now = Instant::now();
            let late = left
                .iter()
                .find(|it| it.until.is_some_and(|until| until <= now));
            if let Some(late) = late.map(|late| late.service) {
                let late = &mut self.services[late];
                return Err(ContainerError::NotStopped {
                    service: late.name.clone(),
                    after: late.server.stop.within,
                    log: late.last_words(),
                });
            }
        }
        self.services.clear();
        Ok(())
    }

    /// Whether one of those that are left waits for the service.
    fn is_needed(&self, service: usize, left: &[Stopping]) -> bool {
        let index = self.services[service].index;
        left.iter().any(|other| {
            let other = self.services[other.service].index;
            self.state.dependencies(other).any(|(it, _)| it == index)
        })
    }

    /// Has a service stopped; gives the time until which it may take.
    fn ask_to_stop(&mut self, stopping: &mut Stopping) -> Result<Instant, ContainerError> {
        let service = &self.services[stopping.service];
        let (slot, way) = (service.slot, service.server.stop.clone());
        let until = Instant::now() + way.within;
        if service.ended.is_some() {
            return Ok(until);
        }
        let Some(exec) = &way.command else {
            let told = self.running.signal(slot, way.signal);
            return told.map(|()| until).map_err(ContainerError::Sandbox);
        };
        let called = format!("the stop of {}", service.name);
        stopping.command = Some(self.spawn_for_service(called, &command_of(exec))?);
        Ok(until)
    }

    /// A program has ended while services are stopped.
    fn stopped(
        &mut self,
        left: &mut [Stopping],
        slot: Slot,
        exit: Exit,
    ) -> Result<(), ContainerError> {
        if let Some(stopping) = left.iter_mut().find(|it| it.command == Some(slot)) {
            stopping.command = None;
            let output = take_printed(&mut self.printed, slot)?;
            return match exit.success() {
                true => Ok(()),
                false => Err(ContainerError::Command {
                    what: format!("stop {}", self.services[stopping.service].name),
                    exit: error::ending(exit),
                    output,
                }),
            };
        }
        let mut live = self.services.iter();
        let Some(at) = live.position(|service| service.slot == slot) else {
            return Ok(());
        };
        let service = &mut self.services[at];
        let mut stopping = left.iter_mut();
        match stopping.find(|it| it.service == at && it.until.is_some()) {
            Some(stopping) if service.ended_well(exit) => {
                stopping.look = Some((Instant::now(), Duration::from_millis(1)));
                Ok(())
            }
            _ => Err(ContainerError::BadlyStopped {
                service: service.name.clone(),
                exit: error::ending(exit),
                log: service.last_words(),
            }),
        }
    }

    /// Looks whether what the services that have ended had started is gone: a shell may have ended before the server
    /// that it ran, which may be about to write what is to be frozen.
    fn look_for_remains(&self, left: &mut Vec<Stopping>) {
        const LONGEST: Duration = Duration::from_millis(20);
        let now = Instant::now();
        left.retain_mut(|stopping| match &mut stopping.look {
            Some((at, gap)) if *at <= now => {
                let session = self.services[stopping.service].slot.pid();
                *at = now + *gap;
                *gap = (*gap * 2).min(LONGEST);
                has_processes(&self.reach(Path::new("/proc")), session)
            }
            _ => true,
        });
    }
}

/// Whether a session has processes, as the folder `proc` says (`proc_pid_stat(5)`).
fn has_processes(proc: &Path, session: i32) -> bool {
    let entries = fs::read_dir(proc).into_iter().flatten().flatten();
    let mut stats = entries.filter_map(|entry| {
        let name = entry.file_name();
        let is_process = name.to_str()?.bytes().all(|byte| byte.is_ascii_digit());
        is_process
            .then(|| fs::read_to_string(entry.path().join("stat")))?
            .ok()
    });
    stats.any(|stat| {
        // The name of the program may have anything in it.
        let mut fields = stat
            .rsplit(')')
            .next()
            .unwrap_or_default()
            .split_whitespace();
        let state = fields.next();
        // The parent and the group stand between.
        let its = fields.nth(2).and_then(|field| field.parse().ok());
        its == Some(session) && state != Some("Z")
    })
}
