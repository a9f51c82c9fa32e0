//! Schedules tests onto containers: a pure queue, one test's life, signals, retries and time limits.
//!
//! The loop is asynchronous and does nothing but wait; the life of a container is blocking code on
//! threads of its own. Everything that happens is sent as an [`Event`] to one callback, in order.

mod attempt;
#[cfg(feature = "sqlite")]
mod changes;
mod keep;

mod queue;
mod relatives;
mod signals;

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::StreamExt;
use futures::stream::FuturesUnordered;

use crate::event::{Attempt, Event, Outcome, Output, RunStart, TestRef, Totals};

pub use attempt::{Case, attempt};
pub use keep::{Keep, KeepWhen};
pub use queue::Queue;
pub use relatives::{stop_with_parent, wait_for_child};
pub use signals::{Stop, Watch, watch};

/// A test as the scheduler sees it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Scheduled {
    /// The full name.
    pub name: String,
    /// The entry of the spec.
    pub entry: String,
    /// The snapshot.
    pub snapshot: String,
    /// How often it is tried again after a failure.
    pub retries: u32,
    /// How many of the run's slots it takes; 0 counts as 1, and more than there are as all.
    pub threads: usize,
}

/// How a run goes.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// How many tests at once; at least 1.
    pub jobs: usize,
    /// Whether nothing new starts after the first failure.
    pub fail_fast: bool,
    /// Time already spent on building, for the totals.
    pub build: Duration,
    /// Tests that can't be run since their snapshot could not be built.
    pub unbuilt: usize,
    /// Durations of earlier runs by full name.
    pub expected: BTreeMap<String, Duration>,
    /// The isolation in words, for the reports.
    pub isolation: String,
    /// How limits hold, in words, for the reports.
    pub limits: String,
}

/// What one attempt needs to know: the test's number in the list, and which attempt it is, from 1.
pub type AttemptFn = dyn Fn(usize, u32, &Stop) -> Attempt + Send + Sync;

/// Runs `tests`, each attempt by a call of `attempt` on a thread of its own, and tells `sink` about
/// all of it. Ctrl-C and SIGTERM are obeyed through `stop`; the `watch` over what went before ends when
/// this has taken over, so that no signal falls between the two.
///
/// # Errors
/// When the runtime or the signal handlers can't be set up. A failing test is no error.
pub fn run(
    tests: &[Scheduled],
    options: &Options,
    stop: &Stop,
    watch: Watch,
    attempt: Arc<AttemptFn>,
    sink: &mut dyn FnMut(Event),
) -> io::Result<Totals> {
    let jobs = options.jobs.max(1);
    // Each init copies the page tables of all these stacks: beyond some dozens they lie closer together.
    let stack = if jobs > 64 { 512 << 10 } else { 2 << 20 };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .thread_stack_size(stack)
        .max_blocking_threads(jobs + 1)
        .build()?;
    let mut state = Loop {
        tests,
        options,
        stop,
        attempt,
        queue: Queue::new(tests, &options.expected, jobs),
        tries: vec![0; tests.len()],
        totals: Totals {
            build: options.build,
            ..Totals::default()
        },
    };
    runtime.block_on(state.run(jobs, watch, sink))
}

struct Loop<'a> {
    tests: &'a [Scheduled],
    options: &'a Options,
    stop: &'a Stop,
    attempt: Arc<AttemptFn>,
    queue: Queue,
    tries: Vec<u32>,
    totals: Totals,
}

impl Loop<'_> {
    async fn run(
        &mut self,
        jobs: usize,
        watch: Watch,
        sink: &mut dyn FnMut(Event),
    ) -> io::Result<Totals> {
        let begun = Instant::now();
        let mut signals = signals::Signals::listen()?;
        drop(watch);
        sink(Event::RunStarted(RunStart {
            tests: self.tests.len(),
            jobs,
            isolation: self.options.isolation.clone(),
            limits: self.options.limits.clone(),
            expected: self
                .tests
                .iter()
                .filter_map(|test| {
                    Some((test.name.clone(), *self.options.expected.get(&test.name)?))
                })
                .collect(),
        }));
        let mut running = FuturesUnordered::new();
        loop {
            while self.stop.asked().is_none() {
                let Some(test) = self.queue.take() else { break };
                self.tries[test] += 1;
                let number = self.tries[test];
                sink(Event::AttemptStarted(self.reference(test)));
                let (attempt, stop) = (Arc::clone(&self.attempt), self.stop.clone());
                running.push(async move {
                    let work = tokio::task::spawn_blocking(move || attempt(test, number, &stop));
                    (test, work.await)
                });
            }
            if running.is_empty() {
                break;
            }
            tokio::select! {
                Some((test, attempt)) = running.next() => {
                    let attempt = attempt.unwrap_or_else(|panic| lost(&panic));
                    self.finish(test, attempt, sink);
                }
                forced = signals.next(self.stop) => sink(Event::Interrupted { forced }),
            }
        }
        let verdicts = self.totals.passed + self.totals.failed + self.totals.errors;
        self.totals.not_run = self.options.unbuilt + self.tests.len() - verdicts;
        self.totals.wall = begun.elapsed() + self.options.build;
        sink(Event::RunFinished(self.totals.clone()));
        Ok(self.totals.clone())
    }

    fn reference(&self, test: usize) -> TestRef {
        let Scheduled {
            name,
            entry,
            snapshot,
            ..
        } = &self.tests[test];
        TestRef {
            id: test,
            name: name.clone(),
            entry: entry.clone(),
            snapshot: snapshot.clone(),
            attempt: self.tries[test],
            attempts: self.tests[test].retries + 1,
        }
    }

    fn finish(&mut self, test: usize, attempt: Attempt, sink: &mut dyn FnMut(Event)) {
        self.queue.finished(test);
        self.totals.fixture += attempt.fixture;
        self.totals.body += attempt.body;
        self.totals.copied_up += attempt.copied_up;
        let tried = self.tries[test];
        let failed = attempt.outcome.failed();
        let retry = failed && tried <= self.tests[test].retries && self.stop.asked().is_none();
        match attempt.outcome {
            _ if retry => self.queue.retry(test),
            Outcome::Passed => {
                self.totals.passed += 1;
                self.totals.flaky += usize::from(tried > 1);
            }
            Outcome::Interrupted => {}
            Outcome::Error { .. } => self.totals.errors += 1,
            _ => self.totals.failed += 1,
        }
        let bad = !retry && (failed || matches!(attempt.outcome, Outcome::Error { .. }));
        let reference = self.reference(test);
        sink(Event::AttemptFinished {
            test: reference,
            attempt,
            retry,
        });
        if bad && self.options.fail_fast {
            self.queue.clear();
        }
    }
}

/// The thread of an attempt panicked: a fault of Cowherd's, said as one.
fn lost(panic: &tokio::task::JoinError) -> Attempt {
    Attempt {
        outcome: Outcome::Error {
            message: format!("can't finish the attempt: {panic}"),
            hint: Some(
                "this is a bug in Cowherd: please report it with the lines above".to_owned(),
            ),
        },
        fixture: Duration::ZERO,
        body: Duration::ZERO,
        copied_up: 0,
        files: Vec::new(),
        output: Output::default(),
        service_log: None,
        kept: None,
    }
}
