//! `cowherd exec`: one command in one fresh container.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use clap::ColorChoice;
use cowherd::container::{ContainerError, Ended, Order, ProjectFiles, State};
use cowherd::project::{Project, ProjectError, test_environment};
use cowherd::sandbox::cgroup::Limits;
use cowherd::sandbox::{Command, SandboxError, take_terminal_back};
use cowherd::schedule::{self, Stop};
use cowherd::spec::SpecError;

use super::args;
use super::failure::Refusal;

pub(super) fn exec(args: &args::Exec, color: ColorChoice) -> anyhow::Result<ExitCode> {
    let stop = Stop::new()?;
    let watch = schedule::watch(&stop)?;
    let (file, name) = (args.spec.file.as_deref(), args.snapshot.as_deref());
    let (project, state) = meant(file, name, color, &stop)?;
    let mut command = Command::from_argv(&args.command);
    command.envs(test_environment(project.on().identity));
    let code = in_container(&project, &state, command, args.host_files, &stop);
    drop(watch);
    code
}

/// The name of the one snapshot that is meant.
pub(super) fn one_name<'a>(project: &'a Project, name: Option<&'a str>) -> anyhow::Result<&'a str> {
    let snapshots = &project.spec().snapshots;
    match (name, snapshots.as_slice()) {
        (Some(name), _) => Ok(name),
        (None, [only]) => Ok(&only.name),
        (None, several) => {
            let names: Vec<&str> = several
                .iter()
                .map(|snapshot| snapshot.name.as_str())
                .collect();
            Err(Refusal {
                code: 2,
                message: "can't tell which snapshot is meant".to_owned(),
                hint: format!("name one of {}", names.join(", ")),
            }
            .into())
        }
    }
}

/// The one snapshot that is meant, with its project: one of the spec, which is built if need be, or else one that was
/// imported under this name, for which no spec is needed.
pub(super) fn meant(
    file: Option<&Path>,
    name: Option<&str>,
    color: ColorChoice,
    stop: &Stop,
) -> anyhow::Result<(Project, Arc<State>)> {
    let (folder, opened) = match Project::open(file) {
        Ok(project) => match name {
            Some(name)
                if !project
                    .spec()
                    .snapshots
                    .iter()
                    .any(|known| known.name == name) =>
            {
                (project.spec().folder.clone(), Ok(project))
            }
            _ => {
                let state = one_state(&project, name, color, stop)?;
                return Ok((project, state));
            }
        },
        Err(error @ ProjectError::Spec(SpecError::NotFound { .. })) => {
            (std::env::current_dir()?, Err(error))
        }
        Err(error) => return Err(error.into()),
    };
    if let Some(name) = name
        && let Some(found) = Project::imported(name, &folder)?
    {
        return Ok(found);
    }
    // To say what is wrong with the name, or that there is no spec.
    let project = opened?;
    let state = one_state(&project, name, color, stop)?;
    Ok((project, state))
}

/// Builds the one snapshot that is meant.
fn one_state(
    project: &Project,
    name: Option<&str>,
    color: ColorChoice,
    stop: &Stop,
) -> anyhow::Result<Arc<State>> {
    let name = one_name(project, name)?;
    let mut report = super::console(color);
    let prepared = project.prepare(&[name], stop, &mut |event| {
        // A closed standard error must not end a build.
        let _ = report.event(&event);
    })?;
    let state = prepared.into_iter().find(|(prepared, _)| prepared == name);
    match (stop.asked(), state) {
        (None, Some((_, state))) => Ok(state?),
        (signal, _) => {
            let signal = signal.unwrap_or_default();
            Err(ProjectError::Interrupted { signal }.into())
        }
    }
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
