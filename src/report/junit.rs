//! `JUnit` XML, for CI systems. The only user of `quick_junit`.
//!
//! One `testsuite` for each entry of the spec, one `testcase` for each test. Of a test with several
//! attempts the last is the verdict; the earlier ones are `flakyFailure` when it passed in the end,
//! `rerunFailure` otherwise, as [Maven Surefire] names them. A `failure` is the test's own, an `error`
//! one of the fixture or the host. A test that was interrupted is `skipped`; tests that were never
//! started are not in the file. A step that can't be built is an `error` in a suite of its own, `@build`.
//!
//! [Maven Surefire]: https://maven.apache.org/surefire/maven-surefire-plugin/examples/rerun-failing-tests.html

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::path::Path;
use std::time::Duration;

use quick_junit::{NonSuccessKind, Property, TestCase, TestCaseStatus, TestRerun, TestSuite};

use super::output::{self, Controls, Limit};
use super::target::Target;
use super::{Report, words};
use crate::event::{Attempt, Event, Outcome, TestRef, Totals};

/// How many bytes of outputs the report is meant to hold in all. The outputs wait in memory for the
/// end of the run, so each gets at most a sixteenth of what is left.
const ROOM: usize = 64 << 20;

/// The suite of the steps that can't be built; no entry of a spec has such a name.
const BUILD: &str = "@build";

/// The `JUnit` format.
///
/// Each output is cut to 1 MiB, and less when many tests failed with long outputs; those of tests that
/// passed are left out. Times are those of the tests' own commands.
#[derive(Debug)]
pub struct Junit {
    target: Target,
    room: usize,
    /// By their numbers in the run.
    tests: BTreeMap<usize, Test>,
    /// Steps that can't be built, and why, by the names of their snapshots.
    unbuilt: BTreeMap<String, (String, String)>,
}

/// What is known of a test.
#[derive(Debug)]
struct Test {
    reference: TestRef,
    /// Attempts after which another came.
    earlier: Vec<Try>,
    last: Option<Try>,
}

/// An attempt, reduced to what the report needs.
#[derive(Debug)]
struct Try {
    kind: Option<NonSuccessKind>,
    interrupted: bool,
    /// A word for the outcome, and the outcome in words.
    ty: &'static str,
    message: String,
    description: String,
    output: String,
    fixture: Duration,
    body: Duration,
    copied_up: u64,
}

impl Junit {
    /// Prepares the report in the file `path` (`-`: standard output): missing folders are made, and
    /// an older report is removed.
    ///
    /// # Errors
    /// When the path can't be written.
    pub fn create(path: &Path) -> io::Result<Self> {
        Ok(Self {
            target: Target::prepare(path)?,
            room: ROOM,
            tests: BTreeMap::new(),
            unbuilt: BTreeMap::new(),
        })
    }

    fn test(&mut self, test: &TestRef) -> &mut Test {
        self.tests.entry(test.id).or_insert_with(|| Test {
            reference: test.clone(),
            earlier: Vec::new(),
            last: None,
        })
    }

    fn attempt(&mut self, attempt: &Attempt) -> Try {
        let (kind, ty) = match &attempt.outcome {
            Outcome::Passed => (None, "passed"),
            Outcome::Interrupted => (None, "interrupted"),
            Outcome::Failed { .. } => (Some(NonSuccessKind::Failure), "exit code"),
            Outcome::Signalled { .. } => (Some(NonSuccessKind::Failure), "signal"),
            Outcome::TimedOut { .. } => (Some(NonSuccessKind::Failure), "timeout"),
            Outcome::CopiedUp { .. } => (Some(NonSuccessKind::Failure), "copied up"),
            Outcome::Error { .. } => (Some(NonSuccessKind::Error), "fixture"),
        };
        let message = words::verdict(&attempt.outcome);
        let mut description = match &attempt.outcome {
            Outcome::Error { message, hint } => explained(message, hint.as_deref()),
            _ => message.clone(),
        };
        if let Some(log) = &attempt.service_log {
            description += "\nthe services' logs end with:\n";
            description += log;
        }
        match &attempt.kept {
            None => {}
            Some(Ok(kept)) => {
                if !kept.changes.is_empty() {
                    description += &format!("\nit changed:\n{}\n", kept.changes.join("\n"));
                }
                description += &format!("\nits state is kept: cowherd enter {}\n", kept.id);
            }
            Some(Err(why)) => description += &format!("\ncan't keep its state: {why}\n"),
        }
        let output = if kind.is_some() {
            self.output(attempt)
        } else {
            String::new()
        };
        Try {
            kind,
            interrupted: attempt.outcome == Outcome::Interrupted,
            ty,
            message,
            description: legal(&output::clean(&description, Controls::Visible)),
            output,
            fixture: attempt.fixture,
            body: attempt.body,
            copied_up: attempt.copied_up,
        }
    }

    /// The output, within the room that is left.
    fn output(&mut self, attempt: &Attempt) -> String {
        const LEAST: usize = 4 << 10;
        let whole = Limit::FILE.head + Limit::FILE.tail;
        let limit = Limit::of((self.room / 16).clamp(LEAST, whole));
        let text = legal(&output::show(&attempt.output, limit, Controls::Visible).text);
        self.room = self.room.saturating_sub(text.len());
        text
    }

    fn write(&self, totals: &Totals) -> io::Result<()> {
        let mut report = quick_junit::Report::new("cowherd");
        report.set_time(totals.wall);
        let mut suites: Vec<TestSuite> = Vec::new();
        if !self.unbuilt.is_empty() {
            let mut suite = TestSuite::new(BUILD);
            suite.add_test_cases(self.unbuilt.values().map(|(step, why)| unbuilt(step, why)));
            report.add_test_suite(suite);
        }
        let mut places: HashMap<String, usize> = HashMap::new();
        for test in self.tests.values() {
            let name = legal(&output::word(&test.reference.entry));
            let at = *places.entry(name.clone()).or_insert_with(|| {
                suites.push(TestSuite::new(name.as_str()));
                suites.len() - 1
            });
            let body = test.last.as_ref().map_or(Duration::ZERO, |last| last.body);
            let suite = &mut suites[at];
            suite.set_time(suite.time.unwrap_or_default() + body);
            suite.add_test_case(test_case(test, &name));
        }
        report.add_test_suites(suites);
        let mut bytes = Vec::new();
        report.serialize(&mut bytes).map_err(io::Error::other)?;
        self.target.write(&bytes)
    }
}

impl Report for Junit {
    fn event(&mut self, event: &Event) -> io::Result<()> {
        match event {
            Event::AttemptStarted(test) => {
                self.test(test);
            }
            Event::AttemptFinished {
                test,
                attempt,
                retry,
            } => {
                let attempt = self.attempt(attempt);
                let known = self.test(test);
                known.reference = test.clone();
                if *retry {
                    known.earlier.push(attempt);
                } else {
                    known.last = Some(attempt);
                }
            }
            Event::BuildFailed {
                step,
                message,
                hint,
            } => {
                let why = explained(message, hint.as_deref());
                let unbuilt = (legal(&words::step(step)), why);
                self.unbuilt.insert(step.snapshot.clone(), unbuilt);
            }
            Event::RunFinished(totals) => self.write(totals)?,
            _ => {}
        }
        Ok(())
    }
}

fn test_case(test: &Test, entry: &str) -> TestCase {
    let last = test.last.as_ref();
    let mut status = match last {
        Some(Try {
            kind: Some(kind),
            ty,
            message,
            description,
            ..
        }) => {
            let mut status = TestCaseStatus::non_success(*kind);
            status
                .set_type(*ty)
                .set_message(legal(message))
                .set_description(description.as_str());
            status
        }
        Some(Try {
            interrupted: false, ..
        }) => TestCaseStatus::success(),
        Some(_) | None => {
            let mut status = TestCaseStatus::skipped();
            status.set_message("interrupted");
            status
        }
    };
    status.add_reruns(test.earlier.iter().map(rerun));
    let mut case = TestCase::new(legal(&output::word(&test.reference.name)), status);
    case.set_classname(entry);
    case.add_property(Property::new(
        "snapshot",
        legal(&output::word(&test.reference.snapshot)),
    ));
    if let Some(last) = last {
        case.set_time(last.body);
        case.add_property(Property::new(
            "fixture_seconds",
            format!("{:.6}", last.fixture.as_secs_f64()),
        ));
        case.add_property(Property::new("copied_up", last.copied_up.to_string()));
        if !last.output.is_empty() {
            case.set_system_out(last.output.as_str());
        }
    }
    case
}

fn unbuilt(step: &str, why: &str) -> TestCase {
    let mut status = TestCaseStatus::non_success(NonSuccessKind::Error);
    let message = why.lines().next().unwrap_or_default();
    status
        .set_type("build")
        .set_message(message)
        .set_description(why);
    let mut case = TestCase::new(step, status);
    case.set_classname(BUILD);
    case
}

/// An error of Cowherd with what to do about it.
fn explained(message: &str, hint: Option<&str>) -> String {
    let mut text = output::clean(message, Controls::Visible);
    if let Some(hint) = hint {
        text += "\nhint: ";
        text += &output::clean(hint, Controls::Visible);
    }
    legal(&text)
}

fn rerun(attempt: &Try) -> TestRerun {
    let mut rerun = TestRerun::new(attempt.kind.unwrap_or(NonSuccessKind::Failure));
    rerun.set_time(attempt.body);
    rerun.set_type(attempt.ty);
    rerun.set_message(legal(&attempt.message));
    rerun.set_description(attempt.description.as_str());
    if !attempt.output.is_empty() {
        rerun.set_system_out(attempt.output.as_str());
    }
    rerun
}

/// Without the characters that XML 1.0 has no way to write (its production 2), where control
/// characters are visible already.
fn legal(text: &str) -> String {
    text.replace(['\u{fffe}', '\u{ffff}'], "\u{fffd}")
}
