//! What was written, shaped but not yet checked for meaning: between the reader and the checks.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use super::problem::Place;
use super::{CommandLine, Dependency, Files, Limits, ScratchPlace, ServiceProgram, StepKind};

/// A value and the place that is marked when it is wrong.
#[derive(Debug, Clone)]
pub(super) struct Placed<T> {
    pub(super) value: T,
    pub(super) place: Place,
}

/// The file. What couldn't be read is absent, and reported.
#[derive(Debug, Default)]
pub(super) struct Draft {
    pub(super) snapshots: Vec<SnapshotDraft>,
    pub(super) tests: Vec<TestDraft>,
    /// Names of packages, with the snapshot that each gets.
    pub(super) packages: Vec<(String, Placed<String>)>,
    pub(super) scratch: ScratchPlace,
}

#[derive(Debug)]
pub(super) struct SnapshotDraft {
    pub(super) name: Placed<String>,
    pub(super) from: Option<Placed<String>>,
    pub(super) stored: Option<Placed<String>>,
    /// `None` when the snapshot has its parent's, or when they couldn't be read.
    pub(super) services: Option<Vec<ServiceDraft>>,
    pub(super) steps: Vec<StepDraft>,
    pub(super) limits: Limits,
}

#[derive(Debug)]
pub(super) struct ServiceDraft {
    /// The name; at the place of `engine:` in the short form.
    pub(super) name: Placed<String>,
    pub(super) engine: Option<Placed<String>>,
    pub(super) database: Option<Placed<String>>,
    pub(super) settings: BTreeMap<String, String>,
    pub(super) bin_dir: Option<PathBuf>,
    pub(super) depends_on: Vec<DependencyDraft>,
    /// What it is, for the engine `service`.
    pub(super) program: Option<ProgramDraft>,
}

/// What a service waits for, and where that stands.
#[derive(Debug)]
pub(super) struct DependencyDraft {
    pub(super) place: Place,
    pub(super) dependency: Dependency,
}

/// A server without an adapter, and the places of what is checked of it.
#[derive(Debug)]
pub(super) struct ProgramDraft {
    pub(super) program: ServiceProgram,
    pub(super) ports: Vec<Placed<u16>>,
    pub(super) url: Option<Place>,
    pub(super) data_dir: Option<Place>,
}

#[derive(Debug)]
pub(super) struct StepDraft {
    pub(super) place: Place,
    pub(super) on: Field<String>,
    /// `None` when it was reported.
    pub(super) kind: Option<StepKind>,
    /// The place of what `kind` was made of.
    pub(super) kind_place: Place,
}

#[derive(Debug)]
pub(super) struct TestDraft {
    pub(super) place: Place,
    pub(super) name: Field<String>,
    pub(super) snapshot: Field<String>,
    pub(super) command: Field<CommandLine>,
    pub(super) each: Field<Vec<String>>,
    pub(super) discover: Field<CommandLine>,
    pub(super) timeout: Option<Placed<Duration>>,
    pub(super) retries: Option<u32>,
    pub(super) threads_required: usize,
    pub(super) environment: BTreeMap<String, String>,
    pub(super) working_dir: Option<PathBuf>,
    pub(super) files: Files,
    pub(super) limits: Limits,
}

/// A key's value, where it matters whether the key is missing or was reported.
#[derive(Debug, Clone)]
pub(super) enum Field<T> {
    /// The key isn't written.
    Absent,
    /// It is written, and what is wrong with it was reported.
    Wrong,
    /// It is written.
    Given(Placed<T>),
}

impl<T> Field<T> {
    pub(super) fn given(&self) -> Option<&Placed<T>> {
        match self {
            Self::Given(placed) => Some(placed),
            _ => None,
        }
    }

    pub(super) fn is_absent(&self) -> bool {
        matches!(self, Self::Absent)
    }
}
