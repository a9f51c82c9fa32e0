//! Which of several snapshots may be begun: pure bookkeeping.

use std::collections::HashSet;

use crate::digest::Digest;

/// Snapshots by their places in a list, each a chain of states.
///
/// Where two begin with the same states, the later one begins when the last of these is reached, by whomever, or when
/// the earlier one has ended: so nothing is built twice, nobody waits for a later one, and there is always one that
/// may go on.
#[derive(Debug)]
pub(super) struct Turns {
    waiting: Vec<Waiting>,
    reached: HashSet<Digest>,
    ended: HashSet<usize>,
}

#[derive(Debug)]
struct Waiting {
    place: usize,
    /// Earlier snapshots, with the last state that is theirs and this one's.
    shares: Vec<(usize, Digest)>,
}

impl Turns {
    /// Nothing is begun of these chains.
    pub(super) fn new(chains: &[Vec<Digest>]) -> Self {
        let shares = |place: usize| {
            let earlier = chains[..place].iter().enumerate();
            let shares = earlier.filter_map(|(other, chain)| {
                let both = chain.iter().zip(&chains[place]);
                let (last, _) = both.take_while(|(one, other)| one == other).last()?;
                Some((other, *last))
            });
            shares.collect()
        };
        let places = 0..chains.len();
        Self {
            waiting: places
                .map(|place| Waiting {
                    place,
                    shares: shares(place),
                })
                .collect(),
            reached: HashSet::new(),
            ended: HashSet::new(),
        }
    }

    /// The first that may be begun, which it is from now on.
    pub(super) fn begin(&mut self) -> Option<usize> {
        let may = |waiting: &Waiting| {
            let mut shares = waiting.shares.iter();
            shares.all(|(other, state)| self.ended.contains(other) || self.reached.contains(state))
        };
        let at = self.waiting.iter().position(may)?;
        Some(self.waiting.remove(at).place)
    }

    /// These states are there.
    pub(super) fn reach(&mut self, states: &[Digest]) {
        self.reached.extend(states);
    }

    /// A snapshot is built, or can't be.
    pub(super) fn end(&mut self, place: usize) {
        self.ended.insert(place);
    }

    /// Whether all are begun.
    pub(super) fn all_begun(&self) -> bool {
        self.waiting.is_empty()
    }
}
