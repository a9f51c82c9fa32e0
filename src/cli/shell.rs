//! `cowherd shell`: the engine's own client in a throw-away container.

use std::process::ExitCode;

use clap::ColorChoice;
use cowherd::container::{State, command_of};
use cowherd::project::{Project, test_environment};
use cowherd::sandbox::Command;
use cowherd::schedule::{self, Stop};

use super::failure::Refusal;
use super::{args, exec, meant};

pub(super) fn shell(args: &args::Shell, color: ColorChoice) -> anyhow::Result<ExitCode> {
    let stop = Stop::new()?;
    let watch = schedule::watch(&stop)?;
    let (file, name) = (args.spec.file.as_deref(), args.snapshot.as_deref());
    let (project, state) = meant::meant(file, name, color, &stop)?;
    let command = client(&project, &state, args.service.as_deref())?;
    let code = exec::in_container(&project, &state, command.into(), &stop);
    drop(watch);
    code
}

/// The client of one service, the first when none is named.
pub(super) fn client(
    project: &Project,
    state: &State,
    service: Option<&str>,
) -> anyhow::Result<Command> {
    let engine = match service {
        Some(name) => state
            .services
            .iter()
            .find(|engine| engine.place().service() == name),
        None => state.services.first(),
    };
    let Some(engine) = engine else {
        let names: Vec<&str> = state
            .services
            .iter()
            .map(|engine| engine.place().service())
            .collect();
        return Err(Refusal {
            code: 2,
            message: format!(
                "can't find a service named `{}` in snapshot `{}`",
                service.unwrap_or_default(),
                state.snapshot
            ),
            hint: format!("the services are {}", names.join(", ")),
        }
        .into());
    };
    let client = engine.client();
    let mut command = command_of(&client);
    command
        .envs(test_environment(project.on().identity))
        .envs(client.environment);
    Ok(command)
}
