//! Does a step, or a part of it, in a draft.

use std::io;
use std::path::Path;
use std::sync::Arc;

use super::under_way::Group;
use super::{Builder, StepError};
use crate::container::{
    Container, ContainerError, Services, Setup, State, Writable, base_environment, command_of,
};
use crate::disk::{self, Below};
use crate::engine::{Action, Endpoint, Engine, EngineError, Exec, Live, ScriptFile};
use crate::plan::{PlannedStep, Script, Work};
use crate::sandbox::Command;
use crate::store::Draft;

impl Builder<'_> {
    /// Does the step in the draft; afterwards nothing runs any more and the draft is clean.
    pub(super) fn perform(
        &self,
        group: &Group<'_>,
        below: &State,
        draft: &Draft,
    ) -> Result<(), StepError> {
        let step = group.step;
        let scripts = &step.scripts()[group.scripts.clone()];
        let engine = service_of(step, below)?;
        let mut running = step.beside.clone();
        running.push(step.service.clone());
        let (actions, services) = match &step.work {
            Work::Base(index) => {
                let with_server = engine
                    .base()
                    .get(*index)
                    .is_some_and(|base| base.with_server);
                let services = if with_server {
                    Services::Only(&running)
                } else {
                    Services::None
                };
                (
                    engine
                        .base_actions(*index)
                        .into_iter()
                        .map(|action| (None, action))
                        .collect(),
                    services,
                )
            }
            Work::Scripts(_) => {
                let mut actions = Vec::new();
                for script in scripts {
                    let file = self.script_file(script);
                    if let Some(remark) = engine.remark(&file) {
                        tracing::warn!("{}: {remark}", file.name);
                    }
                    for action in engine.script(&file)? {
                        actions.push((Some(file.clone()), action));
                    }
                }
                (actions, Services::Only(&running))
            }
            Work::Stored => return Err(StepError::NotStored),
            Work::Command { .. } => (Vec::new(), Services::Only(&running)),
        };
        let in_process = |(_, action): &(_, Action)| matches!(action, Action::InProcess(_));
        if !actions.is_empty() && actions.iter().all(in_process) {
            return self.in_process(engine, actions, below, draft);
        }
        let mut shown = self.shown.to_vec();
        let folders = scripts.iter().filter_map(|script| script.path.parent());
        shown.extend(folders.map(Path::to_owned));
        let setup = Setup {
            identity: self.identity,
            project: Some((self.project, false)),
            shown: &shown,
            shared: &[],
            writable: Writable::Draft(draft),
            limits: None,
            services,
            stop: self.stop,
        };
        let mut container = Container::start(below, &setup)?;
        for (script, action) in actions {
            let label = &group.reference.label;
            self.act(&mut container, engine, label, script.as_ref(), action)?;
        }
        if let Work::Command { argv, environment } = &step.work {
            let mut command = Command::from_argv(argv);
            command
                .envs(base_environment())
                .envs(container.environment())
                .envs(environment);
            command.current_dir(self.project);
            container.must_succeed(&group.reference.label, &command, None, self.stop)?;
        }
        for engine in below
            .services
            .iter()
            .filter(|engine| services.include(engine.place().service()))
        {
            self.freeze(&mut container, engine)?;
        }
        container.stop_services(self.stop)?;
        // What the step had no hand in is as it was sealed, or not there yet.
        let touched = below.services.iter().filter(|engine| {
            let service = engine.place().service();
            service == step.service || services.include(service)
        });
        let (served, files): (Vec<_>, Vec<_>) =
            touched.partition(|engine| engine.server(true).is_some());
        for engine in served {
            engine.seal(&container.reach(&engine.place().data()))?;
        }
        // Nothing runs any more that could write to a file while it is brought to rest. All that was
        // changed is in the upper folder as a whole: overlayfs copies a file before it opens it for writing.
        drop(container);
        for engine in files {
            let data = draft.files(engine.place().service())?;
            for action in engine.freeze() {
                if let Action::InProcess(act) = action {
                    act(&data)?;
                }
            }
            engine.seal(&data)?;
        }
        Ok(())
    }

    /// Leaves nothing in a running database that a reader would have to write.
    pub(super) fn freeze(
        &self,
        container: &mut Container,
        engine: &Arc<dyn Engine>,
    ) -> Result<(), StepError> {
        for action in engine.freeze() {
            self.act(container, engine, "freeze the database", None, action)?;
        }
        Ok(())
    }

    /// Does what the engine says while its server runs.
    fn act(
        &self,
        container: &mut Container,
        engine: &Arc<dyn Engine>,
        what: &str,
        script: Option<&ScriptFile>,
        action: Action,
    ) -> Result<(), StepError> {
        match (action, engine.server(true)) {
            (Action::Exec(exec), _) => self.exec(container, engine, what, script, &exec),
            (Action::Talk(talk), Some(server)) => {
                let Some(Endpoint::Socket(socket)) = &server.endpoint else {
                    return Ok(());
                };
                let data = engine.place();
                let changes = container
                    .changes(data.service())
                    .unwrap_or_else(|| container.reach(&data.data()));
                let said = container.talk(socket, self.stop, |dial| {
                    let changes = &changes;
                    talk(&Live { dial, changes })
                });
                let said = said.unwrap_or_else(|error| {
                    Err(EngineError::Gone {
                        doing: "reach the database".to_owned(),
                        why: error.to_string(),
                    })
                });
                match said {
                    // What the server can't do, or that it is gone, is for its log to explain.
                    Err(said @ (EngineError::Command { .. } | EngineError::Gone { .. })) => {
                        Err(StepError::Lost {
                            log: container.last_logs(),
                            said: Box::new(said),
                        })
                    }
                    said => Ok(said?),
                }
            }
            (Action::Talk(_) | Action::InProcess(_), _) => Ok(()),
        }
    }

    /// Runs one of the engine's commands; what it says of a failure is the engine's to explain.
    fn exec(
        &self,
        container: &mut Container,
        engine: &Arc<dyn Engine>,
        what: &str,
        script: Option<&ScriptFile>,
        exec: &Exec,
    ) -> Result<(), StepError> {
        match container.must_succeed(what, &command_of(exec), exec.stdin.as_deref(), self.stop) {
            Err(ContainerError::Command { output, .. }) => {
                let said = engine.explain(script, &output);
                match LOST.iter().any(|words| output.contains(words)) {
                    false => Err(said.into()),
                    // What became of the server is for its log to say.
                    true => Err(StepError::Lost {
                        log: container.last_logs(),
                        said: Box::new(said),
                    }),
                }
            }
            other => Ok(other?),
        }
    }

    fn script_file(&self, script: &Script) -> ScriptFile {
        ScriptFile {
            name: script.name.clone(),
            host: script.path.clone(),
            path: script.path.clone(),
            folder: self.project.to_owned(),
            transaction: script.transaction,
            text: script.text.clone(),
            before: script.before.clone(),
            after: script.after.clone(),
        }
    }

    /// Steps of an engine that lives in this process: the files below are shared or copied into the
    /// draft, and worked on there.
    fn in_process(
        &self,
        engine: &Arc<dyn Engine>,
        actions: Vec<(Option<ScriptFile>, Action)>,
        below: &State,
        draft: &Draft,
    ) -> Result<(), StepError> {
        let name = engine.place().service();
        let data = draft.files(name)?;
        let files: Vec<_> = below.layers.iter().filter_map(|l| l.files(name)).collect();
        disk::merge_layers(&files, &data, Below::Nothing)?;
        for action in actions
            .into_iter()
            .map(|(_, action)| action)
            .chain(engine.freeze())
        {
            if let Action::InProcess(act) = action {
                act(&data)?;
            }
        }
        engine.seal(&data)?;
        if self.identity.is_root() {
            let (uid, gid) = self.identity.user();
            disk::chown_tree(&data, uid, gid)?;
        }
        Ok(())
    }
}

/// What clients say of a server that is gone or comes back: psql(1), libpq, mariadb(1), redis-cli.
const LOST: [&str; 8] = [
    "Can't connect to ",
    "connection to server was lost",
    "FATAL:  the database system is ",
    "Connection refused",
    "server closed the connection unexpectedly",
    "Lost connection to ",
    "Server has gone away",
    "Server closed the connection",
];

/// The engine of the step's service.
pub(super) fn service_of<'a>(
    step: &PlannedStep,
    state: &'a State,
) -> Result<&'a Arc<dyn Engine>, StepError> {
    state
        .services
        .iter()
        .find(|engine| engine.place().service() == step.service)
        .ok_or_else(|| {
            StepError::Draft(io::Error::other(format!(
                "no service is named {}",
                step.service
            )))
        })
}
