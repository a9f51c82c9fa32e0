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
