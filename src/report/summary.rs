//! The last screen of a run: what a tired person wants to know, the most urgent at the end, next to
//! the prompt.

use std::fmt::Write as _;

use super::output;
use super::paint::{Ink, Paint};
use super::tally::{Failed, Tally};
use super::words::{self, count, took};
use crate::event::Totals;
use crate::units;

/// From this size on, a file that one test wrote is named: copying it up is felt.
const LARGE: u64 = 8 << 20;

/// How many names a list shows.
const NAMES: usize = 50;

/// How many different errors are shown in full.
const ERRORS: usize = 10;

/// How long a command to copy may get; beyond it, it names entries in place of tests.
const COMMAND: usize = 2_000;

/// The summary, lines and all.
pub(super) fn render(tally: &Tally, totals: &Totals, paint: Paint) -> String {
    let mut text = String::new();
    times(&mut text, tally, totals, paint);
    list(
        &mut text,
        paint,
        Ink::Warning,
        "flaky",
        tally.flaky.len(),
        tally.flaky.iter(),
        |(name, attempts)| format!("{} (passed at attempt {attempts})", output::word(name)),
    );
    errors(&mut text, tally, paint);
    list(
        &mut text,
        paint,
        Ink::Bad,
        "failed",
        tally.failed.len(),
        tally.failed.iter(),
        |failed| format!("{}: {}", output::word(&failed.name), failed.verdict),
    );
    text += &verdict_line(tally, totals, paint);
    if let Some(command) = command_for(&tally.failed) {
        text += &words::line(
            paint,
            Ink::Plain,
            "",
            &format!("to run what failed: {}", paint.text(Ink::Strong, &command)),
        );
    }
    text
}

/// Where the time and the disk went.
fn times(text: &mut String, tally: &Tally, totals: &Totals, paint: Paint) {
    text.push('\n');
    if tally.slowest.len() > 1 {
        let rows = tally.slowest.iter();
        list(
            text,
            paint,
            Ink::Faint,
            "slowest",
            tally.slowest.len(),
            rows,
            |(name, body)| format!("{:>7} {}", took(*body), output::word(name)),
        );
    }
    if !totals.build.is_zero() {
        *text += &words::line(paint, Ink::Faint, "build", &took(totals.build));
    }
    if !totals.fixture.is_zero() || !totals.body.is_zero() {
        let each = |total, median| format!("{} in all, median {}", took(total), took(median));
        *text += &words::line(
            paint,
            Ink::Faint,
            "fixture",
            &each(totals.fixture, tally.median_fixture()),
        );
        *text += &words::line(
            paint,
            Ink::Faint,
            "tests",
            &each(totals.body, tally.median_body()),
        );
    }
    if totals.copied_up > 0 {
        let mut copied = units::format_size(totals.copied_up);
        if let Some((path, bytes, test)) = tally
            .largest
            .as_ref()
            .filter(|(_, bytes, _)| *bytes >= LARGE)
        {
            let path = output::word(&path.to_string_lossy());
            let _ = write!(
                copied,
                "; the largest file: {path}, {} in {}",
                units::format_size(*bytes),
                output::word(test)
            );
        }
        *text += &words::line(paint, Ink::Faint, "copied", &copied);
    }
}

/// A list whose label stands before its first line only.
fn list<T>(
    text: &mut String,
    paint: Paint,
    ink: Ink,
    label: &str,
    length: usize,
    rows: impl Iterator<Item = T>,
    row: impl Fn(T) -> String,
) {
    for (index, item) in rows.take(NAMES).enumerate() {
        *text += &words::line(paint, ink, if index == 0 { label } else { "" }, &row(item));
    }
    if length > NAMES {
        *text += &words::line(paint, ink, "", &format!("… and {} more", length - NAMES));
    }
}

fn errors(text: &mut String, tally: &Tally, paint: Paint) {
    for unbuilt in tally.unbuilt.iter().take(ERRORS) {
        let snapshot = output::word(&unbuilt.step.snapshot);
        let what = format!(
            "can't build {}; no test of {snapshot} was run:",
            words::step(&unbuilt.step)
        );
        *text += &words::line(paint, Ink::Bad, "error", &what);
        *text += &words::error(paint, &unbuilt.message, unbuilt.hint.as_deref(), false);
    }
    for error in tally.errors.iter().take(ERRORS) {
        let what = match error.tests.as_slice() {
            [test] => format!(
                "{} could not be run (the test is not to blame):",
                output::word(test)
            ),
            tests => format!(
                "{} could not be run, for one reason (the tests are not to blame):",
                count(tests.len(), "test")
            ),
        };
        *text += &words::line(paint, Ink::Bad, "error", &what);
        *text += &words::error(paint, &error.message, error.hint.as_deref(), false);
        if error.tests.len() > 1 {
            const FEW: usize = 5;
            let mut names: Vec<_> = error
                .tests
                .iter()
                .take(FEW)
                .map(|name| output::word(name))
                .collect();
            if error.tests.len() > FEW {
                names.push(format!("… and {} more", error.tests.len() - FEW));
            }
            *text += &words::line(paint, Ink::Plain, "", &format!("in: {}", names.join(", ")));
        }
    }
    if tally.errors.len() > ERRORS {
        let more = format!("and {} more of other kinds", tally.errors.len() - ERRORS);
        *text += &words::line(paint, Ink::Bad, "error", &more);
    }
}

/// The line that says how it went.
fn verdict_line(tally: &Tally, totals: &Totals, paint: Paint) -> String {
    let ran = totals.passed + totals.failed + totals.errors;
    let (ink, label) = match totals {
        _ if !tally.unbuilt.is_empty() => (Ink::Bad, "done"),
        Totals {
            failed: 0,
            errors: 0,
            not_run: 0,
            ..
        } => (Ink::Good, "done"),
        Totals {
            failed: 0,
            errors: 0,
            ..
        } => (Ink::Warning, "stopped"),
        _ => (Ink::Bad, "done"),
    };
    let mut parts = vec![paint.text(Ink::Good, &format!("{} passed", totals.passed))];
    if totals.flaky > 0 {
        let _ = write!(parts[0], " ({} flaky)", totals.flaky);
    }
    if totals.failed > 0 {
        parts.push(paint.text(Ink::Bad, &format!("{} failed", totals.failed)));
    }
    if totals.errors > 0 {
        parts.push(paint.text(Ink::Bad, &count(totals.errors, "error")));
    }
    if totals.not_run > 0 {
        parts.push(paint.text(Ink::Warning, &format!("{} not run", totals.not_run)));
    }
    let rest = if ran + totals.not_run == 0 {
        format!("no test was run in {}", took(totals.wall))
    } else {
        format!(
            "{} in {}: {}",
            count(ran, "test"),
            took(totals.wall),
            parts.join(", ")
        )
    };
    words::line(paint, ink, label, &rest)
}

/// The command that runs just the tests that failed.
fn command_for(failed: &[Failed]) -> Option<String> {
    let name = |names: Vec<&str>| {
        let dashes = names.iter().any(|name| name.starts_with('-'));
        let start = if dashes {
            "cowherd run --"
        } else {
            "cowherd run"
        };
        names.iter().fold(start.to_owned(), |command, name| {
            command + " " + &quoted(name)
        })
    };
    if failed.is_empty() {
        return None;
    }
    let command = name(failed.iter().map(|test| test.name.as_str()).collect());
    if command.len() <= COMMAND {
        return Some(command);
    }
    let mut entries: Vec<&str> = Vec::new();
    for test in failed {
        if !entries.contains(&test.entry.as_str()) {
            entries.push(&test.entry);
        }
    }
    Some(name(entries))
}

/// The word as a POSIX shell reads it back (XCU 2.2); control characters need `$'…'`, which bash,
/// zsh and ksh know.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "_-./:,@%+=".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    if !word.contains(char::is_control) {
        return format!("'{}'", word.replace('\'', r"'\''"));
    }
    let mut quoted = String::from("$'");
    for c in word.chars() {
        match c {
            '\'' | '\\' => quoted.extend(['\\', c]),
            c if c.is_control() => {
                let mut bytes = [0; 4];
                for byte in c.encode_utf8(&mut bytes).bytes() {
                    let _ = write!(quoted, "\\x{byte:02x}");
                }
            }
            c => quoted.push(c),
        }
    }
    quoted + "'"
}
