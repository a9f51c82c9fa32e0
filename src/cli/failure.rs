//! How errors are shown: what can't be done, why, and what to do about it.

use std::process::ExitCode;

use cowherd::attended::CommitError;
use cowherd::builder::BuildError;
use cowherd::cargo::{BinaryError, ConfigError, FixtureError, WantedError};
use cowherd::carry::CarryError;
use cowherd::container::ContainerError;
use cowherd::difference::DifferenceError;
use cowherd::disk::DiskError;
use cowherd::event::in_words;
use cowherd::init::InitError;
use cowherd::loop_store::LoopStoreError;
use cowherd::plan::PlanError;
use cowherd::pool::client::ClientError;
use cowherd::project::ProjectError;
use cowherd::report::ReportError;
use cowherd::sandbox::SandboxError;
use cowherd::schedule::Stop;
use cowherd::serve::ServeError;
use cowherd::spec::SpecError;
use cowherd::store::StoreError;

/// Prints an error to standard error and gives the exit code for its kind.
pub(super) fn report(error: &anyhow::Error) -> ExitCode {
    let (code, hint) = kind(error);
    match error.downcast_ref::<ProjectError>() {
        // These problems are lines of their own, each with its place in the file.
        Some(ProjectError::Spec(error @ SpecError::Wrong(_))) => anstream::eprintln!("{error}"),
        Some(ProjectError::Plan(error @ PlanError::Problems { .. })) => {
            anstream::eprintln!("{error}");
        }
        _ => anstream::eprintln!("\x1b[1;31merror\x1b[0m: {}", in_words(error.as_ref())),
    }
    if let Some(hint) = hint {
        anstream::eprintln!("\x1b[1;36mhint\x1b[0m: {hint}");
    }
    ExitCode::from(code)
}

fn kind(error: &anyhow::Error) -> (u8, Option<String>) {
    if let Some(error) = error.downcast_ref::<ProjectError>() {
        return (error.exit_code(), error.hint());
    }
    if let Some(error) = error.downcast_ref::<BuildError>() {
        return (101, error.hint());
    }
    if let Some(error) = error.downcast_ref::<ContainerError>() {
        return (if error.is_fixture() { 101 } else { 97 }, error.hint());
    }
    if let Some(error) = error.downcast_ref::<ClientError>() {
        let code = match error {
            ClientError::Refused(refusal) => refusal.code,
            _ => 97,
        };
        return (code, error.hint());
    }
    if let Some(error) = error.downcast_ref::<ServeError>() {
        return (97, error.hint());
    }
    if let Some(WantedError::Package(error)) = error.downcast_ref::<WantedError>() {
        return (96, error.hint());
    }
    if let Some(error) = error.downcast_ref::<FixtureError>() {
        let code = match error {
            FixtureError::Project(_) | FixtureError::Pool(_) => 96,
            error if error.is_snapshot() => 101,
            _ => 97,
        };
        return (code, error.hint());
    }
    if error.is::<ConfigError>() || error.is::<BinaryError>() {
        return (101, None);
    }
    if let Some(error) = error.downcast_ref::<DifferenceError>() {
        return (error.exit_code(), error.hint());
    }
    if let Some(error) = error.downcast_ref::<ReportError>() {
        return (2, error.hint());
    }
    if let Some(error) = error.downcast_ref::<CarryError>() {
        let code = match error {
            CarryError::NothingInCommon { .. } => 2,
            CarryError::Uncarriable { .. }
            | CarryError::Changed { .. }
            | CarryError::Refused { .. }
            | CarryError::LayerNotHere { .. } => 101,
            _ => 97,
        };
        return (code, error.hint());
    }
    if let Some(error) = error.downcast_ref::<CommitError>() {
        let code = match error {
            CommitError::Taken(_) | CommitError::Unreachable { .. } => 2,
            _ => 101,
        };
        return (code, error.hint());
    }
    if let Some(error) = error.downcast_ref::<DiskError>() {
        return (97, error.hint());
    }
    if let Some(error) = error.downcast_ref::<StoreError>() {
        return (97, error.hint());
    }
    if let Some(error) = error.downcast_ref::<LoopStoreError>() {
        let usage = matches!(
            error,
            LoopStoreError::HasLayers(_) | LoopStoreError::NoUser(_)
        );
        return (if usage { 2 } else { 97 }, error.hint());
    }
    if let Some(error) = error.downcast_ref::<InitError>() {
        let usage = matches!(error, InitError::Exists { .. } | InitError::Engine { .. });
        return (if usage { 2 } else { 97 }, error.hint());
    }
    if let Some(error) = error.downcast_ref::<SandboxError>() {
        return (error.shell_code() as u8, error.hint());
    }
    if let Some(error) = error.downcast_ref::<Refusal>() {
        return (error.code, Some(error.hint.clone()));
    }
    (97, None)
}

/// An error of carrying; what was interrupted ends with the code of the signal.
pub(super) fn stopped(error: CarryError, stop: &Stop) -> anyhow::Error {
    match (error, stop.asked()) {
        (CarryError::Interrupted, Some(signal)) => ProjectError::Interrupted { signal }.into(),
        (error, _) => error.into(),
    }
}

/// A command line that can't be followed.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub(super) struct Refusal {
    pub(super) code: u8,
    pub(super) message: String,
    pub(super) hint: String,
}
