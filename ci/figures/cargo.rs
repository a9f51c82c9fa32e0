//! Many Rust tests that do nothing: what `cowherd cargo` adds to each.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use crate::fixture::Fixture;
use crate::table::{Samples, Table, Target};

const TESTS: usize = 500;

/// A package of tests that use no database, with this in its manifest.
fn package(fixture: &Fixture, name: &str, metadata: &str) -> anyhow::Result<PathBuf> {
    let folder = fixture.dir.join(name);
    fs::create_dir_all(folder.join("src"))?;
    let manifest = format!(
        "[package]\nname = \"{name}\"\nversion = \"0.0.0\"\nedition = \"2024\"\n{metadata}\n[workspace]\n"
    );
    fs::write(folder.join("Cargo.toml"), manifest)?;
    let tests: String = (0..TESTS)
        .map(|number| format!("#[test]\nfn test_{number}() {{}}\n"))
        .collect();
    fs::write(folder.join("src/lib.rs"), tests)?;
    run(&mut cargo(&folder, &["test", "--lib", "--no-run"]))?;
    Ok(folder)
}

fn cargo_program() -> OsString {
    std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}

pub(crate) fn cargo(folder: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(cargo_program());
    command.args(args).current_dir(folder);
    command.env("CARGO_TARGET_DIR", folder.join("target"));
    command
}

fn cowherd(folder: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cowherd"));
    command.arg("cargo").args(args).current_dir(folder);
    command.env("CARGO_TARGET_DIR", folder.join("target"));
    command
}

pub(crate) fn run(command: &mut Command) -> anyhow::Result<()> {
    let output = command
        .env_remove("RUST_TEST_THREADS")
        .stdin(Stdio::null())
        .output()?;
    anyhow::ensure!(
        output.status.success(),
        "{command:?} ended with {}: {}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(())
}

/// The time of each test of a run, in milliseconds.
fn each(samples: &mut Samples, command: &mut Command) -> anyhow::Result<()> {
    let begun = Instant::now();
    run(command)?;
    samples.time(begun.elapsed() / TESTS as u32);
    Ok(())
}

/// `cowherd cargo test` and `cowherd cargo nextest run` against nextest alone.
pub(crate) fn cargo_tests(fixture: &Fixture, table: &mut Table) -> anyhow::Result<()> {
    table.head(format!("{TESTS} Rust tests that do nothing, for each"));
    let nextest = Command::new(cargo_program())
        .args(["nextest", "--version"])
        .output()?;
    if !nextest.status.success() {
        table.note("not measured: no nextest");
        return Ok(());
    }
    let plain = package(fixture, "untouched", "")?;
    let lite = format!(
        "[package.metadata.cowherd]\nsnapshot = \"lite\"\nfile = '{}'\n",
        fixture.spec.display()
    );
    let served = package(fixture, "served", &lite)?;
    let [mut bare, mut untouched, mut tests, mut nextests] = [const { Samples(Vec::new()) }; 4];
    for _ in 0..fixture.rounds(7) {
        each(&mut bare, &mut cargo(&plain, &["nextest", "run"]))?;
        each(&mut untouched, &mut cowherd(&plain, &["nextest", "run"]))?;
        each(&mut tests, &mut cowherd(&served, &["test", "--lib"]))?;
        each(&mut nextests, &mut cowherd(&served, &["nextest", "run"]))?;
    }
    let over = || Some(Target::More(bare.clone(), 2.0));
    table.peer("cargo nextest run", "ms", &bare, None);
    table.row(
        "cowherd cargo nextest run, a package without a snapshot",
        "ms",
        &untouched,
        over(),
    );
    table.row(
        "cowherd cargo test, a SQLite container each",
        "ms",
        &tests,
        over(),
    );
    table.row(
        "cowherd cargo nextest run, a SQLite container each",
        "ms",
        &nextests,
        None,
    );
    Ok(())
}
