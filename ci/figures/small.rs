//! What needs no server: the sandbox alone, the depth of a chain.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::Context as _;
use cowherd::container::State;
use cowherd::sandbox::{self, Overlay, RUN, Sandbox, Upper};

use crate::fixture::Fixture;
use crate::table::{Samples, Table, Target};

pub(crate) const PROGRAM: &str = "/bin/true";

/// Runs a program in the usual way.
pub(crate) fn bare_program(program: &mut Command) -> anyhow::Result<()> {
    let status = program
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()?;
    anyhow::ensure!(status.success(), "{program:?} ended with {status}");
    Ok(())
}

/// Everything that a container is but for a server.
fn description(fixture: &Fixture) -> anyhow::Result<Sandbox> {
    let host = fixture.project.on();
    let mut sandbox = Sandbox::new(host.identity);
    sandbox.project(&host.project, false);
    sandbox.program(std::env::current_exe()?, "cowherd");
    let data = Path::new(RUN).join("db");
    sandbox.folder(&data);
    let layers = fixture.lite.layers.iter();
    sandbox.overlay(Overlay {
        name: "db".to_owned(),
        target: data.join("data"),
        from: fixture.lite.layers_folder.clone(),
        lower: layers
            .filter_map(|layer| layer.lower("db").map(Into::into))
            .collect(),
        copied: Vec::new(),
        upper: Upper::Scratch,
        mode: 0o700,
    });
    Ok(sandbox)
}

/// A sandbox and a program in it against the program alone.
pub(crate) fn sandbox(fixture: &Fixture, table: &mut Table) -> anyhow::Result<()> {
    let [mut bare, mut ours, mut started, mut gone] = [const { Samples(Vec::new()) }; 4];
    let null = std::fs::File::options()
        .read(true)
        .write(true)
        .open("/dev/null")?;
    let command = sandbox::Command::new(PROGRAM);
    for _ in 0..fixture.rounds(300) {
        let begun = Instant::now();
        bare_program(&mut Command::new(PROGRAM))?;
        bare.time(begun.elapsed());
        let begun = Instant::now();
        let mut running = description(fixture)?.start()?;
        started.time(begun.elapsed());
        let slot = running.spawn(&command, [&null, &null, &null])?;
        let exit = running.wait(slot, None, None)?;
        ours.time(begun.elapsed());
        anyhow::ensure!(exit.success(), "{PROGRAM} ended with {exit:?}");
        let ending = Instant::now();
        drop(running);
        gone.time(ending.elapsed());
    }
    table.head("The sandbox: six namespaces, read-only root, /proc, /dev, tmpfs, two overlays, lo");
    table.peer(
        format!("fork and exec of {PROGRAM}, to its end"),
        "ms",
        &bare,
        None,
    );
    table.row(
        format!("sandbox and exec of {PROGRAM}, to its end"),
        "ms",
        &ours,
        Some(Target::More(bare, 1.0)),
    );
    table.promise(5, "sandbox, against a bare fork and exec");
    table.row("of that, until the sandbox stands", "ms", &started, None);
    table.row("sandbox taken down", "ms", &gone, None);
    Ok(())
}

/// Times a container of a state until it is ready.
pub(crate) fn container(
    fixture: &Fixture,
    state: &State,
    ready: &mut Samples,
    gone: &mut Samples,
) -> anyhow::Result<()> {
    let begun = Instant::now();
    let live = fixture.container(state)?;
    ready.time(begun.elapsed());
    let ending = Instant::now();
    drop(live);
    gone.time(ending.elapsed());
    Ok(())
}

/// A chain of ten layers costs hardly more than one of one.
pub(crate) fn layers(fixture: &Fixture, table: &mut Table) -> anyhow::Result<()> {
    let mut ready = vec![Samples::default(); fixture.deep.len()];
    for _ in 0..fixture.rounds(200) {
        for (state, samples) in fixture.deep.iter().zip(&mut ready) {
            container(fixture, state, samples, &mut Samples::default())?;
        }
    }
    table.head("Depth of a chain: SQLite containers ready");
    let first = ready.first().context("a chain")?.clone();
    for (state, samples) in fixture.deep.iter().zip(&ready) {
        let depth = state.layers.len();
        let target = (samples.0 != first.0).then(|| Target::More(first.clone(), 1.0));
        table.row(format!("{depth} layers"), "ms", samples, target);
    }
    table.promise(4, "ten layers, against one");
    Ok(())
}
