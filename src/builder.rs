//! Builds the layers of a snapshot that the store lacks: once per machine, under a lock.
//!
//! ```text
//!   the furthest state that the store has ── all of it? ──yes──▶ done
//!                          │ no
//!                    the next step, or a group of its migrations
//!                    lock its key ── built meanwhile? ──yes──▶ from the start
//!                          │ no
//!                    container over the layers below, writing to a draft
//!                    do the step, freeze, stop the engine, prove a clean state
//!                    seal the draft: the layer is there, or it is not
//! ```
//!
//! Several snapshots are built at the same time ([`Builder::build_all`]): what they share is built by one of them, and
//! the others go on from there.
//!
//! Which migrations go into one layer is told in `builder/group.rs`. A chain that would be deeper than ten layers has
//! the upper half of what is there made one layer first, without running anything again.

mod capture;
mod error;
mod group;
mod perform;
mod together;
mod turns;
mod twin;
mod under_way;

use std::os::fd::BorrowedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::container::{ContainerError, Host, State};
use crate::digest::Digest;
use crate::disk::{self, Below};
use crate::engine::Engine;
use crate::event::{self, BuildStep, Event};
use crate::plan::PlannedSnapshot;
use crate::sandbox::Identity;
use crate::store::{KeyLock, Layer, LayerInfo, Store};

pub use capture::AtRest;
pub use error::{BuildError, StepError};
use group::DEPTH;
use perform::service_of;
pub use together::{Wanted, at_once};
use under_way::{Group, UnderWay};

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
    pub stopped: &'a (dyn Fn() -> bool + Sync),
}

impl<'a> Builder<'a> {
    /// One for this host, that ends when `stop` is readable. `stopped` says whether the user asked for that.
    pub fn on(
        host: &'a Host,
        stop: BorrowedFd<'a>,
        stopped: &'a (dyn Fn() -> bool + Sync),
    ) -> Self {
        Self {
            store: &host.store,
            identity: host.identity,
            project: &host.project,
            shown: &host.shown,
            stop: Some(stop),
            stopped,
        }
    }
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
        self.build_noting(snapshot, services, &|_| (), sink)
    }

    /// As [`Builder::build`]; `reached` is told, now and then, all states of the chain that there are.
    fn build_noting(
        &self,
        snapshot: &PlannedSnapshot,
        services: &[Arc<dyn Engine>],
        reached: &dyn Fn(&[Digest]),
        sink: &mut dyn FnMut(Event),
    ) -> Result<State, BuildError> {
        let mut under_way = UnderWay::new(snapshot, services, self.store);
        let first = snapshot.chain.first().map(|step| step.label.clone());
        let first = under_way.reference(0, first.unwrap_or_default());
        self.adopt(&mut under_way)
            .map_err(|source| self.failure(source, &first, sink))?;
        under_way.tell(sink);
        reached(under_way.reached());
        let mut first = true;
        while let Some(group) = under_way.next() {
            let layers = under_way.state.layers.len();
            // What is there makes room once for all that follows; after that, only when nothing more fits.
            let full = layers >= DEPTH || (first && group.depth > DEPTH && layers >= DEPTH / 2);
            first = false;
            let layer = match full {
                true => self.shorten(&mut under_way, &group, sink),
                false => self.group(&mut under_way, &group, sink),
            };
            layer.map_err(|source| self.failure(source, &group.reference, sink))?;
            under_way.tell(sink);
            reached(under_way.reached());
        }
        Ok(under_way.state)
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

    /// Takes over what the store has of the snapshot; whether that is more than was known.
    fn adopt(&self, under_way: &mut UnderWay<'_>) -> Result<bool, StepError> {
        let chain = self.store.find_chain(under_way.keys())?;
        Ok(under_way.adopt(chain))
    }

    fn lock(
        &self,
        key: &Digest,
        reference: &BuildStep,
        sink: &mut dyn FnMut(Event),
    ) -> Result<KeyLock, StepError> {
        let label = format!("{}: {}", reference.snapshot, reference.label);
        let mut waiting = |holder: &str| {
            // Of what this process builds itself, it tells as of a build.
            if !self.store.builds(key) {
                sink(Event::BuildWaiting {
                    step: reference.clone(),
                    holder: holder.to_owned(),
                });
            }
        };
        let lock = self
            .store
            .lock_key_unless(self.stopped, key, &label, &mut waiting)?;
        Ok(lock.ok_or(ContainerError::Interrupted)?)
    }

    /// Builds one layer, unless somebody else does so meanwhile.
    fn group(
        &self,
        under_way: &mut UnderWay<'_>,
        group: &Group<'_>,
        sink: &mut dyn FnMut(Event),
    ) -> Result<(), StepError> {
        let lock = self.lock(&group.key, &group.reference, sink)?;
        let finished = |layer: Option<&Layer>, since: Option<Instant>| Event::BuildFinished {
            step: group.reference.clone(),
            duration: since.map_or(Duration::ZERO, |since| since.elapsed()),
            cached: since.is_none(),
            bytes: layer.map_or(0, Layer::bytes),
        };
        if self.adopt(under_way)? {
            sink(finished(under_way.state.layers.first(), None));
            under_way.told(group);
            return Ok(());
        }
        sink(Event::BuildStarted(group.reference.clone()));
        let since = Instant::now();
        let draft = self.store.draft(&lock)?;
        let engine = service_of(group.step, &under_way.state)?;
        match self.twin(under_way, group, engine)? {
            Some(twin) => twin.copy(engine, &draft)?,
            None => self.perform(group, &under_way.state, &draft)?,
        }
        let layer = draft.seal(LayerInfo {
            parent: under_way.state.layers.first().cloned(),
            label: group.reference.label.clone(),
            engine: engine.name().to_owned(),
            engine_version: engine.version().to_owned(),
        })?;
        sink(finished(Some(&layer), Some(since)));
        under_way.built(group, layer);
        Ok(())
    }

    /// Makes one layer of the upper half of the chain, which leads to the same state.
    fn shorten(
        &self,
        under_way: &mut UnderWay<'_>,
        group: &Group<'_>,
        sink: &mut dyn FnMut(Event),
    ) -> Result<(), StepError> {
        let Some(top) = under_way.state.layers.first().cloned() else {
            return Ok(());
        };
        let lock = self.lock(&top.key(), &group.reference, sink)?;
        let before = under_way.state.layers.len();
        self.adopt(under_way)?;
        let layers = &under_way.state.layers;
        if layers.len() != before {
            return Ok(());
        }
        let (upper, lower) = layers.split_at(layers.len().div_ceil(2));
        let draft = self.store.draft(&lock)?;
        for engine in &under_way.state.services {
            let name = engine.place().service();
            let files = |layers: &[Layer]| -> Vec<PathBuf> {
                layers.iter().filter_map(|l| l.files(name)).collect()
            };
            let merged = files(upper);
            let below = match files(lower).is_empty() {
                true => Below::Nothing,
                false => Below::Layers,
            };
            if !merged.is_empty() {
                disk::merge_layers(&merged, &draft.files(name)?, below)?;
            }
        }
        draft.seal(LayerInfo {
            parent: lower.first().cloned(),
            label: top.label().to_owned(),
            engine: top.engine().to_owned(),
            engine_version: top.engine_version().to_owned(),
        })?;
        tracing::debug!(
            "made one layer of {}, which lead to {}",
            upper.len(),
            top.label()
        );
        self.adopt(under_way)?;
        Ok(())
    }
}
