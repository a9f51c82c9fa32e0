//! Copies that this process makes.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use super::Error;
use crate::container::{ContainerError, Order, State};
use crate::event::Event;
use crate::pool::{Budget, Pool};
use crate::project::{Project, ProjectError};
use crate::schedule::Stop;
use crate::spec::Spec;
use crate::store::Scratch;

/// A project whose snapshots this process builds and copies.
pub(crate) struct Here {
    project: Project,
    built: Mutex<HashMap<String, Arc<Cell>>>,
    pool: Mutex<Option<Arc<Pool>>>,
    /// The order to stop, where somebody gives it.
    stop: Option<Stop>,
    told: Option<Box<dyn Fn(Event) + Send + Sync>>,
}

/// A snapshot that was asked for, once it is built or can't be.
type Cell = OnceLock<Result<Arc<Built>, Error>>;

/// A snapshot that is built.
#[derive(Debug)]
pub(crate) struct Built {
    /// A container for programs outside of it.
    pub(crate) order: Order,
    /// The file, where the first service is one.
    pub(crate) frozen: Option<PathBuf>,
}

impl std::fmt::Debug for Here {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Here")
            .field(&self.project.spec().file)
            .finish()
    }
}

impl Here {
    /// A project with a pool of its own, once a container is asked for.
    pub(crate) fn new(project: Project) -> Self {
        Self {
            project,
            built: Mutex::default(),
            pool: Mutex::default(),
            stop: None,
            told: None,
        }
    }

    /// A project whose containers are those of `pool`, and whose builds `told` hears of and `stop` ends.
    pub(crate) fn in_pool(
        project: Project,
        pool: Arc<Pool>,
        stop: Stop,
        told: impl Fn(Event) + Send + Sync + 'static,
    ) -> Self {
        Self {
            pool: Mutex::new(Some(pool)),
            stop: Some(stop),
            told: Some(Box::new(told)),
            ..Self::new(project)
        }
    }

    pub(super) fn spec(&self) -> &Spec {
        self.project.spec()
    }

    /// The name of the one snapshot that is meant.
    pub(crate) fn one_name(&self, name: Option<&str>) -> Result<String, Error> {
        match (name, self.project.spec().snapshots.as_slice()) {
            (Some(name), _) => Ok(name.to_owned()),
            (None, [only]) => Ok(only.name.clone()),
            (None, known) => Err(Error::WhichSnapshot {
                known: known.iter().map(|known| known.name.clone()).collect(),
            }),
        }
    }

    /// The pool. In a process that runs one test alone, nothing is started ahead.
    pub(crate) fn pool(&self) -> Result<Arc<Pool>, Error> {
        // Nothing can panic while the lock is held.
        let mut pool = self.pool.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(pool) = &*pool {
            return Ok(Arc::clone(pool));
        }
        let alone = std::env::var_os("NEXTEST").is_some();
        let new = Pool::new(Budget::of_tests(alone)).map_err(ProjectError::Pool)?;
        Ok(Arc::clone(pool.insert(Arc::new(new))))
    }

    /// The snapshot of that name, built if the store lacks it: once, whoever asks.
    pub(crate) fn snapshot(&self, name: &str) -> Result<Arc<Built>, Error> {
        let cell = {
            // Nothing can panic while the lock is held.
            let built = self.built.lock();
            let mut built = built.unwrap_or_else(PoisonError::into_inner);
            Arc::clone(built.entry(name.to_owned()).or_default())
        };
        cell.get_or_init(|| self.build(name)).clone()
    }

    fn build(&self, name: &str) -> Result<Arc<Built>, Error> {
        let stop = match &self.stop {
            Some(stop) => stop.clone(),
            None => Stop::new().map_err(ProjectError::Signals)?,
        };
        let mut sink = |event| {
            if let Some(told) = &self.told {
                told(event);
            }
        };
        let state = self.project.prepare_one(name, &stop, &mut sink)??;
        Ok(Arc::new(Built {
            frozen: frozen_file(&state),
            order: Order::unseen(self.project.on(), &state),
        }))
    }

    pub(crate) fn scratch(&self) -> Result<Scratch, Error> {
        let scratch = self.project.store().scratch();
        Ok(scratch.map_err(ContainerError::Store)?)
    }
}

impl Built {
    /// Whether it is the same state, however it came to be built.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        let [one, two] = [self, other].map(|built| &built.order.state);
        let digests = |state: &State| -> Vec<_> {
            let layers = state.layers.iter();
            layers.map(crate::store::Layer::digest).collect()
        };
        digests(one) == digests(two)
            && one.programs == two.programs
            && one.environment() == two.environment()
    }

    /// Whether it has a service that is a process.
    pub(crate) fn is_served(&self) -> bool {
        let mut services = self.order.state.services.iter();
        services.any(|engine| engine.server(false).is_some())
    }
}

fn frozen_file(state: &State) -> Option<PathBuf> {
    let engine = state.services.first()?;
    let file = engine.database_file()?;
    let layers = state.layers.iter();
    let mut folders = layers.filter_map(|layer| layer.files(engine.place().service()));
    folders.find_map(|folder| Some(folder.join(&file)).filter(|path| path.exists()))
}
