//! How long tests took and what came of them, in a small database.

#[cfg(feature = "sqlite")]
mod database;
#[cfg(not(feature = "sqlite"))]
mod left_out;

use std::time::Duration;

#[cfg(feature = "sqlite")]
pub use database::{History, HistoryError};
#[cfg(not(feature = "sqlite"))]
pub use left_out::{History, HistoryError};

/// What came of one test in one run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TestResult {
    /// The full name: `checks::orders.sql`.
    pub name: String,
    /// The time of its last attempt.
    pub duration: Duration,
    /// Whether it passed in the end.
    pub passed: bool,
    /// Whether it passed only after it had failed.
    pub flaky: bool,
}
