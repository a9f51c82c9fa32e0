//! Samples and the table that they end up in.

mod page;
mod promises;
mod row;
mod samples;

use std::fmt;

use serde_json::json;

use row::Row;

pub(crate) use row::Target;
pub(crate) use samples::Samples;

/// Rows in sections, with notes.
#[derive(Debug, Default)]
pub(crate) struct Table {
    lines: Vec<Line>,
    /// The name of the section that is measured now.
    section: &'static str,
}

#[derive(Debug)]
enum Line {
    Head(String),
    Row(Row),
    Note(String),
}

impl Table {
    /// Says which section what follows is from.
    pub(crate) fn section(&mut self, name: &'static str) {
        self.section = name;
    }

    /// Begins a group of rows.
    pub(crate) fn head(&mut self, text: impl Into<String>) {
        self.lines.push(Line::Head(text.into()));
    }

    /// Adds a row.
    pub(crate) fn row(
        &mut self,
        what: impl Into<String>,
        unit: &'static str,
        samples: &Samples,
        target: Option<Target>,
    ) {
        self.add(what.into(), unit, samples, target, false);
    }

    /// Adds a row of what people do without Cowherd.
    pub(crate) fn peer(
        &mut self,
        what: impl Into<String>,
        unit: &'static str,
        samples: &Samples,
        target: Option<Target>,
    ) {
        self.add(what.into(), unit, samples, target, true);
    }

    fn add(
        &mut self,
        what: String,
        unit: &'static str,
        samples: &Samples,
        target: Option<Target>,
        peer: bool,
    ) {
        self.lines.push(Line::Row(Row {
            section: self.section,
            what,
            unit,
            samples: samples.clone(),
            target,
            peer,
            promised: None,
        }));
    }

    /// Adds a line below the last row.
    pub(crate) fn note(&mut self, text: impl Into<String>) {
        self.lines.push(Line::Note(text.into()));
    }

    fn rows(&self) -> impl Iterator<Item = &Row> {
        self.lines.iter().filter_map(|line| match line {
            Line::Row(row) => Some(row),
            _ => None,
        })
    }

    /// The rows as JSON.
    pub(crate) fn json(&self, machine: &str) -> serde_json::Result<String> {
        let mut head = "";
        let mut rows = Vec::new();
        for line in &self.lines {
            match line {
                Line::Head(text) => head = text,
                Line::Row(row) => rows.push(row.json(head)),
                Line::Note(_) => {}
            }
        }
        serde_json::to_string_pretty(&json!({ "machine": machine, "rows": rows }))
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let wide = self.rows().map(|row| row.what.chars().count());
        let wide = wide.max().unwrap_or(0);
        writeln!(
            f,
            "{:wide$}  {:>8} {:>8} {:>15} {:>4}      {:22} {:9} holds",
            "", "median", "p95", "middle half", "n", "compared", "target"
        )?;
        for line in &self.lines {
            match line {
                Line::Head(text) => writeln!(f, "\n{text}")?,
                Line::Note(text) => writeln!(f, "    {text}")?,
                Line::Row(row) => row.print(f, wide)?,
            }
        }
        self.print_promises(f)
    }
}
