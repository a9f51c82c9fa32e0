//! What the tests of one package get: a copy of its snapshot for each program that is run.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::binary::Binary;
use super::session::{BuildOnce, Session};
use super::wanted::Wanted;
use crate::builder::BuildError;
use crate::container::{ContainerError, Ended, Order, ProjectFiles};
use crate::event::Event;
use crate::pool::{Budget, Pool};
use crate::project::{self, Project, ProjectError};
use crate::sandbox::Command;
use crate::sandbox::cgroup::Limits;
use crate::schedule::Stop;

/// The prepared snapshot of a package, of which each program that is run gets a copy.
#[derive(Debug)]
pub struct Fixture {
    order: Order,
    pool: Option<Pool>,
    environment: Vec<(OsString, OsString)>,
    folder: PathBuf,
}

/// Why there is no fixture.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FixtureError {
    /// The spec, the store or this host.
    #[error(transparent)]
    Project(#[from] ProjectError),
    /// The snapshot can't be built.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// The snapshot can't be built, and another process of the same run has told why.
    #[error("can't build `{snapshot}`: told in full where it was tried first")]
    Told {
        /// The snapshot.
        snapshot: String,
    },
    /// The folder that the processes of a run share.
    #[error("can't use the folder of this run")]
    Session(#[source] io::Error),
}

impl FixtureError {
    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Project(error) => error.hint(),
            Self::Build(error) => error.hint(),
            Self::Told { .. } | Self::Session(_) => None,
        }
    }

    /// Whether the snapshot is at fault, rather than the spec or this host.
    pub fn is_snapshot(&self) -> bool {
        matches!(self, Self::Build(_) | Self::Told { .. })
    }
}

impl Fixture {
    /// Opens the spec and builds what is missing of the snapshot, for a program of the package in `folder`.
    ///
    /// # Errors
    /// What is wrong with the spec, the snapshot or the host.
    pub fn prepare(
        wanted: &Wanted,
        folder: &Path,
        binary: &Binary,
        stop: &Stop,
        sink: &mut dyn FnMut(Event),
    ) -> Result<Self, FixtureError> {
        let snapshot = wanted.snapshot.as_str();
        let project = Project::open(Some(&wanted.file))?;
        let mut build = || {
            let mut prepared = project.prepare(&[snapshot], stop, sink)?;
            let (_, state) = prepared.pop().expect("an answer for every name");
            Ok(state?)
        };
        let state = match Session::of_environment() {
            None => build()?,
            Some(session) => match session.build_once(&project.spec().file, snapshot, build) {
                BuildOnce::Done(done) => done?,
                BuildOnce::FailedBefore => {
                    let snapshot = snapshot.to_owned();
                    return Err(FixtureError::Told { snapshot });
                }
                BuildOnce::NoFolder(error) => return Err(FixtureError::Session(error)),
            },
        };
        let host = project.on();
        let limits = project
            .spec()
            .snapshots
            .iter()
            .find(|known| known.name == snapshot)
            .map(|known| known.limits)
            .unwrap_or_default();
        let environment = project::test_environment(host)
            .into_iter()
            .filter_map(without_runner)
            .chain(
                state
                    .environment()
                    .into_iter()
                    .map(|(k, v)| (k.into(), v.into())),
            )
            .collect();
        let order = Order {
            host: Arc::clone(host),
            project: ProjectFiles::Host,
            shown: shown(host.shown.clone(), binary),
            shared: shared(folder, binary),
            limits: Limits {
                memory: limits.memory,
                pids: limits.pids,
                cpus: limits.cpus,
            },
            state,
        };
        if let Some(remark) = host.remark(&order.state) {
            tracing::warn!("{remark}");
        }
        Ok(Self {
            order,
            pool: None,
            environment,
            folder: std::env::current_dir().unwrap_or_else(|_| folder.to_owned()),
        })
    }

    /// How many tests at once this machine has room for.
    pub fn jobs(&self) -> usize {
        project::default_jobs([&self.order])
    }

    /// Says that `times` programs will be run, `jobs` of them at once: their containers are started ahead of need.
    ///
    /// # Errors
    /// When there are no threads left.
    pub fn expect(&mut self, times: usize, jobs: usize) -> io::Result<()> {
        let pool = Pool::new(Budget::of_jobs(jobs))?;
        pool.expect(&self.order, times);
        self.pool = Some(pool);
        Ok(())
    }

    /// A program of the package's, to be run as the test of that name.
    pub fn command(&self, words: &[OsString], test: &str) -> Command {
        let mut command = Command::from_argv(words);
        command
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .env("COWHERD_TEST", test)
            .current_dir(&self.folder);
        command
    }

    /// Runs a program to its end in a container of its own, with these three descriptors.
    ///
    /// # Errors
    /// When there is no container to be had, or the program can't be executed.
    pub fn run(
        &self,
        command: &Command,
        stdio: [&dyn AsFd; 3],
        stop: &Stop,
    ) -> Result<Ended, ContainerError> {
        let killed = Some(stop.killed());
        match &self.pool {
            Some(pool) => pool
                .take(&self.order, killed)?
                .run(command, stdio, None, killed),
            None => self.order.start(killed)?.run(command, stdio, None, killed),
        }
    }

    /// Who the programs are, where that is not this process's own user.
    pub(super) fn owner(&self) -> Option<(u32, u32)> {
        let identity = self.order.host.identity;
        identity.is_root().then(|| identity.user())
    }
}

/// The caller's variable as a test sees it: Cargo calls no runner of Cowherd's from inside a container.
fn without_runner((name, value): (OsString, OsString)) -> Option<(OsString, OsString)> {
    let is_runner = |name: &str| name.starts_with("CARGO_TARGET_") && name.ends_with("_RUNNER");
    if name == Session::VARIABLE || name == super::DOCTESTS {
        return None;
    }
    if !name.to_str().is_some_and(is_runner) {
        return Some((name, value));
    }
    let words: Vec<&str> = value.to_str()?.split_whitespace().collect();
    let own = words.iter().position(|word| *word == super::RUNNER);
    match own {
        None => Some((name, value)),
        // The user's own follows with the number of its words.
        Some(at) => match &words[at + 1..] {
            ["--words", _, others @ ..] => Some((name, others.join(" ").into())),
            _ => None,
        },
    }
}

/// What a test sees of the host wherever it lies: its program, and the libraries that Cargo has it find.
fn shown(mut shown: Vec<PathBuf>, binary: &Binary) -> Vec<PathBuf> {
    shown.extend(binary.file().parent().map(Path::to_owned));
    let libraries = std::env::var_os("LD_LIBRARY_PATH").unwrap_or_default();
    shown.extend(std::env::split_paths(&libraries).filter(|folder| folder.is_dir()));
    shown
}

/// Where a test writes beside the project's folder, as it does without Cowherd: Cargo's target folder
/// (`CARGO_TARGET_TMPDIR`, coverage) and the package, if the spec lies elsewhere.
fn shared(package: &Path, binary: &Binary) -> Vec<PathBuf> {
    let mut shared = vec![package.to_owned()];
    shared.extend(target_folder(binary.file()).map(Path::to_owned));
    // The folder of coverage data may be the name of a pattern (`%p`), its parent isn't.
    if let Some(profile) = std::env::var_os("LLVM_PROFILE_FILE") {
        shared.extend(Path::new(&profile).parent().map(Path::to_owned));
    }
    shared.retain(|folder| folder.is_absolute() && folder.is_dir());
    shared
}

/// The target folder that a program lies in: Cargo marks it.
fn target_folder(program: &Path) -> Option<&Path> {
    let marked = |folder: &&Path| folder.join("CACHEDIR.TAG").exists();
    program.ancestors().skip(1).find(marked)
}

/// The names of variables that a runner of Cowherd's is set by.
pub fn runner_variable(triple: &str) -> String {
    let name: String = triple
        .chars()
        .map(|c| match c {
            '-' | '.' => '_',
            c => c.to_ascii_uppercase(),
        })
        .collect();
    format!("CARGO_TARGET_{name}_RUNNER")
}

/// Whether a path of a program is one that Cargo gives to tests, benchmarks and doc tests, and not one of a program
/// for `cargo run`: only those have Cargo's hash in their name, or rustdoc's name.
pub fn is_test(program: &Path) -> bool {
    let hash = |name: &str| {
        let hash = name.rsplit_once('-').map_or("", |(_, hash)| hash);
        hash.len() == 16 && hash.bytes().all(|b| b.is_ascii_hexdigit())
    };
    let name = program.file_stem().and_then(OsStr::to_str).unwrap_or("");
    name == "rust_out" || hash(name)
}
