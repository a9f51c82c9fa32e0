//! Arguments of `cowherd commit`.

/// Makes a state that was reached by hand a snapshot.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    cowherd shell -s shop                    in one terminal: change what should be changed\n  \
    cowherd commit 3fa9 by-hand              in another; the shell says the container's name\n  \
    cowherd commit 4c04 broken-order         the state that a failed test left\n  \
    cowherd exec --commit loaded -- ./load.sh   without asking twice\n\n\
    The databases are stopped cleanly, frozen as a build freezes them, and started again: open connections are \
    lost. The snapshot belongs to the store, not to a spec: exec, shell, diff and export take its name. \
    Of the container's name, as much is enough as makes it the only one.")]
pub(in super::super) struct Commit {
    /// Take the name from a snapshot that has it.
    #[arg(long)]
    pub(in super::super) replace: bool,

    /// The container, or the state that was kept.
    #[arg(value_name = "CONTAINER")]
    pub(in super::super) container: String,

    /// The snapshot's name.
    #[arg(value_name = "NAME", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub(in super::super) name: String,
}
