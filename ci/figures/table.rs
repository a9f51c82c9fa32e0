//! Samples and the table that they end up in.

mod page;

use std::fmt;
use std::time::Duration;

use serde_json::{Value, json};

/// What was measured several times: numbers of one unit, in the order in which they were taken.
#[derive(Debug, Clone, Default)]
pub(crate) struct Samples(pub(crate) Vec<f64>);

impl Samples {
    /// Adds a duration, in milliseconds.
    pub(crate) fn time(&mut self, duration: Duration) {
        self.0.push(duration.as_secs_f64() * 1e3);
    }

    /// The value that a share `part` of the samples doesn't exceed, between samples by proportion.
    fn quantile(&self, part: f64) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        let Some(last) = sorted.len().checked_sub(1) else {
            return f64::NAN;
        };
        let at = part * last as f64;
        let (low, high) = (at.floor() as usize, at.ceil() as usize);
        sorted[low] + (sorted[high] - sorted[low]) * (at - at.floor())
    }

    pub(crate) fn median(&self) -> f64 {
        self.quantile(0.5)
    }
}

/// A limit, and what has to stay within it.
#[derive(Debug, Clone)]
pub(crate) enum Target {
    /// The median itself, in the row's unit.
    AtMost(f64),
    /// The median, as a multiple of another's; a limit where there is one.
    Times(Samples, Option<f64>),
    /// What the median exceeds another's by, in the row's unit.
    More(Samples, f64),
}

#[derive(Debug)]
struct Row {
    what: String,
    unit: &'static str,
    samples: Samples,
    target: Option<Target>,
}

/// Rows in sections, with notes.
#[derive(Debug, Default)]
pub(crate) struct Table(Vec<Line>);

#[derive(Debug)]
enum Line {
    Head(String),
    Row(Row),
    Note(String),
}

impl Table {
    /// Begins a section.
    pub(crate) fn head(&mut self, text: impl Into<String>) {
        self.0.push(Line::Head(text.into()));
    }

    /// Adds a row.
    pub(crate) fn row(
        &mut self,
        what: impl Into<String>,
        unit: &'static str,
        samples: &Samples,
        target: Option<Target>,
    ) {
        self.0.push(Line::Row(Row {
            what: what.into(),
            unit,
            samples: samples.clone(),
            target,
        }));
    }

    /// Adds a line below the last row.
    pub(crate) fn note(&mut self, text: impl Into<String>) {
        self.0.push(Line::Note(text.into()));
    }

    /// The rows as JSON.
    pub(crate) fn json(&self, machine: &str) -> serde_json::Result<String> {
        let mut section = "";
        let mut rows = Vec::new();
        for line in &self.0 {
            match line {
                Line::Head(text) => section = text,
                Line::Row(row) => rows.push(row.json(section)),
                Line::Note(_) => {}
            }
        }
        serde_json::to_string_pretty(&json!({ "machine": machine, "rows": rows }))
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rows = self.0.iter().filter_map(|line| match line {
            Line::Row(row) => Some(row.what.chars().count()),
            _ => None,
        });
        let wide = rows.max().unwrap_or(0);
        writeln!(
            f,
            "{:wide$}  {:>8} {:>8} {:>8} {:>4}         compared             target    holds",
            "", "median", "p95", "min", "n"
        )?;
        for line in &self.0 {
            match line {
                Line::Head(text) => writeln!(f, "\n{text}")?,
                Line::Note(text) => writeln!(f, "    {text}")?,
                Line::Row(row) => row.print(f, wide)?,
            }
        }
        Ok(())
    }
}

impl Row {
    fn print(&self, f: &mut fmt::Formatter<'_>, wide: usize) -> fmt::Result {
        let line = format!(
            "{:wide$}  {:>8} {:>8} {:>8} {:>4} {:8}{:20} {:9} {}",
            self.what,
            number(self.samples.median()),
            number(self.samples.quantile(0.95)),
            number(self.samples.quantile(0.0)),
            self.samples.0.len(),
            self.unit,
            self.compared(),
            self.limit(),
            match self.holds() {
                Some(true) => "yes",
                Some(false) => "NO",
                None => "",
            }
        );
        writeln!(f, "{}", line.trim_end())
    }

    /// The row's value against its target's, with the middle half of the turn-by-turn values.
    fn compared(&self) -> String {
        let spread = |other: &Samples, each: fn(f64, f64) -> f64| {
            let turns = self.samples.0.iter().zip(&other.0);
            let values = Samples(turns.map(|(a, b)| each(*a, *b)).collect());
            (values.quantile(0.25), values.quantile(0.75))
        };
        match &self.target {
            None | Some(Target::AtMost(_)) => String::new(),
            Some(Target::Times(other, _)) => {
                let (low, high) = spread(other, |a, b| a / b);
                format!("{:.2} × ({low:.2}–{high:.2})", self.value())
            }
            Some(Target::More(other, _)) => {
                let (low, high) = spread(other, |a, b| a - b);
                let value = number(self.value());
                format!("{value} more ({}–{})", number(low), number(high))
            }
        }
    }

    /// What the limit is for.
    fn value(&self) -> f64 {
        match &self.target {
            None | Some(Target::AtMost(_)) => self.samples.median(),
            Some(Target::Times(other, _)) => self.samples.median() / other.median(),
            Some(Target::More(other, _)) => self.samples.median() - other.median(),
        }
    }

    fn limit(&self) -> String {
        match &self.target {
            None | Some(Target::Times(_, None)) => String::new(),
            Some(Target::AtMost(limit)) => format!("≤ {limit} {}", self.unit),
            Some(Target::Times(_, Some(limit))) => format!("≤ {limit} ×"),
            Some(Target::More(_, limit)) => format!("≤ {limit} more"),
        }
    }

    fn holds(&self) -> Option<bool> {
        let limit = match &self.target {
            None | Some(Target::Times(_, None)) => return None,
            Some(
                Target::AtMost(limit) | Target::More(_, limit) | Target::Times(_, Some(limit)),
            ) => limit,
        };
        Some(self.value() <= *limit)
    }

    fn json(&self, section: &str) -> Value {
        json!({
            "section": section,
            "what": self.what,
            "unit": self.unit,
            "median": self.samples.median(),
            "p95": self.samples.quantile(0.95),
            "min": self.samples.quantile(0.0),
            "n": self.samples.0.len(),
            "samples": self.samples.0,
            "compared": (!self.compared().is_empty()).then(|| self.value()),
            "target": self.limit(),
            "holds": self.holds(),
        })
    }
}

/// Three digits that matter.
fn number(value: f64) -> String {
    let digits = match value.abs() {
        v if v < 9.995 => 2,
        v if v < 99.95 => 1,
        _ => 0,
    };
    format!("{value:.digits$}")
}
