//! Which test runs next: pure, so that it can be told apart from time and threads.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

/// Tests waiting for their turn, by their numbers in the run.
///
/// The longest go first, so that none of them is left alone at the end; tests never seen before
/// count as longest of all. A test that is to be tried again goes before the others: its verdict
/// is what the user waits for.
#[derive(Debug, Default)]
pub struct Queue {
    waiting: VecDeque<usize>,
}

impl Queue {
    /// A queue of the tests `names`, ordered by their `expected` durations.
    ///
    /// ```
    /// use std::collections::BTreeMap;
    /// use std::time::Duration;
    /// use cowherd::schedule::Queue;
    ///
    /// let known = BTreeMap::from([
    ///     ("short".to_owned(), Duration::from_millis(5)),
    ///     ("long".to_owned(), Duration::from_secs(5)),
    /// ]);
    /// let mut queue = Queue::new(&["short", "new", "long"], &known);
    /// assert_eq!([queue.take(), queue.take(), queue.take()], [Some(1), Some(2), Some(0)]);
    /// ```
    pub fn new(names: &[&str], expected: &BTreeMap<String, Duration>) -> Self {
        let mut order: Vec<usize> = (0..names.len()).collect();
        // The sort is stable: equals keep the order of the spec.
        order.sort_by_key(|test| {
            std::cmp::Reverse(expected.get(names[*test]).copied().unwrap_or(Duration::MAX))
        });
        Self {
            waiting: order.into(),
        }
    }

    /// Takes the next test.
    pub fn take(&mut self) -> Option<usize> {
        self.waiting.pop_front()
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
