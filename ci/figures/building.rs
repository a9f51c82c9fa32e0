//! `cowherd build` when there is nothing to do, and when the last of many migrations has changed.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use cowherd::project::Project;

use crate::bare::{self, Bare};
use crate::cargo::run;
use crate::fixture::{Fixture, build};
use crate::suite::migration;
use crate::table::{Samples, Table, Target};

const MIGRATIONS: usize = 60;

/// Rows of the seed: some 10 MB of SQL.
const ROWS: usize = 100_000;

const SPEC: &str = "version: 1
snapshots:
  built:
    engine: postgres
    database: built
    steps: [ { sql: seed.sql }, { migrate: { tool: sqlx, dir: migrations } } ]
";

pub(crate) fn building(fixture: &Fixture, table: &mut Table) -> anyhow::Result<()> {
    let folder = fixture.dir.join("building");
    project(&folder)?;
    let spec = folder.join("cowherd.yaml");
    let opened = Project::open(Some(&spec))?;
    let state = build(&opened, &["built"])?.remove(0);
    let mut command = Command::new(env!("CARGO_BIN_EXE_cowherd"));
    command.arg("build").current_dir(&folder);
    let [mut nothing, mut last, mut by_hand, mut by_tools] = [const { Samples(Vec::new()) }; 4];
    for _ in 0..fixture.rounds(50) {
        let begun = Instant::now();
        run(&mut command)?;
        nothing.time(begun.elapsed());
    }
    let data = fixture.dir.join("by-hand");
    bare::flatten(fixture, &state, &data)?;
    for round in 0..fixture.rounds(20) {
        let change = format!("CREATE TABLE changed_{round} (x int);");
        fs::write(last_migration(&folder), &change)?;
        let begun = Instant::now();
        run(&mut command)?;
        last.time(begun.elapsed());
        let begun = Instant::now();
        let server = Bare::start(fixture, &state, &data, &[])?;
        server.connect("built")?.batch_execute(&change)?;
        server.shut_down()?;
        by_hand.time(begun.elapsed());
        let change = format!("CREATE TABLE by_tools_{round} (x int);");
        by_tools.time(bare::by_tools(fixture, &state, &data, "built", &change)?);
    }
    table.head(format!(
        "`cowherd build`, of PostgreSQL with {MIGRATIONS} migrations on a seed of 10 MB"
    ));
    table.row(
        "nothing has changed",
        "ms",
        &nothing,
        Some(Target::AtMost(50.0)),
    );
    table.peer(
        "a bare server started, that migration, a fast shutdown",
        "ms",
        &by_hand,
        None,
    );
    table.peer(
        "pg_ctl start, that migration by psql, pg_ctl stop",
        "ms",
        &by_tools,
        None,
    );
    table.row(
        "the last migration has changed",
        "ms",
        &last,
        Some(Target::Times(by_tools, Some(1.0))),
    );
    cowherd::disk::remove_tree(&data)?;
    Ok(())
}

fn project(folder: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(folder.join("migrations"))?;
    fs::write(folder.join("cowherd.yaml"), SPEC)?;
    let mut seed =
        "CREATE TABLE seeded (id bigint PRIMARY KEY, text text);\nCOPY seeded FROM stdin;\n"
            .to_owned();
    seed.extend((0..ROWS).map(|row| format!("{row}\t{}\n", "text ".repeat(19))));
    seed.push_str("\\.\n");
    fs::write(folder.join("seed.sql"), seed)?;
    for number in 0..MIGRATIONS - 1 {
        let name = format!("migrations/{:04}_change.sql", number + 1);
        fs::write(folder.join(name), migration(number))?;
    }
    Ok(fs::write(
        last_migration(folder),
        "CREATE TABLE last (x int);",
    )?)
}

fn last_migration(folder: &Path) -> std::path::PathBuf {
    folder.join(format!("migrations/{MIGRATIONS:04}_last.sql"))
}
