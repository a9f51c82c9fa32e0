//! How many containers there may be, over all lanes.

use std::thread::available_parallelism;

use crate::capacity::{self, Need, RESERVE};
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
    /// How much memory, in bytes, is left to everybody else: below it nothing is parked, what is parked is taken
    /// apart, and whoever asks for one waits for others to end, unless none lives.
    pub reserve: u64,
}

impl Budget {
    /// A budget for callers who ask for `jobs` containers at once: as many may be parked, but no more than are soon
    /// used up, and one thread for each core starts them.
    ///
    /// ```
    /// use cowherd::pool::Budget;
    /// assert_eq!(Budget::of_jobs(4).containers, 8);
    /// ```
    pub fn of_jobs(jobs: usize) -> Self {
        let cores = available_parallelism().map_or(1, usize::from);
        let parked = jobs.min(4 * cores);
        Self {
            containers: jobs.max(1) + parked,
            parked,
            starters: cores.min(jobs),
            reserve: RESERVE,
        }
    }

    /// The same for a host that has room for so many `containers` only.
    #[must_use]
    pub fn within(mut self, containers: usize) -> Self {
        let over = self.containers.saturating_sub(containers.max(1));
        self.containers -= over;
        self.parked = self.parked.saturating_sub(over);
        self
    }

    /// A budget for whoever asks: as many as half of the memory that is there now carries, by what one PostgreSQL
    /// with a test takes, and the host's other limits allow; two parked for each core.
    pub fn of_machine() -> Self {
        const EACH: u64 = 128 << 20;
        let cores = available_parallelism().map_or(1, usize::from);
        let carried = available_memory().map_or(64, |bytes| (bytes / 2 / EACH) as usize);
        let budget = Self {
            containers: carried.max(2 * cores),
            parked: 2 * cores,
            starters: cores,
            reserve: RESERVE,
        };
        let room = capacity::tightest(&Need::SERVED, budget.containers);
        budget.within(room.map_or(usize::MAX, |room| room.containers()))
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
}
