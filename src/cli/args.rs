//! What can be written on the command line.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::{ColorChoice, Parser};
use cowherd::units;

/// Every test gets its own copy of a prepared database.
#[derive(Debug, Parser)]
#[command(
    name = "cowherd",
    version,
    propagate_version = true,
    after_help = "A first run: `cowherd init` writes a cowherd.yaml for the project it finds, `cowherd run` builds \
                  what it describes and runs its tests. `cowherd doctor` says what this machine allows.\n\n\
                  Exit codes: 0 all passed; 2 usage; 4 no test matched; 96 the spec is wrong; 97 this host \
                  lacks something; 100 tests failed; 101 a snapshot could not be built; 130 and 143 interrupted."
)]
pub(crate) struct Args {
    /// Say more: what is decided (-v), what is done (-vv), everything (-vvv). `COWHERD_LOG` is finer.
    #[arg(short, long, action = clap::ArgAction::Count, global = true)]
    pub(super) verbose: u8,

    /// When to use colours.
    #[arg(long, value_name = "WHEN", default_value = "auto", global = true)]
    pub(super) color: ColorChoice,

    #[command(subcommand)]
    pub(super) command: Subcommand,
}

#[derive(Debug, clap::Subcommand)]
pub(super) enum Subcommand {
    /// Build what is missing and run the tests, each in its own copy of its snapshot.
    Run(Run),
    /// Build snapshots, layer by layer, as far as the store lacks them.
    Build(Build),
    /// Run a command in a fresh copy of a snapshot, and pass its exit code through.
    Exec(Exec),
    /// Open the engine's own client (psql, sqlite3) in a fresh copy of a snapshot.
    Shell(Shell),
    /// Runs SQL on a `SQLite` file, for containers on machines without sqlite3.
    #[command(hide = true)]
    SqliteClient(SqliteClient),
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
    cowherd run --report junit=out/junit.xml --report json=out/run.jsonl")]
pub(super) struct Run {
    #[command(flatten)]
    pub(super) spec: SpecFile,

    /// How many tests at once; by default one for each core, fewer when memory is short.
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(super) jobs: Option<u32>,

    /// Also write a report: junit=PATH or json=PATH (JSON lines; `-` is standard output).
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

    /// Only tests whose full name contains one of these.
    #[arg(value_name = "FILTER")]
    pub(super) filters: Vec<String>,
}

/// Builds snapshots.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    cowherd build                            every snapshot of cowherd.yaml\n  \
    cowherd build shop                       this one, and what it starts from")]
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
    cowherd exec -- ./load-test.sh\n  \
    cowherd exec -s shop -- sh -c 'psql -c \"select count(*) from orders\"'\n\n\
    The command finds the database by DATABASE_URL and the engine's own variables. It sees a copy-on-write \
    view of the project's folder; what it writes is gone when it ends.")]
pub(super) struct Exec {
    #[command(flatten)]
    pub(super) spec: SpecFile,

    /// The snapshot; not needed when the spec has only one.
    #[arg(short, long, value_name = "SNAPSHOT")]
    pub(super) snapshot: Option<String>,

    /// Show the host's own project folder, so that what the command writes there stays.
    #[arg(long)]
    pub(super) host_files: bool,

    /// The command and its arguments.
    #[arg(required = true, last = true, value_name = "CMD")]
    pub(super) command: Vec<OsString>,
}

/// Opens the engine's client.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    cowherd shell                            look around in the only snapshot\n  \
    cowherd shell -s shop                    the same in `shop`\n  \
    echo 'select 1' | cowherd shell          the client reads its standard input")]
pub(super) struct Shell {
    #[command(flatten)]
    pub(super) spec: SpecFile,

    /// The snapshot; not needed when the spec has only one.
    #[arg(short, long, value_name = "SNAPSHOT")]
    pub(super) snapshot: Option<String>,

    /// The service whose client is opened; the first when absent.
    #[arg(long, value_name = "SERVICE")]
    pub(super) service: Option<String>,
}

/// Runs SQL on a `SQLite` file.
#[derive(Debug, clap::Args)]
pub(super) struct SqliteClient {
    /// The database.
    pub(super) database: PathBuf,
    /// An SQL file; standard input when absent.
    #[arg(long)]
    pub(super) script: Option<PathBuf>,
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
