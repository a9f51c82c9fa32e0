//! Spec and file contents turned into steps with keys.
//!
//! A key is a digest over everything that a step's result depends on: the engine and its exact
//! version, the chain of steps before it, and the name and bytes of every file that the step reads.
//! Names are relative to the spec's folder: the same content in another folder, or on another
//! machine, has the same keys. Nothing is built or changed here.
//!
//! A set of migrations has a key for each of its prefixes ([`Cut`]): that of a file's end covers the files up to it
//! and none after it. So a file that is added at the end leaves all keys before it as they were, and one that is
//! edited changes its own and those that follow. Which of these states become layers is up to the builder.

mod cut;
mod error;
mod files;
mod key;
mod programs;
mod sources;
mod tests;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use cut::Cut;
pub use error::{InputError, PlanError, Problem};
pub use tests::{CaseAction, CaseFile, PlannedTest, expand_each, tests};

use crate::digest::Digest;
use crate::spec::{Limits, Position, Service, Snapshot, Spec};

/// What an engine says of itself for one service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EngineIdentity {
    /// The engine's own name: `PostgreSQL`.
    pub name: String,
    /// Its exact version, with all that tells builds apart.
    pub version: String,
    /// The steps that come before those of the spec.
    pub base: Vec<BaseStep>,
}

/// A step that an engine takes by itself: initialise, create the database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BaseStep {
    /// The step in words: `initdb (PostgreSQL 15.18)`.
    pub label: String,
    /// What its result depends on besides the engine and its version.
    pub fields: Vec<(String, Vec<u8>)>,
    /// Whether the service's settings belong to that.
    pub settings: bool,
}

/// What has to be there for some snapshots.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// The snapshots asked for and those that they start from, parents first.
    pub snapshots: Vec<PlannedSnapshot>,
}

impl Plan {
    /// The snapshot of that name.
    pub fn snapshot(&self, name: &str) -> Option<&PlannedSnapshot> {
        self.snapshots.iter().find(|snapshot| snapshot.name == name)
    }
}

/// One snapshot as a chain of steps.
#[derive(Debug, Clone, PartialEq)]
pub struct PlannedSnapshot {
    /// Its name.
    pub name: String,
    /// Its services, in the order of the spec.
    pub services: Vec<Service>,
    /// All steps, from the engine's own and the parent's to the last.
    pub chain: Vec<PlannedStep>,
    /// What the spec and its files say of the servers without an adapter, where there are any.
    pub programs: Option<Digest>,
    /// Limits for its containers; the parent's where the snapshot has none.
    pub limits: Limits,
}

/// One step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedStep {
    /// The name of the state that it leads to.
    pub key: Digest,
    /// The key of the step before it.
    pub parent: Option<Digest>,
    /// For a set of migrations the keys of the states on the way: after each script but the last.
    pub prefixes: Vec<Digest>,
    /// For the first step of a service, the key that it would have if its service were the only one and had the
    /// [usual name](crate::spec::USUAL_NAME): steps that have it in common make the same files.
    pub alike: Option<Digest>,
    /// The service that it goes to.
    pub service: String,
    /// The other services that run meanwhile, where a server has to.
    pub beside: Vec<String>,
    /// The step in words: `migrate migrations`, `sql seed/*.sql`, `run ./load.sh`.
    pub label: String,
    /// What to do.
    pub work: Work,
    /// Where the step stands in the spec; for an engine's own steps, where the service stands.
    pub position: Position,
}

/// What a step does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Work {
    /// The engine's own step of this index in [`EngineIdentity::base`].
    Base(usize),
    /// Nothing: its layers are those of a snapshot that the store has by itself, or can't be had.
    Stored,
    /// Runs scripts one after the other, with the spec's folder as the working folder.
    Scripts(Vec<Script>),
    /// Runs a command in the spec's folder.
    Command {
        /// What to execute; never empty.
        argv: Vec<String>,
        /// Further variables.
        environment: BTreeMap<String, String>,
    },
}

/// A script to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Script {
    /// The file, absolute.
    pub path: PathBuf,
    /// Its path below the spec's folder with `/`, or its own name when it is elsewhere.
    pub name: String,
    /// Whether to run it in one transaction.
    pub transaction: bool,
    /// What to run in place of the file.
    pub text: Option<Arc<str>>,
    /// SQL to run ahead of it: it makes the table in which a migration tool notes what it has applied.
    pub before: Option<String>,
    /// SQL to run after it: it notes the migration there.
    pub after: Option<String>,
}

/// A snapshot that the store has by itself, to plan upon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredChain {
    /// The keys of its layers, the lowest first.
    pub keys: Vec<Digest>,
    /// The name, engine and database of each of its services.
    pub services: Vec<[String; 3]>,
}

/// Where [`plan`] finds out what it can't read in the spec.
#[derive(Clone, Copy)]
pub struct Known<'a> {
    /// Which engine would run a service.
    pub identities: &'a dyn Fn(&Service) -> EngineIdentity,
    /// The snapshot of this name that the store has by itself.
    pub stored: &'a dyn Fn(&str) -> Option<StoredChain>,
}

/// Plans the snapshots named `wanted`, with all that they start from.
///
/// Files are read in full, each once, and never held in memory.
///
/// # Errors
/// When a name is not in the spec, or when files can't be found, read or understood: all of them
/// are reported at once.
pub fn plan(spec: &Spec, wanted: &[&str], known: Known<'_>) -> Result<Plan, PlanError> {
    let folder = absolute(&spec.folder);
    let mut keys = key::Keys::new(&folder, known.identities);
    let mut snapshots: Vec<PlannedSnapshot> = Vec::new();
    for snapshot in selected(spec, wanted)? {
        let parent = snapshot
            .from
            .as_ref()
            .and_then(|from| snapshots.iter().find(|planned| planned.name == *from));
        let (mut chain, limits) = match parent {
            Some(parent) => (parent.chain.clone(), snapshot.limits.or(parent.limits)),
            None => match &snapshot.stored {
                Some(name) => {
                    let chain = keys.stored(name, (known.stored)(name), snapshot);
                    (chain, snapshot.limits)
                }
                None => (keys.base(&snapshot.services), snapshot.limits),
            },
        };
        for step in &snapshot.steps {
            keys.push(&mut chain, &snapshot.services, step);
        }
        snapshots.push(PlannedSnapshot {
            name: snapshot.name.clone(),
            services: snapshot.services.clone(),
            programs: keys.programs(&snapshot.services),
            chain,
            limits,
        });
    }
    match keys.into_problems() {
        problems if problems.is_empty() => Ok(Plan { snapshots }),
        problems => Err(PlanError::Problems {
            file: spec.file.clone(),
            problems,
        }),
    }
}

/// The snapshots named `wanted` and all that they start from, parents first, each once.
///
/// # Errors
/// When a name is not in the spec.
pub fn selected<'a>(spec: &'a Spec, wanted: &[&str]) -> Result<Vec<&'a Snapshot>, PlanError> {
    let mut chosen: Vec<&Snapshot> = Vec::new();
    for name in wanted {
        let mut line: Vec<&Snapshot> = Vec::new();
        let mut next = Some(*name);
        while let Some(name) = next {
            let snapshot = spec.snapshots.iter().find(|snapshot| snapshot.name == name);
            let snapshot = snapshot.ok_or_else(|| PlanError::UnknownSnapshot {
                name: name.to_owned(),
                file: spec.file.clone(),
                known: spec
                    .snapshots
                    .iter()
                    .map(|snapshot| snapshot.name.clone())
                    .collect(),
            })?;
            if line.iter().any(|seen| seen.name == name) {
                return Err(PlanError::Cycle {
                    name: name.to_owned(),
                });
            }
            line.push(snapshot);
            next = snapshot.from.as_deref();
        }
        for snapshot in line.into_iter().rev() {
            if !chosen.iter().any(|seen| seen.name == snapshot.name) {
                chosen.push(snapshot);
            }
        }
    }
    Ok(chosen)
}

/// The folder as an absolute path without `..`.
fn absolute(folder: &Path) -> PathBuf {
    let folder = if folder.as_os_str().is_empty() {
        Path::new(".")
    } else {
        folder
    };
    files::normal(&std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned()))
}
