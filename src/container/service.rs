//! The services of a live container: started together, watched through their logs.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Instant;

use super::check::Asking;
use super::drain::drain;
use super::stdio::Tail;
use crate::engine::{Ready, Server};
use crate::sandbox::{Exit, Slot};

/// A service that was started.
#[derive(Debug)]
pub(super) struct LiveService {
    /// The service with its engine, as messages name it.
    pub(super) name: String,
    pub(super) slot: Slot,
    pub(super) server: Server,
    /// Its place among the services of the state.
    pub(super) index: usize,
    /// How it is asked whether it is ready, where it doesn't say so.
    pub(super) asking: Option<Asking>,
    /// How it ended, if it has.
    pub(super) ended: Option<Exit>,
    started: Instant,
    ready: bool,
    log: File,
    open: bool,
    tail: Tail,
    line: Vec<u8>,
}

impl LiveService {
    /// A service whose standard output and error go to the pipe `log`, which doesn't block.
    pub(super) fn new(index: usize, name: String, slot: Slot, server: Server, log: File) -> Self {
        let started = Instant::now();
        let asking = match &server.ready {
            Ready::Check(check) => Some(Asking::new(check.clone(), started)),
            Ready::Line(_) | Ready::Started => None,
        };
        Self {
            name,
            slot,
            index,
            asking,
            ended: None,
            ready: server.ready == Ready::Started,
            server,
            started,
            log,
            open: true,
            tail: Tail::default(),
            line: Vec::new(),
        }
    }

    /// The log's descriptor while there may be something in it.
    pub(super) fn log(&self) -> Option<BorrowedFd<'_>> {
        self.open.then(|| self.log.as_fd())
    }

    /// What has an answer in it once it is readable.
    pub(super) fn answers(&self) -> Option<BorrowedFd<'_>> {
        self.asking.as_ref().and_then(Asking::stream)
    }

    /// Takes in what it answered.
    pub(super) fn read_answer(&mut self) {
        if let Some(asking) = &mut self.asking {
            asking.read();
        }
    }

    /// Takes in what the log has, and notes when it says that the service is ready.
    ///
    /// A service says so at the instant at which it is, so that nothing has to be asked in a loop. One
    /// that logs without end must not keep its reader from looking at the clock.
    pub(super) fn read_log(&mut self) {
        let mut buffer = [0; 8192];
        for _ in 0..16 {
            match self.log.read(&mut buffer) {
                Ok(0) => self.open = false,
                Ok(n) => {
                    self.take_in(&buffer[..n]);
                    continue;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(_) => self.open = false,
            }
            return;
        }
    }

    fn take_in(&mut self, bytes: &[u8]) {
        self.tail.push(bytes);
        if self.ready {
            return;
        }
        let Ready::Line(ready) = &self.server.ready else {
            return;
        };
        for byte in bytes {
            if *byte == b'\n' {
                let line = String::from_utf8_lossy(&self.line);
                self.ready |= line.contains(&**ready);
                self.line.clear();
            } else if self.line.len() < 4096 {
                self.line.push(*byte);
            }
        }
    }

    /// Has the log read to its end and thrown away from now on.
    pub(super) fn let_log_go(&mut self) {
        match drain(&self.log) {
            Ok(()) => self.open = false,
            Err(error) => tracing::debug!(%error, "can't let a log go"),
        }
    }

    /// Whether it is known to be ready.
    pub(super) fn is_ready(&self) -> bool {
        self.ready || self.asking.as_ref().is_some_and(Asking::is_ready)
    }

    /// When it must be ready.
    pub(super) fn deadline(&self) -> Instant {
        self.started + self.server.ready_within
    }

    /// When something is to be done about it that is not ready.
    pub(super) fn next_event(&self) -> Instant {
        let asking = self.asking.as_ref().and_then(Asking::at);
        asking.map_or(self.deadline(), |at| at.min(self.deadline()))
    }

    /// Why it is not known to be ready.
    pub(super) fn answer(&self) -> String {
        match (&self.asking, &self.server.ready) {
            (Some(asking), _) => format!("it was last asked: {}", asking.answer()),
            (None, Ready::Line(text)) => format!("no line of its log says `{text}`"),
            (None, _) => String::new(),
        }
    }

    /// Whether it ended in a way that its engine takes for a clean stop.
    pub(super) fn ended_well(&self, exit: Exit) -> bool {
        let signal = self.server.stop.signal;
        let well = [
            Exit::Code(0),
            Exit::Signal(signal),
            Exit::Code(128 + signal),
        ];
        well.contains(&exit)
    }

    /// The last lines of the log.
    pub(super) fn last_words(&mut self) -> String {
        self.read_log();
        let text = self.tail.text();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(20)..].join("\n")
    }
}
