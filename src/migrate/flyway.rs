//! Flyway: versioned, repeatable and baseline migrations, after `ResourceNameParser`,
//! `MigrationVersion` and `ResolvedMigrationComparator` of flyway-core.

use std::cmp::Ordering;
use std::fs::File;
use std::path::Path;

use super::flyway_config::{Project, ScriptConfig};
use super::folder::{self, Entry};
use super::listener::{Listener, Region, Statement};
use super::natural::{number_order, significant};
use super::script::Dialect;
use super::tee::listen;
use super::{MigrateError, Migration, Tool};

/// The callbacks that `flyway migrate` runs when all goes well. Others exist for other commands
/// and for failures.
const CALLBACKS: [&str; 14] = [
    "afterConnect",
    "afterEachMigrate",
    "afterEachMigrateStatement",
    "afterMigrate",
    "afterMigrateApplied",
    "afterMigrateOperationFinish",
    "afterValidate",
    "afterVersioned",
    "beforeConnect",
    "beforeCreateSchema",
    "beforeEachMigrate",
    "beforeEachMigrateStatement",
    "beforeMigrate",
    "beforeRepeatables",
];

/// Further prefixes of callbacks, which an empty database never sees.
const OTHER_EVENTS: [&str; 9] = [
    "afterBaseline",
    "afterClean",
    "afterInfo",
    "afterRepair",
    "afterUndo",
    "beforeClean",
    "beforeInfo",
    "beforeUndo",
    "createSchema",
];

#[derive(Debug, Clone, PartialEq, Eq)]
enum Name {
    Versioned(Version),
    Baseline(Version),
    Repeatable,
    Undo,
    Callback { runs: bool },
}

/// The parts of a version: digits without leading zeros, trailing zero parts dropped.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Version {
    parts: Vec<Vec<u8>>,
    text: String,
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
fn parse(file: &Entry) -> Option<(Name, String)> {
    let stem = file.sql_stem()?;
    let (left, right) = stem.split_once("__").unwrap_or((stem, ""));
    let description = right.replace('_', " ");
    let event = |events: &[&str]| events.contains(&left);
    let name = if event(&CALLBACKS) {
        Name::Callback { runs: true }
    } else if event(&OTHER_EVENTS) || (left.starts_with("after") && left.ends_with("Error")) {
        Name::Callback { runs: false }
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

/// What `flyway migrate` applies to an empty database: the newest baseline, the versions above
/// it, then the repeatable migrations by description.
pub(super) fn migrations(dir: &Path, dialect: Dialect) -> Result<Vec<Migration>, MigrateError> {
    let project = Project::find(dir)?;
    let mut versioned = Vec::new();
    let mut baselines = Vec::new();
    let mut repeatable = Vec::new();
    for file in folder::list_deep(dir)? {
        let Some((name, description)) = parse(&file) else {
            continue;
        };
        match name {
            Name::Versioned(version) => versioned.push((version, description, file)),
            Name::Baseline(version) => baselines.push((version, description, file)),
            Name::Repeatable => repeatable.push((description, file)),
            Name::Undo | Name::Callback { runs: false } => {}
            Name::Callback { runs: true } => {
                return Err(MigrateError::Callback { name: file.name });
            }
        }
    }
    for set in [&mut versioned, &mut baselines] {
        set.sort_by(|a, b| a.0.cmp(&b.0));
        for pair in set.windows(2) {
            if pair[0].0 == pair[1].0 || pair[0].0.cmp(&pair[1].0).is_eq() {
                return Err(duplicate(&pair[0].0.text, &pair[0].2, &pair[1].2));
            }
        }
    }
    repeatable.sort_by(|a, b| a.0.cmp(&b.0));
    for pair in repeatable.windows(2) {
        if pair[0].0 == pair[1].0 {
            return Err(duplicate(&pair[0].0, &pair[0].1, &pair[1].1));
        }
    }
    if let Some(baseline) = baselines.pop() {
        versioned.retain(|(version, ..)| *version > baseline.0);
        versioned.insert(0, baseline);
    }
    let versioned = versioned
        .into_iter()
        .map(|(version, text, file)| (version.text, text, file));
    let repeatable = repeatable
        .into_iter()
        .map(|(text, file)| (String::new(), text, file));
    let mut migrations = Vec::new();
    for (version, description, file) in versioned.chain(repeatable) {
        let config = ScriptConfig::of(&file, &project)?;
        if !config.execute {
            continue;
        }
        let seen = read(&file, dialect, &config, &project)?;
        migrations.push(Migration {
            path: file.path,
            name: file.name,
            version,
            description,
            transaction: config.transaction.unwrap_or(seen),
        });
    }
    Ok(migrations)
}

fn duplicate(version: &str, first: &Entry, second: &Entry) -> MigrateError {
    MigrateError::Duplicate {
        tool: Tool::Flyway,
        version: version.to_owned(),
        first: first.name.clone(),
        second: second.name.clone(),
    }
}

/// Looks into the file for placeholders; whether its statements can run in one transaction.
fn read(
    file: &Entry,
    dialect: Dialect,
    config: &ScriptConfig,
    project: &Project,
) -> Result<bool, MigrateError> {
    let failed = |source| MigrateError::Read {
        path: file.path.clone(),
        source,
    };
    let listener = Contents {
        dialect,
        project,
        found: None,
        open: None,
        last: None,
        alone: false,
    };
    let reader = File::open(&file.path).map_err(failed)?;
    let contents = listen(reader, dialect, listener).map_err(failed)?;
    let contents = contents.map_err(|source| MigrateError::Script {
        name: file.name.clone(),
        source,
    })?;
    match contents.found {
        Some((line, placeholder)) if config.placeholders => Err(MigrateError::Placeholder {
            name: file.name.clone(),
            line,
            placeholder,
        }),
        _ => Ok(!contents.alone),
    }
}

/// What a script says about placeholders and transactions.
struct Contents<'a> {
    dialect: Dialect,
    project: &'a Project,
    /// The first placeholder.
    found: Option<(usize, String)>,
    /// A `${…` that is not closed yet.
    open: Option<(Region, String)>,
    last: Option<u8>,
    /// Whether a statement refuses to run in a transaction.
    alone: bool,
}

impl Contents<'_> {
    /// Flyway fills placeholders in everywhere. A comment doesn't matter, and in a function body
    /// `${…}` is more often the language's own (a template of PL/v8, a JSON path): there, only
    /// names that Flyway defines itself or that the project's configuration defines count.
    fn counts(&self, region: Region, name: &str) -> bool {
        match region {
            Region::Comment => false,
            Region::Dollar => self.project.defines(name),
            _ => true,
        }
    }
}

impl Listener for Contents<'_> {
    fn text(&mut self, region: Region, text: &[u8], mut line: usize) {
        for &byte in text {
            if self.found.is_some() {
                return;
            }
            match (&mut self.open, byte) {
                (Some((start, name)), b'}') => {
                    let (start, name) = (*start, std::mem::take(name));
                    self.open = None;
                    if self.counts(start, &name) {
                        self.found = Some((line, format!("${{{name}}}")));
                    }
                }
                (Some((_, name)), _) if byte != b'\n' && name.len() < 200 => {
                    name.push(char::from(byte));
                }
                (Some(_), _) => self.open = None,
                (None, b'{') if self.last == Some(b'$') => {
                    self.open = Some((region, String::new()));
                }
                (None, _) => {}
            }
            line += usize::from(byte == b'\n');
            self.last = Some(byte);
        }
    }

    /// The statements that Flyway's parsers know to refuse a transaction: `PostgreSQLParser` and
    /// `SQLiteParser`.
    fn statement(&mut self, statement: &Statement<'_>) {
        let words = statement.words;
        let starts = |phrase: &[&str]| {
            words.len() >= phrase.len() && words.iter().zip(phrase).all(|(word, w)| word.is(w))
        };
        let alone: &[&[&str]] = match self.dialect {
            Dialect::Postgres => &[
                &["ALTER", "SYSTEM"],
                &["CREATE", "DATABASE"],
                &["CREATE", "INDEX", "CONCURRENTLY"],
                &["CREATE", "SUBSCRIPTION"],
                &["CREATE", "TABLESPACE"],
                &["CREATE", "UNIQUE", "INDEX", "CONCURRENTLY"],
                &["DISCARD", "ALL"],
                &["DROP", "DATABASE"],
                &["DROP", "INDEX", "CONCURRENTLY"],
                &["DROP", "SUBSCRIPTION"],
                &["DROP", "TABLESPACE"],
                &["REINDEX", "DATABASE"],
                &["REINDEX", "SCHEMA"],
                &["REINDEX", "SYSTEM"],
                &["REINDEX", "VERBOSE", "DATABASE"],
                &["REINDEX", "VERBOSE", "SCHEMA"],
                &["REINDEX", "VERBOSE", "SYSTEM"],
                &["VACUUM"],
            ],
            Dialect::Sqlite => &[&["PRAGMA", "FOREIGN_KEYS"]],
            Dialect::Mysql => &[],
        };
        self.alone |= alone.iter().any(|phrase| starts(phrase));
    }
}
