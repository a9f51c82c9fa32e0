//! A script of Flyway's: its placeholders, and whether its statements can run in a transaction.

use std::collections::BTreeMap;
use std::path::Path;

use super::flyway_config::{Project, ScriptConfig};
use super::folder::{self, Entry};
use super::listener::{Listener, Region, Statement};
use super::script::{self, Dialect};
use super::tee::listen;
use super::{Asked, MigrateError};

/// Placeholders that Flyway defines itself start with this.
const BUILT_IN: &str = "flyway:";

/// The values of placeholders, by lower-case name.
pub(super) struct Values<'a> {
    known: BTreeMap<String, String>,
    project: &'a Project,
}

impl<'a> Values<'a> {
    pub(super) fn new(project: &'a Project, asked: &Asked<'_>) -> Self {
        let (schema, user) = match asked.dialect {
            Dialect::Postgres => ("public", "postgres"),
            Dialect::Sqlite => ("main", ""),
            // A schema is a database.
            Dialect::Mysql => (asked.database, "root"),
        };
        let mut known = BTreeMap::new();
        for (name, value) in [
            ("defaultschema", schema),
            ("user", user),
            ("database", asked.database),
            ("table", project.table.as_str()),
            ("environment", "default"),
        ] {
            known.insert(format!("{BUILT_IN}{name}"), value.to_owned());
        }
        let all = project.placeholders.iter().chain(asked.placeholders);
        known.extend(all.map(|(name, value)| (name.to_ascii_lowercase(), value.clone())));
        Self { known, project }
    }

    /// What stands for `name` in `file`, or why nothing does.
    fn value(&self, name: &str, file: &Entry) -> Result<String, &'static str> {
        let name = name.to_ascii_lowercase();
        if let Some(value) = self.known.get(&name) {
            return Ok(value.clone());
        }
        match name.strip_prefix(BUILT_IN) {
            Some("filename") => Ok(file.file_name().to_owned()),
            Some("timestamp") => Err("with the time in it no two builds are the same"),
            Some("workingdirectory") => Err("it is another folder on each machine"),
            Some(_) => Err("Flyway has no such placeholder"),
            None => Err("it has no value"),
        }
    }
}

/// A script as it is run.
pub(super) struct Script {
    /// With placeholders filled in; `None` where there are none.
    pub(super) text: Option<String>,
    /// Whether a statement refuses to run in a transaction.
    pub(super) alone: bool,
}

/// The text of a script, without a byte-order mark.
pub(super) fn read(path: &Path, name: &str) -> Result<String, MigrateError> {
    let bytes = folder::read(path)?;
    let text = script::text(&bytes).map_err(|source| MigrateError::Script {
        name: name.to_owned(),
        source,
    })?;
    Ok(text.to_owned())
}

impl Script {
    /// Reads the script, and fills its placeholders in.
    pub(super) fn of(
        file: &Entry,
        dialect: Dialect,
        config: &ScriptConfig,
        values: &Values<'_>,
    ) -> Result<Self, MigrateError> {
        let text = read(&file.path, &file.name)?;
        let contents = Contents::of(&text, dialect);
        let filled = match config.placeholders {
            true => fill(&text, &contents, file, values)?,
            false => None,
        };
        let alone = match &filled {
            Some(filled) => Contents::of(filled, dialect).alone,
            None => contents.alone,
        };
        Ok(Self {
            text: filled,
            alone,
        })
    }
}

/// Flyway fills placeholders in everywhere. One without a value doesn't matter in a comment, and in a function body
/// `${…}` is more often the language's own (a template of PL/v8, a JSON path): there, only names with a value and
/// those that Flyway defines itself count.
fn fill(
    text: &str,
    contents: &Contents,
    file: &Entry,
    values: &Values<'_>,
) -> Result<Option<String>, MigrateError> {
    let (prefix, suffix) = (&values.project.prefix, &values.project.suffix);
    let (mut filled, mut rest, mut at) = (String::new(), text, 0);
    while let Some(start) = rest.find(prefix.as_str()) {
        let inner = &rest[start + prefix.len()..];
        let Some(length) = inner.find(suffix.as_str()) else {
            break;
        };
        let name = &inner[..length];
        let after = start + prefix.len();
        let end = after + length + suffix.len();
        let region = contents.region(at + start);
        let value = match name.contains('\n') {
            true => None,
            false => match values.value(name, file) {
                Ok(value) => Some(value),
                Err(_) if region == Region::Comment => None,
                Err(_) if region == Region::Dollar && !is_built_in(name) => None,
                Err(why) => {
                    return Err(MigrateError::Placeholder {
                        name: file.name.clone(),
                        line: script::line_of(text.as_bytes(), at + start),
                        placeholder: rest[start..end].to_owned(),
                        why,
                    });
                }
            },
        };
        // What is none may have one inside: go on behind its beginning.
        let next = if value.is_some() { end } else { after };
        filled.push_str(&rest[..start]);
        filled.push_str(value.as_deref().unwrap_or(prefix));
        (rest, at) = (&rest[next..], at + next);
    }
    filled.push_str(rest);
    Ok((filled != text).then_some(filled))
}

fn is_built_in(name: &str) -> bool {
    let start = name.get(..BUILT_IN.len());
    start.is_some_and(|start| start.eq_ignore_ascii_case(BUILT_IN))
}

/// What a script is made of.
struct Contents {
    dialect: Dialect,
    /// Where each part begins, and what it is.
    parts: Vec<(usize, Region)>,
    length: usize,
    alone: bool,
}

impl Contents {
    fn of(text: &str, dialect: Dialect) -> Self {
        let contents = Self {
            dialect,
            parts: Vec::new(),
            length: 0,
            alone: false,
        };
        // Reading from memory doesn't fail, and that it is text has been seen.
        listen(text.as_bytes(), dialect, contents)
            .ok()
            .and_then(Result::ok)
            .unwrap_or(Self {
                dialect,
                parts: Vec::new(),
                length: 0,
                alone: false,
            })
    }

    fn region(&self, at: usize) -> Region {
        let after = self.parts.partition_point(|(start, _)| *start <= at);
        let part = after.checked_sub(1).map(|index| self.parts[index].1);
        part.unwrap_or(Region::Code)
    }
}

impl Listener for Contents {
    fn text(&mut self, region: Region, text: &[u8], _line: usize) {
        if self.parts.last().is_none_or(|(_, last)| *last != region) {
            self.parts.push((self.length, region));
        }
        self.length += text.len();
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
