//! What Cowherd promises in figures, as far as a run has measured it.

use std::fmt;

use super::row::verdict;
use super::{Line, Row, Table};

/// A row's part in a promise.
#[derive(Debug)]
pub(super) struct Promised {
    pub(super) number: u8,
    words: String,
}

/// Each promise, the section that measures it, and what `ci/bench` has to be told for that. A promise with several parts has
/// a line for each section.
const PROMISES: [(u8, &str, &str, &str); 8] = [
    (
        1,
        "start",
        "start",
        "PostgreSQL container, against a bare server",
    ),
    (
        2,
        "large",
        "--large large",
        "PostgreSQL container, large database against small",
    ),
    (3, "pool", "pool", "container from a warm pool"),
    (4, "layers", "layers", "ten layers, against one"),
    (
        5,
        "sandbox",
        "sandbox",
        "sandbox, against a bare fork and exec",
    ),
    (
        5,
        "sqlite",
        "sqlite",
        "SQLite container, `cowherd exec`, copy in the process",
    ),
    (
        6,
        "thousand",
        "--large thousand",
        "1,000 live PostgreSQL containers: disk and memory of each",
    ),
    (
        7,
        "thousand",
        "--large thousand",
        "nothing is left (after SIGKILL: tests/leftovers.rs)",
    ),
];

/// A line of the summary.
pub(super) struct Kept {
    pub(super) number: u8,
    pub(super) words: String,
    /// What was measured, or how it would be.
    pub(super) figure: String,
    pub(super) measured: bool,
    pub(super) limit: String,
    pub(super) holds: Option<bool>,
}

impl Table {
    /// Says that a promise is measured by the last row, and what the summary calls that.
    pub(crate) fn promise(&mut self, number: u8, words: impl Into<String>) {
        let row = self.lines.iter_mut().rev().find_map(|line| match line {
            Line::Row(row) => Some(row),
            _ => None,
        });
        if let Some(row) = row {
            let words = words.into();
            row.promised = Some(Promised { number, words });
        }
    }

    /// Every promise, measured in this run or not.
    pub(super) fn promises(&self) -> Vec<Kept> {
        let mut kept = Vec::new();
        for (number, section, arguments, words) in PROMISES {
            let measured = self.rows().filter_map(|row| row.kept(number, section));
            let before = kept.len();
            kept.extend(measured);
            if kept.len() == before {
                kept.push(Kept {
                    number,
                    words: words.to_owned(),
                    figure: format!("not measured (ci/bench {arguments})"),
                    measured: false,
                    limit: String::new(),
                    holds: None,
                });
            }
        }
        kept
    }

    /// How many limits there are in the table, and how many are kept.
    pub(super) fn limits(&self) -> String {
        let holds: Vec<bool> = self.rows().filter_map(Row::holds).collect();
        let kept = holds.iter().filter(|holds| **holds).count();
        format!("{kept} of the {} targets of this run hold", holds.len())
    }

    pub(super) fn print_promises(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let promises = self.promises();
        let wide = promises.iter().map(|kept| kept.words.chars().count());
        let wide = wide.max().unwrap_or(0);
        writeln!(f, "\nThe promises")?;
        for kept in promises {
            let line = format!(
                "{}  {:wide$}  {:26} {:10} {}",
                kept.number,
                kept.words,
                kept.figure,
                kept.limit,
                verdict(kept.holds)
            );
            writeln!(f, "{}", line.trim_end())?;
        }
        writeln!(f, "\n{}", self.limits())
    }
}

impl Row {
    /// The summary's line, when the row is a part of this promise.
    fn kept(&self, number: u8, section: &str) -> Option<Kept> {
        let promised = self.promised.as_ref()?;
        (promised.number == number && self.section == section).then(|| Kept {
            number,
            words: promised.words.clone(),
            figure: self.figure(),
            measured: true,
            limit: self.limit(),
            holds: self.holds(),
        })
    }
}
