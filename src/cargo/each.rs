//! Each test of a binary in a process and a container of its own.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::binary::{Binary, BinaryError, Listed};
use super::fixture::{Fixture, FixtureError, RunError};
use super::life::{Herd, Life, News};
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
}
