//! Arguments of what carries snapshots to other machines.

use std::path::PathBuf;

use super::SpecFile;

/// Writes a snapshot to a file.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    cowherd export shop shop.tar             all that another machine needs of it\n  \
    cowherd export shop-big big.tar --since shop\n  \
    cowherd export shop - | ssh other cowherd import -\n\n\
    The file is an OCI image layout in a tar; the same snapshot always gives the same bytes. What is missing \
    of the snapshot is built first.\n\
    Exit codes: 0 it is written, 101 the snapshot could not be built or read.")]
pub(in super::super) struct Export {
    #[command(flatten)]
    pub(in super::super) spec: SpecFile,

    /// Leave out what this snapshot has too: the other side has it already.
    #[arg(long, value_name = "SNAPSHOT")]
    pub(in super::super) since: Option<String>,

    /// The snapshot: one of the spec, or one that was imported.
    #[arg(value_name = "SNAPSHOT")]
    pub(in super::super) snapshot: String,

    /// The file to write, or - for standard output.
    #[arg(value_name = "FILE")]
    pub(in super::super) archive: PathBuf,
}

/// Takes over a snapshot from a file.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    cowherd import shop.tar                  a spec with the same steps finds them built\n  \
    cowherd import shop.tar --name old-shop  and without a spec:\n  \
    cowherd exec -s old-shop -- psql\n\n\
    The file may come from anywhere: sizes, digests and structure are checked before anything is kept. What \
    the database does when it is run is not: import what you would run. An imported snapshot stays until \
    cowherd gc --all, or --older-than.\n\
    Exit codes: 0 it is here, 97 this machine lacks something, 101 the file can't be used.")]
pub(in super::super) struct Import {
    /// The name that the snapshot gets here; by default the one that it had there.
    #[arg(long, value_name = "NAME")]
    pub(in super::super) name: Option<String>,

    /// The file, or - for standard input.
    #[arg(value_name = "FILE")]
    pub(in super::super) archive: PathBuf,
}
