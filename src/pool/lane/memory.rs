//! What memory there is for containers, and what they were seen to take.

use std::collections::VecDeque;
use std::thread::available_parallelism;
use std::time::{Duration, Instant};

use super::{Lane, Lanes};
use crate::container::Live;
use crate::pool::Budget;
use crate::sandbox::cgroup::available_memory;
use crate::units::format_size;

/// How long what was read of the memory that is left holds: a start takes longer.
const FRESH: Duration = Duration::from_millis(5);
/// How often containers are measured while there are many, or memory may be what there is too little of.
const MEASURE_EVERY: Duration = Duration::from_millis(100);
/// Of how many containers a lane remembers what they took.
const REMEMBERED: usize = 32;

/// The memory of this machine, or what the groups of this process leave of it.
#[derive(Debug, Default)]
pub(super) struct Memory {
    /// What there was last, where that can be told.
    available: Option<u64>,
    read: Option<Instant>,
    /// The most that was ever seen to be there.
    most: u64,
    measured: Option<Instant>,
    /// Whether somebody was told that there is too little.
    told: bool,
}

impl Memory {
    /// What may still be taken, in bytes.
    fn available(&mut self) -> Option<u64> {
        if self.read.is_none_or(|at| at.elapsed() > FRESH) {
            self.available = available_memory();
            self.read = Some(Instant::now());
            self.most = self.most.max(self.available.unwrap_or(0));
        }
        self.available
    }

    /// What may still be taken when those that live have grown to what is usual, `expected` of all of them.
    fn left(&mut self, expected: u64) -> Option<u64> {
        let available = self.available()?;
        Some(available.min(self.most.saturating_sub(expected)))
    }

    /// Whether it is time to measure: now and then, once many live, or half of what there was is taken or promised.
    fn is_due(&mut self, live: usize, expected: u64) -> bool {
        let tight = self.left(expected).is_some_and(|left| left < self.most / 2);
        let due = self.measured.is_none_or(|at| at.elapsed() > MEASURE_EVERY);
        let is_due = due && (tight || live >= few());
        if is_due {
            self.measured = Some(Instant::now());
        }
        is_due
    }
}

/// How many containers are not yet many: as many as the cores can well use.
fn few() -> usize {
    4 * available_parallelism().map_or(1, usize::from)
}

/// What the containers of one lane were last seen to take.
#[derive(Debug, Default)]
pub(super) struct Measured(VecDeque<u64>);

impl Measured {
    fn note(&mut self, bytes: u64) {
        if self.0.len() == REMEMBERED {
            self.0.pop_front();
        }
        self.0.push_back(bytes);
    }

    /// What one takes, with some room for those that were measured young; `None` before one was measured.
    fn usual(&self) -> Option<u64> {
        let count = self.0.len() as u64;
        let mean = self.0.iter().sum::<u64>().checked_div(count)?;
        Some(u64::midpoint(mean, self.most()?))
    }

    /// The most that one took.
    fn most(&self) -> Option<u64> {
        self.0.iter().max().copied()
    }
}

impl Lanes {
    /// Whether memory allows a container that somebody waits for. Where none lives there is nothing to wait for.
    pub(super) fn admits(&mut self, lane: usize, budget: &Budget) -> bool {
        let live = self.occupied + self.starting() + self.parked();
        let free = live == 0 || budget.containers == usize::MAX;
        free || self.has_memory(lane, budget)
    }

    /// Whether memory allows one more container of a lane, as large as any of them was.
    pub(super) fn has_memory(&mut self, lane: usize, budget: &Budget) -> bool {
        let left = self.memory.left(self.expected_memory());
        let one = self.all[lane].largest();
        left.is_none_or(|left| left >= budget.reserve.saturating_add(one))
    }

    /// What all that live take when each has grown to what is usual.
    fn expected_memory(&self) -> u64 {
        let lanes = self.all.iter();
        lanes.map(|lane| lane.live() as u64 * lane.usual()).sum()
    }

    /// Which containers are to be measured now, by their lanes and inits: a few, in turn.
    pub(in super::super) fn choose_to_measure(&mut self) -> Vec<(usize, i32)> {
        const AT_ONCE: usize = 4;
        let expected = self.expected_memory();
        let live = self.all.iter().map(Lane::live).sum();
        if !self.memory.is_due(live, expected) {
            return Vec::new();
        }
        let mut chosen = Vec::new();
        for (index, lane) in self.all.iter_mut().enumerate() {
            let turns = lane.inits.len().min(AT_ONCE);
            chosen.extend(lane.inits.iter().take(turns).map(|init| (index, *init)));
            lane.inits.rotate_left(turns);
        }
        chosen
    }

    /// What a container of a lane was seen to take.
    pub(in super::super) fn note_memory(&mut self, lane: usize, bytes: u64) {
        self.all[lane].measured.note(bytes);
    }

    /// What must go as memory is short: half of what is parked, so that others may get by.
    pub(in super::super) fn give_way(&mut self, budget: &Budget) -> Vec<Live> {
        let parked = self.parked();
        let available = self.memory.available();
        if parked == 0 || available.is_none_or(|available| available >= budget.reserve) {
            return Vec::new();
        }
        let evicted: Vec<Live> = (0..parked.div_ceil(2))
            .filter_map(|_| self.evict())
            .collect();
        self.occupied += evicted.len();
        evicted
    }

    /// Says once why not as many run at a time as somebody asked for.
    pub(in super::super) fn tell_of_memory(&mut self, budget: &Budget) {
        if std::mem::replace(&mut self.memory.told, true) {
            return;
        }
        let live: usize = self.all.iter().map(Lane::live).sum();
        let each = self.expected_memory() / live.max(1) as u64;
        let available = self.memory.available().unwrap_or(0);
        tracing::warn!(
            "memory is short: {live} containers live, of about {} each, and {} are left, of which {} are not touched; \
             others start when some have ended",
            format_size(each),
            format_size(available),
            format_size(budget.reserve)
        );
    }
}

impl Lane {
    /// How many there are, those that are still being started included.
    fn live(&self) -> usize {
        self.parked.len() + self.starting + self.in_use
    }

    /// What one takes: as expected, and as measured once some have come to their end; those that are young
    /// have yet to grow.
    fn usual(&self) -> u64 {
        self.corrected(self.measured.usual())
    }

    /// The most that one takes.
    fn largest(&self) -> u64 {
        self.corrected(self.measured.most())
    }

    fn corrected(&self, measured: Option<u64>) -> u64 {
        let expected = self.order.memory();
        match measured {
            Some(measured) if self.ended >= few() => measured,
            measured => expected.max(measured.unwrap_or(0)),
        }
    }
}
