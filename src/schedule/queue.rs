//! Which test runs next: pure, so that it can be told apart from time and threads.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::Duration;

use super::Scheduled;

/// Tests waiting for their turn, by their numbers in the run, and those that run.
///
/// A run has so many slots, and a test takes one or more of them ([`Scheduled::threads`]), all at most. Those that
/// take most go first, so that they meet others of their kind; among them the longest, so that none of them is left
/// alone at the end. Tests never seen before count as longest of all. Among equals those of one snapshot stay together.
///
/// Where the next test finds too few slots free, lighter ones take those that it leaves over even when it runs, and no
/// more: it waits for no test that began after its turn had come.
///
/// A test that is to be tried again goes before the others: its verdict is what the user waits for.
#[derive(Debug)]
pub struct Queue {
    waiting: VecDeque<usize>,
    /// How many slots each test takes.
    threads: Vec<usize>,
    running: Vec<usize>,
    slots: usize,
    free: usize,
}

impl Queue {
    /// A queue of `tests` for this many slots, ordered by the `expected` durations, which go by full name.
    ///
    /// ```
    /// use std::collections::BTreeMap;
    /// use std::time::Duration;
    /// use cowherd::schedule::{Queue, Scheduled};
    ///
    /// let test = |name: &str| Scheduled { name: name.into(), ..Scheduled::default() };
    /// let known = BTreeMap::from([
    ///     ("short".to_owned(), Duration::from_millis(5)),
    ///     ("long".to_owned(), Duration::from_secs(5)),
    /// ]);
    /// let mut queue = Queue::new(&[test("short"), test("new"), test("long")], &known, 2);
    /// assert_eq!([queue.take(), queue.take(), queue.take()], [Some(1), Some(2), None]);
    /// queue.finished(2);
    /// assert_eq!(queue.take(), Some(0));
    /// ```
    pub fn new(tests: &[Scheduled], expected: &BTreeMap<String, Duration>, slots: usize) -> Self {
        let slots = slots.max(1);
        let threads = tests.iter().map(|test| test.threads.clamp(1, slots));
        let threads: Vec<usize> = threads.collect();
        let mut snapshots: HashMap<&str, usize> = HashMap::new();
        let mut keys = Vec::with_capacity(tests.len());
        for (test, threads) in tests.iter().zip(&threads) {
            let seen = snapshots.len();
            let snapshot = *snapshots.entry(&test.snapshot).or_insert(seen);
            let longest = expected.get(&test.name).copied().unwrap_or(Duration::MAX);
            keys.push((Reverse((*threads, longest)), snapshot));
        }
        let mut order: Vec<usize> = (0..tests.len()).collect();
        // The sort is stable: equals keep the order of the spec.
        order.sort_by_key(|test| keys[*test]);
        Self {
            waiting: order.into(),
            threads,
            running: Vec::new(),
            slots,
            free: slots,
        }
    }

    /// The tests that wait, in their order: what runs next, as far as nothing is tried again.
    pub fn upcoming(&self) -> impl Iterator<Item = usize> + '_ {
        self.waiting.iter().copied()
    }

    /// Takes the next test that there are slots for; it has them until it is [`finished`](Self::finished).
    pub fn take(&mut self) -> Option<usize> {
        let at = self.next()?;
        let test = self.waiting.remove(at)?;
        self.free -= self.threads[test];
        self.running.push(test);
        Some(test)
    }

    /// Where the test stands that may begin.
    fn next(&self) -> Option<usize> {
        let first = self.threads[*self.waiting.front()?];
        if first <= self.free {
            return Some(0);
        }
        let lighter = self.running.iter().map(|test| self.threads[*test]);
        let lighter: usize = lighter.filter(|threads| *threads < first).sum();
        let left_over = (self.slots - first).saturating_sub(lighter).min(self.free);
        if left_over == 0 {
            return None;
        }
        let mut waiting = self.waiting.iter();
        waiting.position(|test| self.threads[*test] <= left_over)
    }

    /// A test that was taken has come to an end.
    pub fn finished(&mut self, test: usize) {
        if let Some(at) = self.running.iter().position(|running| *running == test) {
            self.running.swap_remove(at);
            self.free += self.threads[test];
        }
    }

    /// Puts a test back that is to be tried again.
    pub fn retry(&mut self, test: usize) {
        self.waiting.push_front(test);
    }

    /// Drops everything that waits.
    pub fn clear(&mut self) {
        self.waiting.clear();
    }
}
