//! What is printed for good, event by event, in the plain format and above the live display.

use super::output::{self, Controls};
use super::paint::{Ink, Paint};
use super::summary;
use super::tally::Tally;
use super::words::{self, count, took};
use crate::event::{Attempt, Event, Outcome, TestRef};
use crate::units;

/// Turns events into lines of text.
#[derive(Debug)]
pub(super) struct Teller {
    pub(super) tally: Tally,
    pub(super) paint: Paint,
    /// Leaves out what the live display shows: passes, and what has only begun.
    brief: bool,
}

impl Teller {
    pub(super) fn new(paint: Paint, brief: bool) -> Self {
        Self {
            tally: Tally::default(),
            paint,
            brief,
        }
    }

    /// The lines for an event; none for many events.
    pub(super) fn tell(&mut self, event: &Event) -> String {
        let text = self.text(event);
        self.tally.note(event);
        text
    }

    fn text(&self, event: &Event) -> String {
        let paint = self.paint;
        match event {
            Event::RunStarted(run) => {
                let what = format!(
                    "{}, {} at a time; isolation: {}; limits: {}",
                    count(run.tests, "test"),
                    run.jobs,
                    output::word(&run.isolation),
                    output::word(&run.limits),
                );
                words::line(paint, Ink::Strong, "running", &what)
            }
            Event::BuildStarted(step) if !self.brief => {
                words::line(paint, Ink::Faint, "building", &words::step(step))
            }
            Event::BuildWaiting { step, holder } if !self.brief => {
                let what = format!(
                    "{}: waiting for {}",
                    words::step(step),
                    output::word(holder)
                );
                words::line(paint, Ink::Faint, "building", &what)
            }
            Event::BuildFinished {
                step,
                duration,
                cached: false,
                bytes,
            } => {
                let what = format!(
                    "{} ({}, {})",
                    words::step(step),
                    took(*duration),
                    units::format_size(*bytes)
                );
                words::line(paint, Ink::Good, "build", &what)
            }
            Event::BuildFailed {
                step,
                message,
                hint,
            } => {
                let message = output::clean(message, Controls::Visible);
                let first = message.lines().next().unwrap_or_default();
                let what = format!("can't build {}: {first}", words::step(step));
                words::line(paint, Ink::Bad, "ERROR", &what)
                    + &words::error(paint, &message, hint.as_deref(), true)
            }
            Event::AttemptFinished {
                test,
                attempt,
                retry,
            } => self.attempt(test, attempt, *retry),
            Event::Interrupted { forced } => {
                let what = words::interrupted(*forced, self.tally.running);
                format!("\n{}\n", paint.text(Ink::Warning, &what))
            }
            Event::RunFinished(totals) => summary::render(&self.tally, totals, paint),
            Event::BuildStarted(_)
            | Event::BuildWaiting { .. }
            | Event::BuildFinished { cached: true, .. }
            | Event::AttemptStarted(_) => String::new(),
        }
    }

    fn attempt(&self, test: &TestRef, attempt: &Attempt, retry: bool) -> String {
        if self.brief && attempt.outcome.passed() && test.attempt == 1 {
            return String::new();
        }
        if let Outcome::Error { message, .. } = &attempt.outcome
            && let Some(first) = self.tally.met_before(message, &test.name)
        {
            let name = output::word(&test.name);
            let what = format!(
                "[{:>8.3}s] {name}: the same error as {}",
                attempt.body.as_secs_f64(),
                output::word(first)
            );
            return words::line(self.paint, Ink::Bad, "ERROR", &what);
        }
        words::attempt_line(self.paint, test, attempt, retry)
            + &words::evidence(self.paint, attempt)
    }
}
