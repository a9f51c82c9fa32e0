//! Why a container could not be had.

use std::io;
use std::time::Duration;

use crate::disk::DiskError;
use crate::engine::EngineError;
use crate::sandbox::cgroup::CgroupError;
use crate::sandbox::{Exit, SandboxError};
use crate::store::StoreError;

/// An error of the fixture or the host; never a verdict on a test.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ContainerError {
    /// The sandbox.
    #[error("can't start the container")]
    Sandbox(#[source] SandboxError),
    /// The limits.
    #[error("can't set the container's limits")]
    Limits(#[source] CgroupError),
    /// The scratch folder or the draft.
    #[error("can't prepare the container's writable layer")]
    Writable(#[source] io::Error),
    /// The spec wants the writable layer in memory.
    #[error(
        "can't keep the container's writable layer in memory: tmpfs of this kernel takes no user attributes"
    )]
    NotInMemory,
    /// A file for a program's output can't be had.
    #[error("can't keep what a test prints")]
    Disk(#[source] DiskError),
    /// What a program prints can't be written to its file.
    #[error("can't keep what a program prints")]
    Output(#[source] io::Error),
    /// The store.
    #[error("can't prepare the container's writable layer")]
    Store(#[source] StoreError),
    /// A service couldn't be started.
    #[error("can't start {service}")]
    Start {
        /// The service, with its engine: `db (PostgreSQL 15.6)`.
        service: String,
        /// Why.
        #[source]
        source: SandboxError,
    },
    /// A service ended before it was ready, or while it was needed.
    #[error("can't go on: {service} {exit}{}", excerpt(log))]
    Died {
        /// The service.
        service: String,
        /// How it ended, in words.
        exit: String,
        /// The last lines of its log.
        log: String,
    },
    /// A service wasn't ready in time.
    #[error(
        "can't use {service}: it was not ready within {after:?}{}{}",
        reason(answer),
        excerpt(log)
    )]
    NotReady {
        /// The service.
        service: String,
        /// The time it had.
        after: Duration,
        /// Why it is not known to be ready, where that can be told.
        answer: String,
        /// The last lines of its log.
        log: String,
    },
    /// A service ended otherwise than by a clean stop when it was to be stopped.
    #[error("can't stop {service} cleanly: it {exit}{}", excerpt(log))]
    BadlyStopped {
        /// The service.
        service: String,
        /// How it ended, in words.
        exit: String,
        /// The last lines of its log.
        log: String,
    },
    /// A service didn't stop in time.
    #[error("can't stop {service} within {after:?}{}", excerpt(log))]
    NotStopped {
        /// The service.
        service: String,
        /// The time it had.
        after: Duration,
        /// The last lines of its log.
        log: String,
    },
    /// A command of the engine's failed.
    #[error("can't {what}: {exit}{}", excerpt(output))]
    Command {
        /// What it was for.
        what: String,
        /// How it ended, in words.
        exit: String,
        /// The last lines that it printed.
        output: String,
    },
    /// The engine itself.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The user asked to stop.
    #[error("interrupted")]
    Interrupted,
}

impl ContainerError {
    /// Whether the fault lies with the state or its engine, rather than with this host.
    pub fn is_fixture(&self) -> bool {
        matches!(
            self,
            Self::Died { .. }
                | Self::NotReady { .. }
                | Self::NotStopped { .. }
                | Self::BadlyStopped { .. }
                | Self::Command { .. }
                | Self::Engine(_)
        )
    }

    /// Whether there is too much of something for the moment, so that it may do to try again: the kernel gives
    /// the namespaces of containers that are gone back some time later.
    pub fn is_passing(&self) -> bool {
        use nix::errno::Errno::{EAGAIN, ENOSPC, EUSERS};
        let Self::Sandbox(SandboxError::Clone(errno)) = self else {
            return false;
        };
        [EAGAIN, ENOSPC, EUSERS].contains(errno)
    }

    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Sandbox(error) | Self::Start { source: error, .. } => error.hint(),
            Self::Limits(error) => error.hint(),
            Self::NotInMemory => Some(
                "leave `scratch: memory` out of the spec, or use Linux 6.6 or newer".to_owned(),
            ),
            Self::Store(error) => error.hint(),
            Self::Disk(error) => error.hint(),
            Self::Engine(error) => error.hint(),
            Self::Died { exit, .. } if exit == &ending(Exit::Code(0)) => Some(
                "a server must stay in the foreground for as long as it serves".to_owned(),
            ),
            Self::NotReady { .. } => Some(
                "is the machine overloaded? Fewer jobs (-j) give each container more of it. A `healthcheck:` of the spec may \
                 ask for the wrong thing, or need a longer `start_period`"
                    .to_owned(),
            ),
            Self::Writable(error) | Self::Output(error) if error.kind() == io::ErrorKind::StorageFull => Some(
                "make room on the store's file system, or move the store: COWHERD_STORE=/elsewhere"
                    .to_owned(),
            ),
            _ => None,
        }
    }
}

fn reason(answer: &str) -> String {
    match answer {
        "" => String::new(),
        answer => format!(": {answer}"),
    }
}

fn excerpt(log: &str) -> String {
    let log = log.trim_end();
    if log.is_empty() {
        String::new()
    } else {
        format!("; its last words:\n{log}")
    }
}

/// How a program ended, in words.
pub(super) fn ending(exit: Exit) -> String {
    match exit {
        Exit::Code(code) => format!("exited with code {code}"),
        Exit::Signal(signal) => format!("was ended by signal {signal}"),
    }
}
