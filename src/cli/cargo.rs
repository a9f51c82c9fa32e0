//! `cowherd cargo`: Cargo with this program as its target runner.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Command, ExitCode, ExitStatus};

use clap::ColorChoice;
use cowherd::cargo::{CARGO, CargoConfig, RUNNER, cargo_home, runner_variable};
use cowherd::pool::Budget;
use cowherd::pool::client::POOL;
use cowherd::project::open_store;
use cowherd::sandbox::{Exit, end_like};
use cowherd::schedule::{self, Stop};
use cowherd::serve::{Options, Server};

use super::args;
use super::failure::Refusal;
use super::serve::{teller, while_it_runs};

pub(super) fn cargo(args: &args::Cargo, color: ColorChoice) -> anyhow::Result<ExitCode> {
    let mut command = Command::new(program(&args.args));
    command.args(&args.args);
    for (variable, runner) in runners(&args.args)? {
        command.env(variable, runner);
    }
    let status = match std::env::var_os(POOL) {
        // Somebody keeps containers warm from run to run.
        Some(_) => schedule::wait_for_child(&mut command),
        None => with_a_pool(&mut command, color)?,
    };
    let status = status.map_err(|error| no_cargo(&command, &error))?;
    match status.signal() {
        Some(signal) => end_like(Exit::Signal(signal)),
        None => Ok(ExitCode::from(status.code().unwrap_or(101) as u8)),
    }
}

/// Serves the tests of this run, each of which is a process of its own, or asked for by one.
fn with_a_pool(
    command: &mut Command,
    color: ColorChoice,
) -> anyhow::Result<io::Result<ExitStatus>> {
    let scratch = open_store()?.scratch()?;
    let options = Options {
        told: teller(color),
        ..Options::new(Budget::of_machine(), Stop::new()?)
    };
    let server = Server::bind(&scratch.path().join("pool"), options)?;
    command.env(CARGO, "1");
    while_it_runs(&server, command)
}

/// The Cargo that is meant: where one calls this program, that one, unless another toolchain is asked for, which
/// only rustup's proxy understands.
fn program(args: &[OsString]) -> OsString {
    let toolchain = args
        .first()
        .is_some_and(|arg| arg.as_encoded_bytes().starts_with(b"+"));
    let callers = std::env::var_os("CARGO").filter(|_| !toolchain);
    callers.unwrap_or_else(|| "cargo".into())
}

/// This program's path as a word of a runner: Cargo splits the variable at spaces.
fn own_path() -> anyhow::Result<String> {
    let own = std::env::current_exe()?;
    match own.to_str() {
        Some(text) if !text.contains(char::is_whitespace) => Ok(text.to_owned()),
        // While this process lives, the kernel has another name for it.
        _ => Ok(format!("/proc/{}/exe", std::process::id())),
    }
}

/// The variables that make this program the runner, with their values. A runner of the user's own is executed by
/// it.
fn runners(args: &[OsString]) -> anyhow::Result<Vec<(String, String)>> {
    let own = own_path()?;
    let home = cargo_home(|name| std::env::var_os(name));
    let config = CargoConfig::read(&std::env::current_dir()?, home.as_deref())?;
    for other in &config.conditional {
        tracing::warn!(
            "the runner `{}` is not used, as Cargo takes one for a target before one for a condition: to keep it, \
             name the target in place of `{}` in {}",
            other.runner,
            other.condition,
            other.file.display()
        );
    }
    let mut runners = Vec::new();
    for triple in triples(args, config.targets)? {
        let variable = runner_variable(&triple);
        let theirs = match std::env::var(&variable) {
            Ok(value) => value.split_whitespace().map(str::to_owned).collect(),
            Err(_) => config.runners.get(&triple).cloned().unwrap_or_default(),
        };
        if let Some(word) = theirs
            .iter()
            .find(|word| word.contains(char::is_whitespace))
        {
            return Err(Refusal {
                code: 97,
                message: format!("can't execute the runner of {triple}: there is a space in `{word}`"),
                hint: "Cargo splits the variable that names a runner at spaces: give the program a path without one"
                    .to_owned(),
            }
            .into());
        }
        // One of this program's own is that already.
        let is_own = theirs.iter().any(|word| word == RUNNER);
        let value = match theirs.len() {
            _ if is_own => theirs.join(" "),
            0 => format!("{own} {RUNNER}"),
            words => format!("{own} {RUNNER} --words {words} {}", theirs.join(" ")),
        };
        runners.push((variable, value));
    }
    Ok(runners)
}

/// The targets whose programs this machine may be asked to run: its own, and those that are named.
fn triples(args: &[OsString], configured: Vec<String>) -> anyhow::Result<Vec<String>> {
    let mut command = Command::new(program(args));
    let toolchain = args
        .first()
        .filter(|arg| arg.as_encoded_bytes().starts_with(b"+"));
    command.args(toolchain).arg("-vV");
    let output = command
        .output()
        .map_err(|error| no_cargo(&command, &error))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    let host = host.ok_or_else(|| Refusal {
        code: 97,
        message: "can't find out what this machine is called: `cargo -vV` names no host".to_owned(),
        hint: format!(
            "does `cargo -vV` work here? It says: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        ),
    })?;
    let mut triples = vec![host.to_owned()];
    let mut named = configured;
    named.extend(std::env::var("CARGO_BUILD_TARGET"));
    let mut words = args.iter().map_while(|arg| arg.to_str());
    while let Some(word) = words.next().filter(|word| *word != "--") {
        match word.strip_prefix("--target") {
            Some("") => named.extend(words.next().map(str::to_owned)),
            Some(value) => named.extend(value.strip_prefix('=').map(str::to_owned)),
            None => {}
        }
    }
    for target in named {
        // One of the user's own is named by its file.
        let file = Path::new(&target);
        let name = match (file.extension(), file.file_stem().and_then(OsStr::to_str)) {
            (Some(extension), Some(name)) if extension == "json" => name.to_owned(),
            _ => target,
        };
        if name != "host-tuple" && !triples.contains(&name) {
            triples.push(name);
        }
    }
    Ok(triples)
}

fn no_cargo(command: &Command, error: &std::io::Error) -> anyhow::Error {
    Refusal {
        code: 127,
        message: format!(
            "can't execute `{}`: {error}",
            command.get_program().display()
        ),
        hint: "is Cargo installed, and in PATH? See https://rustup.rs".to_owned(),
    }
    .into()
}
