//! What a declared spec is made of: calls with their places, and nodes at these.

use std::panic::Location;
use std::path::{Path, PathBuf};

use super::problem::{Faults, Place, quoted};
use super::yaml::{Entry, Node, Value};
use super::{CommandLine, Position};

/// Where the calls stand that declare a spec.
#[derive(Debug, Clone, Copy)]
pub(super) struct Calls {
    /// The file of the outermost one, as the compiler knows it.
    pub(super) file: &'static str,
    /// The call that others stand in: the place of one that stands in another file, as all of a spec's places are
    /// in one file.
    pub(super) outer: Place,
}

impl Calls {
    pub(super) fn of(call: &'static Location<'static>) -> Self {
        Self {
            file: call.file(),
            outer: place(call, "declare"),
        }
    }

    pub(super) fn within(self, outer: Place) -> Self {
        Self { outer, ..self }
    }

    pub(super) fn place(self, call: &'static Location<'static>, method: &str) -> Place {
        match call.file() == self.file {
            true => place(call, method),
            false => self.outer,
        }
    }
}

fn place(call: &Location<'_>, method: &str) -> Place {
    Place {
        position: Position {
            line: call.line() as usize,
            column: call.column() as usize,
        },
        length: method.len(),
    }
}

/// A source file on this machine: the compiler names it relative to the workspace, which is the project's folder or
/// one above it.
pub(super) fn source_file(folder: &Path, named: &Path) -> PathBuf {
    let below = |folder: &Path| Some(folder.join(named)).filter(|file| file.is_file());
    folder
        .ancestors()
        .find_map(below)
        .or_else(|| std::path::absolute(named).ok())
        .unwrap_or_else(|| named.to_owned())
}

fn node(value: Value, place: Place) -> Node {
    Node {
        place,
        lines: 1,
        value,
    }
}

/// A text that the reader gives back as it is.
pub(super) fn text(value: &str, place: Place) -> Node {
    verbatim(value.replace('$', "$$"), place)
}

/// A text in which the reader replaces nothing.
fn verbatim(value: String, place: Place) -> Node {
    node(Value::Text(value), place)
}

/// A command, in which the reader replaces nothing.
pub(super) fn command_node(command: CommandLine, place: Place) -> Node {
    match command {
        CommandLine::Shell(line) => verbatim(line, place),
        CommandLine::Argv(words) => {
            let words = words.into_iter().map(|word| verbatim(word, place));
            list(words.collect(), place)
        }
    }
}

pub(super) fn list(items: Vec<Node>, place: Place) -> Node {
    node(Value::List(items), place)
}

pub(super) fn map(entries: Vec<Entry>, place: Place) -> Node {
    node(Value::Map(entries), place)
}

pub(super) fn entry(key: &str, place: Place, node: Node) -> Entry {
    Entry {
        key: key.to_owned(),
        place,
        node,
    }
}

pub(super) fn add_setting(fields: &mut Vec<Entry>, name: &str, value: &str, place: Place) {
    let setting = entry(name, place, text(value, place));
    let settings = fields.iter_mut().find(|field| field.key == "settings");
    match settings.map(|field| &mut field.node.value) {
        Some(Value::Map(entries)) => entries.push(setting),
        _ => fields.push(entry("settings", place, map(vec![setting], place))),
    }
}

/// Reports and leaves out what is said a second time, as the reader of YAML does.
pub(super) fn each_key_once(node: &mut Node, faults: &mut Faults) {
    match &mut node.value {
        Value::Map(entries) => {
            let mut seen = std::collections::HashSet::new();
            entries.retain(|entry| {
                let fresh = seen.insert(entry.key.clone());
                if !fresh {
                    let message = format!("{} is said twice", quoted(&entry.key));
                    faults.add(entry.place, message);
                }
                fresh
            });
            for entry in entries {
                each_key_once(&mut entry.node, faults);
            }
        }
        Value::List(items) => items
            .iter_mut()
            .for_each(|item| each_key_once(item, faults)),
        Value::Text(_) | Value::Null => {}
    }
}
