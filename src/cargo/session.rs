//! What the processes of one `cowherd cargo …` tell each other: which snapshots can't be built.
//!
//! A folder that their parent owns, with three files for each snapshot: `ID.lock` is held while it is built,
//! `ID.built` or `ID.failed` is there afterwards.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use crate::builder::BuildError;
use crate::digest::Labelled;

use super::fixture::FixtureError;

/// The folder of a run.
#[derive(Debug)]
pub struct Session {
    folder: PathBuf,
}

/// What came of a build.
pub(super) enum BuildOnce<T> {
    /// It was tried here.
    Done(Result<T, FixtureError>),
    /// Another process has tried, and told why it can't be done.
    FailedBefore,
    /// The folder can't be used.
    NoFolder(io::Error),
}

impl Session {
    /// The variable that names the folder.
    pub const VARIABLE: &str = "COWHERD_CARGO_SESSION";

    /// The run that this process belongs to.
    pub fn of_environment() -> Option<Self> {
        let folder = std::env::var_os(Self::VARIABLE)?;
        Some(Self {
            folder: folder.into(),
        })
    }

    /// Builds, unless another process has tried in vain: one at a time, until it is known that it can be done.
    pub(super) fn build_once<T>(
        &self,
        spec: &Path,
        snapshot: &str,
        build: impl FnOnce() -> Result<T, FixtureError>,
    ) -> BuildOnce<T> {
        let (built, failed) = (
            self.file(spec, snapshot, "built"),
            self.file(spec, snapshot, "failed"),
        );
        if built.exists() {
            return BuildOnce::Done(build());
        }
        // Held to the end.
        let lock = File::create(self.file(spec, snapshot, "lock")).and_then(|lock| {
            lock.lock()?;
            Ok(lock)
        });
        let _lock = match lock {
            Ok(lock) => lock,
            Err(error) => return BuildOnce::NoFolder(error),
        };
        if failed.exists() {
            return BuildOnce::FailedBefore;
        }
        let done = build();
        let mark = match &done {
            Ok(_) => built,
            Err(FixtureError::Build(BuildError::Step { .. })) => failed,
            Err(_) => return BuildOnce::Done(done),
        };
        match File::create(mark) {
            Ok(_) => BuildOnce::Done(done),
            Err(error) => BuildOnce::NoFolder(error),
        }
    }

    fn file(&self, spec: &Path, snapshot: &str, kind: &str) -> PathBuf {
        let id = Labelled::new("built in a run of cargo")
            .field("spec", spec.as_os_str().as_encoded_bytes())
            .field("snapshot", snapshot.as_bytes())
            .finish();
        self.folder.join(format!("{}.{kind}", id.short()))
    }
}
