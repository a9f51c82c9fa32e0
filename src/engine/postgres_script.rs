//! What a `psql` script is about, found by reading it: `psql` itself runs it.

use std::fs::File;
use std::io::{self, BufReader};
use std::path::{Path, PathBuf};

use super::postgres_split::{Command, Item, Items, Statement, Word};

/// How deep `\i` may nest.
const DEPTH: usize = 16;

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
    /// The files that it reads, and where they are named.
    pub reads: Vec<Read>,
}

/// A file that a script reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Read {
    /// The file, `None` when the script leaves its name to a variable.
    pub path: Option<PathBuf>,
    /// What names it.
    pub text: String,
    /// The line, from 1.
    pub line: usize,
}

/// Reads the script at `path`, whose relative includes start at `folder`.
///
/// # Errors
/// When the script can't be read; an included file that can't be is only named in the result.
pub fn facts(path: &Path, folder: &Path) -> io::Result<Facts> {
    let mut facts = Facts::default();
    follow(path, folder, DEPTH, &mut facts)?;
    Ok(facts)
}

fn follow(path: &Path, folder: &Path, depth: usize, facts: &mut Facts) -> io::Result<()> {
    let mut items = Items::new(BufReader::with_capacity(64 * 1024, File::open(path)?));
    while let Some(item) = items.next()? {
        match item {
            Item::Statement(statement) => note_statement(&statement, facts),
            Item::Command(command) => note_command(&command, path, folder, depth, facts),
        }
    }
    Ok(())
}

fn note_statement(statement: &Statement, facts: &mut Facts) {
    let words: Vec<String> = statement.words.iter().map(Word::keyword).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let name = |index: usize| statement.words.get(index).map(Word::identifier);
    match words.as_slice() {
        ["BEGIN" | "COMMIT" | "END" | "ROLLBACK" | "ABORT", ..]
        | ["START" | "PREPARE", "TRANSACTION", ..] => {
            facts.own_transactions = true;
        }
        ["CREATE", "DATABASE", ..] => {
            facts.creates.extend(name(2));
            facts.own_transactions = true;
        }
        ["DROP", "DATABASE", "IF", "EXISTS", ..] => {
            facts.drops.extend(name(4));
            facts.own_transactions = true;
        }
        ["DROP", "DATABASE", ..] => {
            facts.drops.extend(name(2));
            facts.own_transactions = true;
        }
        ["VACUUM", ..]
        | ["CLUSTER"]
        | ["ALTER", "SYSTEM", ..]
        | ["CREATE" | "DROP", "TABLESPACE" | "SUBSCRIPTION", ..]
        | ["REINDEX", "DATABASE" | "SYSTEM" | "SCHEMA", ..] => facts.own_transactions = true,
        ["CREATE" | "DROP" | "REINDEX", rest @ ..] if rest.contains(&"CONCURRENTLY") => {
            facts.own_transactions = true;
        }
        _ => {}
    }
    // The server takes a relative name from its data folder, where no script can have put a file.
    if let Some((file, line)) = statement
        .copied_file
        .as_ref()
        .filter(|(file, _)| file.starts_with('/'))
    {
        facts.reads.push(Read {
            path: Some(file.into()),
            text: format!("COPY … FROM '{file}'"),
            line: *line,
        });
    }
}

fn note_command(command: &Command, script: &Path, folder: &Path, depth: usize, facts: &mut Facts) {
    let argument = command.arguments.first().map_or("", String::as_str);
    let include = match command.name.as_str() {
        "c" | "connect" => {
            facts.own_transactions = true;
            facts.connects.extend(database_of(argument));
            return;
        }
        "i" | "include" => folder.to_owned(),
        "ir" | "include_relative" => script.parent().unwrap_or(folder).to_owned(),
        "copy" => {
            facts.reads.extend(copied(command, folder));
            return;
        }
        _ => return,
    };
    let known = !argument.is_empty() && !argument.starts_with([':', '`']);
    let path = known.then(|| include.join(argument));
    let text = format!("\\{} {argument}", command.name);
    let seen = path.is_some() && facts.reads.iter().any(|read| read.path == path);
    facts.reads.push(Read {
        path: path.clone(),
        text,
        line: command.line,
    });
    if let (Some(path), false, true) = (path, seen, depth > 0) {
        // One that is missing may stand behind an \if; psql says so when it is not.
        let _ = follow(&path, folder, depth - 1, facts);
    }
}

/// The database in the first argument of `\connect`: a name, a connection string or a URI.
fn database_of(argument: &str) -> Option<String> {
    if argument.is_empty() || argument == "-" {
        return None;
    }
    if let Some((_, rest)) = argument.split_once("://") {
        let name = rest.split_once('/')?.1.split('?').next()?;
        return (!name.is_empty()).then(|| name.to_owned());
    }
    if argument.contains('=') {
        return argument
            .split_whitespace()
            .find_map(|part| part.strip_prefix("dbname="))
            .map(str::to_owned);
    }
    Some(argument.to_owned())
}

/// The file of `\copy … from FILE`.
fn copied(command: &Command, folder: &Path) -> Option<Read> {
    let from = command
        .arguments
        .iter()
        .position(|word| word.eq_ignore_ascii_case("from"))?;
    let file = command.arguments.get(from + 1)?;
    if ["stdin", "pstdin", "program"]
        .iter()
        .any(|word| file.eq_ignore_ascii_case(word))
    {
        return None;
    }
    // psql replaces no variables in the arguments of \copy.
    Some(Read {
        path: Some(folder.join(file)),
        text: format!("\\copy … from {file}"),
        line: command.line,
    })
}
