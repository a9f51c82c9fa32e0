//! `cowherd cargo`: Cargo with this program as its target runner.

use std::ffi::{OsStr, OsString};
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Command, ExitCode};

use cowherd::cargo::{RUNNER, Session, runner_variable};
use cowherd::project;
use cowherd::sandbox::{Exit, end_like};
use cowherd::schedule::wait_for_child;

use super::args;
use super::failure::Refusal;

pub(super) fn cargo(args: &args::Cargo) -> anyhow::Result<ExitCode> {
    let scratch = project::open_store()?.scratch()?;
    let mut command = Command::new(program(&args.args));
    command
        .args(&args.args)
        .env(Session::VARIABLE, scratch.path());
    let own = own_path()?;
    for triple in triples(&args.args)? {
        let variable = runner_variable(&triple);
        let theirs = std::env::var(&variable).unwrap_or_default();
        let runner = match theirs.split_whitespace().count() {
            0 => format!("{own} {RUNNER}"),
            words => format!("{own} {RUNNER} --words {words} {theirs}"),
        };
        command.env(variable, runner);
    }
    let status = wait_for_child(&mut command).map_err(|error| no_cargo(&command, &error))?;
    drop(scratch);
    match status.signal() {
        Some(signal) => end_like(Exit::Signal(signal)),
        None => Ok(ExitCode::from(status.code().unwrap_or(101) as u8)),
    }
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

/// The targets whose programs this machine may be asked to run: its own, and those that are named.
fn triples(args: &[OsString]) -> anyhow::Result<Vec<String>> {
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
    let mut named: Vec<String> = std::env::var("CARGO_BUILD_TARGET").into_iter().collect();
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
