//! What was measured several times, and what is said of it in one number or two.

use std::time::Duration;

/// What was measured several times: numbers of one unit, in the order in which they were taken.
#[derive(Debug, Clone, Default)]
pub(crate) struct Samples(pub(crate) Vec<f64>);

impl Samples {
    /// Adds a duration, in milliseconds.
    pub(crate) fn time(&mut self, duration: Duration) {
        self.0.push(duration.as_secs_f64() * 1e3);
    }

    /// The value that a share `part` of the samples doesn't exceed, between samples by proportion.
    pub(crate) fn quantile(&self, part: f64) -> f64 {
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

    /// The spread that a few wild samples don't move: where the middle half of them lies.
    pub(crate) fn middle_half(&self) -> (f64, f64) {
        (self.quantile(0.25), self.quantile(0.75))
    }

    /// What `each` makes of a sample and the other one of the same turn.
    pub(crate) fn by_turns(&self, other: &Self, each: fn(f64, f64) -> f64) -> Self {
        let turns = self.0.iter().zip(&other.0);
        Self(turns.map(|(a, b)| each(*a, *b)).collect())
    }
}

/// Three digits that matter.
pub(super) fn number(value: f64) -> String {
    let digits = match value.abs() {
        v if v < 0.0995 => 3,
        v if v < 9.995 => 2,
        v if v < 99.95 => 1,
        _ => 0,
    };
    format!("{value:.digits$}")
}

/// A spread.
pub(super) fn range((low, high): (f64, f64)) -> String {
    format!("{}–{}", number(low), number(high))
}
