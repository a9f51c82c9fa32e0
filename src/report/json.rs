//! JSON lines, for programs: one object for each event, in order, flushed line by line.
//!
//! This is a contract. `v` is 1; fields may be added in version 1, none is removed or changes its
//! meaning, and there may be new kinds of `event`: a reader skips what it does not know. Durations
//! are numbers of seconds, sizes numbers of bytes. A field that is *optional* is left out when it
//! does not apply. Texts are UTF-8; bytes that are not are replaced by U+FFFD.
//!
//! Each object begins with `v` and `event`. The events, with their other fields:
//!
//! | `event` | when |
//! |---|---|
//! | `run-started` | once, before the first attempt |
//! | `build-started` | a step of a snapshot is being built |
//! | `build-waiting` | another process builds the step; this run waits for it |
//! | `build-finished` | a step is in the store |
//! | `build-failed` | a step can't be built; the tests of its snapshot are not run |
//! | `attempt-started` | an attempt of a test begins |
//! | `attempt-finished` | an attempt is over |
//! | `interrupted` | the user asked to stop |
//! | `run-finished` | once, the last line |
//!
//! **`run-started`**: `tests`, how many tests will run; `jobs`, how many at once; `isolation`, what this
//! host allows, in words; `limits`, how limits hold here, in words.
//!
//! Snapshots are built at the same time: the events of one come in order, those of others in between.
//!
//! **`build-started`**: `snapshot`; `label`, the step in words; `index`, which step, from 1; `of`, how
//! many steps.
//! **`build-waiting`**: the same, and `holder`, who builds it, in words.
//! **`build-finished`**: the same as `build-started`, and `seconds`, the time it took; `cached`, whether
//! the store had it; `bytes`, the size of its own layer.
//! **`build-failed`**: the same as `build-started`, and `message`, what went wrong; `hint`, *optional*: what
//! to do about it.
//!
//! **`attempt-started`**: `id`, the test's number in this run, from 0; `name`, its full name; `entry`, the
//! entry of the spec; `snapshot`; `attempt`, from 1; `attempts`, the most there can be.
//! **`attempt-finished`**: the same, and
//!
//! | field | meaning |
//! |---|---|
//! | `retry` | whether another attempt follows; if not, this outcome is the test's |
//! | `outcome` | `passed`, `failed`, `signalled`, `timed-out`, `copied-up`, `interrupted`, or `error`: no verdict, for a fault of the fixture or the host |
//! | `code` | optional, with `failed`: the exit code |
//! | `signal`, `out_of_memory` | optional, with `signalled`: the signal's number; whether it was for want of memory |
//! | `limit_seconds` | optional, with `timed-out`: the time limit |
//! | `bytes`, `limit`, `largest` | optional, with `copied-up`: what the container wrote to its data, what it may, the largest file |
//! | `message`, `hint` | optional, with `error`: what went wrong; what to do about it, when that is known |
//! | `fixture_seconds` | the time to make the container |
//! | `body_seconds` | the time of the test's own command |
//! | `copied_up` | bytes that the container wrote in its data layers |
//! | `files` | those bytes for each of the 20 largest files: `path`, `bytes`; the largest first |
//! | `output` | what the test printed: `text`, at most 1 MiB, its middle replaced by a line `… N bytes left out …`; `bytes`, how many it printed; `left_out`, how many are not in `text` |
//! | `service_log` | optional: the last lines of the services' logs, when they help |
//! | `kept` | optional: the state that it left, as `id`, `bytes` and `changes` (lines for people), or why there is none, as `error` |
//!
//! **`interrupted`**: `forced`, whether everything is being killed.
//!
//! **`run-finished`**: `passed` (with the flaky ones), `flaky`, `failed`, `errors`, `not_run`, numbers of
//! tests; `wall_seconds`, of the whole run; `fixture_seconds` and `body_seconds`, of all attempts added up;
//! `build_seconds`; `copied_up`, of all containers.

use std::borrow::Cow;
use std::fmt;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::time::Duration;

use serde::Serialize;

use super::output::{self, Controls, Limit};
use super::{Report, make_parent};
use crate::event::{Attempt, BuildStep, Event, Outcome, TestRef};

/// The version of the format.
const VERSION: u32 = 1;

/// How many of an attempt's files are named.
const FILES: usize = 20;

/// The JSON lines format.
pub struct Json {
    to: Box<dyn Write + Send>,
}

impl Json {
    /// Writes to the file `path` (`-`: standard output). Missing folders are made, what the file held
    /// is gone.
    ///
    /// # Errors
    /// When the file can't be created.
    pub fn create(path: &Path) -> io::Result<Self> {
        if path == Path::new("-") {
            return Ok(Self::new(Box::new(io::stdout())));
        }
        make_parent(path)?;
        Ok(Self::new(Box::new(File::create(path)?)))
    }

    /// Writes to `to`.
    pub fn new(to: Box<dyn Write + Send>) -> Self {
        Self {
            to: Box::new(BufWriter::new(to)),
        }
    }
}

impl fmt::Debug for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Json").finish_non_exhaustive()
    }
}

impl Report for Json {
    fn event(&mut self, event: &Event) -> io::Result<()> {
        serde_json::to_writer(
            &mut self.to,
            &Record {
                v: VERSION,
                event: Kind::of(event),
            },
        )?;
        self.to.write_all(b"\n")?;
        self.to.flush()
    }
}

#[derive(Serialize)]
struct Record<'a> {
    v: u32,
    #[serde(flatten)]
    event: Kind<'a>,
}

#[derive(Serialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
enum Kind<'a> {
    RunStarted {
        tests: usize,
        jobs: usize,
        isolation: &'a str,
        limits: &'a str,
    },
    BuildStarted {
        #[serde(flatten)]
        step: Step<'a>,
    },
    BuildWaiting {
        #[serde(flatten)]
        step: Step<'a>,
        holder: &'a str,
    },
    BuildFinished {
        #[serde(flatten)]
        step: Step<'a>,
        seconds: f64,
        cached: bool,
        bytes: u64,
    },
    BuildFailed {
        #[serde(flatten)]
        step: Step<'a>,
        message: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        hint: Option<&'a str>,
    },
    AttemptStarted {
        #[serde(flatten)]
        test: Test<'a>,
    },
    AttemptFinished {
        #[serde(flatten)]
        test: Test<'a>,
        retry: bool,
        #[serde(flatten)]
        verdict: Verdict<'a>,
        #[serde(flatten)]
        figures: Figures<'a>,
    },
    Interrupted {
        forced: bool,
    },
    RunFinished {
        passed: usize,
        flaky: usize,
        failed: usize,
        errors: usize,
        not_run: usize,
        wall_seconds: f64,
        fixture_seconds: f64,
        body_seconds: f64,
        build_seconds: f64,
        copied_up: u64,
    },
}

#[derive(Serialize)]
struct Step<'a> {
    snapshot: &'a str,
    label: &'a str,
    index: usize,
    of: usize,
}

#[derive(Serialize)]
struct Test<'a> {
    id: usize,
    name: &'a str,
    entry: &'a str,
    snapshot: &'a str,
    attempt: u32,
    attempts: u32,
}

#[derive(Serialize)]
#[serde(tag = "outcome", rename_all = "kebab-case")]
enum Verdict<'a> {
    Passed,
    Failed {
        code: i32,
    },
    Signalled {
        signal: i32,
        out_of_memory: bool,
    },
    TimedOut {
        limit_seconds: f64,
    },
    CopiedUp {
        bytes: u64,
        limit: u64,
        largest: Cow<'a, str>,
    },
    Interrupted,
    Error {
        message: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        hint: Option<&'a str>,
    },
}

#[derive(Serialize)]
struct Figures<'a> {
    fixture_seconds: f64,
    body_seconds: f64,
    copied_up: u64,
    files: Vec<Written<'a>>,
    output: Printed,
    #[serde(skip_serializing_if = "Option::is_none")]
    service_log: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    kept: Option<Kept<'a>>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Kept<'a> {
    State {
        id: &'a str,
        bytes: u64,
        changes: &'a [String],
    },
    Not {
        error: &'a str,
    },
}

#[derive(Serialize)]
struct Written<'a> {
    path: Cow<'a, str>,
    bytes: u64,
}

#[derive(Serialize)]
struct Printed {
    text: String,
    bytes: u64,
    left_out: u64,
}

impl<'a> Kind<'a> {
    fn of(event: &'a Event) -> Self {
        match event {
            Event::RunStarted(run) => Self::RunStarted {
                tests: run.tests,
                jobs: run.jobs,
                isolation: &run.isolation,
                limits: &run.limits,
            },
            Event::BuildStarted(step) => Self::BuildStarted { step: step.into() },
            Event::BuildWaiting { step, holder } => Self::BuildWaiting {
                step: step.into(),
                holder,
            },
            Event::BuildFinished {
                step,
                duration,
                cached,
                bytes,
            } => Self::BuildFinished {
                step: step.into(),
                seconds: seconds(*duration),
                cached: *cached,
                bytes: *bytes,
            },
            Event::BuildFailed {
                step,
                message,
                hint,
            } => Self::BuildFailed {
                step: step.into(),
                message,
                hint: hint.as_deref(),
            },
            Event::AttemptStarted(test) => Self::AttemptStarted { test: test.into() },
            Event::AttemptFinished {
                test,
                attempt,
                retry,
            } => Self::AttemptFinished {
                test: test.into(),
                retry: *retry,
                verdict: (&attempt.outcome).into(),
                figures: attempt.into(),
            },
            Event::Interrupted { forced } => Self::Interrupted { forced: *forced },
            Event::RunFinished(totals) => Self::RunFinished {
                passed: totals.passed,
                flaky: totals.flaky,
                failed: totals.failed,
                errors: totals.errors,
                not_run: totals.not_run,
                wall_seconds: seconds(totals.wall),
                fixture_seconds: seconds(totals.fixture),
                body_seconds: seconds(totals.body),
                build_seconds: seconds(totals.build),
                copied_up: totals.copied_up,
            },
        }
    }
}

impl<'a> From<&'a BuildStep> for Step<'a> {
    fn from(step: &'a BuildStep) -> Self {
        Self {
            snapshot: &step.snapshot,
            label: &step.label,
            index: step.index,
            of: step.of,
        }
    }
}

impl<'a> From<&'a TestRef> for Test<'a> {
    fn from(test: &'a TestRef) -> Self {
        Self {
            id: test.id,
            name: &test.name,
            entry: &test.entry,
            snapshot: &test.snapshot,
            attempt: test.attempt,
            attempts: test.attempts,
        }
    }
}

impl<'a> From<&'a Outcome> for Verdict<'a> {
    fn from(outcome: &'a Outcome) -> Self {
        match outcome {
            Outcome::Passed => Self::Passed,
            Outcome::Failed { code } => Self::Failed { code: *code },
            Outcome::Signalled {
                signal,
                out_of_memory,
            } => Self::Signalled {
                signal: *signal,
                out_of_memory: *out_of_memory,
            },
            Outcome::TimedOut { after } => Self::TimedOut {
                limit_seconds: seconds(*after),
            },
            Outcome::CopiedUp {
                bytes,
                limit,
                largest,
            } => Self::CopiedUp {
                bytes: *bytes,
                limit: *limit,
                largest: largest.to_string_lossy(),
            },
            Outcome::Interrupted => Self::Interrupted,
            Outcome::Error { message, hint } => Self::Error {
                message,
                hint: hint.as_deref(),
            },
        }
    }
}

impl<'a> From<&'a Attempt> for Figures<'a> {
    fn from(attempt: &'a Attempt) -> Self {
        let shown = output::show(&attempt.output, Limit::FILE, Controls::Kept);
        let written = |(path, bytes): &'a (std::path::PathBuf, u64)| Written {
            path: path.to_string_lossy(),
            bytes: *bytes,
        };
        Self {
            fixture_seconds: seconds(attempt.fixture),
            body_seconds: seconds(attempt.body),
            copied_up: attempt.copied_up,
            files: attempt.files.iter().take(FILES).map(written).collect(),
            output: Printed {
                text: shown.text,
                bytes: shown.bytes,
                left_out: shown.left_out,
            },
            service_log: attempt.service_log.as_deref(),
            kept: attempt.kept.as_ref().map(|kept| match kept {
                Ok(kept) => Kept::State {
                    id: &kept.id,
                    bytes: kept.bytes,
                    changes: &kept.changes,
                },
                Err(error) => Kept::Not { error },
            }),
        }
    }
}

/// Seconds, to the microsecond: what is below is noise.
fn seconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e6).round() / 1e6
}
