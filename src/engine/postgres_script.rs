//! What a `psql` script is about, found by reading it: `psql` itself runs it.

use std::io;
use std::path::Path;

use super::script_facts::{Notes, read};
use crate::migrate::listener::{Statement, Word};
use crate::migrate::psql::{self, Argument};
use crate::migrate::script::Dialect;

/// What `REINDEX` takes whole, table after table, each in a transaction of its own.
const WHOLE: [&str; 3] = ["DATABASE", "SYSTEM", "SCHEMA"];

/// What a script, with all that it includes, does beyond plain statements.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facts {
    /// The databases that it creates.
    pub creates: Vec<String>,
    /// The databases that it drops.
    pub drops: Vec<String>,
    /// The databases that it connects to.
    pub connects: Vec<String>,
    /// Whether it has transactions of its own, or a statement that can't stand in one.
    pub own_transactions: bool,
}

/// Reads the script at `path`, whose relative includes start at `folder`.
///
/// # Errors
/// When the script can't be read, or is no text; an included file of this kind is passed over.
pub fn facts(path: &Path, folder: &Path) -> io::Result<Facts> {
    read(&NOTES, None, path, folder)
}

pub(super) const NOTES: Notes<Facts> = Notes {
    dialect: Dialect::Postgres,
    statement,
    command,
    include: |_| {},
};

fn statement(facts: &mut Facts, statement: &Statement<'_>) {
    let words: Vec<&str> = statement
        .words
        .iter()
        .map(|word| match word {
            Word::Bare(upper) => upper.as_str(),
            // A quoted name is no keyword.
            Word::Name(_) | Word::Text(_) => "",
        })
        .collect();
    let name = |index: usize| statement.words.get(index).and_then(identifier);
    match words.as_slice() {
        ["CREATE", "DATABASE", ..] => facts.creates.extend(name(2)),
        ["DROP", "DATABASE", "IF", "EXISTS", ..] => facts.drops.extend(name(4)),
        ["DROP", "DATABASE", ..] => facts.drops.extend(name(2)),
        [
            "BEGIN" | "COMMIT" | "END" | "ROLLBACK" | "ABORT" | "VACUUM",
            ..,
        ]
        | ["START" | "PREPARE", "TRANSACTION", ..]
        | ["CLUSTER"]
        | ["ALTER", "SYSTEM", ..]
        | ["CREATE" | "DROP", "TABLESPACE" | "SUBSCRIPTION", ..]
        | ["DISCARD", "ALL"] => {}
        ["REINDEX", rest @ ..] if rest.iter().any(|word| WHOLE.contains(word)) => {}
        ["CREATE" | "DROP" | "ALTER" | "REINDEX", rest @ ..] if rest.contains(&"CONCURRENTLY") => {}
        _ => return,
    }
    facts.own_transactions = true;
}

fn command(facts: &mut Facts, text: &[u8]) {
    let (name, mut rest) = psql::split(text);
    if matches!(name, b"c" | b"connect") {
        facts.own_transactions = true;
        facts.connects.extend(target(&mut rest));
    }
}

/// The word as the server takes a name: in lower case unless quoted.
fn identifier(word: &Word) -> Option<String> {
    match word {
        Word::Bare(upper) => Some(upper.to_ascii_lowercase()),
        Word::Name(name) => Some(String::from_utf8_lossy(name).into_owned()),
        Word::Text(_) => None,
    }
}

/// The database that `\connect` goes to: a name, or part of a connection string or URI. `None` where it stays.
fn target(rest: &mut &[u8]) -> Option<String> {
    let mut next = || match psql::argument(rest)? {
        // psql keeps the case, unlike the server.
        Argument::Text(text) => Some(without_quotes(&text)),
        Argument::Computed => None,
    };
    let mut target = next()?;
    if target.starts_with("-reuse-previous=") {
        target = next()?;
    }
    if target.is_empty() || target == "-" {
        return None;
    }
    if let Some((_, rest)) = target.split_once("://") {
        let name = rest.split_once('/')?.1.split('?').next()?;
        return (!name.is_empty()).then(|| name.to_owned());
    }
    if target.contains('=') {
        return database_in(&target);
    }
    Some(target)
}

/// Takes the double quotes of names off: a doubled one stands for itself.
fn without_quotes(text: &str) -> String {
    let (mut plain, mut quoted) = (String::with_capacity(text.len()), false);
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        if character != '"' {
            plain.push(character);
        } else if quoted && characters.peek() == Some(&'"') {
            plain.extend(characters.next());
        } else {
            quoted = !quoted;
        }
    }
    plain
}

/// The `dbname` of a connection string (libpq, "Keyword/Value Connection Strings").
fn database_in(text: &str) -> Option<String> {
    let mut rest = text.trim_start();
    let mut found = None;
    while let Some((key, value)) = rest.split_once('=') {
        let mut characters = value.trim_start().chars();
        let quoted = characters.as_str().starts_with('\'');
        if quoted {
            characters.next();
        }
        let mut plain = String::new();
        while let Some(character) = characters.next() {
            match character {
                '\'' if quoted => break,
                c if !quoted && c.is_whitespace() => break,
                '\\' => plain.extend(characters.next()),
                c => plain.push(c),
            }
        }
        if key.trim() == "dbname" {
            found = Some(plain);
        }
        rest = characters.as_str().trim_start();
    }
    found
}
