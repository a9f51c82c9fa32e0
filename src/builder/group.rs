//! How many states of a chain go into one layer.
//!
//! A step is a layer of its own, a set of migrations several: seen from its end, groups of 1, 1, 2, 4, 8 … files.
//! So a file that is added builds itself alone, the last file is cheap to change, and one further up takes about as
//! many files with it as come after it; a thousand files are no more layers than ten. What is in the store stays as
//! it is, however it was grouped: only what is missing is grouped so.

use crate::plan::Cut;

/// The most layers of a chain: up to here, one more costs a container nothing to speak of.
pub(super) const DEPTH: usize = 10;

/// What to build next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Next {
    /// How many states the layer goes on by.
    pub(super) states: usize,
    /// How many layers there will be in all before and with this and all that follow.
    pub(super) depth: usize,
}

/// The next layer on a chain of `layers` layers, where the states `missing`, at least one, are to follow.
pub(super) fn next(missing: &[Cut], layers: usize) -> Next {
    let step = missing.first().map(|cut| cut.step);
    let files = missing
        .iter()
        .take_while(|cut| Some(cut.step) == step)
        .count();
    let mut later: Vec<usize> = missing[files..].iter().map(|cut| cut.step).collect();
    later.dedup();
    // The last file stands alone even where that makes the chain too deep at first.
    let room = DEPTH.saturating_sub(layers + later.len()).max(2);
    let sizes = split(files, room);
    Next {
        states: sizes.last().copied().unwrap_or(1),
        depth: layers + sizes.len() + later.len(),
    }
}

/// The sizes of at most `most` groups of files, that of the last files first.
fn split(files: usize, most: usize) -> Vec<usize> {
    let (mut sizes, mut left, mut size) = (Vec::new(), files, 1);
    while left > 0 {
        // What would be left over and smaller than the group goes with it.
        let all = left < 2 * size || sizes.len() + 1 == most;
        let taken = if all { left } else { size };
        sizes.push(taken);
        left -= taken;
        size = files - left;
    }
    sizes
}
