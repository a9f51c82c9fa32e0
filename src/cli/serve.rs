//! `cowherd serve`: a pool of containers for other processes.

use std::ffi::OsString;
use std::io;
use std::os::fd::AsFd as _;
use std::path::PathBuf;
use std::process::{Command, ExitCode, ExitStatus};
use std::sync::{Arc, mpsc};

use anyhow::Context as _;
use clap::ColorChoice;
use cowherd::capacity::{self, Limit, Need, Room};
use cowherd::event::Event;
use cowherd::pool::Budget;
use cowherd::pool::client::POOL;
use cowherd::project::open_store;
use cowherd::schedule::{self, Stop};
use cowherd::serve::{Options, Server};
use cowherd::spec;

use super::args;

pub(super) fn serve(args: &args::Serve, color: ColorChoice) -> anyhow::Result<ExitCode> {
    let stop = Stop::new()?;
    let options = Options {
        spec: spec_of(args.spec.file.as_ref())?,
        watches: true,
        told: teller(color),
        ..Options::new(budget(args), stop.clone())
    };
    let socket = match &args.socket {
        Some(socket) => std::path::absolute(socket)?,
        None => default_socket()?,
    };
    let server = Server::bind(&socket, options)?;
    if args.command.is_empty() {
        let _watch = schedule::watch(&stop)?;
        println!("{POOL}={}", socket.display());
        server.run(None)?;
        return Ok(match stop.asked() {
            Some(signal) => ExitCode::from(128 + signal as u8),
            None => ExitCode::SUCCESS,
        });
    }
    for_command(&server, &args.command)
}

/// Serves for as long as a command runs.
fn for_command(server: &Server, command: &[OsString]) -> anyhow::Result<ExitCode> {
    let mut child = Command::new(&command[0]);
    child.args(&command[1..]);
    let status = while_it_runs(server, &mut child)?;
    let status = status.with_context(|| format!("can't run {}", command[0].display()))?;
    Ok(ExitCode::from(super::shell_code(status)))
}

/// Serves a command, and all that it starts, until it ends; or the error of its start.
pub(super) fn while_it_runs(
    server: &Server,
    command: &mut Command,
) -> anyhow::Result<io::Result<ExitStatus>> {
    let (ended, lifeline) = io::pipe()?;
    command.env(POOL, server.socket());
    std::thread::scope(|scope| {
        let child = scope.spawn(move || {
            let status = schedule::wait_for_child(command);
            drop(lifeline);
            status
        });
        server.run(Some(ended.as_fd()))?;
        Ok(child.join().expect("a wait that doesn't panic"))
    })
}

fn budget(args: &args::Serve) -> Budget {
    let usual = Budget::of_machine();
    let parked = args.parked.map_or(usual.parked, |most| most as usize);
    let Some(containers) = args.containers.map(|most| most as usize) else {
        return Budget { parked, ..usual };
    };
    let budget = Budget {
        containers,
        parked,
        ..usual
    };
    // How much memory they take is measured when there are some.
    let rooms = capacity::rooms(&Need::SERVED, containers).into_iter();
    let rooms = rooms.filter(|room| room.limit != Limit::Memory);
    match rooms.min_by_key(Room::containers) {
        Some(room) if room.containers() < containers => {
            let fit = room.containers().max(1);
            tracing::warn!(
                "--containers {containers}: {fit} at once, as there is no room for more, by {room}; {}",
                room.remedy(containers)
            );
            budget.within(fit)
        }
        _ => budget,
    }
}

/// The spec of requests that name none: the one of this folder, where there is one.
fn spec_of(file: Option<&PathBuf>) -> anyhow::Result<Option<PathBuf>> {
    match file {
        Some(file) => Ok(Some(std::path::absolute(file)?)),
        None => Ok(spec::find(&std::env::current_dir()?).ok()),
    }
}

/// Where clients look first: a folder of this user's own that is gone with the session, else the store.
fn default_socket() -> anyhow::Result<PathBuf> {
    let folder = match std::env::var_os("XDG_RUNTIME_DIR") {
        Some(folder) if !folder.is_empty() => PathBuf::from(folder),
        _ => open_store()?.path().to_owned(),
    };
    Ok(folder.join("cowherd.sock"))
}

/// Tells of builds on standard error, whatever thread they are on.
pub(super) fn teller(color: ColorChoice) -> Arc<dyn Fn(Event) + Send + Sync> {
    let (events, told) = mpsc::channel::<Event>();
    std::thread::spawn(move || {
        let mut report = super::console(color);
        for event in told {
            // A closed standard error must not end a build.
            let _ = report.event(&event);
        }
    });
    Arc::new(move |event| drop(events.send(event)))
}
