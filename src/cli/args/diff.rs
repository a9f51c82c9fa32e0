//! Arguments of `cowherd diff`.

use super::SpecFile;

/// Shows what differs between two snapshots.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    cowherd diff shop shop-big               schema and rows\n  \
    cowherd diff shop shop-big --stat        in numbers only\n  \
    cowherd diff 1f0a93bc                    what the test did whose state was kept by this name\n  \
    cowherd diff shop shop-big --rows --table orders --limit all\n  \
    cowherd diff shop shop-big --json | jq 'select(.event == \"row\")'\n  \
    cowherd diff shop 3f2a                   what a test changed whose state was kept\n  \
    cowherd diff schema shop --exit-code > /dev/null || echo they differ\n\n\
    Snapshots are built as far as the store lacks them. A row is known again by its primary key; in a table \
    without one, whole rows are compared. Values are compared as the database writes them. Owners, rights \
    and comments are not compared.\n\
    With + is what only B has, with - what only A has, with ~ what differs.\n\
    Exit codes: 0, also when they differ, unless --exit-code is given.")]
#[allow(clippy::struct_excessive_bools)]
pub(in super::super) struct Diff {
    #[command(flatten)]
    pub(in super::super) spec: SpecFile,

    /// Compare the rows of the tables. Without --files, --schema and --rows: schema and rows.
    #[arg(long)]
    pub(in super::super) rows: bool,

    /// Compare the schemas: tables, columns, constraints, indexes, views, routines and the like.
    #[arg(long)]
    pub(in super::super) schema: bool,

    /// Compare the files of the databases.
    #[arg(long)]
    pub(in super::super) files: bool,

    /// Only the rows of this table, by its name with or without its schema; can be given several times.
    #[arg(long, value_name = "TABLE", conflicts_with_all = ["schema", "files"])]
    pub(in super::super) table: Vec<String>,

    /// How many rows of a table are shown, or all; by default 20, and all with --json.
    #[arg(long, value_name = "N", value_parser = limit)]
    pub(in super::super) limit: Option<Limit>,

    /// Show numbers only.
    #[arg(long, conflicts_with = "json")]
    pub(in super::super) stat: bool,

    /// Print JSON lines: an object for each difference, as it is found.
    #[arg(long)]
    pub(in super::super) json: bool,

    /// Exit with code 1 when they differ.
    #[arg(long)]
    pub(in super::super) exit_code: bool,

    /// The snapshot that is compared with, or a state that was kept.
    #[arg(value_name = "A")]
    pub(in super::super) before: String,

    /// The snapshot that is compared, or a state that was kept; a kept state alone is compared with what its test
    /// started from.
    #[arg(value_name = "B")]
    pub(in super::super) after: Option<String>,
}

/// How many rows of a table are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Limit {
    /// So many at most.
    Rows(usize),
    /// All.
    All,
}

fn limit(text: &str) -> Result<Limit, String> {
    match text {
        "all" => Ok(Limit::All),
        text => match text.parse() {
            Ok(rows) => Ok(Limit::Rows(rows)),
            Err(_) => Err("write a number of rows, or all".to_owned()),
        },
    }
}
