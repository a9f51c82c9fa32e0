//! `cowherd exec`: one command in one fresh container.

use std::io::{self, IsTerminal as _};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use clap::ColorChoice;
use cowherd::attended::{Attended, CommitError};
use cowherd::container::{ContainerError, Ended, Order, ProjectFiles, State};
use cowherd::project::{Project, test_environment};
use cowherd::sandbox::cgroup::Limits;
use cowherd::sandbox::{Command, SandboxError, take_terminal_back};
use cowherd::schedule::{self, Stop};
use cowherd::units::format_size;

use super::failure::Refusal;
use super::{args, meant};

pub(super) fn exec(args: &args::Exec, color: ColorChoice) -> anyhow::Result<ExitCode> {
    let stop = Stop::new()?;
    let watch = schedule::watch(&stop)?;
    let (file, name) = (args.spec.file.as_deref(), args.snapshot.as_deref());
    let (project, state) = meant::meant(file, name, color, &stop)?;
    let mut command = Command::from_argv(&args.command);
    command.envs(test_environment(project.on().identity));
    let work = Work {
        command,
        host_files: args.host_files,
        commit: args.commit.as_deref().map(|name| (name, args.replace)),
        by_hand: false,
    };
    let code = in_container(&project, &state, work, &stop);
    drop(watch);
    code
}

/// What is done in a container.
pub(super) struct Work<'a> {
    pub(super) command: Command,
    /// Whether it sees the host's own project folder.
    pub(super) host_files: bool,
    /// The name that the state gets which it leaves, and whether it may be another snapshot's.
    pub(super) commit: Option<(&'a str, bool)>,
    /// Whether somebody looks around in it.
    pub(super) by_hand: bool,
}

impl From<Command> for Work<'_> {
    fn from(command: Command) -> Self {
        Self {
            command,
            host_files: false,
            commit: None,
            by_hand: true,
        }
    }
}

/// Runs a command in the foreground of this terminal, with this process's own input and output.
///
/// Ctrl-C goes to the command, which has the terminal; what asks this process to end, ends both.
pub(super) fn in_container(
    project: &Project,
    state: &Arc<State>,
    work: Work<'_>,
    stop: &Stop,
) -> anyhow::Result<ExitCode> {
    let Work {
        mut command,
        host_files,
        commit,
        by_hand,
    } = work;
    let about = format!(
        "{}: {}",
        state.snapshot,
        Path::new(command.program()).display()
    );
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
    if let Some((name, false)) = commit
        && host.store.stored(name)?.is_some()
    {
        // Before the work is done in vain.
        return Err(CommitError::Taken(name.to_owned()).into());
    }
    let mut container = Attended::start(order, meant::services(project, state), &about, stop)?;
    command.env("COWHERD_CONTAINER", container.id());
    if by_hand && io::stdin().is_terminal() && io::stderr().is_terminal() {
        let id = container.id();
        anstream::eprintln!(
            "this is container {id}; to keep what you change: cowherd commit {id} NAME"
        );
    }
    let stdio = [&io::stdin() as _, &io::stdout() as _, &io::stderr() as _];
    let ended = container.run(&command, stdio, stop);
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
    if let (0, Some((name, replace))) = (code, commit) {
        let size = format_size(container.commit(name, replace, stop)?);
        anstream::eprintln!("committed {name} ({size}): cowherd shell -s {name}");
    }
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
