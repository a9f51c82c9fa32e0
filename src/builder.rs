//! Builds the layers of a snapshot that the store lacks: once per machine, under a lock.
//!
//! ```text
//!   for each step ── in the store? ──yes──▶ next
//!                          │ no
//!                    lock its key ── built meanwhile? ──yes──▶ next
//!                          │ no
//!                    container over the layers below, writing to a draft
//!                    do the step, freeze, stop the engine, prove a clean state
//!                    seal the draft: the layer is there, or it is not
//! ```

use std::collections::HashSet;
use std::fs;
use std::io;
use std::os::fd::BorrowedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::container::{
    Container, ContainerError, Services, Setup, State, Writable, base_environment, command_of,
};
use crate::disk::{self, DiskError, Kind, Reach};
use crate::engine::{Action, Engine, EngineError, Exec, ScriptFile};
use crate::event::{self, BuildStep, Event};
use crate::plan::{PlannedSnapshot, PlannedStep, Script, Work};
use crate::sandbox::{Command, Identity};
use crate::store::{Draft, Layer, LayerInfo, Store, StoreError};

/// Why a snapshot could not be built.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// A step failed.
    #[error("can't build `{snapshot}`: step {index} of {of}, {label}")]
    Step {
        /// The snapshot.
        snapshot: String,
        /// The step in words.
        label: String,
        /// Which step, from 1.
        index: usize,
        /// Of how many.
        of: usize,
        /// Why.
        #[source]
        source: Box<StepError>,
    },
    /// The user asked to stop.
    #[error("interrupted while building `{0}`")]
    Interrupted(String),
}

/// Why one step failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StepError {
    /// The container, or a command in it.
    #[error(transparent)]
    Container(#[from] ContainerError),
    /// The engine: a statement that fails, a state that isn't clean.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A file operation.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// A folder or file of the draft.
    #[error("can't prepare the layer")]
    Draft(#[source] io::Error),
}

impl StepError {
    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Container(error) => error.hint(),
            Self::Engine(error) => error.hint(),
            Self::Store(error) => error.hint(),
            Self::Disk(error) => error.hint(),
            Self::Draft(_) => None,
        };
        hint.or_else(|| self.is_for_want_of_room().then(|| ROOM.to_owned()))
    }

    /// Whether the store's file system is full, as far as that can be read from what a program of the
    /// engine's or the user's says: `strerror(ENOSPC)`, `strerror(EDQUOT)`, `SQLITE_FULL`.
    fn is_for_want_of_room(&self) -> bool {
        let words = event::in_words(self);
        let full = [
            "No space left on device",
            "Disk quota exceeded",
            "database or disk is full",
        ];
        full.iter().any(|text| words.contains(text))
    }
}

const ROOM: &str = "a step writes to the store's file system: free some space (`cowherd gc`), or put the store on \
                    another one with COWHERD_STORE";

impl BuildError {
    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Step { source, .. } => source.hint(),
            Self::Interrupted(_) => None,
        }
    }
}

/// What every build on this machine shares.
#[derive(Clone, Copy)]
pub struct Builder<'a> {
    /// Where layers are kept.
    pub store: &'a Store,
    /// Who runs the engines.
    pub identity: Identity,
    /// The spec's folder: steps see a copy-on-write view of it.
    pub project: &'a Path,
    /// What else they see of the host wherever it lies.
    pub shown: &'a [PathBuf],
    /// Readable when everything must end.
    pub stop: Option<BorrowedFd<'a>>,
    /// Whether the user asked to stop.
    pub stopped: &'a dyn Fn() -> bool,
}

impl Builder<'_> {
    /// The state of a snapshot, its missing layers built first. Steps that are there are not even
    /// looked at; what happens is told to `sink`.
    ///
    /// # Errors
    /// The step that failed and why. The steps before it stay built; of itself nothing is left.
    pub fn build(
        &self,
        snapshot: &PlannedSnapshot,
        services: &[Arc<dyn Engine>],
        sink: &mut dyn FnMut(Event),
    ) -> Result<State, BuildError> {
        let mut state = State {
            snapshot: snapshot.name.clone(),
            layers_folder: self.store.layers_dir().to_owned(),
            layers: Vec::new(),
            services: services.to_vec(),
        };
        for (index, step) in snapshot.chain.iter().enumerate() {
            let reference = BuildStep {
                snapshot: snapshot.name.clone(),
                label: step.label.clone(),
                index: index + 1,
                of: snapshot.chain.len(),
            };
            let layer = self.step(step, &state, &reference, sink);
            let layer = layer.map_err(|source| self.failure(source, &reference, sink))?;
            state.layers.insert(0, layer);
        }
        Ok(state)
    }

    fn failure(
        &self,
        source: StepError,
        step: &BuildStep,
        sink: &mut dyn FnMut(Event),
    ) -> BuildError {
        if matches!(source, StepError::Container(ContainerError::Interrupted)) || (self.stopped)() {
            return BuildError::Interrupted(step.snapshot.clone());
        }
        let (message, hint) = (event::in_words(&source), source.hint());
        sink(Event::BuildFailed {
            step: step.clone(),
            message,
            hint,
        });
        BuildError::Step {
            snapshot: step.snapshot.clone(),
            label: step.label.clone(),
            index: step.index,
            of: step.of,
            source: Box::new(source),
        }
    }

    fn step(
        &self,
        step: &PlannedStep,
        below: &State,
        reference: &BuildStep,
        sink: &mut dyn FnMut(Event),
    ) -> Result<Layer, StepError> {
        let parent = below.layers.first();
        let finished = |layer: &Layer, since: Option<Instant>| Event::BuildFinished {
            step: reference.clone(),
            duration: since.map_or(Duration::ZERO, |since| since.elapsed()),
            cached: since.is_none(),
            bytes: layer.bytes(),
        };
        if let Some(layer) = self.store.find_on(&step.key, parent)? {
            sink(finished(&layer, None));
            return Ok(layer);
        }
        let label = format!("{}: {}", reference.snapshot, reference.label);
        let mut waiting = |holder: &str| {
            sink(Event::BuildWaiting {
                step: reference.clone(),
                holder: holder.to_owned(),
            });
        };
        let lock = self
            .store
            .lock_key_unless(self.stopped, &step.key, &label, &mut waiting)?;
        let lock = lock.ok_or(ContainerError::Interrupted)?;
        if let Some(layer) = self.store.find_on(&step.key, parent)? {
            sink(finished(&layer, None));
            return Ok(layer);
        }
        sink(Event::BuildStarted(reference.clone()));
        let since = Instant::now();
        let draft = self.store.draft(&lock)?;
        self.perform(step, below, &draft)?;
        let engine = service_of(step, below)?;
        let layer = draft.seal(LayerInfo {
            parent: parent.cloned(),
            label: step.label.clone(),
            engine: engine.name().to_owned(),
            engine_version: engine.version().to_owned(),
        })?;
        sink(finished(&layer, Some(since)));
        Ok(layer)
    }

    /// Does the step in the draft; afterwards nothing runs any more and the draft is clean.
    fn perform(&self, step: &PlannedStep, below: &State, draft: &Draft) -> Result<(), StepError> {
        let engine = service_of(step, below)?;
        let (actions, services) = match &step.work {
            Work::Base(index) => {
                let with_server = engine
                    .base()
                    .get(*index)
                    .is_some_and(|base| base.with_server);
                let services = if with_server {
                    Services::Only(&step.service)
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
            Work::Scripts(scripts) => {
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
                (actions, Services::Only(&step.service))
            }
            Work::Command { .. } => (Vec::new(), Services::All),
        };
        let in_process = |(_, action): &(_, Action)| matches!(action, Action::InProcess(_));
        if !actions.is_empty() && actions.iter().all(in_process) {
            return self.in_process(engine, actions, below, draft);
        }
        let mut shown = self.shown.to_vec();
        if let Work::Scripts(scripts) = &step.work {
            let folders = scripts.iter().filter_map(|script| script.path.parent());
            shown.extend(folders.map(Path::to_owned));
        }
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
            if let Action::Exec(exec) = action {
                self.exec(&mut container, engine, &step.label, script.as_ref(), &exec)?;
            }
        }
        if let Work::Command { argv, environment } = &step.work {
            let mut command = Command::from_argv(argv);
            command
                .envs(base_environment())
                .envs(container.environment())
                .envs(environment);
            command.current_dir(self.project);
            container.must_succeed(&step.label, &command, None, self.stop)?;
        }
        for engine in below
            .services
            .iter()
            .filter(|engine| services.include(engine.place().service()))
        {
            for action in engine.freeze() {
                if let Action::Exec(exec) = action {
                    self.exec(&mut container, engine, "freeze the database", None, &exec)?;
                }
            }
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
                Err(engine.explain(script, &output).into())
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
        let mut seen = HashSet::new();
        for files in below.layers.iter().filter_map(|layer| layer.files(name)) {
            bring(&files, &data, &mut seen)?;
        }
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

fn service_of<'a>(step: &PlannedStep, state: &'a State) -> Result<&'a Arc<dyn Engine>, StepError> {
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

/// Brings the files of one layer to `data`, unless a layer above has had a say on them.
fn bring(layer: &Path, data: &Path, seen: &mut HashSet<PathBuf>) -> Result<(), StepError> {
    disk::walk::<StepError>(layer, Reach::AsIs, &mut |entry| {
        let hidden = entry
            .relative
            .ancestors()
            .skip(1)
            .any(|above| seen.contains(above));
        if entry.kind() == Kind::Directory {
            fs::create_dir_all(data.join(&entry.relative)).map_err(StepError::Draft)?;
        } else if !hidden && seen.insert(entry.relative.clone()) && entry.kind() != Kind::Whiteout {
            disk::copy_entry(&entry.path, &data.join(&entry.relative))?;
        }
        Ok(())
    })
}
