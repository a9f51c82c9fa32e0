//! What the names of Flyway's files say, after `ResourceNameParser` and `MigrationVersion` of flyway-core.

use std::cmp::Ordering;

use super::folder::Entry;
use super::natural::{number_order, significant};

/// The callbacks that are run, where `flyway migrate` runs them when all goes well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Event {
    BeforeValidate,
    AfterValidate,
    BeforeMigrate,
    BeforeEachMigrate,
    AfterEachMigrate,
    AfterVersioned,
    BeforeRepeatables,
    AfterMigrateApplied,
    AfterMigrate,
    AfterMigrateOperationFinish,
}

const EVENTS: [(&str, Event); 10] = [
    ("beforeValidate", Event::BeforeValidate),
    ("afterValidate", Event::AfterValidate),
    ("beforeMigrate", Event::BeforeMigrate),
    ("beforeEachMigrate", Event::BeforeEachMigrate),
    ("afterEachMigrate", Event::AfterEachMigrate),
    ("afterVersioned", Event::AfterVersioned),
    ("beforeRepeatables", Event::BeforeRepeatables),
    ("afterMigrateApplied", Event::AfterMigrateApplied),
    ("afterMigrate", Event::AfterMigrate),
    (
        "afterMigrateOperationFinish",
        Event::AfterMigrateOperationFinish,
    ),
];

/// Callbacks around a connection, a schema or a single statement: there is no place to run them in.
const OUT_OF_REACH: [&str; 6] = [
    "afterConnect",
    "afterEachMigrateStatement",
    "beforeConnect",
    "beforeCreateSchema",
    "beforeEachMigrateStatement",
    "createSchema",
];

/// Further prefixes of callbacks, which an empty database never sees.
const NEVER: [&str; 10] = [
    "afterBaseline",
    "afterClean",
    "afterInfo",
    "afterRepair",
    "afterUndo",
    "beforeBaseline",
    "beforeClean",
    "beforeInfo",
    "beforeRepair",
    "beforeUndo",
];

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Name {
    Versioned(Version),
    Baseline(Version),
    Repeatable,
    Undo,
    Callback(Event),
    /// A callback that would have to run and can't.
    OutOfReach,
    /// A callback for other occasions.
    Never,
}

/// The parts of a version: digits without leading zeros, trailing zero parts dropped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Version {
    parts: Vec<Vec<u8>>,
    pub(super) text: String,
}

impl Version {
    fn parse(text: &str) -> Option<Self> {
        let text = text.replace('_', ".");
        let mut parts = Vec::new();
        for part in text.split('.') {
            if part.is_empty() || !part.bytes().all(|byte| byte.is_ascii_digit()) {
                return None;
            }
            parts.push(significant(part.as_bytes()).to_vec());
        }
        while parts.len() > 1 && parts.last().is_some_and(Vec::is_empty) {
            parts.pop();
        }
        Some(Self { parts, text })
    }
}

impl Ord for Version {
    fn cmp(&self, other: &Self) -> Ordering {
        let parts = self.parts.iter().zip(&other.parts);
        parts
            .map(|(a, b)| number_order(a, b))
            .find(|order| order.is_ne())
            .unwrap_or_else(|| self.parts.len().cmp(&other.parts.len()))
    }
}

impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Reads a file's name: what it is, and its description. `None` for what Flyway passes over.
pub(super) fn parse(file: &Entry) -> Option<(Name, String)> {
    let stem = file.sql_stem()?;
    let (left, right) = stem.split_once("__").unwrap_or((stem, ""));
    let description = right.replace('_', " ");
    let event = EVENTS.iter().find(|(name, _)| *name == left);
    let name = if let Some((_, event)) = event {
        Name::Callback(*event)
    } else if OUT_OF_REACH.contains(&left) {
        Name::OutOfReach
    } else if NEVER.contains(&left) || (left.starts_with("after") && left.ends_with("Error")) {
        Name::Never
    } else if left == "R" {
        Name::Repeatable
    } else {
        let version = Version::parse(left.get(1..)?)?;
        match left.as_bytes()[0] {
            b'V' => Name::Versioned(version),
            b'B' => Name::Baseline(version),
            b'U' => Name::Undo,
            _ => return None,
        }
    };
    Some((name, description))
}

/// Whether the file is one that Flyway may apply.
pub(super) fn is_migration(file: &Entry) -> bool {
    matches!(
        parse(file),
        Some((Name::Versioned(_) | Name::Baseline(_) | Name::Repeatable, _))
    )
}

/// Whether the name means something to Flyway.
pub(super) fn is_known(file: &Entry) -> bool {
    parse(file).is_some()
}
