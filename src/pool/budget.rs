//! How many containers there may be, over all lanes.

use std::thread::available_parallelism;

use crate::container::Order;
use crate::sandbox::cgroup::available_memory;

/// What all containers of a pool may take together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// How many containers at once, parked ones included. Whoever asks for more waits.
    pub containers: usize,
    /// How many of them may be parked, over all orders; 0 parks none.
    pub parked: usize,
    /// How many threads start containers ahead of need.
    pub starters: usize,
    /// How much memory, in bytes, is left to everybody else: nothing is parked below it, and what is parked
    /// is taken apart.
    pub reserve: u64,
}

impl Budget {
    /// A budget for callers who ask for `jobs` containers at once: as many may be parked, and one thread for each
    /// core starts them.
    ///
    /// ```
    /// use cowherd::pool::Budget;
    /// assert_eq!(Budget::of_jobs(4).containers, 8);
    /// ```
    pub fn of_jobs(jobs: usize) -> Self {
        Self {
            containers: 2 * jobs.max(1),
            parked: jobs,
            starters: available_parallelism().map_or(1, usize::from).min(jobs),
            reserve: RESERVE,
        }
    }

    /// A budget for whoever asks: as many as half of the memory that is there now carries, by what one PostgreSQL
    /// with a test takes, and two parked for each core.
    pub fn of_machine() -> Self {
        const EACH: u64 = 128 << 20;
        let cores = available_parallelism().map_or(1, usize::from);
        let carried = available_memory().map_or(64, |bytes| (bytes / 2 / EACH) as usize);
        Self {
            containers: carried.max(2 * cores),
            parked: 2 * cores,
            starters: cores,
            reserve: RESERVE,
        }
    }

    /// A budget for the tests of one process, which ask for as many as they will: nobody waits. As many may
    /// be parked as there are cores, none in a process that is there for one test `alone`.
    pub fn of_tests(alone: bool) -> Self {
        let cores = available_parallelism().map_or(1, usize::from);
        Self {
            containers: usize::MAX,
            parked: if alone { 0 } else { cores },
            starters: if alone { 0 } else { cores },
            reserve: RESERVE,
        }
    }

    /// Whether memory allows one more parked container.
    pub(super) fn has_memory_for(&self, order: &Order) -> bool {
        available_memory().is_none_or(|available| available >= self.reserve + order.memory())
    }

    /// Whether memory is so short that what is parked must go.
    pub(super) fn is_short(&self) -> bool {
        available_memory().is_some_and(|available| available < self.reserve)
    }
}

/// What a machine needs to go on working: 256 MiB.
const RESERVE: u64 = 256 << 20;
