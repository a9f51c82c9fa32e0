//! One row: its samples, what they are compared with, and whether they stay within their limit.

use std::fmt;

use serde_json::{Value, json};

use super::promises::Promised;
use super::samples::{Samples, number, range};

/// A limit, and what has to stay within it.
#[derive(Debug, Clone)]
pub(crate) enum Target {
    /// The median itself, in the row's unit.
    AtMost(f64),
    /// The median, as a multiple of another's; a limit where there is one.
    Times(Samples, Option<f64>),
    /// The median, as a multiple of another's, which it is to reach.
    AtLeastTimes(Samples, f64),
    /// What the median exceeds another's by, in the row's unit.
    More(Samples, f64),
}

#[derive(Debug)]
pub(super) struct Row {
    /// The section that measured it, by its name on the command line.
    pub(super) section: &'static str,
    pub(super) what: String,
    pub(super) unit: &'static str,
    pub(super) samples: Samples,
    pub(super) target: Option<Target>,
    /// It is another way to do what Cowherd does.
    pub(super) peer: bool,
    pub(super) promised: Option<Promised>,
}

impl Row {
    /// What 95 of 100 samples are as good as: of a rate, more is better.
    pub(super) fn p95(&self) -> f64 {
        let part = if self.unit == "/s" { 0.05 } else { 0.95 };
        self.samples.quantile(part)
    }

    /// The row's value against its target's, with the middle half of the turn-by-turn values.
    pub(super) fn compared(&self) -> String {
        match &self.target {
            None | Some(Target::AtMost(_)) => String::new(),
            Some(Target::Times(other, _) | Target::AtLeastTimes(other, _)) => {
                let turns = self.samples.by_turns(other, |a, b| a / b);
                format!("{:.2} × ({})", self.value(), times(turns.middle_half()))
            }
            Some(Target::More(other, _)) => {
                let turns = self.samples.by_turns(other, |a, b| a - b);
                let spread = range(turns.middle_half());
                format!("{} more ({spread})", number(self.value()))
            }
        }
    }

    /// What there is to say of the row in few words, with its spread.
    pub(super) fn figure(&self) -> String {
        let compared = self.compared();
        if !compared.is_empty() {
            return compared;
        }
        let spread = range(self.samples.middle_half());
        format!("{} {} ({spread})", number(self.value()), self.unit)
    }

    /// What the limit is for.
    fn value(&self) -> f64 {
        let median = self.samples.median();
        match &self.target {
            None | Some(Target::AtMost(_)) => median,
            Some(Target::Times(other, _) | Target::AtLeastTimes(other, _)) => {
                median / other.median()
            }
            Some(Target::More(other, _)) => median - other.median(),
        }
    }

    pub(super) fn limit(&self) -> String {
        match &self.target {
            None | Some(Target::Times(_, None)) => String::new(),
            Some(Target::AtMost(limit)) => format!("≤ {limit} {}", self.unit),
            Some(Target::Times(_, Some(limit))) => format!("≤ {limit} ×"),
            Some(Target::AtLeastTimes(_, limit)) => format!("≥ {limit} ×"),
            Some(Target::More(_, limit)) => format!("≤ {limit} more"),
        }
    }

    /// Where the limit lies among the samples.
    pub(super) fn mark(&self) -> Option<f64> {
        match self.target.as_ref()? {
            Target::AtMost(limit) => Some(*limit),
            Target::Times(other, limit) => limit.map(|limit| other.median() * limit),
            Target::AtLeastTimes(other, limit) => Some(other.median() * limit),
            Target::More(other, limit) => Some(other.median() + limit),
        }
    }

    pub(super) fn holds(&self) -> Option<bool> {
        let value = self.value();
        match self.target.as_ref()? {
            Target::Times(_, None) => None,
            Target::AtLeastTimes(_, limit) => Some(value >= *limit),
            Target::AtMost(limit) | Target::More(_, limit) | Target::Times(_, Some(limit)) => {
                Some(value <= *limit)
            }
        }
    }

    pub(super) fn print(&self, f: &mut fmt::Formatter<'_>, wide: usize) -> fmt::Result {
        let line = format!(
            "{:wide$}  {:>8} {:>8} {:>15} {:>4} {:5}{:22} {:9} {}",
            self.what,
            number(self.samples.median()),
            number(self.p95()),
            range(self.samples.middle_half()),
            self.samples.0.len(),
            self.unit,
            self.compared(),
            self.limit(),
            verdict(self.holds()),
        );
        writeln!(f, "{}", line.trim_end())
    }

    pub(super) fn json(&self, head: &str) -> Value {
        let (low, high) = self.samples.middle_half();
        json!({
            "section": head,
            "what": self.what,
            "unit": self.unit,
            "peer": self.peer,
            "promise": self.promised.as_ref().map(|promised| promised.number),
            "median": self.samples.median(),
            "p95": self.p95(),
            "middle_half": [low, high],
            "min": self.samples.quantile(0.0),
            "n": self.samples.0.len(),
            "samples": self.samples.0,
            "compared": (!self.compared().is_empty()).then(|| self.value()),
            "target": self.limit(),
            "holds": self.holds(),
        })
    }
}

/// Whether a limit is kept, where there is one.
pub(super) fn verdict(holds: Option<bool>) -> &'static str {
    match holds {
        Some(true) => "yes",
        Some(false) => "NO",
        None => "",
    }
}

/// A spread of ratios.
fn times((low, high): (f64, f64)) -> String {
    format!("{low:.2}–{high:.2}")
}
