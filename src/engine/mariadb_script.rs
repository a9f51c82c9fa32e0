//! What a script of the `mariadb` client is about, found by reading it: the client itself runs it.

use std::io;
use std::path::Path;

use super::script_facts::{Notes, read};
use crate::migrate::listener::{Statement, Word};
use crate::migrate::script::Dialect;

/// What a script, with all that it includes, does beyond plain statements.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facts {
    /// The databases that it creates where there must be none of the name.
    pub creates: Vec<String>,
    /// The databases that it drops.
    pub drops: Vec<String>,
    /// The databases that it goes to.
    pub uses: Vec<String>,
    /// Whether it reads other scripts.
    pub includes: bool,
}

/// Reads the script at `path`, whose relative includes start at `folder`.
///
/// # Errors
/// When the script can't be read, or is no text; an included file of this kind is passed over.
pub fn facts(path: &Path, folder: &Path) -> io::Result<Facts> {
    read(&NOTES, None, path, folder)
}

pub(super) const NOTES: Notes<Facts> = Notes {
    dialect: Dialect::Mysql,
    statement,
    command: |_, _| {},
    include: |facts| facts.includes = true,
};

fn statement(facts: &mut Facts, statement: &Statement<'_>) {
    let words = statement.words;
    let is = |at: usize, words_of: &[&str]| {
        words
            .get(at)
            .is_some_and(|word| words_of.iter().any(|upper| word.is(upper)))
    };
    let schema = ["DATABASE", "SCHEMA"];
    let name = |at: usize| words.get(at).and_then(identifier);
    if is(0, &["USE"]) {
        facts.uses.extend(name(1));
    } else if is(0, &["CREATE"]) && is(1, &["OR"]) && is(3, &schema) {
        // CREATE OR REPLACE DATABASE is a DROP as well.
        facts.creates.extend(name(4));
        facts.drops.extend(name(4));
    } else if is(0, &["CREATE"]) && is(1, &schema) && !is(2, &["IF"]) {
        facts.creates.extend(name(2));
    } else if is(0, &["DROP"]) && is(1, &schema) {
        facts.drops.extend(name(if is(2, &["IF"]) { 4 } else { 2 }));
    }
}

/// The word as a name. Whether two names in other cases are one depends on `lower_case_table_names`; on Linux they
/// are two.
fn identifier(word: &Word) -> Option<String> {
    match word {
        // The reader tells bare words in upper case.
        Word::Bare(upper) => Some(upper.to_ascii_lowercase()),
        Word::Name(name) => Some(String::from_utf8_lossy(name).into_owned()),
        Word::Text(_) => None,
    }
}
