//! What a `psql` script is about, found by reading it: `psql` itself runs it.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use crate::migrate::listener::{Listener, Statement, Word};
use crate::migrate::psql::{self, Argument};
use crate::migrate::script::{Dialect, Include, Includes};
use crate::migrate::tee::listen;

/// How deep `\i` may nest.
const DEPTH: usize = 16;

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
    let mut reader = Reader::of(path, folder);
    reader.read(path)?;
    Ok(reader.facts)
}

/// As [`facts`], of a text that is run in place of the file at `path`.
///
/// # Errors
/// As [`facts`].
pub fn facts_of(text: &str, path: &Path, folder: &Path) -> io::Result<Facts> {
    let mut reader = Reader::of(path, folder);
    reader.listen(text.as_bytes())?;
    Ok(reader.facts)
}

struct Reader<'a> {
    facts: Facts,
    folder: &'a Path,
    /// The file that is being read, last, and those that include it.
    open: Vec<PathBuf>,
    seen: Vec<PathBuf>,
}

impl<'a> Reader<'a> {
    fn of(path: &Path, folder: &'a Path) -> Self {
        Self {
            facts: Facts::default(),
            folder,
            open: vec![path.to_owned()],
            seen: Vec::new(),
        }
    }

    fn read(&mut self, path: &Path) -> io::Result<()> {
        self.listen(File::open(path)?)
    }

    fn listen(&mut self, text: impl io::Read) -> io::Result<()> {
        let includes = Includes::new(Dialect::Postgres, self);
        let read = listen(text, Dialect::Postgres, includes)?;
        read.map(drop)
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
    }
}

impl Listener for &mut Reader<'_> {
    fn statement(&mut self, statement: &Statement<'_>) {
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
        let facts = &mut self.facts;
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
            ["CREATE" | "DROP" | "ALTER" | "REINDEX", rest @ ..]
                if rest.contains(&"CONCURRENTLY") => {}
            _ => return,
        }
        facts.own_transactions = true;
    }

    fn command(&mut self, text: &[u8], _line: usize) {
        let (name, mut rest) = psql::split(text);
        if matches!(name, b"c" | b"connect") {
            self.facts.own_transactions = true;
            self.facts.connects.extend(target(&mut rest));
        }
    }

    fn include(&mut self, include: Include) {
        let script = self.open.last().map_or(self.folder, PathBuf::as_path);
        let Some(path) = include.resolve(script, self.folder) else {
            return;
        };
        if include.script && !self.seen.contains(&path) && self.open.len() <= DEPTH {
            self.seen.push(path.clone());
            self.open.push(path.clone());
            // One that is missing may stand behind an \if; psql says so when it is not.
            let _ = self.read(&path);
            self.open.pop();
        }
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
