//! The process of one test: its container, what it prints, and how it ends.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, PipeReader, Read};
use std::os::fd::AsFd;
use std::sync::mpsc::Sender;
use std::thread;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::binary::{Binary, Listed};
use super::fixture::{Fixture, Program, RunError};
use super::frame::{Frame, Verdict, knows_no_test};
use super::options::{Format, Ignored, Options};
use crate::event;
use crate::sandbox::Exit;
use crate::schedule::Stop;

/// What the processes of tests tell.
pub(super) enum News {
    Begun(usize),
    Printed(Vec<u8>),
    Ended(usize, Box<Life>),
}

/// How the process of a test came to its end.
#[derive(Debug, Default)]
pub(super) struct Life {
    pub(super) exit: Option<Exit>,
    pub(super) verdict: Option<Verdict>,
    /// Whether its name is shown already.
    pub(super) named: bool,
    /// What it printed past libtest's capture, where libtest came to no verdict.
    pub(super) printed: Vec<u8>,
    /// What Cowherd has to say.
    pub(super) note: Option<String>,
    /// Why there was no container.
    pub(super) fault: Option<RunError>,
}

/// The tests of one run of a binary.
pub(super) struct Herd<'a> {
    pub(super) binary: &'a Binary,
    pub(super) options: &'a Options,
    pub(super) fixture: &'a Fixture,
    pub(super) tests: &'a [Listed],
    pub(super) serial: bool,
    pub(super) stop: &'a Stop,
}

impl Herd<'_> {
    /// The arguments of the process of one test.
    fn args(&self, name: &str) -> Vec<OsString> {
        let mut words = self.binary.words.clone();
        let threads = if self.serial { "1" } else { "2" };
        words.extend(["--exact", "--format", "pretty", "--color", "never"].map(OsString::from));
        words.extend(["--test-threads", threads].map(OsString::from));
        if self.options.ignored != Ignored::Named {
            words.push("--include-ignored".into());
        }
        if self.options.nocapture {
            words.push("--nocapture".into());
        }
        if self.options.show_output {
            words.push("--show-output".into());
        }
        // A name is none of these, whatever it begins with.
        words.extend(["--", name].map(OsString::from));
        words
    }

    /// Runs one test to the end of its process.
    pub(super) fn live(&self, index: usize, tell: &Sender<News>) -> Life {
        let _ = tell.send(News::Begun(index));
        let name = &self.tests[index].name;
        match self.in_container(name, tell) {
            Ok(life) => life,
            Err(error) => match error.not_executed() {
                // That is the test's own fault.
                Some(code) => Life {
                    exit: Some(Exit::Code(code)),
                    note: Some(event::in_words(&error)),
                    ..Life::default()
                },
                None => Life {
                    fault: Some(error),
                    ..Life::default()
                },
            },
        }
    }

    fn in_container(&self, name: &str, tell: &Sender<News>) -> Result<Life, RunError> {
        let program = Program {
            words: self.args(name),
            test: name.to_owned(),
        };
        let pipe = || {
            let (ours, theirs) = io::pipe()?;
            if let Some((uid, gid)) = self.fixture.owner() {
                // So that it can be opened by name (`/dev/stdout`).
                std::os::unix::fs::fchown(&theirs, Some(uid), Some(gid))?;
            }
            let (ended, end) = io::pipe()?;
            Ok((ours, theirs, ended, end))
        };
        let (ours, theirs, ended, end) = pipe().map_err(RunError::Output)?;
        let null = File::open("/dev/null").map_err(RunError::Output)?;
        let mut frame = Frame::new(name, self.serial);
        if self.options.format == Format::Terse {
            frame = frame.without_name();
        }
        let (outcome, read) = thread::scope(|scope| {
            let reader = scope.spawn(|| {
                let mut kept = Kept::default();
                let read = read_until(ours, &ended, |bytes| {
                    kept.add(bytes);
                    let shown = frame.feed(bytes);
                    if !shown.is_empty() {
                        let _ = tell.send(News::Printed(shown));
                    }
                });
                (read, kept)
            });
            let stdio = [&null as &dyn AsFd, &theirs, &io::stderr()];
            let outcome = self.fixture.run(&program, stdio, self.stop);
            drop(end);
            (outcome, reader.join())
        });
        let (read, kept) = read.expect("a reader that doesn't panic");
        read.map_err(RunError::Output)?;
        let named = frame.has_named();
        let (rest, verdict) = frame.finish();
        if !rest.is_empty() && verdict.is_some() {
            let _ = tell.send(News::Printed(rest.clone()));
        }
        let exit = outcome?;
        let note = match (&verdict, exit) {
            _ if knows_no_test(&kept.0) => {
                Some("the binary lists this test, but runs none of its name".to_owned())
            }
            (_, Exit::Signal(signal)) => {
                Some(format!("the test was ended by {}", signal_name(signal)))
            }
            (None, Exit::Code(code)) if code != 0 => {
                Some(format!("the test's process exited with code {code}"))
            }
            _ => None,
        };
        Ok(Life {
            exit: Some(exit),
            verdict,
            named,
            printed: rest,
            note,
            fault: None,
        })
    }
}

/// The first of what a process printed.
#[derive(Debug, Default)]
struct Kept(Vec<u8>);

impl Kept {
    const MOST: usize = 4096;

    fn add(&mut self, bytes: &[u8]) {
        let room = Self::MOST.saturating_sub(self.0.len());
        self.0.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }
}

fn signal_name(signal: i32) -> String {
    nix::sys::signal::Signal::try_from(signal).map_or_else(
        |_| format!("signal {signal}"),
        |known| format!("signal {signal} ({known})"),
    )
}

/// Reads until `ended` is closed and what is in the pipe then: others that the program started may hold its other
/// end for longer.
fn read_until(
    mut pipe: PipeReader,
    ended: &PipeReader,
    mut take: impl FnMut(&[u8]),
) -> io::Result<()> {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let mut fds = [
            PollFd::new(pipe.as_fd(), PollFlags::POLLIN),
            PollFd::new(ended.as_fd(), PollFlags::POLLIN),
        ];
        match poll(&mut fds, PollTimeout::NONE) {
            Ok(_) | Err(nix::errno::Errno::EINTR) => {}
            Err(errno) => return Err(errno.into()),
        }
        let ready = |fd: &PollFd<'_>| fd.revents().is_some_and(|events| !events.is_empty());
        if ready(&fds[0]) {
            match pipe.read(&mut buffer)? {
                0 => return Ok(()),
                length => take(&buffer[..length]),
            }
        } else if ready(&fds[1]) {
            return Ok(());
        }
    }
}
