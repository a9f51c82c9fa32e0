//! The runtime of an async test.

use std::process::ExitCode;

use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot;

use super::Failed;

/// Which runtime of tokio an async test runs in, as `flavor` and `worker_threads` of `#[tokio::test]` say it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Flavor {
    /// All tasks on the test's own thread.
    #[default]
    CurrentThread,
    /// Tasks on worker threads: as many as told, else one for each core.
    MultiThread(Option<usize>),
}

impl Flavor {
    pub(super) fn build(self, test: &str) -> Result<Runtime, Failed> {
        let mut builder = match self {
            Self::CurrentThread => Builder::new_current_thread(),
            Self::MultiThread(_) => Builder::new_multi_thread(),
        };
        if let Self::MultiThread(Some(workers)) = self {
            builder.worker_threads(workers);
        }
        let runtime = builder.enable_all().build();
        runtime.map_err(|error| Failed {
            told: format!("can't start a runtime for `{test}`: {error}"),
        })
    }
}

/// Ends a body at its next `await` when the first half is dropped.
pub(super) fn cancel() -> (oneshot::Sender<()>, Cancelled) {
    let (cancel, cancelled) = oneshot::channel();
    (cancel, Cancelled(cancelled))
}

pub(super) struct Cancelled(oneshot::Receiver<()>);

impl Cancelled {
    /// The body's exit code, or that of a failure, which nobody hears of any more.
    pub(super) async fn or(self, body: impl Future<Output = ExitCode>) -> ExitCode {
        tokio::select! {
            code = body => code,
            _ = self.0 => ExitCode::FAILURE,
        }
    }
}
