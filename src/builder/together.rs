//! Several snapshots at the same time, each on a thread of its own.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread;

use super::turns::Turns;
use super::{BuildError, Builder};
use crate::container::State;
use crate::digest::Digest;
use crate::engine::Engine;
use crate::event::Event;
use crate::plan::PlannedSnapshot;
use crate::sandbox::cgroup::available_memory;

/// A snapshot to build.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// Its steps.
    pub snapshot: &'a PlannedSnapshot,
    /// What runs its services.
    pub services: &'a [Arc<dyn Engine>],
}

/// How many snapshots, of so many `wanted`, this machine builds at once: one for each core, two at least, as one waits for the disk while
/// another computes; and as many as half of the memory that is free carries, at 256 MiB for a server with its client.
pub fn at_once(wanted: usize) -> usize {
    const EACH: u64 = 256 << 20;
    // Asking the host takes longer than to see that one is built already.
    if wanted <= 1 {
        return 1;
    }
    let cores = thread::available_parallelism()
        .map_or(1, usize::from)
        .max(2);
    let fit = available_memory().map_or(u64::MAX, |bytes| bytes / 2 / EACH);
    cores.min(usize::try_from(fit).unwrap_or(usize::MAX)).max(1)
}

/// What a thread tells the one that waits for all.
enum Told {
    Event(Event),
    Ended(usize, Result<State, BuildError>),
}

impl Builder<'_> {
    /// As [`Builder::build`], for several snapshots, at most `at_once` of them at a time. The answers come in the order
    /// of `wanted`; of the events, those of one snapshot do. One that can't be built stops none of the others.
    pub fn build_all(
        &self,
        wanted: &[Wanted<'_>],
        at_once: usize,
        sink: &mut dyn FnMut(Event),
    ) -> Vec<Result<State, BuildError>> {
        let threads = at_once.min(wanted.len());
        if threads <= 1 {
            let build = |it: &Wanted<'_>| self.build(it.snapshot, it.services, sink);
            return wanted.iter().map(build).collect();
        }
        let line = Line::of(wanted);
        let (tell, told) = mpsc::channel();
        let mut built: Vec<_> = wanted.iter().map(|_| None).collect();
        thread::scope(|scope| {
            for _ in 0..threads {
                let (line, tell) = (&line, tell.clone());
                scope.spawn(move || {
                    // Whoever listens does so until nobody can tell any more.
                    let say = |told| drop(tell.send(told));
                    while let Some(turn) = line.turn() {
                        let Wanted { snapshot, services } = wanted[turn.place];
                        let reached = |states: &[Digest]| line.reach(states);
                        let mut sink = |event| say(Told::Event(event));
                        let state = self.build_noting(snapshot, services, &reached, &mut sink);
                        say(Told::Ended(turn.place, state));
                    }
                });
            }
            drop(tell);
            for told in told {
                match told {
                    Told::Event(event) => sink(event),
                    Told::Ended(place, state) => built[place] = Some(state),
                }
            }
        });
        let answers = built.into_iter();
        // A thread that panicked has taken this one with it.
        let answers = answers.map(|state| state.expect("each is begun, and ends"));
        answers.collect()
    }
}

/// Where the threads wait for their turn.
struct Line {
    turns: Mutex<Turns>,
    changed: Condvar,
}

/// A snapshot that a thread has begun; it has ended when this is dropped, by a panic too.
struct Turn<'a> {
    line: &'a Line,
    place: usize,
}

impl Line {
    fn of(wanted: &[Wanted<'_>]) -> Self {
        let keys = |it: &Wanted<'_>| it.snapshot.cuts().iter().map(|cut| cut.key).collect();
        let chains: Vec<Vec<Digest>> = wanted.iter().map(keys).collect();
        Self {
            turns: Mutex::new(Turns::new(&chains)),
            changed: Condvar::new(),
        }
    }

    // Nothing can panic while the lock is held.
    fn turns(&self) -> MutexGuard<'_, Turns> {
        self.turns.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next snapshot, once there is one that may be begun; none when all are.
    fn turn(&self) -> Option<Turn<'_>> {
        let mut turns = self.turns();
        loop {
            if let Some(place) = turns.begin() {
                return Some(Turn { line: self, place });
            }
            if turns.all_begun() {
                return None;
            }
            let woken = self.changed.wait(turns);
            turns = woken.unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn reach(&self, states: &[Digest]) {
        self.turns().reach(states);
        self.changed.notify_all();
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.line.turns().end(self.place);
        self.line.changed.notify_all();
    }
}
