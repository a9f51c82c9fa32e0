//! What Cowherd promises, measured: one table. `ci/bench` runs it and describes it.

mod bare;
mod boxed;
mod building;
mod cargo;
mod carry;
mod concurrent;
mod fixture;
mod machine;
mod mariadb;
mod memory;
mod meter;
mod peers;
mod pool;
mod postgres;
mod process;
mod redis;
mod reflink;
mod scheduler;
mod services;
mod small;
mod sqlite;
mod suite;
mod table;
mod thousand;

use std::path::PathBuf;

use clap::Parser;

use fixture::Fixture;
use table::Table;

/// Measures what Cowherd promises, beside other ways to a database for each test.
///
/// bwrap and crun are measured where they are installed, and as root only.
#[derive(Debug, Parser)]
#[command(name = "ci/bench")]
struct Args {
    /// Few rounds: shows that everything works, not how fast it is.
    #[arg(long)]
    quick: bool,

    /// Also measure with a large table.
    #[arg(long)]
    large: bool,

    /// The size of the large table, in MB.
    #[arg(long, value_name = "MB", default_value_t = 1024)]
    size: u32,

    /// Also write the rows to this file.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,

    /// Also write them to this file as a page to look at.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,

    /// Where everything is made; the caller removes it.
    #[arg(long, hide = true)]
    dir: PathBuf,

    /// What `cargo bench` adds to every benchmark's arguments.
    #[arg(long, hide = true)]
    bench: bool,

    /// Only these sections.
    #[arg(value_name = "SECTION", value_parser = SECTIONS.map(|(name, _)| name))]
    only: Vec<String>,
}

type Section = fn(&Fixture, &mut Table) -> anyhow::Result<()>;

/// In the order of the table.
const SECTIONS: [(&str, Section); 20] = [
    ("start", postgres::start),
    ("peers", peers::peers),
    ("cpu", postgres::cpu),
    ("memory", memory::memory),
    ("large", postgres::large),
    ("reflink", reflink::reflink),
    ("pool", pool::pool),
    ("sandbox", small::sandbox),
    ("sqlite", sqlite::sqlite),
    ("layers", small::layers),
    ("build", building::building),
    ("redis", redis::redis),
    ("mariadb", mariadb::mariadb),
    ("services", services::services),
    ("tests", concurrent::tests),
    ("cargo", cargo::cargo_tests),
    ("scheduler", scheduler::scheduler),
    ("suite", suite::suite),
    ("carry", carry::carrying),
    ("thousand", thousand::thousand),
];

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let fixture = Fixture::new(&args.dir, args.quick, args.large.then_some(args.size))?;
    let machine = machine::describe(&fixture)?;
    println!("{machine}\n");
    let mut table = Table::default();
    let mut failed = Vec::new();
    for (name, section) in SECTIONS {
        if !args.only.is_empty() && !args.only.iter().any(|only| only == name) {
            continue;
        }
        eprintln!("measuring: {name}");
        table.section(name);
        // What was measured before took minutes.
        if let Err(error) = section(&fixture, &mut table) {
            eprintln!("{name}: {error:?}");
            table.note(format!("not measured to its end: {error:#}"));
            failed.push(name);
        }
    }
    println!("{table}");
    if let Some(path) = &args.json {
        std::fs::write(path, table.json(&machine)?)?;
    }
    if let Some(path) = &args.html {
        std::fs::write(path, table.page(&machine))?;
    }
    anyhow::ensure!(
        failed.is_empty(),
        "not measured to the end: {}",
        failed.join(", ")
    );
    Ok(())
}
