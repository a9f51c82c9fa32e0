//! The run history of a program that has no SQLite: none.

use std::path::Path;
use std::time::Duration;

use super::super::Store;
use super::TestResult;

/// Never there.
#[derive(Debug)]
pub enum History {}

/// Why there is none.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HistoryError {
    /// It is a SQLite database.
    #[error("can't use a run history: this program was built without SQLite")]
    LeftOut,
}

impl Store {
    /// The run history.
    ///
    /// # Errors
    /// Always: it needs the feature `sqlite`.
    pub fn history(&self) -> Result<History, HistoryError> {
        Err(HistoryError::LeftOut)
    }
}

impl History {
    /// Adds results.
    ///
    /// # Errors
    /// Never, as there is nobody to call it.
    pub fn record(&mut self, _spec: &Path, _results: &[TestResult]) -> Result<(), HistoryError> {
        match *self {}
    }

    /// Expected durations.
    ///
    /// # Errors
    /// As [`record`](Self::record).
    pub fn expected(&mut self, _spec: &Path) -> Result<Vec<(String, Duration)>, HistoryError> {
        match *self {}
    }
}
