//! Arguments of what looks at the store, and tidies it.

use std::path::PathBuf;
use std::time::Duration;

use cowherd::loop_store;

use super::{SpecFile, duration, size};

/// Lists snapshots.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    cowherd list\n  \
    cowherd list --json | jq -r '.snapshots[] | select(.built) | .name'\n\n\
    First come the snapshots of cowherd.yaml, where there is one, then those of other specs in the same \
    store. OWN SIZE is what a snapshot adds to the listed one that it lies on; snapshots share the layers \
    that they have in common.")]
pub(in super::super) struct List {
    #[command(flatten)]
    pub(in super::super) spec: SpecFile,

    /// Print JSON: an object with version 1 and a list of snapshots.
    #[arg(long)]
    pub(in super::super) json: bool,
}

/// Shows the steps of a snapshot.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    cowherd inspect                          the only snapshot of cowherd.yaml\n  \
    cowherd inspect shop                     why is it built anew? the first missing step tells\n\n\
    A step's key is made of the engine's version, the steps before it and every file that it reads; when \
    it changes, the step and all that follow are built again. Below stand what the snapshot lies on and what \
    lies on it, with what each adds.")]
pub(in super::super) struct Inspect {
    #[command(flatten)]
    pub(in super::super) spec: SpecFile,

    /// Print JSON: an object with version 1 and a list of steps.
    #[arg(long)]
    pub(in super::super) json: bool,

    /// The snapshot; not needed when the spec has only one.
    #[arg(value_name = "SNAPSHOT")]
    pub(in super::super) snapshot: Option<String>,
}

/// Removes layers.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    cowherd gc --dry-run                     what would go\n  \
    cowherd gc                               what no snapshot of an existing spec needs\n  \
    cowherd gc --older-than 30d              also what was not used for 30 days\n  \
    cowherd gc --max-size 20G                also the snapshots used longest ago, as far as need be\n\n\
    What a running command uses always stays. What was removed is built again when it is needed.")]
pub(in super::super) struct Gc {
    /// Say what would be removed, and remove nothing.
    #[arg(short = 'n', long)]
    pub(in super::super) dry_run: bool,

    /// Also remove what was not used for so long: 12h, 30d, 8w.
    #[arg(long, value_name = "DURATION", value_parser = duration, conflicts_with = "all")]
    pub(in super::super) older_than: Option<Duration>,

    /// Also remove snapshots, the one used longest ago first, until their layers take at most SIZE: 500M, 20G.
    #[arg(long, value_name = "SIZE", value_parser = size, conflicts_with = "all")]
    pub(in super::super) max_size: Option<u64>,

    /// Remove everything that is not in use at this moment.
    #[arg(long)]
    pub(in super::super) all: bool,
}

/// Checks the store.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    cowherd fsck                             read all, and say what is not as it was sealed\n  \
    cowherd fsck --json | jq '.damage[].path'\n\n\
    What is damaged is moved whole to the folder quarantine of the store, and is built again when it is needed; \
    nothing is repaired. Remove that folder when you have seen it.\n\
    Exit codes: 0 all is as it was sealed, 1 something is damaged.")]
pub(in super::super) struct Fsck {
    /// Print JSON: an object with version 1 and a list of what is damaged.
    #[arg(long)]
    pub(in super::super) json: bool,
}

/// Tells what takes room.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    cowherd df\n  \
    cowherd df --json | jq .reclaimable_bytes\n\n\
    Sizes are what is taken on the disk. OWN is what no other snapshot needs: so much comes free when the \
    snapshot goes.")]
pub(in super::super) struct Df {
    /// Print JSON: an object with version 1, a list of snapshots and the sums.
    #[arg(long)]
    pub(in super::super) json: bool,
}

/// Tells what the store lies on.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    cowherd store                            its file system, and where writable layers lie\n  \
    sudo cowherd store init --size 20G       once, where the file system can't share blocks\n\n\
    The first write to a file copies it, whole, unless the store's file system lets copies share blocks, as XFS, \
    btrfs, bcachefs and ZFS do. With a table of 1 GB that is the difference between a second and some milliseconds.")]
pub(in super::super) struct Store {
    #[command(subcommand)]
    pub(in super::super) command: Option<StoreCommand>,
}

#[derive(Debug, clap::Subcommand)]
pub(in super::super) enum StoreCommand {
    /// Make a store in a file that holds an XFS, so that copies share blocks; as root, once.
    Init(StoreInit),
}

/// Makes a store in a file.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    sudo cowherd store init --size 20G       for who calls sudo\n  \
    sudo env COWHERD_STORE=/srv/cowherd cowherd store init --size 50G --user ci\n\n\
    The file takes only what is used of it. It is mounted at the store's place, through a loop device, and belongs to \
    the user, who needs no root from then on. Called again it does what is missing, as after a reboot. It never \
    touches a store that has layers in it. Needs mkfs.xfs, of the package xfsprogs.\n\
    To be rid of it: umount the store's folder, and remove the file.\n\
    Exit codes: 0 the store shares blocks, 2 it has layers in it, 97 this machine lacks something.")]
pub(in super::super) struct StoreInit {
    /// How large it may become: 300M at least.
    #[arg(long, value_name = "SIZE", default_value = "20G", value_parser = image_size)]
    pub(in super::super) size: u64,

    /// Who will use it; by default who calls sudo, else the caller.
    #[arg(long, value_name = "NAME")]
    pub(in super::super) user: Option<String>,

    /// The file; by default the store's own name with .xfs, beside the store.
    #[arg(long, value_name = "FILE")]
    pub(in super::super) image: Option<PathBuf>,
}

fn image_size(text: &str) -> Result<u64, String> {
    let size = size(text)?;
    match size < loop_store::SMALLEST {
        true => Err("an XFS has 300M at least".to_owned()),
        false => Ok(size),
    }
}
