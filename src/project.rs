//! The front door: a spec, its store and this host, and what can be done with them.
//!
//! ```no_run
//! use cowherd::project::{Project, Request};
//! use cowherd::schedule::Stop;
//!
//! let project = Project::open(None)?;
//! let stop = Stop::new()?;
//! let outcome = project.run(&Request::default(), &stop, &mut |event| println!("{event:?}"))?;
//! std::process::exit(outcome.exit_code(&stop).into());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod cases;
mod error;
mod stored;
mod variables;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use crate::builder::{self, BuildError, Builder, Wanted};
use crate::container::{Host, State, dependencies};
use crate::engine::{self, Engine};
use crate::event::{Event, Outcome, Totals};
use crate::plan::{self, BaseStep, EngineIdentity, Known, Plan};
use crate::sandbox::Identity;
use crate::schedule::{self, KeepWhen, Queue, Stop};
use crate::spec::{self, Service, Snapshot, Spec};
use crate::store::{History, KeptLimits, KeptRecord, Store, TestResult};

pub use cases::default_jobs;
pub(crate) use cases::enforceable;
pub use error::ProjectError;
pub use variables::test_environment;

/// A spec that was read, with the store and the host that serve it.
#[derive(Debug)]
pub struct Project {
    spec: Spec,
    host: Arc<Host>,
}

/// What `run` is asked for.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// Only tests whose full name contains one of these; all when empty.
    pub filters: Vec<String>,
    /// How many at once; chosen by cores and memory when absent.
    pub jobs: Option<usize>,
    /// Retries for every test, in place of what the spec says.
    pub retries: Option<u32>,
    /// Time limit for every attempt, in place of what the spec says.
    pub timeout: Option<Duration>,
    /// Whether nothing new starts after the first failure.
    pub fail_fast: bool,
    /// The states of which tests are kept.
    pub keep: KeepWhen,
    /// What is kept at most, of all runs.
    pub keep_limits: KeptLimits,
}

/// What came of a run.
#[derive(Debug, Clone, Default)]
pub struct Finished {
    /// In numbers.
    pub totals: Totals,
    /// Whether a snapshot could not be built or served.
    pub fixture_failed: bool,
}

impl Finished {
    /// The exit code of `cowherd run`: 130 or 143 after a signal, then 101 for a snapshot that could
    /// not be built or served, 97 for a container that this host refused, 100 for failed tests.
    pub fn exit_code(&self, stop: &Stop) -> u8 {
        match stop.asked() {
            Some(signal) => 128 + signal as u8,
            None if self.fixture_failed => 101,
            None if self.totals.errors > 0 => 97,
            None if self.totals.failed > 0 => 100,
            None => 0,
        }
    }
}

/// A snapshot that was asked for: its state, or why there is none.
pub type Prepared = (String, Result<Arc<State>, BuildError>);

impl Project {
    /// Reads the spec `file`, or the one found in the current folder or the nearest parent, and opens
    /// the store. What a killed run left there is swept.
    ///
    /// # Errors
    /// A spec that is wrong or isn't there, a store that can't be used, root without a user to run as.
    pub fn open(file: Option<&Path>) -> Result<Self, ProjectError> {
        let file = match file {
            Some(file) => file.to_owned(),
            None => spec::find(&std::env::current_dir().map_err(ProjectError::Folder)?)?,
        };
        // The spec first: one that is wrong is wrong on every host, and makes no store.
        Self::of_spec(spec::load(&file)?)
    }

    /// As [`Project::open`], with the store in the folder `store`, whatever the environment says.
    ///
    /// # Errors
    /// As [`Project::open`].
    pub fn open_in(file: &Path, store: &Path) -> Result<Self, ProjectError> {
        Self::of_spec_in(spec::load(file)?, store)
    }

    /// As [`Project::open`], for a spec that is there already.
    ///
    /// # Errors
    /// As [`Project::open`].
    pub fn of_spec(spec: Spec) -> Result<Self, ProjectError> {
        Self::with_store(spec, open_store()?)
    }

    /// As [`Project::of_spec`], with the store in the folder `store`, whatever the environment says.
    ///
    /// # Errors
    /// As [`Project::open`].
    pub fn of_spec_in(spec: Spec, store: &Path) -> Result<Self, ProjectError> {
        Self::with_store(spec, Store::open(store)?)
    }

    fn with_store(spec: Spec, store: Store) -> Result<Self, ProjectError> {
        store.sweep()?;
        let identity = Identity::of_caller()?;
        let project = spec.folder.canonicalize().map_err(ProjectError::Folder)?;
        let host = Host {
            store,
            identity,
            cgroups: Arc::default(),
            shown: repository_of(&project).into_iter().collect(),
            project,
            reflink: Arc::default(),
            scratch: spec.scratch,
        };
        Ok(Self {
            spec,
            host: Arc::new(host),
        })
    }

    /// The spec.
    pub fn spec(&self) -> &Spec {
        &self.spec
    }

    /// The store.
    pub fn store(&self) -> &Store {
        &self.host.store
    }

    /// This host.
    pub fn on(&self) -> &Arc<Host> {
        &self.host
    }

    /// Plans the snapshots `wanted` and all that they start from: what their steps are, and their keys.
    ///
    /// # Errors
    /// An engine that isn't there, files that aren't there, an unknown name.
    pub fn plan(&self, wanted: &[&str]) -> Result<(Plan, Engines), ProjectError> {
        let engines = Engines::for_all(&plan::selected(&self.spec, wanted)?)?;
        // What can't be read is not there; using it says why.
        let stored = |name: &str| self.host.store.stored(name).ok().flatten();
        let known = Known {
            identities: &|service| engines.identity(service),
            stored: &|name| stored(name).map(stored::chain),
        };
        let plan = plan::plan(&self.spec, wanted, known)?;
        Ok((plan, engines))
    }

    /// As [`Project::prepare`], for the one snapshot of that name.
    ///
    /// # Errors
    /// As [`Project::prepare`]; within, why the snapshot can't be built.
    pub fn prepare_one(
        &self,
        name: &str,
        stop: &Stop,
        sink: &mut dyn FnMut(Event),
    ) -> Result<Result<Arc<State>, BuildError>, ProjectError> {
        let mut prepared = self.prepare(&[name], stop, sink)?;
        let (_, state) = prepared.pop().expect("an answer for every name");
        Ok(state)
    }

    /// A state that was kept, to be copied like a snapshot's.
    ///
    /// # Errors
    /// An engine that isn't there, a snapshot that the spec has no more, and a layer that is gone.
    pub fn kept_state(&self, kept: &KeptRecord) -> Result<Arc<State>, ProjectError> {
        let selected = plan::selected(&self.spec, &[&kept.snapshot])?;
        let engines = Engines::for_all(&selected)?;
        let described = selected.last().map_or(&[][..], |it| &it.services);
        let mut layers = self.host.store.kept_layers(kept)?;
        layers.reverse();
        Ok(Arc::new(State {
            snapshot: kept.snapshot.clone(),
            layers_folder: self.host.store.layers_dir().to_owned(),
            layers,
            services: engines.of(described).unwrap_or_default().to_vec(),
            depends_on: dependencies(described),
            programs: None,
        }))
    }

    /// Builds what is missing of the snapshots `wanted`, several at a time, and tells `sink` about it.
    ///
    /// # Errors
    /// What keeps all of them from being built; the failure of a single one is in its place.
    pub fn prepare(
        &self,
        wanted: &[&str],
        stop: &Stop,
        sink: &mut dyn FnMut(Event),
    ) -> Result<Vec<Prepared>, ProjectError> {
        let (plan, engines) = self.plan(wanted)?;
        let stopped = || stop.asked().is_some();
        let builder = Builder::on(&self.host, stop.killed(), &stopped);
        let planned = plan.snapshots.iter();
        let wanted: Vec<Wanted<'_>> = planned
            .filter(|planned| wanted.contains(&planned.name.as_str()))
            .map(|snapshot| Wanted {
                snapshot,
                services: engines.of(&snapshot.services).unwrap_or_default(),
            })
            .collect();
        let built = builder.build_all(&wanted, builder::at_once(wanted.len()), sink);
        let mut prepared = Vec::with_capacity(wanted.len());
        for (Wanted { snapshot, .. }, state) in wanted.iter().zip(built) {
            if let Ok(state) = &state {
                let (store, spec) = (&self.host.store, &self.spec.file);
                store.record_snapshot(&snapshot.name, spec, &state.chain())?;
            }
            prepared.push((snapshot.name.clone(), state.map(Arc::new)));
        }
        Ok(prepared)
    }

    /// Builds what is missing, then runs the tests that `request` chooses.
    ///
    /// # Errors
    /// What keeps the whole run from happening. Failing tests are no error.
    pub fn run(
        &self,
        request: &Request,
        stop: &Stop,
        sink: &mut dyn FnMut(Event),
    ) -> Result<Finished, ProjectError> {
        let begun = std::time::Instant::now();
        // Ctrl-C during a build ends it: there is nothing yet that could be let run to its end.
        let watch = schedule::watch(stop).map_err(ProjectError::Signals)?;
        let (chosen, unbuilt) = cases::choose(self, request, stop, sink)?;
        let build = begun.elapsed();
        let mut history = self.history();
        let expected: BTreeMap<String, Duration> = history
            .as_mut()
            .and_then(|history| history.expected(&self.spec.file).ok())
            .into_iter()
            .flatten()
            .collect();
        let (jobs, budget) = cases::jobs(request.jobs, &chosen)?;
        let options = schedule::Options {
            jobs,
            fail_fast: request.fail_fast,
            build,
            unbuilt,
            expected,
            isolation: "namespaces + overlayfs".to_owned(),
            limits: self.limits_in_words(&chosen),
        };
        let mut snapshots: Vec<&str> = Vec::new();
        for state in chosen.iter().map(|test| &test.case.order.state) {
            if !snapshots.contains(&state.snapshot.as_str()) {
                snapshots.push(&state.snapshot);
                if let Some(remark) = self.host.remark(state) {
                    tracing::warn!("{remark}");
                }
            }
        }
        let scheduled: Vec<_> = chosen.iter().map(|test| test.scheduled.clone()).collect();
        let broken = Arc::new(OnceLock::new());
        let queue = Queue::new(&scheduled, &options.expected, jobs);
        let pool = Arc::new(cases::pool_for(&chosen, queue.upcoming(), budget)?);
        let attempt = {
            let (pool, broken) = (Arc::clone(&pool), Arc::clone(&broken));
            move |test: usize, _attempt: u32, stop: &Stop| {
                let (attempt, fault) = schedule::attempt(&pool, &chosen[test].case, stop);
                if fault.is_some_and(|fault| fault.is_fixture()) {
                    // Once is enough for the exit code.
                    let _ = broken.set(());
                }
                attempt
            }
        };
        let mut results = Vec::new();
        let mut note = |event: Event| {
            if let Event::AttemptFinished {
                test,
                attempt,
                retry: false,
            } = &event
                && !matches!(
                    attempt.outcome,
                    Outcome::Interrupted | Outcome::Error { .. }
                )
            {
                results.push(TestResult {
                    name: test.name.clone(),
                    duration: attempt.fixture + attempt.body,
                    passed: attempt.outcome.passed(),
                    flaky: attempt.outcome.passed() && test.attempt > 1,
                });
            }
            sink(event);
        };
        let totals = schedule::run(
            &scheduled,
            &options,
            stop,
            watch,
            Arc::new(attempt),
            &mut note,
        )
        .map_err(ProjectError::Signals)?;
        if let Some(history) = &mut history
            && let Err(error) = history.record(&self.spec.file, &results)
        {
            tracing::warn!(%error, "can't remember the durations of this run");
        }
        Ok(Finished {
            totals,
            fixture_failed: unbuilt > 0 || broken.get().is_some(),
        })
    }

    /// The run history; a run goes on without it.
    fn history(&self) -> Option<History> {
        self.host
            .store
            .history()
            .inspect_err(|error| tracing::warn!(%error, "no history of earlier runs"))
            .ok()
    }

    fn limits_in_words(&self, chosen: &[cases::Chosen]) -> String {
        match chosen
            .iter()
            .map(|test| test.case.order.limits)
            .find(|limits| !limits.is_empty())
        {
            Some(limits) => self.host.cgroups().describe(&limits),
            None => "none asked for".to_owned(),
        }
    }
}

/// The repository that the folder is a part of, when it is not the folder itself.
fn repository_of(folder: &Path) -> Option<PathBuf> {
    let root = folder
        .ancestors()
        .find(|folder| folder.join(".git").exists())?;
    (root != folder).then(|| root.to_owned())
}

/// Opens the store that the environment names.
///
/// # Errors
/// When there is no place for one, or it can't be used.
pub fn open_store() -> Result<Store, ProjectError> {
    Ok(Store::open(&Store::default_path(&|name| {
        std::env::var_os(name)
    })?)?)
}

/// The engines of a plan, shared by the snapshots with the same services.
#[derive(Debug, Default)]
pub struct Engines(Vec<Served>);

/// Services with what serves them, in one order.
type Served = (Vec<Service>, Vec<Arc<dyn Engine>>);

impl Engines {
    fn for_all(snapshots: &[&Snapshot]) -> Result<Self, ProjectError> {
        let mut engines = Self::default();
        for snapshot in snapshots {
            if engines.of(&snapshot.services).is_none() {
                let served = engine::for_services(&snapshot.services)?;
                engines.0.push((
                    snapshot.services.clone(),
                    served.into_iter().map(Arc::from).collect(),
                ));
            }
        }
        Ok(engines)
    }

    /// The engines that serve these services, in their order.
    pub fn of(&self, services: &[Service]) -> Option<&[Arc<dyn Engine>]> {
        let found = self.0.iter().find(|(known, _)| known == services);
        found.map(|(_, engines)| engines.as_slice())
    }

    fn identity(&self, service: &Service) -> EngineIdentity {
        let served = self
            .0
            .iter()
            .flat_map(|(services, engines)| services.iter().zip(engines));
        let engine = served
            .into_iter()
            .find(|(known, _)| *known == service)
            .map(|(_, engine)| engine);
        engine.map_or_else(
            || EngineIdentity {
                name: service.engine.clone(),
                version: String::new(),
                base: Vec::new(),
            },
            |engine| EngineIdentity {
                name: engine.name().to_owned(),
                version: engine.version().to_owned(),
                base: engine
                    .base()
                    .into_iter()
                    .map(|base| BaseStep {
                        label: base.label,
                        fields: base.fields,
                        settings: false,
                    })
                    .collect(),
            },
        )
    }
}
