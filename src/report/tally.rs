//! What a run has shown so far: the counts and names that the summary and the live display need.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use super::words;
use crate::event::{Attempt, BuildStep, Event, Outcome, TestRef};

/// A test that failed.
#[derive(Debug, Clone)]
pub(super) struct Failed {
    pub(super) name: String,
    pub(super) entry: String,
    pub(super) verdict: String,
}

/// An error of the fixture or the host, and the tests that met it.
#[derive(Debug, Clone)]
pub(super) struct SharedError {
    pub(super) message: String,
    pub(super) hint: Option<String>,
    pub(super) tests: Vec<String>,
}

/// A step that can't be built.
#[derive(Debug, Clone)]
pub(super) struct Unbuilt {
    pub(super) step: BuildStep,
    pub(super) message: String,
    pub(super) hint: Option<String>,
}

/// Everything that is kept of a run's events. Durations are 16 bytes an attempt; of outputs and
/// file lists nothing is kept.
#[derive(Debug, Default)]
pub(super) struct Tally {
    /// Attempts under way: how many.
    pub(super) running: usize,
    /// Tests with a verdict, by kind.
    pub(super) passed: usize,
    pub(super) flaky: Vec<(String, u32)>,
    pub(super) failed: Vec<Failed>,
    pub(super) errors: Vec<SharedError>,
    pub(super) stopped: usize,
    /// Steps that can't be built, by the names of their snapshots.
    pub(super) unbuilt: Vec<Unbuilt>,
    /// The slowest tests, the slowest first.
    pub(super) slowest: Vec<(String, Duration)>,
    /// The largest file that one test wrote: path, bytes, test.
    pub(super) largest: Option<(PathBuf, u64, String)>,
    fixtures: Vec<Duration>,
    bodies: Vec<Duration>,
    /// Errors by what they have in common, as positions in `errors`.
    groups: BTreeMap<String, usize>,
}

impl Tally {
    /// How many tests the list of the slowest names.
    const SLOWEST: usize = 5;

    /// Takes note of an event.
    pub(super) fn note(&mut self, event: &Event) {
        match event {
            Event::AttemptStarted(_) => self.running += 1,
            Event::AttemptFinished {
                test,
                attempt,
                retry,
            } => {
                self.running = self.running.saturating_sub(1);
                self.attempt(test, attempt);
                if !retry {
                    self.verdict(test, attempt);
                }
            }
            Event::BuildFailed {
                step,
                message,
                hint,
            } => {
                let (step, message, hint) = (step.clone(), message.clone(), hint.clone());
                // Snapshots are built at the same time: which fails first is chance.
                let before = |known: &Unbuilt| known.step.snapshot <= step.snapshot;
                let at = self.unbuilt.partition_point(before);
                let unbuilt = Unbuilt {
                    step,
                    message,
                    hint,
                };
                self.unbuilt.insert(at, unbuilt);
            }
            _ => {}
        }
    }

    fn attempt(&mut self, test: &TestRef, attempt: &Attempt) {
        if !matches!(
            attempt.outcome,
            Outcome::Error { .. } | Outcome::Interrupted
        ) {
            self.fixtures.push(attempt.fixture);
            self.bodies.push(attempt.body);
        }
        for (path, bytes) in &attempt.files {
            if self
                .largest
                .as_ref()
                .is_none_or(|(_, most, _)| bytes > most)
            {
                self.largest = Some((path.clone(), *bytes, test.name.clone()));
            }
        }
    }

    fn verdict(&mut self, test: &TestRef, attempt: &Attempt) {
        match &attempt.outcome {
            Outcome::Passed => {
                self.passed += 1;
                if test.attempt > 1 {
                    self.flaky.push((test.name.clone(), test.attempt));
                }
                self.slow(test, attempt);
            }
            Outcome::Failed { .. }
            | Outcome::Signalled { .. }
            | Outcome::TimedOut { .. }
            | Outcome::CopiedUp { .. } => {
                self.failed.push(Failed {
                    name: test.name.clone(),
                    entry: test.entry.clone(),
                    verdict: words::verdict(&attempt.outcome),
                });
                self.slow(test, attempt);
            }
            Outcome::Interrupted => self.stopped += 1,
            Outcome::Error { message, hint } => {
                let errors = &mut self.errors;
                let at = *self
                    .groups
                    .entry(common_part(message, &test.name))
                    .or_insert_with(|| {
                        errors.push(SharedError {
                            message: message.clone(),
                            hint: hint.clone(),
                            tests: Vec::new(),
                        });
                        errors.len() - 1
                    });
                self.errors[at].tests.push(test.name.clone());
            }
        }
    }

    fn slow(&mut self, test: &TestRef, attempt: &Attempt) {
        let at = self
            .slowest
            .partition_point(|(_, body)| *body >= attempt.body);
        if at < Self::SLOWEST {
            self.slowest.insert(at, (test.name.clone(), attempt.body));
            self.slowest.truncate(Self::SLOWEST);
        }
    }

    /// The test that met the same error before, if one did.
    pub(super) fn met_before(&self, message: &str, test: &str) -> Option<&str> {
        let at = *self.groups.get(&common_part(message, test))?;
        self.errors[at].tests.first().map(String::as_str)
    }

    /// How many tests have met an error.
    pub(super) fn errors_met(&self) -> usize {
        self.errors.iter().map(|error| error.tests.len()).sum()
    }

    /// How many tests have a verdict or were stopped.
    pub(super) fn done(&self) -> usize {
        self.passed + self.failed.len() + self.errors_met() + self.stopped
    }

    /// The median fixture time of an attempt whose command was started.
    pub(super) fn median_fixture(&self) -> Duration {
        median(&self.fixtures)
    }

    /// The median time of a test's own command.
    pub(super) fn median_body(&self) -> Duration {
        median(&self.bodies)
    }

    /// The mean time of an attempt so far, fixture and test.
    pub(super) fn mean(&self) -> Option<Duration> {
        let attempts = u32::try_from(self.bodies.len()).ok().filter(|n| *n > 0)?;
        let sum: Duration = self.bodies.iter().chain(&self.fixtures).sum();
        Some(sum / attempts)
    }
}

/// The middle one; of an even number the lower of the two.
fn median(durations: &[Duration]) -> Duration {
    if durations.is_empty() {
        return Duration::ZERO;
    }
    let mut durations = durations.to_vec();
    let middle = (durations.len() - 1) / 2;
    *durations.select_nth_unstable(middle).1
}

/// An error's message without what differs from test to test: the test's name, and words that look
/// like the number of a container or a scratch folder.
fn common_part(message: &str, test: &str) -> String {
    const AS_A_NUMBER: usize = 6;
    let message = if test.is_empty() {
        message.to_owned()
    } else {
        message.replace(test, "\u{0}")
    };
    let mut common = String::with_capacity(message.len());
    for word in message.split_inclusive(|c: char| !c.is_alphanumeric()) {
        let letters = word.trim_end_matches(|c: char| !c.is_alphanumeric());
        if letters.len() >= AS_A_NUMBER && letters.contains(|c: char| c.is_ascii_digit()) {
            common.push('#');
            common.push_str(&word[letters.len()..]);
        } else {
            common.push_str(word);
        }
    }
    common
}
