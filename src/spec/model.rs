//! What a user can write in `cowherd.yaml`, as plain data.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Dependency, ServiceProgram};

/// Where in the file something stands, counted from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Position {
    /// The line.
    pub line: usize,
    /// The column, in characters.
    pub column: usize,
}

/// A whole `cowherd.yaml`, checked.
#[derive(Debug, Clone, PartialEq)]
pub struct Spec {
    /// The file.
    pub file: PathBuf,
    /// The folder of the file: every relative path of the spec starts here.
    pub folder: PathBuf,
    /// The snapshots, in the order of the file; a `from:` always names one of them.
    pub snapshots: Vec<Snapshot>,
    /// The test entries, in the order of the file.
    pub tests: Vec<Test>,
    /// Cargo packages by name, with the snapshot that each test of theirs gets; it always is one of the spec's.
    pub packages: BTreeMap<String, String>,
    /// Where what containers write lies.
    pub scratch: ScratchPlace,
}

/// Where the writable layers of containers lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ScratchPlace {
    /// In memory, but in the store where a snapshot has a large file and the store's file system can share its blocks.
    #[default]
    Auto,
    /// In memory, however large the files are.
    Memory,
    /// In the store.
    Store,
}

/// One prepared state.
#[derive(Debug, Clone, PartialEq)]
pub struct Snapshot {
    /// Its name.
    pub name: String,
    /// The snapshot that it starts from.
    pub from: Option<String>,
    /// The snapshot that it starts from and that the store has by itself, imported or committed.
    pub stored: Option<String>,
    /// Its services; those of the parent when `from` is set. The first gives `DATABASE_URL`.
    pub services: Vec<Service>,
    /// What is done to the state, in order.
    pub steps: Vec<Step>,
    /// Limits for each container over this snapshot.
    pub limits: Limits,
    /// Where the name stands.
    pub position: Position,
}

/// One engine instance of a snapshot.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Service {
    /// `db` when the short form `engine:` was used.
    pub name: String,
    /// The engine's name: `postgres`, `sqlite`, `mariadb`, `mysql`, `redis`, `service`.
    pub engine: String,
    /// The database to create and connect to; the snapshot's name where the spec is silent, for Redis 0.
    pub database: String,
    /// The engine's own settings, as it writes them.
    pub settings: BTreeMap<String, String>,
    /// Where the engine's programs are, when not at a usual place.
    pub bin_dir: Option<PathBuf>,
    /// What it waits for; always names of other services of the snapshot, and never in a circle.
    pub depends_on: Vec<Dependency>,
    /// What it is, for the engine `service`.
    pub program: Option<Box<ServiceProgram>>,
    /// Where the service stands.
    pub position: Position,
}

/// One build step.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// The service that it goes to; always the name of one of the snapshot's services.
    pub on: String,
    /// What it does.
    pub kind: StepKind,
    /// Where the step stands.
    pub position: Position,
}

/// What a step does.
#[derive(Debug, Clone, PartialEq)]
pub enum StepKind {
    /// Applies a folder of migrations.
    Migrate {
        /// The tool whose naming rules hold; detected when absent.
        tool: Option<String>,
        /// The folder, as the user wrote it.
        dir: PathBuf,
        /// Whether the tool's own history table is written, so that its migrator finds nothing to do.
        history: bool,
        /// Values for the tool's placeholders.
        placeholders: BTreeMap<String, String>,
    },
    /// Runs SQL files: paths or globs, as the user wrote them.
    Sql(Vec<String>),
    /// Gives files of commands to Redis: paths or globs, as the user wrote them.
    Redis(Vec<String>),
    /// Runs a command with the database's variables.
    Run {
        /// The command.
        command: CommandLine,
        /// Paths or globs of every file that the command reads; part of the step's key.
        inputs: Vec<String>,
        /// Further variables.
        environment: BTreeMap<String, String>,
    },
}

/// A command as Compose has it: a string for the shell or a list to execute.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum CommandLine {
    /// Given to `sh -c`.
    Shell(String),
    /// Executed as it stands; never empty.
    Argv(Vec<String>),
}

impl CommandLine {
    /// The argument list to execute.
    ///
    /// ```
    /// use cowherd::spec::CommandLine;
    /// assert_eq!(CommandLine::Shell("ls *".into()).argv(), ["/bin/sh", "-c", "ls *"]);
    /// ```
    pub fn argv(&self) -> Vec<String> {
        match self {
            Self::Shell(line) => ["/bin/sh", "-c", line].map(String::from).to_vec(),
            Self::Argv(argv) => argv.clone(),
        }
    }
}

/// One entry of `tests:`, which may stand for many tests.
#[derive(Debug, Clone, PartialEq)]
pub struct Test {
    /// The entry's name.
    pub name: String,
    /// The snapshot that each of its tests gets a copy of.
    pub snapshot: String,
    /// How it becomes tests.
    pub kind: TestKind,
    /// Time limit for one attempt, without the fixture.
    pub timeout: Option<Duration>,
    /// How often a failed test is tried again.
    pub retries: Option<u32>,
    /// How many of the tests that run at once it counts for, 1 at least; more than there may be are all.
    pub threads_required: usize,
    /// Further variables.
    pub environment: BTreeMap<String, String>,
    /// The working folder, relative to the spec's folder.
    pub working_dir: Option<PathBuf>,
    /// What the test sees of the project's folder.
    pub files: Files,
    /// Limits that replace the snapshot's, one by one.
    pub limits: Limits,
    /// Where the entry stands.
    pub position: Position,
}

/// How an entry becomes tests.
#[derive(Debug, Clone, PartialEq)]
pub enum TestKind {
    /// The entry is one test.
    Command(CommandLine),
    /// One test for each file that the globs match; an `.sql` or `.redis` file is run by the engine's client,
    /// any other file is executed.
    Each(Vec<String>),
    /// One test for each line that `discover` prints; `{test}` in `command` is the line.
    Discover {
        /// Prints the tests.
        discover: CommandLine,
        /// Runs one of them.
        command: CommandLine,
    },
}

/// What a test sees of the project's folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Files {
    /// A copy-on-write view: what the test writes is thrown away.
    #[default]
    Copy,
    /// The host's own folder.
    Host,
}

/// Limits for one container; `None` is no limit.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Limits {
    /// Bytes of memory (`mem_limit`).
    pub memory: Option<u64>,
    /// Processes and threads (`pids_limit`).
    pub pids: Option<u64>,
    /// Processors, as in `cpus: 1.5`.
    pub cpus: Option<f64>,
    /// Bytes that a test of `cowherd run` may have its container write to its data, what overlayfs copies up
    /// included (`copy_up`).
    pub copied: Option<u64>,
}

impl Limits {
    /// These limits, with those of `other` where this one has none.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self {
            memory: self.memory.or(other.memory),
            pids: self.pids.or(other.pids),
            cpus: self.cpus.or(other.cpus),
            copied: self.copied.or(other.copied),
        }
    }
}
