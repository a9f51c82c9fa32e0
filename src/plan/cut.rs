//! Where the chain of a snapshot can be cut into layers.

use std::ops::Range;

use super::{PlannedSnapshot, PlannedStep, Work};
use crate::digest::Digest;

/// A state on the way to a snapshot that can be sealed: the end of a step, or of one migration of a set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cut {
    /// The key of the state: of all that leads to it.
    pub key: Digest,
    /// The step that leads to it, in [`PlannedSnapshot::chain`].
    pub step: usize,
    /// How many scripts of that step are done; 0 where it has none.
    pub scripts: usize,
}

impl PlannedSnapshot {
    /// The states that a layer may end at, in order; the last is the snapshot.
    pub fn cuts(&self) -> Vec<Cut> {
        let mut cuts = Vec::new();
        for (step, planned) in self.chain.iter().enumerate() {
            let inner = planned.prefixes.iter().zip(1..);
            cuts.extend(inner.map(|(&key, scripts)| Cut { key, step, scripts }));
            cuts.push(Cut {
                key: planned.key,
                step,
                scripts: planned.scripts().len(),
            });
        }
        cuts
    }

    /// How many steps are at their end when the first `cuts` states are reached.
    pub fn steps_in(&self, cuts: usize) -> usize {
        let mut left = cuts;
        let done = self.chain.iter().take_while(|step| {
            let own = step.prefixes.len() + 1;
            let whole = own <= left;
            left = left.saturating_sub(own);
            whole
        });
        done.count()
    }
}

impl PlannedStep {
    /// Its scripts; none where it does something else.
    pub fn scripts(&self) -> &[super::Script] {
        match &self.work {
            Work::Scripts(scripts) => scripts,
            Work::Base(_) | Work::Stored | Work::Command { .. } => &[],
        }
    }

    /// The step in words, or the part of it that runs these of its scripts:
    /// `migrate migrations: 41_a.sql to 42_b.sql`.
    pub fn label_of(&self, scripts: &Range<usize>) -> String {
        let all = self.scripts();
        let name = |index: usize| {
            let name = all.get(index).map_or("", |script| script.name.as_str());
            name.strip_prefix(&self.common_folder()).unwrap_or(name)
        };
        match scripts.len() {
            _ if scripts.len() == all.len() => self.label.clone(),
            1 => format!("{}: {}", self.label, name(scripts.start)),
            _ => format!(
                "{}: {} to {}",
                self.label,
                name(scripts.start),
                name(scripts.end - 1)
            ),
        }
    }

    /// The folder that all scripts lie in, with a slash at its end.
    fn common_folder(&self) -> String {
        let folder = |name: &str| name[..name.rfind('/').map_or(0, |at| at + 1)].to_owned();
        let mut folders = self.scripts().iter().map(|script| folder(&script.name));
        let mut common = folders.next().unwrap_or_default();
        for next in folders {
            while !next.starts_with(&common) {
                common.pop();
                common.truncate(common.rfind('/').map_or(0, |at| at + 1));
            }
        }
        common
    }
}
