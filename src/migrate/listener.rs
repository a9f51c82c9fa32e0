//! What a reader of scripts hears.

use super::script::Include;

/// What kind of text a byte belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Region {
    /// SQL outside of everything below, and space.
    Code,
    /// The semicolon that ends a statement.
    End,
    /// A string or a quoted name, quotes included.
    Text,
    /// A dollar-quoted string.
    Dollar,
    /// A comment.
    Comment,
    /// The lines that follow `COPY … FROM stdin`.
    Data,
    /// A command to the client.
    Command,
}

/// A piece of a statement, outside of all parentheses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Word {
    /// A bare word or number, upper case.
    Bare(String),
    /// The content of a string in single quotes.
    Text(Vec<u8>),
    /// The content of a quoted name.
    Name(Vec<u8>),
}

impl Word {
    /// Whether this is the bare word `upper`.
    pub(crate) fn is(&self, upper: &str) -> bool {
        matches!(self, Self::Bare(word) if word == upper)
    }
}

/// A statement; lines count from 1.
#[derive(Debug)]
pub(crate) struct Statement<'a> {
    /// Its first words.
    pub(crate) words: &'a [Word],
    /// The line of its first word.
    pub(crate) first_line: usize,
    /// The line of its end.
    pub(crate) last_line: usize,
}

/// What is told of a script as it is read; lines count from 1.
pub(crate) trait Listener {
    /// The next part of the script, whose first byte stands on `line`.
    fn text(&mut self, _region: Region, _text: &[u8], _line: usize) {}
    /// A statement has ended.
    fn statement(&mut self, _statement: &Statement<'_>) {}
    /// A client command has ended, its backslash or dot included.
    fn command(&mut self, _text: &[u8], _line: usize) {}
    /// The script reads a file. Only [`super::script::Includes`] tells this.
    fn include(&mut self, _include: Include) {}
}
