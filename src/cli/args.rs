//! What can be written on the command line: here what belongs to a run, in the rooms below the rest.

mod cargo;
mod carry;
mod commit;
mod diff;
mod kept;
mod serve;
mod start;
mod store;

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{ColorChoice, Parser};
use cowherd::schedule::KeepWhen;
use cowherd::units;

pub(super) use cargo::{Cargo, CargoRunner};
pub(super) use carry::{Export, Import};
pub(super) use commit::Commit;
pub(super) use diff::{Diff, Limit};
pub(super) use kept::{Drop, Enter, Kept};
pub(super) use serve::Serve;
pub(super) use start::{Completions, Doctor, Init, Man};
pub(super) use store::{Df, Fsck, Gc, Inspect, List, Store, StoreCommand, StoreInit};

/// Every test gets its own copy of a prepared database.
#[derive(Debug, Parser)]
#[command(
    name = "cowherd",
    version,
    propagate_version = true,
    max_term_width = 100,
    after_help = "A first run:\n  \
        cowherd init      write a cowherd.yaml for the project in this folder\n  \
        cowherd run       build what it describes, and run its tests\n  \
        cowherd doctor    what this machine allows, and the remedy for what it doesn't\n\n\
        Files:\n  \
        cowherd.yaml      the spec, in this folder or the nearest parent\n  \
        $COWHERD_STORE    what was built; else $XDG_DATA_HOME/cowherd, else ~/.local/share/cowherd\n\n\
        Exit codes:\n  \
        0  all is well                         97  this host lacks something\n  \
        2  the command line is wrong          100  tests failed\n  \
        4  no test matched                    101  a snapshot could not be built\n \
        96  the spec is wrong             130, 143  interrupted, terminated"
)]
pub(crate) struct Args {
    /// Say more: what is decided (-v), what is done (-vv), everything (-vvv).
    #[arg(short, long, action = clap::ArgAction::Count, global = true, display_order = 900)]
    pub(super) verbose: u8,

    /// When to use colours.
    #[arg(
        long,
        value_name = "WHEN",
        default_value = "auto",
        global = true,
        display_order = 901
    )]
    pub(super) color: ColorChoice,

    #[command(subcommand)]
    pub(super) command: Subcommand,
}

#[derive(Debug, clap::Subcommand)]
pub(super) enum Subcommand {
    /// Write a commented starter cowherd.yaml for the project in this folder.
    Init(Init),
    /// Build what is missing and run the tests, each in its own copy of its snapshot.
    Run(Run),
    /// Build snapshots, layer by layer, as far as the store lacks them.
    Build(Build),
    /// Run a command in a fresh copy of a snapshot, and pass its exit code through.
    Exec(Exec),
    /// Open the engine's own client (psql, sqlite3) in a fresh copy of a snapshot.
    Shell(Shell),
    /// Go into the state that a failed test left, if cowherd run was told to keep it.
    Enter(Enter),
    /// Make a state that was reached by hand, or kept, a snapshot.
    Commit(Commit),
    /// List the states that were kept.
    Kept(Kept),
    /// Keep states no longer.
    Drop(Drop),
    /// Run Cargo's tests, or nextest's, each in a fresh copy of its package's snapshot.
    Cargo(Cargo),
    /// Be the target runner of Cargo and nextest, which cowherd cargo sets up.
    CargoRunner(CargoRunner),
    /// Keep containers ready for tests in any language, over a Unix socket.
    Serve(Serve),
    /// List the snapshots of the spec and of the store.
    List(List),
    /// Show the steps of a snapshot: what is built of them, how large it is, what comes next.
    Inspect(Inspect),
    /// Write a snapshot to a file, for another machine.
    Export(Export),
    /// Take over a snapshot from a file.
    Import(Import),
    /// Show what differs between two snapshots: schema, rows, files.
    Diff(Diff),
    /// Remove the layers that no snapshot needs any more.
    Gc(Gc),
    /// Read everything in the store, and put aside what is not as it was sealed.
    Fsck(Fsck),
    /// Say what takes how much room in the store.
    Df(Df),
    /// Say what the store lies on, or make one whose copies share blocks.
    Store(Store),
    /// Say what this machine allows, and what to paste for what it does not.
    Doctor(Doctor),
    /// Print the script that lets a shell complete the command line.
    Completions(Completions),
    /// Print the manual page, or write all of them to a folder.
    Man(Man),
    /// Runs SQL on a SQLite file, for containers on machines without sqlite3.
    #[command(hide = true)]
    SqliteClient(SqliteClient),
    /// Gives a file of commands to a Redis server, up to the first that fails.
    #[command(hide = true)]
    RedisClient(RedisClient),
}

/// Where the spec is.
#[derive(Debug, clap::Args)]
pub(super) struct SpecFile {
    /// The spec; by default cowherd.yaml in this folder or the nearest parent.
    #[arg(short = 'f', long = "file", value_name = "FILE")]
    pub(super) file: Option<PathBuf>,
}

/// Builds what is missing and runs the tests.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    cowherd run                              every test of cowherd.yaml\n  \
    cowherd run orders checks::              those whose name contains one of these\n  \
    cowherd run -j 8 --retries 1             eight at a time, a failed one once more\n  \
    cowherd run --report junit=out/junit.xml --report json=out/run.jsonl\n  \
    cowherd run --keep failed                and go into what a test left: cowherd enter\n\n\
    A test finds its database by DATABASE_URL and the engine's own variables (PGHOST, …).\n\
    Exit codes: 0 all passed, 4 no test matched, 100 tests failed, 101 a snapshot could not be built.")]
pub(super) struct Run {
    #[command(flatten)]
    pub(super) spec: SpecFile,

    /// How many tests at once; by default one for each core, fewer when memory is short.
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(super) jobs: Option<u32>,

    /// Also write a report: junit=PATH, or json=PATH for JSON lines; the path - is standard output.
    #[arg(long, value_name = "KIND=PATH", value_parser = report)]
    pub(super) report: Vec<(String, PathBuf)>,

    /// Try a failed test again up to N times, each time in a fresh container.
    #[arg(long, value_name = "N")]
    pub(super) retries: Option<u32>,

    /// Kill a test that runs longer: 30s, 5m, 1h30m. Without it the spec's own limits hold, or 10m.
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub(super) timeout: Option<Duration>,

    /// Start nothing new after the first failure.
    #[arg(long)]
    pub(super) fail_fast: bool,

    /// Keep the state that a test leaves, to go in later: of failed tests, of all, or of none.
    #[arg(long, value_name = "WHICH", default_value = "none", value_parser = keep())]
    pub(super) keep: KeepWhen,

    /// Keep states for so long: 12h, 30d, 8w.
    #[arg(long, value_name = "DURATION", default_value = "14d", value_parser = duration)]
    pub(super) keep_for: Duration,

    /// Keep states of at most so much in all; beyond it the oldest go: 500MB, 10GB.
    #[arg(long, value_name = "SIZE", default_value = "2GB", value_parser = size)]
    pub(super) keep_size: u64,

    /// Only tests whose full name contains one of these.
    #[arg(value_name = "FILTER")]
    pub(super) filters: Vec<String>,
}

/// Builds snapshots.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    cowherd build                            every snapshot of cowherd.yaml\n  \
    cowherd build shop                       this one, and what it starts from\n\n\
    Each step is a layer of its own in the store; one whose files are as they were is not built again.\n\
    Exit codes: 0 all are there, 101 one could not be built.")]
pub(super) struct Build {
    #[command(flatten)]
    pub(super) spec: SpecFile,

    /// The snapshots; all of the spec when none is named.
    #[arg(value_name = "SNAPSHOT")]
    pub(super) snapshots: Vec<String>,
}

/// Runs a command in a container.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    cowherd exec -- ./load-test.sh           in the only snapshot\n  \
    cowherd exec -s shop -- psql -c 'select count(*) from orders'\n  \
    cowherd exec --host-files -- pg_dump -f dump.sql\n\n\
    The command finds the database by DATABASE_URL and the engine's own variables (PGHOST, …). It sees \
    a copy-on-write view of the project's folder: what it writes is gone when it ends.\n\
    Exit codes: the command's own, 128+n when signal n ended it, 127 when it can't be found.")]
pub(super) struct Exec {
    #[command(flatten)]
    pub(super) spec: SpecFile,

    /// The snapshot, or one that was imported; not needed when the spec has only one.
    #[arg(short, long, value_name = "SNAPSHOT")]
    pub(super) snapshot: Option<String>,

    /// Show the host's own project folder, so that what the command writes there stays.
    #[arg(long)]
    pub(super) host_files: bool,

    /// Make the state that the command leaves a snapshot of this name, if it ends with 0.
    #[arg(long, value_name = "NAME", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub(super) commit: Option<String>,

    /// Let --commit take the name from a snapshot that has it.
    #[arg(long, requires = "commit")]
    pub(super) replace: bool,

    /// The command and its arguments.
    #[arg(required = true, last = true, value_name = "CMD")]
    pub(super) command: Vec<OsString>,
}

/// Opens the engine's client.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    cowherd shell                            look around in the only snapshot\n  \
    cowherd shell -s shop                    the same in shop\n  \
    echo 'select 1' | cowherd shell          the client reads its standard input\n\n\
    Whatever is changed is gone when the client ends. Exit codes: the client's own.")]
pub(super) struct Shell {
    #[command(flatten)]
    pub(super) spec: SpecFile,

    /// The snapshot, or one that was imported; not needed when the spec has only one.
    #[arg(short, long, value_name = "SNAPSHOT")]
    pub(super) snapshot: Option<String>,

    /// The service whose client is opened; the first when absent.
    #[arg(long, value_name = "SERVICE")]
    pub(super) service: Option<String>,
}

/// Runs SQL on a SQLite file.
#[derive(Debug, clap::Args)]
pub(super) struct SqliteClient {
    /// The database.
    pub(super) database: PathBuf,
    /// An SQL file; standard input when absent.
    #[arg(long)]
    pub(super) script: Option<PathBuf>,
}

/// Gives a file of commands to a Redis server.
#[derive(Debug, clap::Args)]
pub(super) struct RedisClient {
    /// The server's Unix socket.
    pub(super) socket: PathBuf,
    /// The number of the database.
    #[arg(long, default_value = "0")]
    pub(super) database: String,
    /// The file.
    #[arg(long)]
    pub(super) script: PathBuf,
}

fn size(text: &str) -> Result<u64, String> {
    units::parse_size(text).map_err(|error| error.to_string())
}

fn keep() -> impl TypedValueParser<Value = KeepWhen> {
    PossibleValuesParser::new(["failed", "all", "none"]).map(|which| match which.as_str() {
        "failed" => KeepWhen::Failed,
        "all" => KeepWhen::All,
        _ => KeepWhen::None,
    })
}

fn duration(text: &str) -> Result<Duration, String> {
    units::parse_duration(text).map_err(|error| error.to_string())
}

fn report(text: &str) -> Result<(String, PathBuf), String> {
    match text.split_once('=') {
        Some((kind, path)) if !path.is_empty() => Ok((kind.to_owned(), path.into())),
        _ => Err("write KIND=PATH, such as junit=target/junit.xml or json=run.jsonl".to_owned()),
    }
}
