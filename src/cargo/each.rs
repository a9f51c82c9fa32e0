//! Each test of a binary in a process and a container of its own.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, PipeReader, Read, Write};
use std::os::fd::AsFd;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::binary::{Binary, BinaryError, Listed};
use super::fixture::{Fixture, FixtureError, Program, RunError};
use super::frame::{Frame, Verdict, knows_no_test};
use super::options::{Color, Format, Ignored, Options};
use super::show::{self, Show};
use crate::event;
use crate::sandbox::Exit;
use crate::schedule::Stop;

/// Why the tests of a binary are not run, or not to their end.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EachError {
    /// The binary.
    #[error(transparent)]
    Binary(#[from] BinaryError),
    /// The spec, the store or this host.
    #[error(transparent)]
    Fixture(#[from] FixtureError),
    /// Standard output is closed.
    #[error("can't write the results")]
    Output(#[source] io::Error),
    /// The user asked to stop.
    #[error("interrupted")]
    Interrupted,
}

/// After this time a test is said to run still, as libtest does (library/test/src/time.rs).
const LONG: Duration = Duration::from_secs(60);

/// What the processes of tests tell.
enum News {
    Begun(usize),
    Printed(Vec<u8>),
    Ended(usize, Box<Life>),
}

/// How the process of a test came to its end.
#[derive(Debug, Default)]
struct Life {
    exit: Option<Exit>,
    verdict: Option<Verdict>,
    /// Whether its name is shown already.
    named: bool,
    /// What it printed past libtest's capture, where libtest came to no verdict.
    printed: Vec<u8>,
    /// What Cowherd has to say.
    note: Option<String>,
    /// Why there was no container.
    fault: Option<RunError>,
}

/// What came of the tests of a binary.
#[derive(Debug)]
pub struct Done {
    /// Whether all that were run passed.
    pub passed: bool,
    /// Why the first of those that got no container, which are shown as failed, did not.
    pub fault: Option<RunError>,
}

/// Runs the tests of a binary that `options` choose, and shows them on `out` as libtest does.
///
/// `prepare` is called once it is known that there is something to run. A snapshot that can't be built fails every
/// test.
///
/// # Errors
/// What keeps the tests from being run. A failing test is none.
pub fn each(
    binary: &Binary,
    options: &Options,
    prepare: impl FnOnce() -> Result<Fixture, FixtureError>,
    stop: &Stop,
    out: &mut dyn Write,
    is_terminal: bool,
) -> Result<Done, EachError> {
    let listed = binary.list()?;
    let all = listed.len();
    let meant = |test: &Listed| {
        let marked = test.ignored.is_some();
        options.means(&test.name) && (marked || options.ignored != Ignored::Only)
    };
    let mut chosen: Vec<Listed> = listed.into_iter().filter(meant).collect();
    if options.ignored == Ignored::Named {
        if options.format == Format::Pretty {
            binary.explain(&mut chosen)?;
        }
    } else {
        for test in &mut chosen {
            test.ignored = None;
        }
    }
    let wanted = chosen.iter().filter(|test| test.ignored.is_none()).count();
    let fixture = match wanted {
        0 => None,
        _ => match prepare() {
            Err(error) if !error.is_snapshot() => return Err(error.into()),
            fixture => Some(fixture),
        },
    };
    let own = || match &fixture {
        Some(Ok(fixture)) => fixture.jobs(),
        _ => 1,
    };
    let jobs = options.threads.unwrap_or_else(own).max(1);
    let color = match options.color {
        Color::Always => true,
        Color::Never => false,
        Color::Auto => is_terminal && !options.nocapture,
    };
    let mut show = Show::new(out, options, color);
    let begun = Instant::now();
    show.begin(chosen.len()).map_err(EachError::Output)?;
    let mut fault = None;
    match fixture {
        Some(Ok(mut fixture)) => {
            fixture.expect(wanted, jobs).map_err(EachError::Output)?;
            let herd = Herd {
                binary,
                options,
                fixture: &fixture,
                tests: &chosen,
                serial: jobs == 1,
                stop,
            };
            fault = herd.run(jobs, &mut show)?;
        }
        Some(Err(error)) => unbuilt(&chosen, &error, &mut show).map_err(EachError::Output)?,
        None => {
            for test in &chosen {
                show.ignored(test).map_err(EachError::Output)?;
            }
        }
    }
    let passed = show.end(all - chosen.len(), begun.elapsed());
    Ok(Done {
        passed: passed.map_err(EachError::Output)?,
        fault,
    })
}

/// Shows every test as failed for one cause, which is told once.
fn unbuilt(tests: &[Listed], error: &FixtureError, show: &mut Show<'_>) -> io::Result<()> {
    let mut told: Option<&str> = None;
    for test in tests {
        if test.ignored.is_some() {
            show.ignored(test)?;
            continue;
        }
        let output = match told {
            None => words(error, error.hint()),
            Some(first) => format!("cowherd: the snapshot can't be built: see {first}\n"),
        };
        told = told.or(Some(&test.name));
        show.result(failed(&test.name, output.into_bytes()), false)?;
    }
    Ok(())
}

fn words(error: &dyn std::error::Error, hint: Option<String>) -> String {
    let hint = hint.map_or(String::new(), |hint| format!("hint: {hint}\n"));
    format!("cowherd: {}\n{hint}", event::in_words(error))
}

fn failed(name: &str, output: Vec<u8>) -> show::Result<'_> {
    show::Result {
        name,
        mode: None,
        passed: false,
        word: None,
        output,
    }
}

struct Herd<'a> {
    binary: &'a Binary,
    options: &'a Options,
    fixture: &'a Fixture,
    tests: &'a [Listed],
    serial: bool,
    stop: &'a Stop,
}

impl Herd<'_> {
    fn run(&self, jobs: usize, show: &mut Show<'_>) -> Result<Option<RunError>, EachError> {
        let queue: Mutex<VecDeque<usize>> = Mutex::new((0..self.tests.len()).collect());
        let next = || {
            // Nothing can panic while the lock is held.
            let mut queue = queue.lock().unwrap_or_else(PoisonError::into_inner);
            queue.pop_front().filter(|_| self.stop.asked().is_none())
        };
        let (tell, news) = mpsc::channel();
        let result = thread::scope(|scope| {
            for _ in 0..jobs.min(self.tests.len()) {
                let tell = tell.clone();
                scope.spawn(move || {
                    while let Some(index) = next() {
                        let life = match self.tests[index].ignored {
                            Some(_) => Life::default(),
                            None => self.live(index, &tell),
                        };
                        // Nobody listens any more once the results can't be written.
                        let _ = tell.send(News::Ended(index, Box::new(life)));
                    }
                });
            }
            drop(tell);
            let shown = self.show(&news, show);
            if shown.is_err() {
                self.stop.kill(nix::sys::signal::Signal::SIGPIPE as i32);
            }
            shown
        });
        match self.stop.asked() {
            Some(_) if result.is_ok() => Err(EachError::Interrupted),
            _ => result,
        }
    }

    /// Shows what is told, until all is; the first container that could not be had.
    fn show(
        &self,
        news: &mpsc::Receiver<News>,
        show: &mut Show<'_>,
    ) -> Result<Option<RunError>, EachError> {
        let mut running: Vec<(usize, Instant, bool)> = Vec::new();
        let mut fault = None;
        loop {
            let due = running.iter().filter(|(.., told)| !told);
            let due = due.map(|(_, begun, _)| *begun + LONG).min();
            let heard = match due {
                Some(at) => news.recv_timeout(at.saturating_duration_since(Instant::now())),
                None => news.recv().map_err(|_| RecvTimeoutError::Disconnected),
            };
            let shown = match heard {
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => {
                    let late = running
                        .iter_mut()
                        .filter(|(_, begun, told)| !told && begun.elapsed() >= LONG);
                    let mut told = late.map(|(index, _, told)| {
                        *told = true;
                        show.runs_long(&self.tests[*index].name, LONG)
                    });
                    told.try_for_each(|told| told)
                }
                Ok(News::Begun(index)) => {
                    running.push((index, Instant::now(), false));
                    Ok(())
                }
                Ok(News::Printed(bytes)) => show.printed(&bytes),
                Ok(News::Ended(index, life)) => {
                    running.retain(|(known, ..)| *known != index);
                    self.show_end(index, *life, show, &mut fault)
                }
            };
            shown.map_err(EachError::Output)?;
        }
        Ok(fault)
    }

    fn show_end(
        &self,
        index: usize,
        life: Life,
        show: &mut Show<'_>,
        fault: &mut Option<RunError>,
    ) -> io::Result<()> {
        let test = &self.tests[index];
        if test.ignored.is_some() {
            return show.ignored(test);
        }
        if self.stop.asked().is_some() {
            // How it ended says nothing about the test.
            return Ok(());
        }
        if let Some(error) = life.fault {
            let text = words(&error, error.hint());
            show.result(failed(&test.name, text.into_bytes()), false)?;
            fault.get_or_insert(error);
            return Ok(());
        }
        let passed = life.exit == Some(Exit::Code(0)) && life.note.is_none();
        let (mode, word, mut output) = match life.verdict {
            Some(verdict) => (verdict.mode, Some(verdict.word), verdict.output),
            None => (None, None, life.printed),
        };
        if let Some(note) = life.note {
            output.extend_from_slice(format!("cowherd: {note}\n").as_bytes());
        }
        let result = show::Result {
            name: &test.name,
            mode: mode.as_deref(),
            passed,
            word: word.as_deref(),
            output,
        };
        show.result(result, life.named)
    }

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
    fn live(&self, index: usize, tell: &Sender<News>) -> Life {
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
