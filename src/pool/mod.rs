//! Containers ahead of need: started before anybody asks for them, parked, and handed over.
//!
//! A pool has one *lane* for each [`Order`]: the containers that are parked for it, and how many more will be
//! asked for. Its *starters* are threads that fill the lanes; whoever finds a lane empty starts a container
//! itself. One [`Budget`] holds over all lanes, and what is parked gives way to what is needed.
//!
//! ```text
//!              starters                take()                    dropped
//!   Order ───────────────▶ parked ───────────────▶ handed over ───────────▶ taken apart, by a thread of
//!                             │                                              its own: the budget is free
//!                             └── evicted: memory is short, another lane     again once the kernel is done
//!                                 needs its place, or the pool is dropped
//! ```
//!
//! All of a pool dies with its process: the kernel ends every container whose lifeline closes.

mod budget;
pub mod client;
mod lane;
pub mod protocol;
mod wire;

use std::io::{self, PipeReader, PipeWriter};
use std::ops::{Deref, DerefMut};
use std::os::fd::{AsFd as _, BorrowedFd};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::container::{Container, ContainerError, Live, Order, State};
use crate::sandbox::memory_taken;

pub use budget::Budget;
use lane::{Lanes, Turn};
pub(crate) use wire::Wire;

/// Containers of one machine, parked and handed over. Dropping it takes apart what is parked.
#[derive(Debug)]
pub struct Pool {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
    /// Closed with the pool, which ends the starts that are under way.
    lifeline: Option<PipeWriter>,
}

#[derive(Debug)]
struct Shared {
    budget: Budget,
    lanes: Mutex<Lanes>,
    /// Something was parked, given back or asked for.
    changed: Condvar,
    /// Takes containers apart off everybody's path; `None` once the pool is closed.
    undertaker: Mutex<Option<mpsc::Sender<Live>>>,
    closing: PipeReader,
}

/// A container that was handed over; dropping it gives its place back.
#[derive(Debug)]
pub struct Handed {
    live: Option<Live>,
    shared: Arc<Shared>,
    lane: usize,
    parked: bool,
}

impl Pool {
    /// A pool that starts nothing yet.
    ///
    /// # Errors
    /// When there are no descriptors or threads left.
    pub fn new(budget: Budget) -> io::Result<Self> {
        let (undertaker, dead) = mpsc::channel::<Live>();
        let (closing, lifeline) = io::pipe()?;
        let shared = Arc::new(Shared {
            budget,
            lanes: Mutex::default(),
            changed: Condvar::new(),
            undertaker: Mutex::new(Some(undertaker)),
            closing,
        });
        let mut pool = Self {
            shared: Arc::clone(&shared),
            threads: Vec::new(),
            lifeline: Some(lifeline),
        };
        pool.thread("undertaker", move || {
            for live in dead {
                drop(live);
                shared.lanes().leave();
                shared.changed.notify_all();
            }
        })?;
        for _ in 0..budget.starters {
            let shared = Arc::clone(&pool.shared);
            pool.thread("starter", move || while shared.park_one() {})?;
        }
        Ok(pool)
    }

    fn thread(&mut self, name: &str, work: impl FnOnce() + Send + 'static) -> io::Result<()> {
        let builder = std::thread::Builder::new().name(format!("cowherd {name}"));
        self.threads.push(builder.spawn(work)?);
        Ok(())
    }

    /// Says that `order` will be asked for `times` more times: so many are parked, as far as the budget goes, and
    /// none is left over at the end. A lane of which nobody said so parks as many as were in use at once.
    pub fn expect(&self, order: &Order, times: usize) {
        self.shared.lanes().expect(order, times);
        self.shared.changed.notify_all();
    }

    /// Says what will be asked for next, one after the other, behind what was said before: those that come first are
    /// parked first, as far as the budget goes, and none is left over at the end.
    pub fn expect_in_order<'o>(&self, orders: impl IntoIterator<Item = &'o Order>) {
        let mut lanes = self.shared.lanes();
        for order in orders {
            lanes.expect_next(order);
        }
        drop(lanes);
        self.shared.changed.notify_all();
    }

    /// Nobody asks for copies of `state` any more: what is parked of it is taken apart.
    pub fn forget_copies_of(&self, state: &Arc<State>) {
        let parked = self
            .shared
            .lanes()
            .forget(|order| Arc::ptr_eq(&order.state, state));
        self.shared.bury(parked);
    }

    /// Hands a container over, ready to use: one that is parked, else one that is started now. Where the budget
    /// is used up, or memory is short while others live, it waits for its turn, first come, first served; a readable
    /// `stop` ends the wait.
    ///
    /// # Errors
    /// As [`Order::start`]; [`ContainerError::Interrupted`] by `stop`.
    pub fn take(
        &self,
        order: &Order,
        stop: Option<BorrowedFd<'_>>,
    ) -> Result<Handed, ContainerError> {
        self.take_for(order, false, stop)
    }

    /// As [`Pool::take`] for one who may hold others already, `more`, and would wait for itself in the end if it had
    /// to wait for a place: it is served beyond the budget.
    ///
    /// # Errors
    /// As [`Pool::take`].
    pub(crate) fn take_for(
        &self,
        order: &Order,
        more: bool,
        stop: Option<BorrowedFd<'_>>,
    ) -> Result<Handed, ContainerError> {
        let shared = &self.shared;
        let mut lanes = shared.lanes();
        let ticket = lanes.join(order);
        let handed = |live: Option<Live>, parked| {
            if let Some(live) = &live {
                shared.lanes().used(ticket.lane, live.pid());
            }
            Handed {
                live,
                shared: Arc::clone(shared),
                lane: ticket.lane,
                parked,
            }
        };
        let begun = Instant::now();
        let evicted = loop {
            lanes = shared.measure(lanes);
            if let Some(mut live) = lanes.take_parked(ticket) {
                drop(lanes);
                shared.changed.notify_all();
                if live.is_well() {
                    return Ok(handed(Some(live), true));
                }
                // It died while nobody looked: another one takes its place.
                break Some(live);
            }
            match lanes.turn(ticket, more, &shared.budget) {
                Turn::Start { in_place_of } => {
                    drop(lanes);
                    break in_place_of;
                }
                Turn::WaitForMemory if begun.elapsed() > PATIENCE => {
                    lanes.tell_of_memory(&shared.budget);
                }
                Turn::WaitForMemory | Turn::Wait => {}
            }
            if stop.is_some_and(is_readable) {
                lanes.give_up(ticket);
                drop(lanes);
                shared.changed.notify_all();
                return Err(ContainerError::Interrupted);
            }
            lanes = match lanes.is_far_behind(ticket) {
                // Whatever changes, others are first: hundreds need not be woken for it.
                true => {
                    drop(lanes);
                    std::thread::sleep(LOOK_EVERY);
                    shared.lanes()
                }
                false => shared.wait(lanes, LOOK_EVERY),
            };
        };
        drop(evicted);
        match shared.start(order, stop) {
            Ok(live) => Ok(handed(Some(live), false)),
            Err(error) => {
                // Gives its place back.
                drop(handed(None, false));
                Err(error)
            }
        }
    }

    /// Whether nothing is being started or used for the first time: what is parked is as ready as it gets.
    pub fn is_at_rest(&self) -> bool {
        self.shared.lanes().at_rest()
    }

    /// How many containers are parked.
    pub fn parked(&self) -> usize {
        self.shared.lanes().parked()
    }
}

/// How long a waiting caller goes without a look at its `stop`.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// How long a start is tried again that has failed for want of something, where others had what it takes; and the first
/// one, as what this process or its parent had before may not be free yet.
const TRY_AGAIN_FOR: Duration = Duration::from_secs(10);
const TRY_FIRST_FOR: Duration = Duration::from_secs(1);
/// How often.
const TRY_AGAIN_EVERY: Duration = Duration::from_millis(20);
/// How long a caller waits for memory before that is told.
const PATIENCE: Duration = Duration::from_secs(1);
/// How often a pool with nothing to do looks at the memory that is left.
const WATCH_MEMORY_EVERY: Duration = Duration::from_secs(1);

impl Shared {
    // Nothing can panic while the lock is held.
    fn lanes(&self) -> MutexGuard<'_, Lanes> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, lanes: MutexGuard<'a, Lanes>, at_most: Duration) -> MutexGuard<'a, Lanes> {
        let woken = self.changed.wait_timeout(lanes, at_most);
        woken.unwrap_or_else(PoisonError::into_inner).0
    }

    /// Starts a container. Where others could be started, it is tried again for a while, should the kernel have to take
    /// some apart before there is room.
    fn start(&self, order: &Order, stop: Option<BorrowedFd<'_>>) -> Result<Live, ContainerError> {
        let begun = Instant::now();
        loop {
            let started = order.start(stop);
            let passing = matches!(&started, Err(error) if error.is_passing());
            let patience = match self.lanes().has_started() {
                true => TRY_AGAIN_FOR,
                false => TRY_FIRST_FOR,
            };
            if !passing || begun.elapsed() >= patience || stop.is_some_and(is_readable) {
                return started;
            }
            drop(self.wait(self.lanes(), TRY_AGAIN_EVERY));
        }
    }

    /// Measures a few containers where it is time to, so that others are let in by what those take.
    fn measure<'a>(&'a self, mut lanes: MutexGuard<'a, Lanes>) -> MutexGuard<'a, Lanes> {
        let chosen = lanes.choose_to_measure();
        if chosen.is_empty() {
            return lanes;
        }
        drop(lanes);
        let taken = chosen
            .into_iter()
            .map(|(lane, init)| (lane, memory_taken(init)));
        let taken: Vec<_> = taken.collect();
        let mut lanes = self.lanes();
        for (lane, bytes) in taken {
            // One that is gone meanwhile says nothing.
            if let Some(bytes) = bytes {
                lanes.note_memory(lane, bytes);
            }
        }
        lanes
    }

    /// Parks the container that is missing most, or waits until one may be missing; `false` once the pool is
    /// closed.
    fn park_one(&self) -> bool {
        let mut lanes = self.lanes();
        if lanes.is_closed() {
            return false;
        }
        if let Some(left) = lanes.grace() {
            drop(self.wait(lanes, left));
            return true;
        }
        lanes = self.measure(lanes);
        let Some((lane, order)) = lanes.begin(&self.budget) else {
            self.idle(lanes);
            return true;
        };
        drop(lanes);
        let begun = Instant::now();
        let started = order.start(Some(self.closing.as_fd()));
        let (snapshot, ok) = (&order.state.snapshot, started.is_ok());
        tracing::debug!(snapshot, ok, after = ?begun.elapsed(), "started ahead of need");
        let over = self.lanes().park(lane, started);
        self.changed.notify_all();
        self.bury(over);
        true
    }

    /// Warms a parked container, or waits until there is something to do.
    fn idle(&self, mut lanes: MutexGuard<'_, Lanes>) {
        if let Some(services) = lanes.cold() {
            drop(lanes);
            for (engine, address) in services {
                engine.warm(&address);
            }
            self.lanes().warmed();
            return;
        }
        let mut lanes = self.wait(lanes, WATCH_MEMORY_EVERY);
        let evicted = lanes.give_way(&self.budget);
        drop(lanes);
        self.bury(evicted);
    }

    /// Has containers taken apart that still have a place in the budget.
    fn bury(&self, dead: impl IntoIterator<Item = Live>) {
        let undertaker = self.undertaker.lock();
        let undertaker = undertaker.unwrap_or_else(PoisonError::into_inner);
        for live in dead {
            match &*undertaker {
                // It listens for as long as somebody can send.
                Some(undertaker) => drop(undertaker.send(live)),
                None => drop(live),
            }
        }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        let parked = self.shared.lanes().close();
        self.shared.changed.notify_all();
        drop(self.lifeline.take());
        drop(parked);
        let undertaker = self.shared.undertaker.lock();
        drop(undertaker.unwrap_or_else(PoisonError::into_inner).take());
        for thread in self.threads.drain(..) {
            // A panic there has been told.
            let _ = thread.join();
        }
    }
}

impl Handed {
    /// Whether it had been started before it was asked for.
    pub fn was_parked(&self) -> bool {
        self.parked
    }
}

impl Deref for Handed {
    type Target = Container;

    fn deref(&self) -> &Container {
        self.live.as_ref().expect("held until it is dropped")
    }
}

impl DerefMut for Handed {
    fn deref_mut(&mut self) -> &mut Container {
        self.live.as_mut().expect("held until it is dropped")
    }
}

impl Drop for Handed {
    fn drop(&mut self) {
        let mut lanes = self.shared.lanes();
        lanes.unused(self.lane, self.live.as_ref().map(|live| live.pid()));
        if self.live.is_none() {
            lanes.leave();
        }
        drop(lanes);
        self.shared.bury(self.live.take());
        self.shared.changed.notify_all();
    }
}

fn is_readable(fd: BorrowedFd<'_>) -> bool {
    let mut fds = [PollFd::new(fd, PollFlags::POLLIN)];
    poll(&mut fds, PollTimeout::ZERO).is_ok_and(|ready| ready > 0)
}
