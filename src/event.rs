//! What happens in a run, as plain data: the scheduler sends events, reports read them.

use std::fmt;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

pub use crate::cause::in_words;

/// Something that happened in a run.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Event {
    /// The run begins.
    RunStarted(RunStart),
    /// A step of a snapshot is being built.
    BuildStarted(BuildStep),
    /// Another process on this machine builds the step; this run waits for it.
    BuildWaiting {
        /// The step.
        step: BuildStep,
        /// Who builds it, in words.
        holder: String,
    },
    /// A step is there.
    BuildFinished {
        /// The step.
        step: BuildStep,
        /// The time it took; zero when it was in the store already.
        duration: Duration,
        /// Whether the store had it.
        cached: bool,
        /// The size of the step's own layer in bytes.
        bytes: u64,
    },
    /// A step can't be built; the tests of its snapshot will not run.
    BuildFailed {
        /// The step.
        step: BuildStep,
        /// What went wrong, cause by cause.
        message: String,
        /// What to do about it.
        hint: Option<String>,
    },
    /// An attempt of a test begins: its container is being started.
    AttemptStarted(TestRef),
    /// An attempt of a test is over.
    AttemptFinished {
        /// The test.
        test: TestRef,
        /// What came of it.
        attempt: Attempt,
        /// Whether another attempt follows.
        retry: bool,
    },
    /// The user asked to stop: the tests that run may end, no new ones start.
    Interrupted {
        /// The second time: everything is being killed.
        forced: bool,
    },
    /// The run is over; nothing follows.
    RunFinished(Totals),
}

/// The head of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct RunStart {
    /// How many tests will run.
    pub tests: usize,
    /// How many at once.
    pub jobs: usize,
    /// The isolation that this host allows, in words.
    pub isolation: String,
    /// How limits hold here: `enforced (cgroup v2)`, `advisory: …`, or `none asked for`.
    pub limits: String,
    /// Durations of earlier runs, by the test's full name, for the time left.
    pub expected: Vec<(String, Duration)>,
}

/// A step of a snapshot under construction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuildStep {
    /// The snapshot.
    pub snapshot: String,
    /// The step in words: `initdb (PostgreSQL 15.6)`, `migrate migrations`, `sql seed/*.sql`.
    pub label: String,
    /// Which step, from 1.
    pub index: usize,
    /// Of how many.
    pub of: usize,
}

/// Which test, and which attempt of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TestRef {
    /// A number that is the test's own in this run, from 0.
    pub id: usize,
    /// The full name: the entry's name, or `entry::file`, or `entry::line`.
    pub name: String,
    /// The entry of the spec that it comes from.
    pub entry: String,
    /// The snapshot that it gets a copy of.
    pub snapshot: String,
    /// The attempt, from 1.
    pub attempt: u32,
    /// How many attempts it gets at most: 1 and the retries.
    pub attempts: u32,
}

/// What came of one attempt.
#[derive(Debug, Clone)]
pub struct Attempt {
    /// The verdict.
    pub outcome: Outcome,
    /// From the order to the moment that the test's command started: Cowherd's and the engine's time.
    pub fixture: Duration,
    /// The time of the test's own command.
    pub body: Duration,
    /// Bytes that the container wrote in its data layers, copied-up files included.
    pub copied_up: u64,
    /// Those bytes file by file, largest first.
    pub files: Vec<(PathBuf, u64)>,
    /// What the test printed, standard output and error in the order they came.
    pub output: Output,
    /// The last lines of the services' logs, when they help: a service that died or never became ready.
    pub service_log: Option<String>,
    /// The state that it left, where that was to be kept; or why it couldn't be.
    pub kept: Option<Result<KeptState, String>>,
}

/// A state that was kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptState {
    /// Its name: `cowherd enter ID` goes in.
    pub id: String,
    /// What is stored for it, in bytes.
    pub bytes: u64,
    /// Which rows the test changed, in lines for people: the first of them, with how many there are.
    pub changes: Vec<String>,
}

/// A verdict on one attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The command exited with 0.
    Passed,
    /// The command exited with another code.
    Failed {
        /// Its exit code.
        code: i32,
    },
    /// The command was ended by a signal that Cowherd did not send.
    Signalled {
        /// The signal's number.
        signal: i32,
        /// Whether the kernel ended it for want of memory.
        out_of_memory: bool,
    },
    /// The command was still running at its time limit; its container was killed.
    TimedOut {
        /// The limit.
        after: Duration,
    },
    /// The command exited with 0, and its container had written more to its data than it may (`copy_up`).
    CopiedUp {
        /// How much that was, in bytes.
        bytes: u64,
        /// How much it may be.
        limit: u64,
        /// The largest file; the path begins with the service's name.
        largest: PathBuf,
    },
    /// The run was interrupted before the command ended.
    Interrupted,
    /// The container could not be made: an error of the fixture or of this host, never the test's.
    Error {
        /// What went wrong, cause by cause.
        message: String,
        /// What to do about it.
        hint: Option<String>,
    },
}

impl Outcome {
    /// Whether the test passed.
    pub fn passed(&self) -> bool {
        matches!(self, Self::Passed)
    }

    /// Whether the test failed, by itself and not by an error or an interruption.
    pub fn failed(&self) -> bool {
        match self {
            Self::Passed | Self::Interrupted | Self::Error { .. } => false,
            Self::Failed { .. }
            | Self::Signalled { .. }
            | Self::TimedOut { .. }
            | Self::CopiedUp { .. } => true,
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Passed => write!(f, "passed"),
            Self::Failed { code } => write!(f, "exit code {code}"),
            Self::Signalled {
                signal,
                out_of_memory: false,
            } => write!(f, "ended by signal {signal}"),
            Self::Signalled {
                signal,
                out_of_memory: true,
            } => {
                write!(
                    f,
                    "out of memory: ended by signal {signal} at its mem_limit"
                )
            }
            Self::TimedOut { after } => write!(f, "still running after {after:?}: killed"),
            Self::CopiedUp {
                bytes,
                limit,
                largest,
            } => write!(
                f,
                "it copied up {bytes} bytes, of {limit} that it may; the largest file is {}",
                largest.display()
            ),
            Self::Interrupted => write!(f, "interrupted"),
            Self::Error { message, .. } => write!(f, "{message}"),
        }
    }
}

/// What a test printed, kept in an unnamed file so that a gigabyte of it costs no memory.
#[derive(Debug, Clone, Default)]
pub struct Output {
    file: Option<Arc<File>>,
}

impl Output {
    /// Takes over the file that the test wrote.
    pub fn new(file: File) -> Self {
        Self {
            file: Some(Arc::new(file)),
        }
    }

    /// How many bytes there are.
    ///
    /// # Errors
    /// When the file can't be asked.
    pub fn len(&self) -> io::Result<u64> {
        self.file
            .as_ref()
            .map_or(Ok(0), |file| Ok(file.metadata()?.len()))
    }

    /// Whether nothing was printed.
    ///
    /// # Errors
    /// When the file can't be asked.
    pub fn is_empty(&self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }

    /// Fills `buffer` from the byte `offset` on; fewer bytes come back only at the end.
    ///
    /// # Errors
    /// When the file can't be read.
    pub fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let Some(file) = &self.file else { return Ok(0) };
        let mut filled = 0;
        while filled < buffer.len() {
            match file.read_at(&mut buffer[filled..], offset + filled as u64) {
                Ok(0) => break,
                Ok(n) => filled += n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        Ok(filled)
    }
}

/// The run in numbers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Totals {
    /// Tests that passed at the first attempt or a later one.
    pub passed: usize,
    /// Of those, the ones that failed at first.
    pub flaky: usize,
    /// Tests whose last attempt failed, by its own doing or by the time limit.
    pub failed: usize,
    /// Tests that never got a verdict for a fault of the fixture or the host.
    pub errors: usize,
    /// Tests that were not run, or not to the end, after an interruption or `--fail-fast`.
    pub not_run: usize,
    /// Wall time of the whole run.
    pub wall: Duration,
    /// Fixture time of all attempts, added up.
    pub fixture: Duration,
    /// Test time of all attempts, added up.
    pub body: Duration,
    /// Time spent on building snapshots.
    pub build: Duration,
    /// Bytes written by all containers.
    pub copied_up: u64,
}
