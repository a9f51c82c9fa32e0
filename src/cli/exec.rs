//! `cowherd exec`: one command in one fresh container.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use clap::ColorChoice;
use cowherd::container::{ContainerError, Ended, Order, ProjectFiles, State};
use cowherd::project::{Project, test_environment};
use cowherd::sandbox::cgroup::Limits;
use cowherd::sandbox::{Command, SandboxError, take_terminal_back};
use cowherd::schedule::{self, Stop};

use super::failure::Refusal;
use super::{args, meant};

pub(super) fn exec(args: &args::Exec, color: ColorChoice) -> anyhow::Result<ExitCode> {
    let stop = Stop::new()?;
    let watch = schedule::watch(&stop)?;
    let (file, name) = (args.spec.file.as_deref(), args.snapshot.as_deref());
    let (project, state) = meant::meant(file, name, color, &stop)?;
    let mut command = Command::from_argv(&args.command);
    command.envs(test_environment(project.on().identity));
    let code = in_container(&project, &state, command, args.host_files, &stop);
    drop(watch);
    code
}

/// Runs a command in the foreground of this terminal, with this process's own input and output.
///
/// Ctrl-C goes to the command, which has the terminal; what asks this process to end, ends both.
pub(super) fn in_container(
    project: &Project,
    state: &Arc<State>,
    mut command: Command,
    host_files: bool,
    stop: &Stop,
) -> anyhow::Result<ExitCode> {
    let host = project.on();
    command.envs(state.environment());
    let here = std::env::current_dir()?;
    let folder = if here.starts_with(&host.project) {
        &here
    } else {
        &host.project
    };
    command.current_dir(folder).foreground(true);
    let order = Order {
        host: Arc::clone(host),
        state: Arc::clone(state),
        project: match host_files {
            true => ProjectFiles::Host,
            false => ProjectFiles::Copy,
        },
        shown: host.shown.clone(),
        shared: Vec::new(),
        limits: Limits::default(),
    };
    let mut container = order.start(Some(stop.killed()))?;
    let stdio = [
        &std::io::stdin() as _,
        &std::io::stdout() as _,
        &std::io::stderr() as _,
    ];
    let ended = container.run(&command, stdio, None, Some(stop.killed()));
    take_terminal_back();
    let ended = match ended {
        Err(ContainerError::Sandbox(error @ SandboxError::Spawn { .. })) => {
            return Err(not_run(&command, error));
        }
        ended => ended?,
    };
    let code = match ended {
        Ended::Exited(exit) => exit.shell_code(),
        Ended::TimedOut | Ended::Stopped => 128 + stop.asked().unwrap_or(15),
    };
    Ok(ExitCode::from(code as u8))
}

/// Why a command wasn't executed, with the code that a shell has for it.
fn not_run(command: &Command, error: SandboxError) -> anyhow::Error {
    let name = Path::new(command.program());
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders = std::env::split_paths(&path);
    // The search remembers a folder of PATH that it may not enter, which says nothing of a program
    // that is nowhere.
    if name.components().count() == 1 && !folders.any(|folder| folder.join(name).exists()) {
        return Refusal {
            code: 127,
            message: format!("can't find the program `{}` in PATH", name.display()),
            hint:
                "is it installed, and its name spelled right? A program of the project is `./NAME`"
                    .to_owned(),
        }
        .into();
    }
    error.into()
}
