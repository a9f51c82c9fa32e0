//! What all clients of a server share: the pool, and the projects as they were last seen.

use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, Once, PoisonError};
use std::time::{Duration, Instant};

use super::Options;
use crate::capacity::{self, Need};
use crate::front::{self, Built, Here};
use crate::pool::Pool;
use crate::project::Project;
use crate::schedule::Stop;

pub(super) struct Shared {
    pub(super) pool: Arc<Pool>,
    options: Options,
    projects: Mutex<HashMap<PathBuf, Arc<Mutex<Served>>>>,
    raised: Once,
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Shared").field(&self.pool).finish()
    }
}

/// A project as it was last seen.
#[derive(Default)]
struct Served {
    here: Option<Arc<Here>>,
    /// The snapshots that were asked for, and when they were last looked at.
    seen: HashMap<String, (Arc<Built>, Instant)>,
}

/// A snapshot that was asked for.
pub(super) struct Found {
    pub(super) name: String,
    pub(super) here: Arc<Here>,
    pub(super) built: Arc<Built>,
}

/// For how long a snapshot is taken to be as it was seen: no person edits a file and runs a test within it.
const FRESH: Duration = Duration::from_millis(500);

impl Shared {
    pub(super) fn new(pool: Pool, options: Options) -> Self {
        Self {
            pool: Arc::new(pool),
            options,
            projects: Mutex::default(),
            raised: Once::new(),
        }
    }

    /// Has as many files allowed to be open as all containers that there may be, and their clients, need. That waits for
    /// the first of them to be asked for: a command that is served inherits the limit, and is there by then.
    pub(super) fn raise_open_files(&self) {
        self.raised.call_once(|| {
            let containers = self.options.budget.containers as u64;
            capacity::raise_open_files(containers.saturating_mul(Need::SERVED.files));
        });
    }

    pub(super) fn stop(&self) -> &Stop {
        &self.options.stop
    }

    /// A snapshot, built: the only one where none is named.
    pub(super) fn find(
        &self,
        spec: Option<&Path>,
        snapshot: Option<&str>,
    ) -> Result<Found, front::Error> {
        let Some(spec) = spec.or(self.options.spec.as_deref()) else {
            return Err(front::Error::Ask("name the spec by its absolute path"));
        };
        let served = {
            // Nothing can panic while the lock is held.
            let projects = self.projects.lock();
            let mut projects = projects.unwrap_or_else(PoisonError::into_inner);
            Arc::clone(projects.entry(spec.to_owned()).or_default())
        };
        // While a snapshot is built, whoever asks for the same project waits for it. A panic in a build leaves
        // what was seen before.
        let mut served = served.lock().unwrap_or_else(PoisonError::into_inner);
        let opened = served.here.clone();
        let here = match &opened {
            Some(here) => Arc::clone(here),
            None => self.open(spec)?,
        };
        served.here = Some(Arc::clone(&here));
        let name = here.one_name(snapshot)?;
        let known = served.seen.get(&name);
        if let Some((built, at)) = known
            && (!self.options.watches || at.elapsed() < FRESH)
        {
            let built = Arc::clone(built);
            return Ok(Found { name, here, built });
        }
        // One that was opened for this very request is as new as can be.
        let now = match opened {
            Some(_) if self.options.watches => self.open(spec)?,
            _ => Arc::clone(&here),
        };
        let built = now.snapshot(&name)?;
        let (here, built) = match known {
            Some((known, _)) if built.is_same(known) => (here, Arc::clone(known)),
            Some((known, _)) => {
                self.pool.forget_copies_of(&known.order.state);
                (now, built)
            }
            None => (now, built),
        };
        served.here = Some(Arc::clone(&here));
        let seen = (Arc::clone(&built), Instant::now());
        served.seen.insert(name.clone(), seen);
        Ok(Found { name, here, built })
    }

    fn open(&self, spec: &Path) -> Result<Arc<Here>, front::Error> {
        let told = Arc::clone(&self.options.told);
        let project = Project::open(Some(spec))?;
        let pool = Arc::clone(&self.pool);
        let stop = self.options.stop.clone();
        let here = Here::in_pool(project, pool, stop, move |event| told(event));
        Ok(Arc::new(here))
    }
}
