//! Tree → draft: the parts that every section shares. A value of the wrong shape is reported with its place
//! and left out; reading goes on.

use super::draft::{Draft, Field, Placed};
use super::interpolate::interpolate;
use super::problem::{Faults, Place, nearest, quoted, unknown};
use super::source::Source;
use super::yaml::{Entry, Node, Value};

/// Reads the whole tree.
pub(super) fn read(
    root: Option<&Node>,
    source: &Source,
    variable: &dyn Fn(&str) -> Option<String>,
    faults: &mut Faults,
) -> Draft {
    let mut reader = Reader {
        source,
        variable,
        faults,
    };
    reader.file(root)
}

pub(super) struct Reader<'a> {
    source: &'a Source,
    pub(super) variable: &'a dyn Fn(&str) -> Option<String>,
    faults: &'a mut Faults,
}

/// A value with what it is called and the place of its name.
pub(super) struct Slot<'n> {
    pub(super) what: String,
    pub(super) key: Place,
    pub(super) node: &'n Node,
}

impl Slot<'_> {
    /// The value's place, or the key's when there is no value.
    pub(super) fn place(&self) -> Place {
        match self.node.value {
            Value::Null => self.key,
            _ => head(self.node),
        }
    }
}

/// The keys of one map.
pub(super) struct Fields<'n> {
    entries: &'n [Entry],
    /// Known keys that an unknown one was probably meant to be.
    misspelt: Vec<&'n str>,
    /// What to mark when a key is missing.
    pub(super) head: Place,
}

impl<'n> Fields<'n> {
    pub(super) fn get(&self, key: &str) -> Option<Slot<'n>> {
        let entry = self.entries.iter().find(|entry| entry.key == key)?;
        Some(slot(entry))
    }

    /// Whether a key is neither there nor probably meant by an unknown one, which is reported already.
    pub(super) fn lacks(&self, key: &str) -> bool {
        !self.misspelt.contains(&key) && self.entries.iter().all(|entry| entry.key != key)
    }
}

pub(super) fn slot(entry: &Entry) -> Slot<'_> {
    Slot {
        what: quoted(&entry.key),
        key: entry.place,
        node: &entry.node,
    }
}

/// What of a node is marked: the first key of a map, not all of it.
fn head(node: &Node) -> Place {
    match &node.value {
        Value::Map(entries) => entries
            .first()
            .map(|entry| entry.place)
            .filter(|place| place.position == node.place.position)
            .unwrap_or(node.place),
        _ => node.place,
    }
}

impl Reader<'_> {
    pub(super) fn fault(&mut self, place: Place, message: impl Into<String>) {
        self.faults.add(place, message);
    }

    fn file(&mut self, root: Option<&Node>) -> Draft {
        let mut draft = Draft::default();
        let start = self.source.position(0);
        let start = Place {
            position: start,
            length: 1,
        };
        let root = match root {
            None => return self.empty(start),
            Some(node) if matches!(node.value, Value::Null) => return self.empty(node.place),
            Some(node) => node,
        };
        let root = Slot {
            what: "a spec".into(),
            key: start,
            node: root,
        };
        let known = ["version", "snapshots", "tests", "packages", "scratch"];
        let Some(fields) = self.fields(&root, &known) else {
            return draft;
        };
        match fields.get("version") {
            None if !fields.lacks("version") => {}
            None => self.fault(
                fields.head,
                "missing `version`; write `version: 1` as the first line",
            ),
            Some(slot) => {
                if let Some(version) = self.text(&slot)
                    && version != "1"
                {
                    let message = format!(
                        "unknown version {}; write `version: 1`, the only one there is",
                        quoted(&version)
                    );
                    self.fault(slot.place(), message);
                }
            }
        }
        match fields.get("snapshots") {
            None if !fields.lacks("snapshots") => {}
            None => self.fault(
                fields.head,
                "missing `snapshots`; a spec names at least one, as in `snapshots: { app: { engine: postgres } }`",
            ),
            Some(slot) => draft.snapshots = self.snapshots(&slot),
        }
        if let Some(slot) = fields.get("tests") {
            draft.tests = self.tests(&slot);
        }
        if let Some(slot) = fields.get("packages") {
            let entries = self.map(&slot).unwrap_or_default();
            let packages = entries.iter().filter_map(|entry| {
                let snapshot = self.placed_word(&super::read::slot(entry))?;
                Some((entry.key.clone(), snapshot))
            });
            draft.packages = packages.collect();
        }
        if let Some(slot) = fields.get("scratch")
            && let Some(text) = self.word(&slot)
        {
            draft.scratch = self.scratch(&slot, &text);
        }
        draft
    }

    fn empty(&mut self, place: Place) -> Draft {
        self.fault(
            place,
            "there is nothing in this file; begin with `version: 1`, or let `cowherd init` write it",
        );
        Draft::default()
    }

    /// The entries of a map, whatever its keys.
    pub(super) fn map<'n>(&mut self, slot: &Slot<'n>) -> Option<&'n [Entry]> {
        match &slot.node.value {
            Value::Map(entries) => Some(entries),
            _ => self.wrong_shape(slot, "a map"),
        }
    }

    /// A map with known keys; others are reported, but for `x-…`.
    pub(super) fn fields<'n>(
        &mut self,
        slot: &Slot<'n>,
        known: &[&'static str],
    ) -> Option<Fields<'n>> {
        let entries = self.map(slot)?;
        let mut misspelt = Vec::new();
        for Entry { key, place, .. } in entries {
            if !known.contains(&key.as_str()) && !key.starts_with("x-") {
                misspelt.extend(nearest(key, known.iter().copied()));
                self.fault(*place, unknown("key", key, known.iter().copied()));
            }
        }
        Some(Fields {
            entries,
            misspelt,
            head: head(slot.node),
        })
    }

    /// The items of a list.
    pub(super) fn list<'n>(&mut self, slot: &Slot<'n>) -> Option<Vec<Slot<'n>>> {
        let Value::List(nodes) = &slot.node.value else {
            return self.wrong_shape(slot, "a list");
        };
        Some(items(slot, nodes))
    }

    /// A scalar with its variables replaced.
    pub(super) fn text(&mut self, slot: &Slot<'_>) -> Option<String> {
        let text = self.raw_text(slot)?;
        match interpolate(text, self.variable) {
            Ok(value) => {
                if value.contains('\0') {
                    let message = format!("{} can't hold a NUL character", slot.what);
                    self.fault(slot.place(), message);
                    return None;
                }
                Some(value.into_owned())
            }
            Err(unresolved) => {
                let whole = slot.node.place;
                for wrong in unresolved {
                    let place = if self.faults.are_many() {
                        whole
                    } else {
                        let lines = slot.node.lines;
                        let found = self.source.find(whole, lines, &wrong.expression, wrong.nth);
                        found.unwrap_or(whole)
                    };
                    self.fault(place, wrong.message);
                }
                None
            }
        }
    }

    /// A scalar as it was written.
    pub(super) fn raw_text<'n>(&mut self, slot: &Slot<'n>) -> Option<&'n str> {
        match &slot.node.value {
            Value::Text(text) => Some(text),
            _ => self.wrong_shape(slot, "text"),
        }
    }

    /// A scalar that isn't empty.
    pub(super) fn word(&mut self, slot: &Slot<'_>) -> Option<String> {
        let text = self.text(slot)?;
        if text.trim().is_empty() {
            self.fault(slot.place(), format!("{} is empty", slot.what));
            return None;
        }
        Some(text)
    }

    pub(super) fn placed_word(&mut self, slot: &Slot<'_>) -> Option<Placed<String>> {
        let value = self.word(slot)?;
        let place = slot.place();
        Some(Placed { value, place })
    }

    /// One text or a list of them.
    pub(super) fn words(&mut self, slot: &Slot<'_>) -> Option<Vec<String>> {
        match &slot.node.value {
            Value::Text(_) => Some(vec![self.word(slot)?]),
            Value::List(nodes) => {
                // Every item is read, so that every wrong one is reported.
                let words: Vec<_> = items(slot, nodes)
                    .iter()
                    .map(|item| self.word(item))
                    .collect();
                words.into_iter().collect()
            }
            _ => self.wrong_shape(slot, "text or a list of texts"),
        }
    }

    /// A key's value, with the difference between a missing key and a wrong value kept.
    pub(super) fn field<'n, T>(
        &mut self,
        fields: &Fields<'n>,
        key: &str,
        read: impl FnOnce(&mut Self, &Slot<'n>) -> Option<T>,
    ) -> Field<T> {
        let Some(slot) = fields.get(key) else {
            return if fields.lacks(key) {
                Field::Absent
            } else {
                Field::Wrong
            };
        };
        let place = slot.place();
        match read(self, &slot) {
            Some(value) => Field::Given(Placed { value, place }),
            None => Field::Wrong,
        }
    }

    /// Reports a value that is no `expected`.
    pub(super) fn wrong_shape<T>(&mut self, slot: &Slot<'_>, expected: &str) -> Option<T> {
        let what = &slot.what;
        let message = match &slot.node.value {
            Value::Null => format!("{what} has no value; it must be {expected}"),
            Value::Text(_) => format!("{what} must be {expected}, not text"),
            Value::List(_) => format!("{what} must be {expected}, not a list"),
            // YAML reads an unquoted `{test}` as a map.
            Value::Map(entries) => match entries.as_slice() {
                [Entry { key, node, .. }] if matches!(node.value, Value::Null) => {
                    let quotes = quoted(&format!("\"{{{key}}}\""));
                    format!(
                        "{what} must be {expected}, not a map; if text is meant, write {quotes}"
                    )
                }
                _ => format!("{what} must be {expected}, not a map"),
            },
        };
        self.fault(slot.place(), message);
        None
    }

    /// Reports a key that can't stand beside others.
    pub(super) fn forbid(&mut self, fields: &Fields<'_>, keys: &[&str], why: &str) {
        for key in keys {
            if let Some(slot) = fields.get(key) {
                self.fault(slot.key, format!("`{key}` can't stand here: {why}"));
            }
        }
    }
}

pub(super) fn items<'n>(slot: &Slot<'_>, nodes: &'n [Node]) -> Vec<Slot<'n>> {
    nodes
        .iter()
        .map(|node| Slot {
            what: format!("an item of {}", slot.what),
            key: node.place,
            node,
        })
        .collect()
}
