//! The books of a pool: pure bookkeeping under its lock.

mod memory;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::budget::Budget;
use crate::container::{ContainerError, Live, Order};
use crate::engine::{Address, Engine};
use memory::{Measured, Memory};

/// All lanes of a pool.
#[derive(Debug, Default)]
pub(super) struct Lanes {
    all: Vec<Lane>,
    /// The lanes that will be asked, where somebody said so: the next one first.
    upcoming: VecDeque<usize>,
    /// Containers that are not parked: handed over, being started for a caller, being taken apart.
    pub(super) occupied: usize,
    /// Who waits, in the order in which they asked.
    queue: VecDeque<Ticket>,
    last_ticket: u64,
    /// How many parked containers are being used for the first time.
    warming: usize,
    last_served: Option<Instant>,
    has_started: bool,
    memory: Memory,
    closed: bool,
}

/// The containers of one order.
#[derive(Debug)]
struct Lane {
    order: Order,
    /// The oldest first.
    parked: VecDeque<Parked>,
    /// How many are being started to be parked.
    starting: usize,
    /// How many callers wait.
    waiting: usize,
    /// How often it will be asked for, where somebody said so.
    expected: Option<usize>,
    in_use: usize,
    /// The inits of those in use, the one that is measured next first.
    inits: VecDeque<i32>,
    measured: Measured,
    /// How many callers have had theirs to the end.
    ended: usize,
    /// How often it was asked for.
    asked: usize,
    /// How many were in use at once.
    peak: usize,
    /// Its last start failed: the next caller is to see why, nothing is parked before.
    failed: bool,
}

/// A container that waits.
#[derive(Debug)]
struct Parked {
    live: Live,
    /// Whether its services were used once.
    warm: bool,
}

/// A caller's place in the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ticket {
    number: u64,
    pub(super) lane: usize,
}

/// What a caller does next.
#[derive(Debug)]
pub(super) enum Turn {
    /// Wait for one that is being started, or for a place.
    Wait,
    /// Wait for memory: that of others.
    WaitForMemory,
    /// Start a container, which has a place now: that of the parked one, which must go first.
    Start { in_place_of: Option<Live> },
}

impl Lanes {
    fn lane(&mut self, order: &Order) -> usize {
        let known = self.all.iter().position(|lane| lane.order == *order);
        known.unwrap_or_else(|| {
            self.all.push(Lane {
                order: order.clone(),
                parked: VecDeque::new(),
                starting: 0,
                waiting: 0,
                expected: None,
                in_use: 0,
                inits: VecDeque::new(),
                measured: Measured::default(),
                ended: 0,
                asked: 0,
                peak: 0,
                failed: false,
            });
            self.all.len() - 1
        })
    }

    pub(super) fn expect(&mut self, order: &Order, times: usize) {
        let lane = self.lane(order);
        self.upcoming.retain(|next| *next != lane);
        self.upcoming.extend(std::iter::repeat_n(lane, times));
        self.all[lane].expected = Some(times);
    }

    pub(super) fn expect_next(&mut self, order: &Order) {
        let lane = self.lane(order);
        self.upcoming.push_back(lane);
        *self.all[lane].expected.get_or_insert(0) += 1;
    }

    /// How many are parked.
    pub(super) fn parked(&self) -> usize {
        self.all.iter().map(|lane| lane.parked.len()).sum()
    }

    fn starting(&self) -> usize {
        self.all.iter().map(|lane| lane.starting).sum()
    }

    /// How many there may still be.
    fn room(&self, budget: &Budget) -> usize {
        let taken = self.occupied + self.starting() + self.parked();
        budget.containers.saturating_sub(taken)
    }

    /// A caller joins the queue.
    pub(super) fn join(&mut self, order: &Order) -> Ticket {
        let lane = self.lane(order);
        self.all[lane].waiting += 1;
        self.last_ticket += 1;
        let ticket = Ticket {
            number: self.last_ticket,
            lane,
        };
        self.queue.push_back(ticket);
        ticket
    }

    /// Whether many others wait before a caller.
    pub(super) fn is_far_behind(&self, ticket: Ticket) -> bool {
        const MANY: usize = 32;
        let near = self.queue.iter().take(MANY);
        !near.copied().any(|waiting| waiting == ticket)
    }

    /// A caller leaves the queue with nothing.
    pub(super) fn give_up(&mut self, ticket: Ticket) {
        self.queue.retain(|waiting| *waiting != ticket);
        self.all[ticket.lane].waiting -= 1;
    }

    /// A caller leaves the queue and has a container, or starts one.
    fn serve(&mut self, ticket: Ticket) {
        self.give_up(ticket);
        self.last_served = Some(Instant::now());
        self.occupied += 1;
        let lane = &mut self.all[ticket.lane];
        lane.in_use += 1;
        lane.peak = lane.peak.max(lane.in_use);
        lane.failed = false;
        lane.asked += 1;
        if let Some(expected) = &mut lane.expected {
            *expected = expected.saturating_sub(1);
        }
        let upcoming = self.upcoming.iter().position(|next| *next == ticket.lane);
        if let Some(upcoming) = upcoming {
            self.upcoming.remove(upcoming);
        }
    }

    /// A parked container for a caller.
    pub(super) fn take_parked(&mut self, ticket: Ticket) -> Option<Live> {
        let Parked { live, .. } = self.all[ticket.lane].parked.pop_front()?;
        self.serve(ticket);
        Some(live)
    }

    /// Whether it is a caller's turn to start a container itself.
    pub(super) fn turn(&mut self, ticket: Ticket, beyond: bool, budget: &Budget) -> Turn {
        let lane = &self.all[ticket.lane];
        // One is on its way to whoever waits in this lane.
        if lane.starting >= lane.waiting {
            return Turn::Wait;
        }
        let before = self.queue.iter().position(|waiting| *waiting == ticket);
        let placed = before.is_some_and(|before| before < self.room(budget));
        let admitted = placed && self.admits(ticket.lane, budget);
        let in_place_of = match before {
            Some(_) if beyond || admitted => None,
            Some(0) => match self.evict() {
                Some(evicted) => Some(evicted),
                None if placed => return Turn::WaitForMemory,
                None => return Turn::Wait,
            },
            _ => return Turn::Wait,
        };
        self.serve(ticket);
        Turn::Start { in_place_of }
    }

    /// Takes a parked container out of the lane that is asked last, or that has most of them where nobody knows.
    fn evict(&mut self) -> Option<Live> {
        let next = |lane: usize| self.upcoming.iter().position(|next| *next == lane);
        let lanes = self.all.iter().enumerate();
        let parked = lanes.filter(|(_, lane)| !lane.parked.is_empty());
        let last = parked
            .max_by_key(|(index, lane)| (next(*index).unwrap_or(usize::MAX), lane.parked.len()));
        let (last, _) = last?;
        Some(self.all[last].parked.pop_front()?.live)
    }

    /// The first lane that will be asked for more than it has, among as many requests as containers may be parked.
    fn next_missing(&self, budget: &Budget) -> Option<usize> {
        let next = self.upcoming.iter().take(budget.parked);
        let next: Vec<usize> = next.copied().collect();
        let is_missing = |at: &usize| {
            let lane = &self.all[next[*at]];
            let times = next[..=*at].iter().filter(|other| **other == next[*at]);
            !lane.failed && times.count() > lane.parked.len() + lane.starting
        };
        (0..next.len()).find(is_missing).map(|at| next[at])
    }

    /// A caller has a container.
    pub(super) fn used(&mut self, lane: usize, init: i32) {
        self.has_started = true;
        self.all[lane].inits.push_back(init);
    }

    /// Whether a container was ever started: then this host allows them.
    pub(super) fn has_started(&self) -> bool {
        self.has_started
    }

    /// A container is no longer used by its caller; it still takes its place.
    pub(super) fn unused(&mut self, lane: usize, init: Option<i32>) {
        let lane = &mut self.all[lane];
        lane.in_use -= 1;
        lane.ended += usize::from(init.is_some());
        lane.inits.retain(|known| Some(*known) != init);
    }

    /// A container that wasn't parked is gone.
    pub(super) fn leave(&mut self) {
        self.occupied -= 1;
    }

    /// For how long starters leave the processors, and this process's memory that a start has to map anew, to who was
    /// just served: a test's first use of its container is over soon. Where nothing is parked, they don't.
    pub(super) fn grace(&self) -> Option<Duration> {
        const GRACE: Duration = Duration::from_millis(5);
        let since = self.last_served.filter(|_| self.parked() > 0)?.elapsed();
        GRACE.checked_sub(since).filter(|left| !left.is_zero())
    }

    /// Reserves a place for a container that should be parked, and says for which order and lane.
    pub(super) fn begin(&mut self, budget: &Budget) -> Option<(usize, Order)> {
        if self.closed || self.room(budget) == 0 {
            return None;
        }
        if self.parked() + self.starting() >= budget.parked {
            return None;
        }
        // Callers who wait are served first, whatever may be parked.
        let missing = |lane: &Lane| match lane.expected {
            // One that was asked for once may never be asked for again.
            None if !lane.failed && lane.asked >= 2 => {
                let wanted = lane.peak.min(budget.parked);
                wanted.saturating_sub(lane.parked.len() + lane.starting)
            }
            _ => 0,
        };
        let index = self.next_missing(budget).or_else(|| {
            let lanes = self.all.iter().enumerate();
            let (index, lane) = lanes.max_by_key(|(_, lane)| missing(lane))?;
            (missing(lane) > 0).then_some(index)
        })?;
        if !self.has_memory(index, budget) {
            return None;
        }
        let lane = &mut self.all[index];
        lane.starting += 1;
        Some((index, lane.order.clone()))
    }

    /// The services of a parked container that was not used yet, with their addresses: theirs is the time that
    /// nobody else needs.
    pub(super) fn cold(&mut self) -> Option<Vec<(Arc<dyn Engine>, Address)>> {
        let lanes = self.all.iter_mut();
        let mut cold = lanes.flat_map(|lane| {
            let state = &lane.order.state;
            let cold = lane.parked.iter_mut().filter(|parked| !parked.warm);
            cold.map(move |parked| (state, parked))
        });
        let (state, parked) = cold.next()?;
        parked.warm = true;
        self.warming += 1;
        let address = |engine: &Arc<dyn Engine>| {
            let folder = parked.live.reach(&engine.place().sockets());
            (Arc::clone(engine), Address::Socket(folder))
        };
        Some(state.services.iter().map(address).collect())
    }

    /// A parked container was used.
    pub(super) fn warmed(&mut self) {
        self.warming -= 1;
    }

    /// Whether nothing is under way, and nothing left to be done for what is parked.
    pub(super) fn at_rest(&self) -> bool {
        let mut parked = self.all.iter().flat_map(|lane| &lane.parked);
        let under_way = self.warming + self.starting();
        under_way == 0 && parked.all(|parked| parked.warm)
    }

    /// A container that should be parked was started, or not; gives back what can't be parked any more.
    pub(super) fn park(
        &mut self,
        lane: usize,
        started: Result<Live, ContainerError>,
    ) -> Option<Live> {
        let closed = self.closed;
        let lane = &mut self.all[lane];
        lane.starting -= 1;
        match started {
            // Whoever waits may have started one in the meantime; what was forgotten is not wanted.
            Ok(live) if closed || lane.expected == Some(0) && lane.waiting == 0 => {
                self.occupied += 1;
                Some(live)
            }
            Ok(live) => {
                lane.parked.push_back(Parked { live, warm: false });
                None
            }
            Err(_) => {
                lane.failed = true;
                None
            }
        }
    }

    /// What must go as nobody asks for it any more.
    pub(super) fn forget(&mut self, which: impl Fn(&Order) -> bool) -> Vec<Live> {
        let mut parked = Vec::new();
        self.upcoming.retain(|lane| !which(&self.all[*lane].order));
        for lane in self.all.iter_mut().filter(|lane| which(&lane.order)) {
            lane.expected = Some(0);
            parked.extend(lane.parked.drain(..).map(|parked| parked.live));
        }
        self.occupied += parked.len();
        parked
    }

    /// Nothing is parked any more.
    pub(super) fn close(&mut self) -> Vec<Live> {
        self.closed = true;
        let lanes = self.all.iter_mut();
        let parked = lanes.flat_map(|lane| lane.parked.drain(..));
        parked.map(|parked| parked.live).collect()
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed
    }
}
