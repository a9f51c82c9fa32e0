//! Tree → draft: values with a shape of their own: commands, environments, limits.

use std::collections::BTreeMap;

use super::problem::{Place, quoted, unknown};
use super::read::{Fields, Reader, Slot, items};
use super::yaml::Value;
use super::{CommandLine, Limits, ScratchPlace};
use crate::units::parse_size;

impl Reader<'_> {
    /// A command. Its text isn't interpolated: every `$` is the shell's or the program's.
    pub(super) fn command(&mut self, slot: &Slot<'_>) -> Option<CommandLine> {
        let command = match &slot.node.value {
            Value::Text(line) => CommandLine::Shell(line.clone()),
            Value::List(nodes) => {
                let words: Vec<_> = items(slot, nodes)
                    .iter()
                    .map(|item| self.raw_text(item).map(str::to_owned))
                    .collect();
                CommandLine::Argv(words.into_iter().collect::<Option<_>>()?)
            }
            _ => {
                return self.wrong_shape(
                    slot,
                    "a text for the shell or a list of a program and its arguments",
                );
            }
        };
        let (empty, nul) = match &command {
            CommandLine::Shell(line) => (line.trim().is_empty(), line.contains('\0')),
            CommandLine::Argv(words) => (
                words
                    .first()
                    .is_none_or(|program| program.trim().is_empty()),
                words.iter().any(|word| word.contains('\0')),
            ),
        };
        if empty {
            self.fault(
                slot.place(),
                format!("{} is empty; it needs a program to run", slot.what),
            );
            return None;
        }
        if nul {
            self.fault(
                slot.place(),
                format!("{} can't hold a NUL character", slot.what),
            );
            return None;
        }
        Some(command)
    }

    /// A boolean of YAML's core schema.
    pub(super) fn yes_or_no(&mut self, slot: &Slot<'_>) -> Option<bool> {
        match &slot.node.value {
            Value::Text(text) if ["true", "True", "TRUE"].contains(&text.as_str()) => Some(true),
            Value::Text(text) if ["false", "False", "FALSE"].contains(&text.as_str()) => {
                Some(false)
            }
            _ => self.wrong_shape(slot, "`true` or `false`"),
        }
    }

    /// Where writable layers lie.
    pub(super) fn scratch(&mut self, slot: &Slot<'_>, text: &str) -> ScratchPlace {
        match text {
            "auto" => ScratchPlace::Auto,
            "memory" => ScratchPlace::Memory,
            "store" => ScratchPlace::Store,
            other => {
                let known = ["auto", "memory", "store"];
                self.fault(slot.place(), unknown("value of `scratch`", other, known));
                ScratchPlace::default()
            }
        }
    }

    /// Variables as Compose has them: a map, or a list of `KEY=VALUE`. A key without a value takes that of
    /// the caller's environment, and is left out when there is none.
    pub(super) fn environment(&mut self, slot: &Slot<'_>) -> BTreeMap<String, String> {
        let mut variables = BTreeMap::new();
        match &slot.node.value {
            Value::Map(entries) => {
                for entry in entries {
                    let slot = super::read::slot(entry);
                    let value = match entry.node.value {
                        Value::Null => (self.variable)(&entry.key),
                        _ => self.text(&slot),
                    };
                    self.variable(&mut variables, &entry.key, value, entry.place);
                }
            }
            Value::List(nodes) => {
                for item in items(slot, nodes) {
                    let Some(text) = self.word(&item) else {
                        continue;
                    };
                    let (key, value) = match text.split_once('=') {
                        Some((key, value)) => (key, Some(value.to_owned())),
                        None => (text.as_str(), (self.variable)(&text)),
                    };
                    self.variable(&mut variables, key, value, item.node.place);
                }
            }
            _ => {
                self.wrong_shape::<()>(slot, "a map of variables or a list of `KEY=VALUE`");
            }
        }
        variables
    }

    fn variable(
        &mut self,
        variables: &mut BTreeMap<String, String>,
        key: &str,
        value: Option<String>,
        place: Place,
    ) {
        if key.is_empty() || key.contains(['=', '\0']) || key.trim() != key {
            let message = format!(
                "{} can't be the name of a variable; write `KEY: VALUE`, or `KEY=VALUE` in a list",
                quoted(key)
            );
            self.fault(place, message);
        } else if variables.contains_key(key) {
            self.fault(place, format!("variable {} is set twice", quoted(key)));
        } else if let Some(value) = value {
            variables.insert(key.to_owned(), value);
        }
    }

    /// `mem_limit`, `pids_limit`, `cpus` and `copy_up` of a map.
    pub(super) fn limits(&mut self, fields: &Fields<'_>) -> Limits {
        const NO_LIMIT: &str = "leave the key out for no limit";
        let mut limits = Limits::default();
        for (key, limit) in [
            ("mem_limit", &mut limits.memory),
            ("copy_up", &mut limits.copied),
        ] {
            if let Some(slot) = fields.get(key)
                && let Some(text) = self.word(&slot)
            {
                match parse_size(&text) {
                    Ok(0) => self.fault(slot.place(), format!("`{key}` can't be 0; {NO_LIMIT}")),
                    Ok(bytes) => *limit = Some(bytes),
                    Err(error) => self.fault(slot.place(), format!("`{key}`: {error}")),
                }
            }
        }
        if let Some(slot) = fields.get("pids_limit")
            && let Some(text) = self.word(&slot)
        {
            match text.trim().parse::<u64>() {
                Ok(pids) if pids > 0 => limits.pids = Some(pids),
                _ => {
                    let written = quoted(&text);
                    let message = format!(
                        "`pids_limit` must be a whole number of at least 1, not {written}; {NO_LIMIT}"
                    );
                    self.fault(slot.place(), message);
                }
            }
        }
        if let Some(slot) = fields.get("cpus")
            && let Some(text) = self.word(&slot)
        {
            match text.trim().parse::<f64>() {
                Ok(cpus) if cpus.is_finite() && cpus > 0.0 => limits.cpus = Some(cpus),
                _ => {
                    let written = quoted(&text);
                    let message = format!(
                        "`cpus` must be a number above 0, like `1.5`, not {written}; {NO_LIMIT}"
                    );
                    self.fault(slot.place(), message);
                }
            }
        }
        limits
    }
}
