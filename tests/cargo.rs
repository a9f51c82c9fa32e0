//! `cowherd cargo`: the tests of Rust packages, each in a container of its own.

mod doctests;
mod faults;
mod frame;
mod isolation;
mod looks;
mod nextest;
mod signals;

use std::process::Command;

use crate::support::{Finished, Project, Started, like};

/// A project on SQLite with a package whose tests get the snapshot `shop`, and nothing else yet.
fn package() -> Project {
    let project = Project::new(
        "\
version: 1
snapshots:
  shop: { engine: sqlite, database: shop, steps: [ { sql: seed.sql } ] }
",
    )
    .file(
        "seed.sql",
        "CREATE TABLE t (x integer); INSERT INTO t VALUES (1);",
    )
    .file(
        "Cargo.toml",
        "\
[package]
name = \"goods\"
version = \"0.1.0\"
edition = \"2024\"

[package.metadata.cowherd]
snapshot = \"shop\"

[[test]]
name = \"bare\"
path = \"bare.rs\"
harness = false
test = false

[profile.dev]
debug = 0

[workspace]
",
    )
    .file("bare.rs", "fn main() {}")
    .file("src/lib.rs", "");
    let target = project.folder().join("target");
    // Its own, as Cargo says so where it has to wait for another one.
    let home = project.folder().with_file_name("cargo-home");
    project
        .env("CARGO_TARGET_DIR", target.to_str().expect("text"))
        .env("CARGO_HOME", home.to_str().expect("text"))
        .env("CARGO_TERM_COLOR", "never")
        .env("CARGO_TERM_PROGRESS_WHEN", "never")
        .env("CARGO_NET_OFFLINE", "true")
        .env("RUST_BACKTRACE", "0")
        .env("COWHERD_LOG", "warn")
}

/// What Cargo does in this project without Cowherd.
fn plain(project: &Project, args: &[&str]) -> Finished {
    let own = project.command(args);
    let mut command = like(&own, cargo_program());
    command.args(args);
    Started::new(command).wait()
}

fn cargo_program() -> std::ffi::OsString {
    std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}

/// The program with `cargo` and these arguments.
fn cowherd(project: &Project, args: &[&str]) -> Finished {
    project.run(&[&["cargo"], args].concat())
}

/// The package is built, and so is its snapshot: what follows says only what the tests do.
fn built(project: Project) -> Project {
    plain(&project, &["test", "--no-run"]).code(0);
    plain(&project, &["test", "--no-run", "--test", "bare"]).code(0);
    project.run(&["build"]).code(0);
    project
}

/// The text with `#` for what differs from run to run, without what is said once in each process, and without the
/// runner.
fn without_times(text: &str) -> String {
    let runner = format!("{} cargo-runner ", env!("CARGO_BIN_EXE_cowherd"));
    let mut lines = String::new();
    for line in text.replace(&runner, "").lines() {
        if line.starts_with("note: run with `RUST_BACKTRACE=1`") {
            continue;
        }
        let mut line = line.to_owned();
        for (before, after) in [
            ("finished in ", "s"),
            ("all doctests ran in ", "s"),
            ("compilation took ", "s"),
            ("target(s) in ", "s"),
            (" (", ") panicked at"),
            ("rustdoctest", "/"),
        ] {
            if let Some(start) = line.find(before).map(|at| at + before.len())
                && let Some(length) = line[start..].find(after)
            {
                line.replace_range(start..start + length, "#");
            }
        }
        lines += &line;
        lines.push('\n');
    }
    lines
}

/// The name of this machine's kind, as Cargo has it.
fn host() -> String {
    let output = Command::new(cargo_program())
        .arg("-vV")
        .output()
        .expect("cargo");
    let text = String::from_utf8(output.stdout).expect("text");
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    host.expect("a host").to_owned()
}

/// The project with the program as Cargo's runner, whoever starts Cargo.
fn with_runner(project: Project) -> Project {
    let runner = format!("{} cargo-runner", env!("CARGO_BIN_EXE_cowherd"));
    project.env(&::cowherd::cargo::runner_variable(&host()), &runner)
}
