//! Arguments of what runs the tests of Cargo packages.

use std::ffi::OsString;

/// Runs Cargo with one container for each test.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    cowherd cargo test                       as cargo test, each test in a container of its own\n  \
    cowherd cargo test -p shop -- orders:: --nocapture\n  \
    cowherd cargo nextest run --retries 2    the same with nextest; a retry gets a fresh container\n\n\
    A package says in its Cargo.toml which snapshot of cowherd.yaml its tests get; those of others run as \
    without Cowherd:\n  \
    [package.metadata.cowherd]\n  \
    snapshot = \"shop\"\n\n\
    A test finds its database by DATABASE_URL and the engine's own variables (PGHOST, ...), and sees the host's own \
    files of the project and of Cargo's target folder.\n\
    Exit codes: those of Cargo. A test binary gives 101 when a test fails or the snapshot can't be built, 96 when \
    the spec is wrong, 97 when this host lacks something.")]
pub(in super::super) struct Cargo {
    /// Cargo's subcommand and its arguments.
    #[arg(
        required = true,
        trailing_var_arg = true,
        allow_hyphen_values = true,
        value_name = "ARGS"
    )]
    pub(in super::super) args: Vec<OsString>,
}

/// Runs a program that Cargo built.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    cowherd cargo-runner target/debug/deps/shop-0123456789abcdef orders::\n  \
    CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUNNER='cowherd cargo-runner' cargo test\n\n\
    Or in .cargo/config.toml, so that plain cargo test and cargo nextest run call it:\n  \
    [target.x86_64-unknown-linux-gnu]\n  \
    runner = [\"cowherd\", \"cargo-runner\"]\n\n\
    Programs for cargo run are executed as they stand.")]
pub(in super::super) struct CargoRunner {
    /// How many words of the command are another runner, which is executed in the container.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(in super::super) words: usize,

    /// The program and its arguments, as Cargo gives them.
    #[arg(
        required = true,
        trailing_var_arg = true,
        allow_hyphen_values = true,
        value_name = "PROGRAM"
    )]
    pub(in super::super) command: Vec<OsString>,
}
