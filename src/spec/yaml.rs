//! YAML text → a tree of nodes with places; the only user of `saphyr_parser`.
//!
//! A scalar stays the text that was written: there are no booleans, no octal and no sexagesimal numbers
//! here, so `no`, `0755` and `5432:5432` mean themselves. Aliases are replaced by what they stand for and
//! merge keys (`<<`) are applied, within bounds. Nothing here recurses deeper than [`DEPTH`].

use std::collections::HashMap;

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, ScanError, Span, Tag};

use super::Position;
use super::problem::{Faults, Place, quoted};
use super::source::Source;
use crate::units::format_size;

/// The deepest nesting that is read; a spec has about ten levels.
const DEPTH: usize = 64;

/// The most that anchors and aliases may add to the tree, in bytes of memory or so.
const ALIASES: usize = 8 << 20;

/// What a node costs beside its text, for [`ALIASES`].
const NODE: usize = 128;

/// A value and where it stands.
#[derive(Debug, Clone)]
pub(super) struct Node {
    pub(super) place: Place,
    /// On how many lines it stands; 1 for anything but a scalar.
    pub(super) lines: usize,
    pub(super) value: Value,
}

/// What a node is.
#[derive(Debug, Clone)]
pub(super) enum Value {
    /// Nothing, `~` or `null`.
    Null,
    /// A scalar as text.
    Text(String),
    /// A sequence.
    List(Vec<Node>),
    /// A mapping, its keys once each.
    Map(Vec<Entry>),
}

/// One key of a mapping and its value.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) place: Place,
    pub(super) node: Node,
}

/// Reads one document; `None` when there is nothing in the file. Duplicate keys and the like are reported
/// and left out of the tree.
///
/// # Errors
/// What keeps the text from being read on.
pub(super) fn tree(source: &Source, faults: &mut Faults) -> Result<Option<Node>, Fault> {
    let mut builder = Builder::new(source, faults);
    for event in Parser::new_from_str(source.text()) {
        let (event, span) = event.map_err(|error| syntax(source, &error))?;
        builder.take(event, span)?;
    }
    Ok(builder.root)
}

/// A problem after which nothing more can be read.
pub(super) type Fault = (Place, String);

/// A collection that isn't complete yet.
struct Open {
    anchor: usize,
    place: Place,
    cost: usize,
    kind: Kind,
}

enum Kind {
    List(Vec<Node>),
    Map {
        entries: Vec<Entry>,
        /// Where each key of `entries` stands there.
        keys: HashMap<String, usize>,
        /// What `<<` gives, in the order in which it wins.
        merged: Vec<Entry>,
        /// The key whose value comes next.
        key: Option<Key>,
    },
}

enum Key {
    Named(String, Place),
    Merge(Place),
    /// It was reported; its value is read and dropped.
    Wrong,
}

struct Builder<'a> {
    source: &'a Source,
    faults: &'a mut Faults,
    open: Vec<Open>,
    /// Complete nodes by anchor, with their costs.
    anchors: HashMap<usize, (Node, usize)>,
    /// What anchors and aliases have cost so far.
    spent: usize,
    documents: usize,
    root: Option<Node>,
}

impl<'a> Builder<'a> {
    fn new(source: &'a Source, faults: &'a mut Faults) -> Self {
        Self {
            source,
            faults,
            open: Vec::new(),
            anchors: HashMap::new(),
            spent: 0,
            documents: 0,
            root: None,
        }
    }

    fn take(&mut self, event: Event<'_>, span: Span) -> Result<(), Fault> {
        let place = place(self.source, span);
        match event {
            Event::DocumentStart(_) => {
                self.documents += 1;
                if self.documents > 1 {
                    let message = "a second document begins here; a spec is one document";
                    return Err((place, message.into()));
                }
            }
            Event::Scalar(text, style, anchor, tag) => {
                let cost = NODE + text.len();
                let as_text = self.tag(tag.as_deref(), place);
                let null = style == ScalarStyle::Plain
                    && !as_text
                    && matches!(&*text, "" | "~" | "null" | "Null" | "NULL");
                let merge = style == ScalarStyle::Plain && !as_text && text == "<<";
                let value = if null {
                    Value::Null
                } else {
                    Value::Text(text.into_owned())
                };
                let lines = span.end.line().saturating_sub(span.start.line()) + 1;
                let node = Node {
                    place,
                    lines,
                    value,
                };
                self.keep(anchor, &node, cost)?;
                self.add(node, cost, merge);
            }
            Event::Alias(anchor) => {
                let Some((node, cost)) = self.anchors.get(&anchor) else {
                    let message = "this alias stands inside what it is an alias of";
                    return Err((place, message.into()));
                };
                // One copy past the limit is at most as large as the file's own tree.
                let (node, cost) = (node.clone(), *cost);
                self.spend(cost, place)?;
                self.add(node, cost, false);
            }
            Event::SequenceStart(anchor, tag) => {
                self.tag(tag.as_deref(), place);
                self.start(anchor, place, Kind::List(Vec::new()))?;
            }
            Event::MappingStart(anchor, tag) => {
                self.tag(tag.as_deref(), place);
                let kind = Kind::Map {
                    entries: Vec::new(),
                    keys: HashMap::new(),
                    merged: Vec::new(),
                    key: None,
                };
                self.start(anchor, place, kind)?;
            }
            Event::SequenceEnd | Event::MappingEnd => self.end()?,
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => {}
        }
        Ok(())
    }

    /// Whether the tag is `!!str`; a tag that isn't YAML's own is reported.
    fn tag(&mut self, tag: Option<&Tag>, place: Place) -> bool {
        let Some(tag) = tag else { return false };
        let untyped = tag.handle.is_empty() && tag.suffix == "!";
        if !untyped && !tag.is_yaml_core_schema() {
            let message = format!(
                "unknown tag {}; a text that begins with `!` needs quotes",
                quoted(&tag.to_string())
            );
            self.faults.add(place, message);
        }
        // The lone `!` says "not to be resolved", which makes a scalar a text.
        untyped || tag.suffix == "str"
    }

    fn start(&mut self, anchor: usize, place: Place, kind: Kind) -> Result<(), Fault> {
        if self.open.len() == DEPTH {
            let message = format!("this is nested more than {DEPTH} levels deep");
            return Err((place, message));
        }
        self.open.push(Open {
            anchor,
            place,
            cost: NODE,
            kind,
        });
        Ok(())
    }

    fn end(&mut self) -> Result<(), Fault> {
        let Some(open) = self.open.pop() else {
            return Ok(());
        };
        let value = match open.kind {
            Kind::List(nodes) => Value::List(nodes),
            Kind::Map {
                mut entries,
                mut keys,
                merged,
                ..
            } => {
                for entry in merged {
                    if !keys.contains_key(&entry.key) {
                        keys.insert(entry.key.clone(), entries.len());
                        entries.push(entry);
                    }
                }
                Value::Map(entries)
            }
        };
        let node = Node {
            place: open.place,
            lines: 1,
            value,
        };
        self.keep(open.anchor, &node, open.cost)?;
        self.add(node, open.cost, false);
        Ok(())
    }

    /// Remembers a node that has an anchor. Its copy counts too: anchors may stand within anchors.
    fn keep(&mut self, anchor: usize, node: &Node, cost: usize) -> Result<(), Fault> {
        if anchor > 0 {
            self.spend(cost, node.place)?;
            self.anchors.insert(anchor, (node.clone(), cost));
        }
        Ok(())
    }

    fn spend(&mut self, cost: usize, place: Place) -> Result<(), Fault> {
        self.spent += cost;
        if self.spent > ALIASES {
            let limit = format_size(ALIASES as u64);
            let message = format!("the anchors and aliases up to here expand to more than {limit}");
            return Err((place, message));
        }
        Ok(())
    }

    /// Puts a complete node where it belongs.
    fn add(&mut self, node: Node, cost: usize, merge: bool) {
        let faults = &mut *self.faults;
        let Some(open) = self.open.last_mut() else {
            self.root = Some(node);
            return;
        };
        open.cost += cost;
        match &mut open.kind {
            Kind::List(nodes) => nodes.push(node),
            Kind::Map {
                entries,
                keys,
                merged,
                key,
            } => match key.take() {
                None => *key = Some(as_key(node, merge, entries, keys, faults)),
                Some(Key::Named(name, place)) => {
                    keys.insert(name.clone(), entries.len());
                    entries.push(Entry {
                        key: name,
                        place,
                        node,
                    });
                }
                Some(Key::Merge(place)) => merged.extend(as_merge(node, place, faults)),
                Some(Key::Wrong) => {}
            },
        }
    }
}

/// What a key's node says, with whatever is wrong with it reported.
fn as_key(
    node: Node,
    merge: bool,
    entries: &[Entry],
    keys: &HashMap<String, usize>,
    faults: &mut Faults,
) -> Key {
    match node.value {
        Value::Text(_) if merge => Key::Merge(node.place),
        Value::Text(name) => match keys.get(&name) {
            None => Key::Named(name, node.place),
            Some(&first) => {
                let Position { line, column } = entries[first].place.position;
                let message = format!(
                    "duplicate key {}; it already stands at line {line}, column {column}",
                    quoted(&name)
                );
                faults.add(node.place, message);
                Key::Wrong
            }
        },
        Value::Null => {
            faults.add(node.place, "a key is missing before this `:`");
            Key::Wrong
        }
        Value::List(_) | Value::Map(_) => {
            let message =
                "a key must be plain text; put quotes around one that begins with `[` or `{`";
            faults.add(node.place, message);
            Key::Wrong
        }
    }
}

/// The entries that `<<: node` gives (<https://yaml.org/type/merge.html>): of several maps the first wins.
fn as_merge(node: Node, key: Place, faults: &mut Faults) -> Vec<Entry> {
    let maps = match node.value {
        Value::List(nodes) => nodes,
        _ => vec![node],
    };
    let mut entries = Vec::new();
    for map in maps {
        match map.value {
            Value::Map(more) => entries.extend(more),
            _ => faults.add(
                key,
                "`<<` needs a map, or a list of maps, as in `<<: *common`",
            ),
        }
    }
    entries
}

fn position(marker: Marker) -> Position {
    Position {
        line: marker.line(),
        column: marker.col() + 1,
    }
}

/// The place of a span; of several lines the first.
fn place(source: &Source, span: Span) -> Place {
    let position = position(span.start);
    let length = if span.start.line() == span.end.line() {
        span.end.col().saturating_sub(span.start.col())
    } else {
        // Counting a long line for each node of it would take quadratic time, and its marker is cut anyway.
        source
            .line(position.line)
            .chars()
            .take(span.start.col() + 1000)
            .skip(span.start.col())
            .count()
    };
    Place { position, length }
}

/// What a syntax error says, with the usual causes.
fn syntax(source: &Source, error: &ScanError) -> Fault {
    let position = source.clamp(position(*error.marker()));
    let line = source.line(position.line);
    let mut said = error.info();
    if let Some((doing, what)) = said.split_once(", ")
        && doing.starts_with("while ")
    {
        said = what;
    }
    let place = Place {
        position,
        length: 1,
    };
    // The scanner counts `[` and `{` up to 255 ahead of the tree.
    if said.contains("recursion limit") {
        return (
            place,
            format!("this is nested more than {DEPTH} levels deep"),
        );
    }
    let rest: String = line.chars().skip(position.column - 1).take(60).collect();
    let indent = &line[..line.len() - line.trim_start().len()];
    let remedy = if said.contains("tab") || indent.contains('\t') {
        "; YAML is indented with spaces, never with tabs"
    } else if said.contains("unknown anchor") {
        "; a text that begins with `*` needs quotes"
    } else if said.contains("unexpected character") || rest.starts_with(['@', '`', '%']) {
        "; a text that begins with such a character needs quotes"
    } else if said.contains("mapping values are not allowed") {
        "; a text that contains `: ` needs quotes, and keys of one map stand in one column"
    } else if said.contains("end of stream") {
        "; a quote isn't closed"
    } else {
        ""
    };
    (place, format!("this isn't YAML: {said}{remedy}"))
}
