//! A body with a time limit.

use std::panic;
use std::process::ExitCode;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use super::Failed;
use crate::units::format_duration;

/// Runs `body` on a thread that has the name of this one, so that a panic is told in the same way; what it prints
/// is captured as what this thread prints, because the test harness has threads inherit that.
pub(super) fn within(
    limit: Duration,
    test: &str,
    body: impl FnOnce() -> ExitCode + Send + 'static,
) -> Result<ExitCode, Failed> {
    // Dropped when the thread ends, however it does.
    let (running, ended) = mpsc::channel::<()>();
    let name = thread::current().name().unwrap_or(test).to_owned();
    let thread = thread::Builder::new().name(name).spawn(move || {
        let _running = running;
        body()
    });
    let thread = thread.map_err(|error| Failed {
        told: format!("can't start a thread for the test: {error}"),
    })?;
    match ended.recv_timeout(limit) {
        Err(RecvTimeoutError::Timeout) => Err(Failed {
            told: format!(
                "the test took longer than its time limit, {}; its database is gone, its thread is left behind",
                format_duration(limit)
            ),
        }),
        Ok(()) | Err(RecvTimeoutError::Disconnected) => match thread.join() {
            Ok(code) => Ok(code),
            Err(payload) => panic::resume_unwind(payload),
        },
    }
}
