//! What a snapshot lies on, and what lies on it: snapshots and kept states of the whole store, as a tree.

use cowherd::digest::Digest;
use cowherd::store::{SnapshotRecord, Store};
use cowherd::units::format_size;
use serde_json::{Value, json};

use super::output::{Table, origin, seen_from_here};

/// A state of the store in the tree.
struct Member {
    name: String,
    /// Where it comes from, in words.
    note: String,
    layers: Vec<Digest>,
    bytes: u64,
}

/// A member in its place.
struct Node<'m> {
    member: &'m Member,
    /// What it adds to the one that it lies on, in bytes.
    own: u64,
    /// For each level above and its own, whether it is the last one there.
    last: Vec<bool>,
    this: bool,
}

/// The family of a snapshot: the lowest that it lies on, and all on top of that.
pub(super) struct Lineage {
    members: Vec<Member>,
    this: usize,
}

impl Lineage {
    pub(super) fn of(store: &Store, this: &SnapshotRecord) -> anyhow::Result<Self> {
        let mut members = vec![member(this, this)];
        let others = store.snapshots()?.into_iter();
        let others = others.filter(|other| (&other.name, &other.spec) != (&this.name, &this.spec));
        members.extend(others.map(|other| member(&other, this)));
        for kept in store.kept()? {
            let chain: Option<u64> = members
                .iter()
                .filter(|member| kept.layers.len() == member.layers.len() + 1)
                .find(|member| kept.layers.starts_with(&member.layers))
                .map(|member| member.bytes);
            members.push(Member {
                name: kept.id,
                note: format!("what {} left", kept.test),
                layers: kept.layers,
                bytes: chain.unwrap_or_default() + kept.bytes,
            });
        }
        Ok(Self { members, this: 0 })
    }

    /// The one that a member lies on: the longest of those whose layers are its lowest.
    fn below(&self, at: usize) -> Option<usize> {
        let layers = &self.members[at].layers;
        let below = |other: &Member| {
            other.layers.len() < layers.len()
                && !other.layers.is_empty()
                && layers.starts_with(&other.layers)
        };
        (0..self.members.len())
            .filter(|other| below(&self.members[*other]))
            .max_by_key(|other| self.members[*other].layers.len())
    }

    fn nodes(&self) -> Vec<Node<'_>> {
        let mut root = self.this;
        while let Some(below) = self.below(root) {
            root = below;
        }
        let mut nodes = Vec::new();
        self.add(root, &[], &mut nodes);
        nodes
    }

    fn add<'m>(&'m self, at: usize, last: &[bool], nodes: &mut Vec<Node<'m>>) {
        let member = &self.members[at];
        let below = self.below(at).map_or(0, |below| self.members[below].bytes);
        nodes.push(Node {
            member,
            own: member.bytes.saturating_sub(below),
            last: last.to_vec(),
            this: at == self.this,
        });
        let mut above: Vec<usize> = (0..self.members.len())
            .filter(|other| self.below(*other) == Some(at))
            .collect();
        above.sort_by_key(|other| &self.members[*other].name);
        for (index, other) in above.iter().enumerate() {
            let last = [last, &[index + 1 == above.len()]].concat();
            self.add(*other, &last, nodes);
        }
    }

    /// The tree; empty where the snapshot stands alone.
    pub(super) fn text(&self) -> String {
        let nodes = self.nodes();
        if nodes.len() < 2 {
            return String::new();
        }
        let mut table = Table::default().right(&[1]);
        for node in nodes {
            let mut branch = String::new();
            if let Some((own, above)) = node.last.split_last() {
                branch.extend(above.iter().map(|last| if *last { "   " } else { "│  " }));
                branch += if *own { "└─ " } else { "├─ " };
            }
            let this = if node.this { " *" } else { "" };
            let sign = if node.last.is_empty() { "" } else { "+" };
            table.row([
                format!("{branch}{}{this}", node.member.name),
                format!("{sign}{}", format_size(node.own)),
                node.member.note.clone(),
            ]);
        }
        format!("\nlineage\n{table}")
    }

    /// The same as a list, each followed by those on top of it.
    pub(super) fn json(&self) -> Value {
        let nodes = self.nodes();
        let nodes = nodes.iter().map(|node| {
            json!({
                "name": node.member.name,
                "note": node.member.note,
                "depth": node.last.len(),
                "bytes": node.member.bytes,
                "own_bytes": node.own,
                "this": node.this,
            })
        });
        nodes.collect()
    }
}

fn member(record: &SnapshotRecord, this: &SnapshotRecord) -> Member {
    let note = match origin(record) {
        Some(origin) => origin.to_owned(),
        None if record.spec == this.spec => String::new(),
        None => seen_from_here(&record.spec),
    };
    Member {
        name: record.name.clone(),
        note,
        layers: record.layers.clone(),
        bytes: record.bytes,
    }
}
