//! The command line: one file for each subcommand, over the library's public items alone.

mod args;
mod build;
mod cargo;
mod cargo_runner;
mod commit;
mod completions;
mod df;
mod diff;
mod doctor;
mod enter;
mod exec;
mod export;
mod failure;
mod fsck;
mod gc;
mod import;
mod init;
mod inspect;
mod inspect_stored;
mod kept;
mod lineage;
mod list;
mod log;
mod man;
mod meant;
mod output;
mod redis_client;
mod run;
mod serve;
mod shell;
mod sqlite_client;
mod store;

use std::io::IsTerminal;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{ExitCode, ExitStatus};

use clap::{ColorChoice, CommandFactory as _, FromArgMatches as _};
use cowherd::report::{self, Console, Report, When};

use args::{Args, Subcommand};

/// Parses the command line, does what it says, and says how it went by the exit code.
pub(crate) fn main() -> ExitCode {
    if let Some(error) = cargo_runner::untouched() {
        return failure::report(&error);
    }
    if let Some(call) = cargo_runner::doctest() {
        log::log(0);
        let done = cargo_runner::run(&call, ColorChoice::Auto);
        return done.unwrap_or_else(|error| failure::report(&error));
    }
    let asked = Args::command().color(asked_color()).get_matches();
    let args = Args::from_arg_matches(&asked).unwrap_or_else(|error| error.exit());
    choose(args.color);
    log::log(args.verbose);
    let done = match args.command {
        Subcommand::Init(init) => init::init(&init),
        Subcommand::Run(run) => run::run(&run, args.color),
        Subcommand::Build(build) => build::build(&build, args.color),
        Subcommand::Exec(exec) => exec::exec(&exec, args.color),
        Subcommand::Shell(shell) => shell::shell(&shell, args.color),
        Subcommand::Enter(enter) => enter::enter(&enter),
        Subcommand::Commit(commit) => commit::commit(&commit),
        Subcommand::Kept(kept) => kept::kept(&kept),
        Subcommand::Drop(drop) => kept::drop(&drop),
        Subcommand::Cargo(cargo) => cargo::cargo(&cargo, args.color),
        Subcommand::CargoRunner(runner) => cargo_runner::cargo_runner(&runner, args.color),
        Subcommand::Serve(serve) => serve::serve(&serve, args.color),
        Subcommand::List(list) => list::list(&list),
        Subcommand::Inspect(inspect) => inspect::inspect(&inspect),
        Subcommand::Export(export) => export::export(&export, args.color),
        Subcommand::Import(import) => import::import(&import),
        Subcommand::Diff(diff) => diff::diff(&diff, args.color),
        Subcommand::Gc(gc) => gc::gc(&gc),
        Subcommand::Fsck(fsck) => fsck::fsck(&fsck),
        Subcommand::Df(df) => df::df(&df),
        Subcommand::Store(store) => store::store(&store),
        Subcommand::Doctor(doctor) => doctor::doctor(&doctor),
        Subcommand::Completions(completions) => completions::completions(&completions),
        Subcommand::Man(man) => man::man(&man),
        Subcommand::SqliteClient(client) => sqlite_client::sqlite_client(&client),
        Subcommand::RedisClient(client) => redis_client::redis_client(&client),
    };
    done.unwrap_or_else(|error| failure::report(&error))
}

/// What `--color` says, for errors in the rest of the command line.
fn asked_color() -> ColorChoice {
    let mut args = std::env::args_os().take_while(|arg| arg != "--");
    let mut asked = ColorChoice::Auto;
    while let Some(arg) = args.next() {
        let value = match arg.to_str() {
            Some("--color") => args.next().and_then(|value| value.into_string().ok()),
            Some(arg) => arg.strip_prefix("--color=").map(str::to_owned),
            None => None,
        };
        if let Some(choice) = value.and_then(|value| value.parse().ok()) {
            asked = choice;
        }
    }
    asked
}

/// Makes `--color` hold for errors and log lines too.
fn choose(color: ColorChoice) {
    match color {
        ColorChoice::Auto => anstream::ColorChoice::Auto,
        ColorChoice::Always => anstream::ColorChoice::Always,
        ColorChoice::Never => anstream::ColorChoice::Never,
    }
    .write_global();
}

/// How a command ended, as a shell shows it.
fn shell_code(status: ExitStatus) -> u8 {
    let code = status.code();
    code.unwrap_or_else(|| 128 + status.signal().unwrap_or_default()) as u8
}

/// The report on standard error: live on a terminal, plain lines elsewhere.
fn console(color: ColorChoice) -> Box<dyn Report> {
    let color = match color {
        ColorChoice::Auto => When::Auto,
        ColorChoice::Always => When::Always,
        ColorChoice::Never => When::Never,
    };
    let choice = Console {
        color,
        progress: When::Auto,
    };
    report::console(choice, std::io::stderr().is_terminal(), |name| {
        std::env::var_os(name)
    })
}
