//! What the live display shows at a moment: lines of text, from state and the time alone.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::output;
use super::paint::{Ink, Line, Paint, columns};
use super::teller::Teller;
use super::words::{self, count, took};
use crate::event::{BuildStep, Event};

/// At most this many running tests have a line of their own.
const ROWS: usize = 8;

/// A step under way.
#[derive(Debug)]
struct Building {
    step: BuildStep,
    since: Instant,
    holder: Option<String>,
}

/// An attempt under way.
#[derive(Debug)]
struct Running {
    id: usize,
    name: String,
    since: Instant,
}

/// The state of the live display.
#[derive(Debug)]
pub(super) struct Live {
    teller: Teller,
    tests: usize,
    jobs: u32,
    building: Vec<Building>,
    /// In the order they began, so the longest-running comes first.
    running: Vec<Running>,
    /// How long the tests without a verdict took in earlier runs.
    expected: HashMap<String, Duration>,
    /// The mean of all expected durations, for tests that have none.
    typical: Option<Duration>,
    stopping: bool,
}

impl Live {
    pub(super) fn new(paint: Paint) -> Self {
        Self {
            teller: Teller::new(paint, true),
            tests: 0,
            jobs: 1,
            building: Vec::new(),
            running: Vec::new(),
            expected: HashMap::new(),
            typical: None,
            stopping: false,
        }
    }

    /// Takes an event in; the text that comes back is printed for good, above the display.
    pub(super) fn note(&mut self, event: &Event, now: Instant) -> String {
        match event {
            Event::RunStarted(run) => {
                self.tests = run.tests;
                self.jobs = u32::try_from(run.jobs).unwrap_or(u32::MAX).max(1);
                self.expected = run.expected.iter().cloned().collect();
                let known = u32::try_from(self.expected.len()).unwrap_or(u32::MAX);
                self.typical = self.expected.values().sum::<Duration>().checked_div(known);
            }
            Event::BuildStarted(step) => self.build(step, None, now),
            Event::BuildWaiting { step, holder } => self.build(step, Some(holder), now),
            Event::BuildFinished { step, .. } | Event::BuildFailed { step, .. } => {
                self.building.retain(|building| building.step != *step);
            }
            Event::AttemptStarted(test) => {
                self.running.push(Running {
                    id: test.id,
                    name: test.name.clone(),
                    since: now,
                });
            }
            Event::AttemptFinished { test, retry, .. } => {
                self.running.retain(|running| running.id != test.id);
                if !retry {
                    self.expected.remove(&test.name);
                }
            }
            Event::Interrupted { .. } => self.stopping = true,
            Event::RunFinished(_) => {}
        }
        self.teller.tell(event)
    }

    fn build(&mut self, step: &BuildStep, holder: Option<&String>, now: Instant) {
        self.building.retain(|building| building.step != *step);
        self.building.push(Building {
            step: step.clone(),
            since: now,
            holder: holder.cloned(),
        });
    }

    /// The lines of the display in at most `width` columns and `height` lines.
    pub(super) fn frame(&self, now: Instant, width: usize, height: usize) -> Vec<String> {
        let mut lines = Vec::new();
        for building in &self.building {
            let who = building.holder.as_ref().map_or(String::new(), |holder| {
                format!(": waiting for {}", output::word(holder))
            });
            lines.push(row(
                now,
                building.since,
                "building",
                format!("{}{who}", words::step(&building.step)),
            ));
        }
        let taken = lines.len() + 2;
        let rows = self
            .running
            .len()
            .min(ROWS)
            .min(height.saturating_sub(taken));
        for running in &self.running[..rows] {
            lines.push(row(
                now,
                running.since,
                "running",
                output::word(&running.name),
            ));
        }
        if rows > 0 && rows < self.running.len() {
            let more = count(self.running.len() - rows, "more test");
            lines.push(Line::default().add(Ink::Faint, format!("         … and {more}")));
        }
        if self.tests > 0 {
            lines.push(self.bar(now, width));
        }
        let skip = lines.len().saturating_sub(height);
        lines[skip..]
            .iter()
            .map(|line| line.render(self.teller.paint, width))
            .collect()
    }

    /// The last line: how far the run is, how it went so far, and how long it may still take.
    fn bar(&self, now: Instant, width: usize) -> Line {
        let tally = &self.teller.tally;
        let done = tally.done().min(self.tests);
        let number = format!("{done}/{}", self.tests);
        let length = (width / 4).min(30);
        let full = length * done / self.tests.max(1);
        let mut line = Line::default()
            .add(
                Ink::Strong,
                format!(
                    "{}{number} ",
                    " ".repeat(8_usize.saturating_sub(columns(&number)))
                ),
            )
            .add(Ink::Good, "█".repeat(full))
            .add(Ink::Faint, "░".repeat(length - full))
            .add(Ink::Plain, format!(" {} passed", tally.passed));
        let rest = [
            (Ink::Bad, tally.failed.len(), "failed"),
            (Ink::Warning, tally.flaky.len(), "flaky"),
            (
                Ink::Bad,
                tally.errors_met(),
                if tally.errors_met() == 1 {
                    "error"
                } else {
                    "errors"
                },
            ),
        ];
        for (ink, number, what) in rest.into_iter().filter(|(_, number, _)| *number > 0) {
            line = line
                .add(Ink::Plain, ", ")
                .add(ink, format!("{number} {what}"));
        }
        if self.stopping {
            line.add(Ink::Warning, ", stopping")
        } else if let Some(left) = self.time_left(now) {
            line.add(Ink::Faint, format!(", about {} left", coarse(left)))
        } else {
            line
        }
    }

    /// What the tests without a verdict are expected to take, shared out among the jobs; at least
    /// what the longest of them takes. Tests without history count as the mean of this run so far,
    /// before there is one as the mean of the earlier runs.
    fn time_left(&self, now: Instant) -> Option<Duration> {
        let unfinished = self.tests.saturating_sub(self.teller.tally.done());
        let mean = self.teller.tally.mean().or(self.typical)?;
        let mut longest = Duration::ZERO;
        let mut sum = Duration::ZERO;
        let mut add = |left: Duration| {
            longest = longest.max(left);
            sum += left;
        };
        let mut waiting = self.expected.len();
        let known: Duration = self.expected.values().sum();
        let mut known_running = Duration::ZERO;
        for running in &self.running {
            let whole = self.expected.get(&running.name);
            if let Some(whole) = whole {
                known_running += *whole;
                waiting -= 1;
            }
            add(whole
                .copied()
                .unwrap_or(mean)
                .saturating_sub(now.saturating_duration_since(running.since)));
        }
        for (name, whole) in &self.expected {
            if *whole > mean && !self.running.iter().any(|running| running.name == *name) {
                longest = longest.max(*whole);
            }
        }
        sum += known.saturating_sub(known_running);
        let unknown = unfinished
            .saturating_sub(self.running.len())
            .saturating_sub(waiting);
        sum += mean.saturating_mul(u32::try_from(unknown).unwrap_or(u32::MAX));
        Some((sum / self.jobs).max(longest))
    }
}

/// A line with a label, what it is about, and the time since it began.
fn row(now: Instant, since: Instant, label: &str, what: String) -> Line {
    let elapsed = now.saturating_duration_since(since);
    Line::default()
        .add(Ink::Strong, format!("{label:>8} "))
        .add(Ink::Faint, format!("[{:>7.1}s] ", elapsed.as_secs_f64()))
        .add(Ink::Plain, what)
}

/// A time to come, in whole seconds: more would be a promise.
fn coarse(duration: Duration) -> String {
    let seconds = duration.as_millis().div_ceil(1_000).max(1);
    if seconds < 60 {
        format!("{seconds}s")
    } else {
        took(Duration::from_secs(
            u64::try_from(seconds).unwrap_or(u64::MAX),
        ))
    }
}
