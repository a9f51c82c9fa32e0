//! SQLite: a container, a copy inside the process, and a copy of the file; many tests through `cowherd run`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Instant;

use anyhow::Context as _;
use cowherd::container::State;
use cowherd::engine::private_copy;
use cowherd::{Cowherd, disk};
use rusqlite::Connection;

use crate::cargo::run;
use crate::concurrent::rate;
use crate::fixture::Fixture;
use crate::small::{PROGRAM, bare_program, container};
use crate::table::{Samples, Table, Target};

/// One row of the database is changed.
const WRITE: &str = "UPDATE filler SET text = 'changed' WHERE rowid = 1000";

pub(crate) fn sqlite(fixture: &Fixture, table: &mut Table) -> anyhow::Result<()> {
    copies(fixture, &fixture.lite, fixture.rounds(200), table)?;
    copies(fixture, &fixture.lite_large, fixture.rounds(40), table)?;
    command(fixture, table)?;
    suite(fixture, table)
}

/// The file of a state that was made in one step.
fn file(state: &State) -> anyhow::Result<PathBuf> {
    let service = state.services[0].place().service();
    let layer = state.layers.first().and_then(|layer| layer.files(service));
    let entries = fs::read_dir(layer.context("a layer with a file")?)?;
    let mut files = entries.map(|entry| Ok(entry?.path()));
    files.next().context("a file")?
}

fn megabytes(state: &State) -> u64 {
    state.largest_file() / 1_000_000
}

/// Each way to have the database for oneself.
fn copies(
    fixture: &Fixture,
    state: &Arc<State>,
    rounds: usize,
    table: &mut Table,
) -> anyhow::Result<()> {
    let [
        mut copied,
        mut copied_written,
        mut ready,
        mut gone,
        mut inside,
        mut inside_written,
    ] = [const { Samples(Vec::new()) }; 6];
    let memory = fixture.peers_folder(state)?;
    let frozen = file(state)?;
    let library = Cowherd::open_in(&fixture.spec, fixture.project.store().path())?;
    let snapshot = library.snapshot(&state.snapshot)?;
    for _ in 0..rounds {
        let begun = Instant::now();
        let copy = private_copy(&frozen, memory.path())?;
        copied.time(begun.elapsed());
        Connection::open(&copy)?.execute_batch(WRITE)?;
        copied_written.time(begun.elapsed());
        fs::remove_file(copy)?;
    }
    // Each by itself: a large file that was copied just now has filled the processor's caches, and what comes after it
    // pays for that, whatever it is; a copy in the process, of less than 0.1 ms, for a container too.
    for _ in 0..rounds {
        container(fixture, state, &mut ready, &mut gone)?;
    }
    for _ in 0..rounds {
        let begun = Instant::now();
        let copy = snapshot.sqlite()?;
        inside.time(begun.elapsed());
        copy.execute_batch(WRITE)?;
        inside_written.time(begun.elapsed());
    }
    let size = megabytes(state);
    table.head(format!("SQLite, a file of {size} MB"));
    table.peer("file copied", "ms", &copied, None);
    table.peer(
        "file copied, opened, a row changed",
        "ms",
        &copied_written,
        None,
    );
    table.row("container ready", "ms", &ready, Some(Target::AtMost(2.0)));
    table.promise(5, format!("SQLite container ready, {size} MB"));
    table.row("container dropped", "ms", &gone, None);
    let most = Some(Target::AtMost(0.2));
    table.row(
        "copy in the process: Snapshot::sqlite()",
        "ms",
        &inside,
        most,
    );
    table.promise(5, format!("SQLite copy in the process, {size} MB"));
    let against = Some(Target::Times(copied_written, None));
    table.row(
        "copy in the process, a row changed",
        "ms",
        &inside_written,
        against,
    );
    Ok(())
}

/// `cowherd exec` as a whole command.
fn command(fixture: &Fixture, table: &mut Table) -> anyhow::Result<()> {
    let [mut exec, mut alone] = [const { Samples(Vec::new()) }; 2];
    let mut whole = Command::new(env!("CARGO_BIN_EXE_cowherd"));
    whole.args(["exec", "-s", "lite", "-f"]).arg(&fixture.spec);
    whole.args(["--", PROGRAM]);
    for _ in 0..fixture.rounds(200) {
        let begun = Instant::now();
        bare_program(&mut whole)?;
        exec.time(begun.elapsed());
        let begun = Instant::now();
        bare_program(&mut Command::new(PROGRAM))?;
        alone.time(begun.elapsed());
    }
    table.head("SQLite: `cowherd exec` as a whole command");
    table.peer(format!("{PROGRAM} alone"), "ms", &alone, None);
    let what = format!("cowherd exec -- {PROGRAM}");
    table.row(what, "ms", &exec, Some(Target::AtMost(8.0)));
    table.promise(5, "`cowherd exec` as a whole command, SQLite");
    Ok(())
}

/// `cowherd run` with many tests on the large file, against copying it for each: a command whole, and two threads, as
/// many as tests run at once.
fn suite(fixture: &Fixture, table: &mut Table) -> anyhow::Result<()> {
    const JOBS: usize = 2;
    let count = if fixture.quick { 10 } else { 60 };
    let state = &fixture.lite_large;
    let memory = fixture.peers_folder(state)?;
    let frozen = file(state)?;
    let kinds = [
        ("read a row", "SELECT text FROM filler WHERE rowid = 1000"),
        ("change a row", WRITE),
    ];
    table.head(format!(
        "SQLite: {count} tests on a file of {} MB, {JOBS} at once, each",
        megabytes(state)
    ));
    for (words, sql) in kinds {
        let folder = fixture.dir.join("lite-run").join(words.replace(' ', "-"));
        let spec = tests(fixture, &folder, sql, count)?;
        let mut command = Command::new(env!("CARGO_BIN_EXE_cowherd"));
        command
            .args(["run", "-j", &JOBS.to_string(), "-f"])
            .arg(spec);
        // Built already, under the same keys: this notes that.
        run(&mut command)?;
        let [mut ours, mut copied] = [const { Samples(Vec::new()) }; 2];
        for _ in 0..fixture.rounds(5) {
            let begun = Instant::now();
            run(&mut command)?;
            ours.time(begun.elapsed() / count as u32);
            let worker = || Ok(());
            let work = |(): &mut (), number: usize| {
                let folder = memory.path().join(number.to_string());
                fs::create_dir(&folder)?;
                Connection::open(private_copy(&frozen, &folder)?)?.execute_batch(sql)?;
                Ok(disk::remove_tree(&folder)?)
            };
            copied.0.push(1e3 / rate(count, JOBS, worker, work)?);
        }
        table.peer(
            format!("{words}: the file copied in one process"),
            "ms",
            &copied,
            None,
        );
        let limit = Some(Target::Times(copied, Some(1.0)));
        table.row(
            format!("{words}: cowherd run, the whole command"),
            "ms",
            &ours,
            limit,
        );
    }
    Ok(())
}

/// A spec with as many tests, on a snapshot with the same steps as the fixture's.
fn tests(fixture: &Fixture, folder: &Path, sql: &str, count: usize) -> anyhow::Result<PathBuf> {
    fs::create_dir_all(folder.join("checks"))?;
    let seed = fixture.spec.with_file_name("lite-large.sql");
    fs::copy(seed, folder.join("lite-large.sql"))?;
    for number in 0..count {
        fs::write(
            folder.join(format!("checks/{number:03}.sql")),
            format!("{sql};\n"),
        )?;
    }
    let spec = folder.join("cowherd.yaml");
    fs::write(
        &spec,
        "version: 1
snapshots:
  lite-large: { engine: sqlite, database: lite, steps: [ { sql: lite-large.sql } ] }
tests:
  - { name: checks, snapshot: lite-large, each: checks/*.sql }
",
    )?;
    Ok(spec)
}
