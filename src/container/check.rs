//! Asks a server whether it is ready.
//!
//! A connection is made from outside of the container ([`Inlet`]), so that it costs no program; a command is one
//! of the container's. What is waited for is waited for with everything else, in one place.

use std::io::{self, Read, Write as _};
use std::net::TcpStream;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use crate::engine::{Check, Exec, Probe};
use crate::sandbox::{Exit, Inlet, Slot};
use crate::units::format_duration;

/// The first time between two checks.
const FIRST_GAP: Duration = Duration::from_millis(1);

/// The longest line that a status stands in, in bytes.
const STATUS: usize = 1024;

/// A server that is asked.
#[derive(Debug)]
pub(super) struct Asking {
    check: Check,
    started: Instant,
    gap: Duration,
    now: Now,
    /// Why it was not ready when it was last asked.
    answer: String,
}

#[derive(Debug)]
enum Now {
    /// It is asked again at this time.
    Rests(Instant),
    /// A command runs, which may do so until this time.
    Runs(Slot, Instant),
    /// A page was asked for; this came of it so far.
    Reads(TcpStream, Vec<u8>, Instant),
    /// It is ready.
    Ready,
}

/// What is to be done to go on asking.
#[derive(Debug)]
pub(super) enum Due<'a> {
    /// Nothing: it is ready, or there is time yet.
    Nothing,
    /// This command is to be started.
    Start(&'a Exec),
    /// This one has had its time.
    Kill(Slot),
}

impl Asking {
    pub(super) fn new(check: Check, started: Instant) -> Self {
        Self {
            check,
            started,
            gap: FIRST_GAP,
            now: Now::Rests(started),
            answer: "no answer yet".to_owned(),
        }
    }

    /// When something is due.
    pub(super) fn at(&self) -> Option<Instant> {
        match &self.now {
            Now::Rests(until) | Now::Runs(_, until) | Now::Reads(_, _, until) => Some(*until),
            Now::Ready => None,
        }
    }

    pub(super) fn is_ready(&self) -> bool {
        matches!(self.now, Now::Ready)
    }

    /// Why it was not ready when it was last asked.
    pub(super) fn answer(&self) -> &str {
        &self.answer
    }

    /// What has an answer in it once it is readable.
    pub(super) fn stream(&self) -> Option<BorrowedFd<'_>> {
        match &self.now {
            Now::Reads(stream, ..) => Some(stream.as_fd()),
            _ => None,
        }
    }

    /// Asks, where it is time to, and gives up what takes too long.
    pub(super) fn go_on(&mut self, inlet: &Inlet) -> Due<'_> {
        let now = Instant::now();
        if self.at().is_none_or(|at| at > now) {
            return Due::Nothing;
        }
        let too_long = || format!("no answer within {}", format_duration(self.check.timeout));
        match &self.now {
            Now::Runs(slot, _) => {
                let slot = *slot;
                self.fails(too_long());
                return Due::Kill(slot);
            }
            Now::Reads(..) => {
                self.fails(too_long());
                return Due::Nothing;
            }
            Now::Rests(_) | Now::Ready => {}
        }
        let connect = |port: &u16| {
            inlet
                .connect(*port, Duration::ZERO)
                .map_err(|error| format!("port {port}: {error}"))
        };
        let asked = match &self.check.probe {
            Probe::Command(_) => Ok(None),
            Probe::Tcp(port) => connect(port).map(|_| Some(Now::Ready)),
            Probe::Http { port, path } => connect(port).and_then(|mut stream| {
                let until = now + self.check.timeout;
                request(&mut stream, *port, path)
                    .map_err(|error| format!("port {port}: {error}"))
                    .map(|()| Some(Now::Reads(stream, Vec::new(), until)))
            }),
        };
        match asked {
            Ok(Some(next)) => self.now = next,
            Ok(None) => {
                if let Probe::Command(exec) = &self.check.probe {
                    return Due::Start(exec);
                }
            }
            Err(answer) => self.fails(answer),
        }
        Due::Nothing
    }

    /// The command that was to be started runs.
    pub(super) fn runs(&mut self, slot: Slot) {
        self.now = Now::Runs(slot, Instant::now() + self.check.timeout);
    }

    /// Whether this program is the command that runs.
    pub(super) fn is(&self, program: Slot) -> bool {
        matches!(self.now, Now::Runs(slot, _) if slot == program)
    }

    /// The command has ended, and said this.
    pub(super) fn ended(&mut self, exit: Exit, said: &str) {
        match exit.success() {
            true => self.now = Now::Ready,
            false => self.fails(format!(
                "its check {}{}{}",
                super::error::ending(exit),
                if said.trim().is_empty() { "" } else { ": " },
                said.trim_end()
            )),
        }
    }

    /// Reads what came of a page.
    pub(super) fn read(&mut self) {
        let Now::Reads(stream, heard, _) = &mut self.now else {
            return;
        };
        let mut buffer = [0; STATUS];
        let ended = match stream.read(&mut buffer) {
            Ok(n) => {
                heard.extend(&buffer[..n]);
                n == 0
            }
            Err(error) => match error.kind() {
                io::ErrorKind::Interrupted | io::ErrorKind::WouldBlock => return,
                _ => true,
            },
        };
        let line = heard.iter().position(|byte| *byte == b'\n');
        if line.is_none() && !ended && heard.len() < STATUS {
            return;
        }
        let line = String::from_utf8_lossy(&heard[..line.unwrap_or(heard.len())]);
        // `HTTP/1.1 200 OK` (RFC 9112, 4).
        let mut words = line.split_whitespace();
        let http = words.next().is_some_and(|word| word.starts_with("HTTP/"));
        let status = words.next().filter(|_| http);
        if status.is_some_and(|status| status.len() == 3 && status.starts_with('2')) {
            self.now = Now::Ready;
        } else {
            let answer = match line.trim() {
                "" => "an empty answer".to_owned(),
                line => format!("the answer {line:?}"),
            };
            self.fails(answer);
        }
    }

    /// It is not ready: when it is asked again.
    fn fails(&mut self, answer: String) {
        self.answer = answer;
        let now = Instant::now();
        let gap = match now < self.started + self.check.start_period {
            true => self.gap.min(self.check.start_interval),
            false => self.check.interval,
        };
        self.gap = self.gap.saturating_mul(2);
        self.now = Now::Rests(now + gap.max(FIRST_GAP));
    }
}

/// A request is so short that a new connection takes it at once.
fn request(stream: &mut TcpStream, port: u16, path: &str) -> io::Result<()> {
    let text = format!(
        "GET {path} HTTP/1.0\r\nHost: 127.0.0.1:{port}\r\nUser-Agent: cowherd\r\nAccept: */*\r\n\r\n"
    );
    stream.write_all(text.as_bytes())
}
