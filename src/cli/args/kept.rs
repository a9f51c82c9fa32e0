//! Arguments of what deals with states that were kept.

use std::ffi::OsString;

/// Goes into a kept state.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    cowherd enter 3f2a                       the database's own client, where the test left it\n  \
    cowherd enter 3f2a -- bash               a shell, with the test's variables\n  \
    cowherd enter 3f2a --output              what the test printed\n\n\
    It is a copy each time: what is changed is gone at the end. Of the name, as much is enough as makes it \
    the only one. Exit codes: those of the client or the command.")]
pub(in super::super) struct Enter {
    /// The state: cowherd run names it, and cowherd kept.
    #[arg(value_name = "ID")]
    pub(in super::super) id: String,

    /// The service whose client is opened; the first when absent.
    #[arg(long, value_name = "SERVICE", conflicts_with_all = ["command", "output", "logs"])]
    pub(in super::super) service: Option<String>,

    /// Print what the test printed, and go nowhere.
    #[arg(long, conflicts_with = "command")]
    pub(in super::super) output: bool,

    /// Print the end of what its services logged, and go nowhere.
    #[arg(long, conflicts_with_all = ["command", "output"])]
    pub(in super::super) logs: bool,

    /// A command to run in place of the client.
    #[arg(last = true, value_name = "CMD")]
    pub(in super::super) command: Vec<OsString>,
}

/// Lists kept states.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    cowherd kept\n  \
    cowherd kept --json | jq -r '.kept[].id'")]
pub(in super::super) struct Kept {
    /// Print JSON: an object with version 1 and a list of states.
    #[arg(long)]
    pub(in super::super) json: bool,
}

/// Drops kept states.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    cowherd drop 3f2a\n  \
    cowherd drop --all")]
pub(in super::super) struct Drop {
    /// The states.
    #[arg(value_name = "ID", required_unless_present = "all")]
    pub(in super::super) ids: Vec<String>,

    /// Drop all of them.
    #[arg(long, conflicts_with = "ids")]
    pub(in super::super) all: bool,
}
