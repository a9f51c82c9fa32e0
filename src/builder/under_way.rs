//! How far a snapshot is built.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use super::group::{self, Next};
use crate::container::{State, dependencies};
use crate::digest::Digest;
use crate::engine::Engine;
use crate::event::{BuildStep, Event};
use crate::plan::{Cut, PlannedSnapshot, PlannedStep};
use crate::store::{Layer, Store};

/// A snapshot that is being built.
pub(super) struct UnderWay<'a> {
    snapshot: &'a PlannedSnapshot,
    cuts: Vec<Cut>,
    keys: Vec<Digest>,
    /// How many of the states are reached.
    done: usize,
    /// How many of the steps somebody has been told of.
    told: usize,
    /// What there is by now.
    pub(super) state: State,
}

/// The part of a step that is done in one layer.
pub(super) struct Group<'a> {
    pub(super) step: &'a PlannedStep,
    /// Which of the step's scripts.
    pub(super) scripts: Range<usize>,
    /// The key of the state that it leads to.
    pub(super) key: Digest,
    /// How it is called in messages.
    pub(super) reference: BuildStep,
    /// How many layers the whole chain is going to have.
    pub(super) depth: usize,
    states: usize,
    ends_step: Option<usize>,
}

impl<'a> UnderWay<'a> {
    pub(super) fn new(
        snapshot: &'a PlannedSnapshot,
        services: &[Arc<dyn Engine>],
        store: &Store,
    ) -> Self {
        let cuts = snapshot.cuts();
        Self {
            snapshot,
            keys: cuts.iter().map(|cut| cut.key).collect(),
            cuts,
            done: 0,
            told: 0,
            state: State {
                snapshot: snapshot.name.clone(),
                layers_folder: store.layers_dir().to_owned(),
                layers: Vec::new(),
                services: services.to_vec(),
                depends_on: dependencies(&snapshot.services),
                programs: snapshot.programs,
            },
        }
    }

    /// The keys of all states, in order.
    pub(super) fn keys(&self) -> &[Digest] {
        &self.keys
    }

    /// The keys of the states that are reached, in order.
    pub(super) fn reached(&self) -> &[Digest] {
        &self.keys[..self.done]
    }

    /// The layer of an earlier step that makes the same files for another service, and which that is.
    pub(super) fn twin(&self, group: &Group<'_>) -> Option<(&Layer, &str)> {
        let chain = self.snapshot.chain.iter();
        let mut earlier = chain.take_while(|step| step.key != group.key);
        let twin = earlier.find(|step| step.alike == group.step.alike)?;
        let mut layers = self.state.layers.iter();
        let layer = layers.find(|layer| layer.key() == twin.key)?;
        Some((layer, &twin.service))
    }

    /// What to build next; `None` at the end.
    pub(super) fn next(&self) -> Option<Group<'a>> {
        let missing = self.cuts.get(self.done..)?;
        let first = missing.first()?;
        let Next { states, depth } = group::next(missing, self.state.layers.len());
        let last = missing[states - 1];
        let step = &self.snapshot.chain[first.step];
        let scripts = first.scripts.saturating_sub(1)..last.scripts;
        let scripts = match step.prefixes.is_empty() {
            true => 0..last.scripts,
            false => scripts,
        };
        Some(Group {
            key: last.key,
            reference: self.reference(first.step, step.label_of(&scripts)),
            ends_step: (last.key == step.key).then_some(first.step),
            step,
            scripts,
            depth,
            states,
        })
    }

    pub(super) fn reference(&self, step: usize, label: String) -> BuildStep {
        BuildStep {
            snapshot: self.snapshot.name.clone(),
            label,
            index: step + 1,
            of: self.snapshot.chain.len(),
        }
    }

    /// Takes over what the store has, the lowest layer first; whether that leads further than before.
    pub(super) fn adopt(&mut self, chain: Vec<Layer>) -> bool {
        let before = self.done;
        let top = chain.last().map(Layer::key);
        self.done = top.map_or(0, |top| {
            let at = self.keys.iter().position(|key| *key == top);
            at.map_or(0, |at| at + 1)
        });
        self.state.layers = chain;
        self.state.layers.reverse();
        self.done > before
    }

    /// The group is there now.
    pub(super) fn built(&mut self, group: &Group<'_>, layer: Layer) {
        self.state.layers.insert(0, layer);
        self.done += group.states;
        self.told(group);
    }

    /// Somebody has been told of the group; with it of its step, where it is the end of that.
    pub(super) fn told(&mut self, group: &Group<'_>) {
        self.told = self.told.max(group.ends_step.map_or(0, |step| step + 1));
    }

    /// Tells of the steps that were in the store, each once.
    pub(super) fn tell(&mut self, sink: &mut dyn FnMut(Event)) {
        let Some(last) = self.done.checked_sub(1).map(|last| self.cuts[last]) else {
            return;
        };
        for (index, step) in self.snapshot.chain.iter().enumerate().skip(self.told) {
            if index > last.step || (index == last.step && last.key != step.key) {
                return;
            }
            let inside = |key: &Digest| *key == step.key || step.prefixes.contains(key);
            let layers = self.state.layers.iter();
            sink(Event::BuildFinished {
                step: self.reference(index, step.label.clone()),
                duration: Duration::ZERO,
                cached: true,
                bytes: layers
                    .filter(|layer| inside(&layer.key()))
                    .map(Layer::bytes)
                    .sum(),
            });
            self.told = index + 1;
        }
    }
}
