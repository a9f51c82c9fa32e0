//! How events are put into words, the same in every format for people.

use std::fmt::Write as _;
use std::os::unix::process::ExitStatusExt as _;
use std::process::ExitStatus;
use std::time::Duration;

use super::output::{self, Controls, Limit};
use super::paint::{Ink, Paint};
use crate::event::{Attempt, BuildStep, Outcome, TestRef};
use crate::units;

/// A measured time, rounded to what a person compares: `18ms`, `1.24s`, `2m 03s`, `1h 04m`.
pub(super) fn took(duration: Duration) -> String {
    let micros = duration.as_micros();
    let millis = (micros + 500) / 1_000;
    let hundredths = (micros + 5_000) / 10_000;
    let seconds = (micros + 500_000) / 1_000_000;
    match micros {
        0 => "0ms".to_owned(),
        1..=999 => "<1ms".to_owned(),
        _ if millis < 1_000 => format!("{millis}ms"),
        _ if hundredths < 6_000 => format!("{}.{:02}s", hundredths / 100, hundredths % 100),
        _ if seconds < 3_600 => format!("{}m {:02}s", seconds / 60, seconds % 60),
        _ => format!("{}h {:02}m", seconds / 3_600, seconds % 3_600 / 60),
    }
}

/// A number and the noun that it counts.
pub(super) fn count(number: usize, noun: &str) -> String {
    if number == 1 {
        format!("1 {noun}")
    } else {
        format!("{number} {noun}s")
    }
}

/// The verdict on an attempt in a few words, on one line.
pub(super) fn verdict(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Signalled {
            signal,
            out_of_memory,
        } => {
            // `signal: 11 (SIGSEGV)`: the standard library knows the names.
            let name = ExitStatus::from_raw(*signal)
                .to_string()
                .replacen("signal: ", "signal ", 1);
            if *out_of_memory {
                format!("out of memory: ended by {name} at its mem_limit")
            } else {
                format!("ended by {name}")
            }
        }
        Outcome::TimedOut { after } => format!(
            "still running after {}: killed",
            units::format_duration(*after)
        ),
        Outcome::CopiedUp {
            bytes,
            limit,
            largest,
        } => format!(
            "it copied up {}, more than `copy_up: {}`; the largest file is {}",
            units::format_size(*bytes),
            units::format_size(*limit),
            output::word(&largest.to_string_lossy())
        ),
        Outcome::Error { message, .. } => output::word(message.lines().next().unwrap_or_default()),
        other => other.to_string(),
    }
}

/// Which step of which snapshot: `shop 2/5 migrate migrations`.
pub(super) fn step(step: &BuildStep) -> String {
    format!(
        "{} {}/{} {}",
        output::word(&step.snapshot),
        step.index,
        step.of,
        output::word(&step.label)
    )
}

/// A line that begins with a word in a column of its own.
pub(super) fn line(paint: Paint, ink: Ink, label: &str, rest: &str) -> String {
    format!("{} {rest}\n", paint.text(ink, &format!("{label:>8}")))
}

/// The line about one attempt: `    PASS [  0.034s] orders`.
pub(super) fn attempt_line(paint: Paint, test: &TestRef, attempt: &Attempt, retry: bool) -> String {
    let (ink, label) = match &attempt.outcome {
        _ if retry => (Ink::Warning, "RETRY"),
        Outcome::Passed if test.attempt > 1 => (Ink::Warning, "FLAKY"),
        Outcome::Passed => (Ink::Good, "PASS"),
        Outcome::Failed { .. } | Outcome::Signalled { .. } | Outcome::CopiedUp { .. } => {
            (Ink::Bad, "FAIL")
        }
        Outcome::TimedOut { .. } => (Ink::Bad, "TIMEOUT"),
        Outcome::Interrupted => (Ink::Warning, "STOPPED"),
        Outcome::Error { .. } => (Ink::Bad, "ERROR"),
    };
    let mut rest = format!("[{:>8.3}s] ", attempt.body.as_secs_f64());
    if retry {
        let _ = write!(rest, "{}/{} ", test.attempt + 1, test.attempts);
    } else if test.attempts > 1 && test.attempt > 1 {
        let _ = write!(rest, "{}/{} ", test.attempt, test.attempts);
    }
    rest += &output::word(&test.name);
    if !attempt.outcome.passed() && attempt.outcome != Outcome::Interrupted {
        let _ = write!(rest, ": {}", verdict(&attempt.outcome));
    }
    line(paint, ink, label, &rest)
}

/// What a person needs beside the line of an attempt that did not pass: the whole error, what the
/// test printed, the services' logs.
pub(super) fn evidence(paint: Paint, attempt: &Attempt) -> String {
    let controls = if paint.colours {
        Controls::Coloured
    } else {
        Controls::Visible
    };
    let bar = format!("  {} ", paint.text(Ink::Faint, "│"));
    let mut text = String::new();
    match &attempt.outcome {
        Outcome::Passed | Outcome::Interrupted => return text,
        Outcome::Error { message, hint } => {
            text += &error(paint, message, hint.as_deref(), true);
        }
        Outcome::Failed { .. }
        | Outcome::Signalled { .. }
        | Outcome::TimedOut { .. }
        | Outcome::CopiedUp { .. } => {
            let shown = output::show(&attempt.output, Limit::TERMINAL, controls);
            if shown.text.is_empty() {
                let _ = writeln!(text, "  {}", paint.text(Ink::Faint, "(it printed nothing)"));
            } else {
                text += &output::behind(&bar, &shown.text);
            }
        }
    }
    match &attempt.kept {
        None => {}
        Some(Ok(kept)) => {
            let said = format!(
                "kept its state ({}); go in with: cowherd enter {}",
                units::format_size(kept.bytes),
                kept.id
            );
            if !kept.changes.is_empty() {
                let _ = writeln!(text, "  {}", paint.text(Ink::Faint, "it changed:"));
                let changes = output::clean(&kept.changes.join("\n"), controls);
                text += &output::behind(&bar, &changes);
            }
            let _ = writeln!(text, "  {}", paint.text(Ink::Strong, &said));
        }
        Some(Err(why)) => {
            let said = format!("can't keep its state: {}", output::clean(why, controls));
            let _ = writeln!(text, "  {}", paint.text(Ink::Warning, &said));
        }
    }
    if let Some(log) = &attempt.service_log {
        let _ = writeln!(
            text,
            "  {}",
            paint.text(Ink::Faint, "the services' logs end with:")
        );
        text += &output::behind(&bar, &output::clean(log, controls));
    }
    text
}

/// An error of the fixture or the host. The line before has the message's first line already when
/// `begun`.
pub(super) fn error(paint: Paint, message: &str, hint: Option<&str>, begun: bool) -> String {
    let message = output::clean(message, Controls::Visible);
    let rest = if begun {
        message.split_once('\n').map_or("", |(_, rest)| rest)
    } else {
        &message
    };
    let mut text = output::behind("           ", rest);
    if let Some(hint) = hint {
        let hint = output::clean(hint, Controls::Visible);
        let mut lines = hint.lines();
        let _ = writeln!(
            text,
            "     {} {}",
            paint.text(Ink::Strong, "hint:"),
            lines.next().unwrap_or_default()
        );
        text += &output::behind("           ", &lines.collect::<Vec<_>>().join("\n"));
    }
    text
}

/// What is said when the user asks to stop.
pub(super) fn interrupted(forced: bool, running: usize) -> String {
    match (forced, running) {
        (true, running) => format!("killing {}", count(running, "test")),
        (false, 0) => "stopping: no test is running".to_owned(),
        (false, 1) => "stopping: 1 test is running; press Ctrl-C again to kill it".to_owned(),
        (false, running) => {
            format!("stopping: {running} tests are running; press Ctrl-C again to kill them")
        }
    }
}
