//! `cowherd completions`: what a shell needs to complete the command line.

use std::process::ExitCode;

use clap::CommandFactory as _;

use super::args;
use super::output::say;

pub(super) fn completions(args: &args::Completions) -> anyhow::Result<ExitCode> {
    let mut script = Vec::new();
    clap_complete::generate(
        args.shell,
        &mut args::Args::command(),
        "cowherd",
        &mut script,
    );
    say(&String::from_utf8_lossy(&script))?;
    Ok(ExitCode::SUCCESS)
}
