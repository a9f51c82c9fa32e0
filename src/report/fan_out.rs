//! One event to several reports, none of which can stop the others.

use std::fmt;
use std::io;

use super::{Report, ReportError};
use crate::event::Event;

/// The reports of a run.
///
/// ```
/// use cowherd::event::{Event, Totals};
/// use cowherd::report::{Plain, Reports};
///
/// let mut reports = Reports::new(Box::new(Plain::new(Box::new(std::io::sink()), false)));
/// reports.event(&Event::RunFinished(Totals::default()));
/// assert!(reports.finish().is_empty());
/// ```
pub struct Reports {
    /// Each with its name; none when it failed. The first is the console.
    reports: Vec<(String, Option<Box<dyn Report>>)>,
    errors: Vec<ReportError>,
}

impl Reports {
    /// With the console's report alone.
    pub fn new(console: Box<dyn Report>) -> Self {
        Self {
            reports: vec![("on the console".to_owned(), Some(console))],
            errors: Vec::new(),
        }
    }

    /// Adds a report; `name` is what the user calls it, its path.
    pub fn add(&mut self, name: impl Into<String>, report: Box<dyn Report>) {
        self.reports.push((name.into(), Some(report)));
    }

    /// Hands the event to each report. A file that fails gets no more events, which could only add to
    /// half a line; the console does, unless nobody reads it any more, for the results are to come.
    pub fn event(&mut self, event: &Event) {
        for (index, (name, slot)) in self.reports.iter_mut().enumerate() {
            let Some(report) = slot else { continue };
            let Err(source) = report.event(event) else {
                continue;
            };
            // Whoever read the pipe has gone and wants no more; that is no error.
            let closed = source.kind() == io::ErrorKind::BrokenPipe;
            if closed || index > 0 {
                *slot = None;
            }
            let told = |error: &ReportError| matches!(error, ReportError::Write { name: n, .. } if n == name);
            if !closed && !self.errors.iter().any(told) {
                self.errors.push(ReportError::Write {
                    name: name.clone(),
                    source,
                });
            }
        }
    }

    /// What went wrong with reports, to be told after the results.
    pub fn finish(self) -> Vec<ReportError> {
        self.errors
    }
}

impl fmt::Debug for Reports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.reports.iter().map(|(name, _)| name).collect();
        f.debug_struct("Reports")
            .field("reports", &names)
            .field("errors", &self.errors)
            .finish()
    }
}
