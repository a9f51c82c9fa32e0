//! Splits a `psql` script into statements and `psql`'s own commands.
//!
//! It knows comments, strings, dollar quotes, the data of `COPY … FROM STDIN` and bodies of SQL functions, as far as
//! they decide where a statement ends (`psqlscan.l` of PostgreSQL). It reads a stream, so the size of a dump does
//! not matter, and it keeps a few words of each statement only.

use std::io::{self, BufRead};

/// A part of a script.
#[derive(Debug)]
pub(super) enum Item {
    Statement(Statement),
    Command(Command),
}

/// A statement.
#[derive(Debug, Default)]
pub(super) struct Statement {
    /// The line of its first word, from 1.
    pub(super) first_line: usize,
    /// The line of its end.
    pub(super) last_line: usize,
    /// Its first words.
    pub(super) words: Vec<Word>,
    /// The file of a `COPY … FROM 'file'`, with its line.
    pub(super) copied_file: Option<(String, usize)>,
}

/// A word or a quoted name.
#[derive(Debug, Clone)]
pub(super) struct Word {
    text: String,
    quoted: bool,
}

impl Word {
    /// The word as a keyword; a quoted name is none.
    pub(super) fn keyword(&self) -> String {
        if self.quoted {
            format!("\"{}\"", self.text)
        } else {
            self.text.to_ascii_uppercase()
        }
    }

    /// The word as a name: in lower case unless quoted.
    pub(super) fn identifier(&self) -> String {
        if self.quoted {
            self.text.clone()
        } else {
            self.text.to_lowercase()
        }
    }
}

/// A command of `psql` itself.
#[derive(Debug)]
pub(super) struct Command {
    /// Its line, from 1.
    pub(super) line: usize,
    /// Its name, without the backslash.
    pub(super) name: String,
    /// Its arguments, quotes removed.
    pub(super) arguments: Vec<String>,
}

/// How many words of a statement are kept.
const WORDS: usize = 8;

/// What the reader is inside of.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Inside {
    Nothing,
    Comment(usize),
    /// A string; whether backslashes escape in it.
    Text(bool),
    Name,
    Dollar(Vec<u8>),
    CopyData,
}

/// The parts of a script, in order.
pub(super) struct Items<R> {
    reader: R,
    line: Vec<u8>,
    at: usize,
    number: usize,
    inside: Inside,
    begun: bool,
    statement: Statement,
    /// The last word, upper case; what a string or name has so far.
    last: String,
    quoted: Vec<u8>,
    brackets: usize,
    /// Depth of `BEGIN ATOMIC … END` and `CASE … END` in the body of an SQL function.
    bodies: usize,
    copies: bool,
}

impl<R: BufRead> Items<R> {
    pub(super) fn new(reader: R) -> Self {
        Self {
            reader,
            line: Vec::new(),
            at: 0,
            number: 0,
            inside: Inside::Nothing,
            begun: false,
            statement: Statement::default(),
            last: String::new(),
            quoted: Vec::new(),
            brackets: 0,
            bodies: 0,
            copies: false,
        }
    }

    /// The next part, `None` at the end. A last statement without a semicolon counts.
    pub(super) fn next(&mut self) -> io::Result<Option<Item>> {
        loop {
            if self.at >= self.line.len() {
                self.line.clear();
                self.at = 0;
                if self.reader.read_until(b'\n', &mut self.line)? == 0 {
                    return Ok(self.begun.then(|| Item::Statement(self.finish())));
                }
                self.number += 1;
                if self.number == 1 && self.line.starts_with(b"\xef\xbb\xbf") {
                    self.at = 3;
                }
                if self.inside == Inside::CopyData {
                    if self.line.trim_ascii_end() == b"\\." {
                        self.inside = Inside::Nothing;
                    }
                    self.at = self.line.len();
                    continue;
                }
            }
            if let Some(item) = self.scan() {
                return Ok(Some(item));
            }
        }
    }

    /// Scans on in the current line, to its end or to the end of a part.
    fn scan(&mut self) -> Option<Item> {
        while let Some(&byte) = self.line.get(self.at) {
            let next = self.line.get(self.at + 1).copied();
            match &mut self.inside {
                Inside::Comment(depth) => match (byte, next) {
                    (b'*', Some(b'/')) => {
                        *depth -= 1;
                        if *depth == 0 {
                            self.inside = Inside::Nothing;
                        }
                        self.at += 2;
                    }
                    (b'/', Some(b'*')) => {
                        *depth += 1;
                        self.at += 2;
                    }
                    _ => self.at += 1,
                },
                Inside::Text(escapes) => match byte {
                    b'\\' if *escapes => {
                        self.quoted.extend(next);
                        self.at += 2;
                    }
                    b'\'' if next == Some(b'\'') => {
                        self.quoted.push(b'\'');
                        self.at += 2;
                    }
                    b'\'' => self.text_ends(),
                    _ => {
                        self.quoted.push(byte);
                        self.at += 1;
                    }
                },
                Inside::Name => match byte {
                    b'"' if next == Some(b'"') => {
                        self.quoted.push(b'"');
                        self.at += 2;
                    }
                    b'"' => self.name_ends(),
                    _ => {
                        self.quoted.push(byte);
                        self.at += 1;
                    }
                },
                Inside::Dollar(tag) => {
                    if byte == b'$' && self.line[self.at..].starts_with(tag) {
                        self.at += tag.len();
                        self.inside = Inside::Nothing;
                    } else {
                        self.at += 1;
                    }
                }
                Inside::CopyData => self.at = self.line.len(),
                Inside::Nothing => {
                    if let Some(item) = self.plain(byte, next) {
                        return Some(item);
                    }
                }
            }
        }
        None
    }

    fn plain(&mut self, byte: u8, next: Option<u8>) -> Option<Item> {
        match (byte, next) {
            (b'-', Some(b'-')) => self.at = self.line.len(),
            (b'/', Some(b'*')) => {
                self.inside = Inside::Comment(1);
                self.at += 2;
            }
            (b'\'', _) => {
                self.begin();
                self.inside = Inside::Text(self.last_is_escape());
                self.at += 1;
            }
            (b'"', _) => {
                self.begin();
                self.inside = Inside::Name;
                self.at += 1;
            }
            (b'$', _) => self.dollar(),
            (b'\\', _) => return self.command(),
            (b';', _) if self.brackets == 0 && self.bodies == 0 => {
                self.at += 1;
                return self.begun.then(|| Item::Statement(self.finish()));
            }
            (b'(', _) => {
                self.begin();
                self.brackets += 1;
                self.at += 1;
            }
            (b')', _) => {
                self.brackets = self.brackets.saturating_sub(1);
                self.at += 1;
            }
            _ if is_word(byte) => self.word(),
            _ => {
                if !byte.is_ascii_whitespace() {
                    self.begin();
                    self.last.clear();
                }
                self.at += 1;
            }
        }
        None
    }

    /// Whether the string that begins here is `E'…'`.
    fn last_is_escape(&self) -> bool {
        self.at > 0 && matches!(self.line[self.at - 1], b'e' | b'E') && self.last == "E"
    }

    fn begin(&mut self) {
        if !self.begun {
            self.begun = true;
            self.statement.first_line = self.number;
        }
    }

    fn word(&mut self) {
        self.begin();
        let rest = &self.line[self.at..];
        let length = rest
            .iter()
            .position(|&b| !is_word(b) && b != b'$')
            .unwrap_or(rest.len());
        let text = String::from_utf8_lossy(&rest[..length]).into_owned();
        self.at += length;
        let upper = text.to_ascii_uppercase();
        if self.is_copy()
            && self.last == "FROM"
            && (upper == "STDIN" || upper == "PSTDIN")
            && self.brackets == 0
        {
            self.copies = true;
        }
        if self.has_body() {
            match upper.as_str() {
                "BEGIN" => self.bodies += 1,
                "CASE" if self.bodies > 0 => self.bodies += 1,
                "END" => self.bodies = self.bodies.saturating_sub(1),
                _ => {}
            }
        }
        self.last = upper;
        self.keep(text, false);
    }

    fn keep(&mut self, text: String, quoted: bool) {
        if self.statement.words.len() < WORDS {
            self.statement.words.push(Word { text, quoted });
        }
    }

    fn starts_with(&self, words: &[&str]) -> bool {
        let kept = &self.statement.words;
        kept.len() >= words.len()
            && kept
                .iter()
                .zip(words)
                .all(|(kept, word)| !kept.quoted && kept.text.eq_ignore_ascii_case(word))
    }

    fn is_copy(&self) -> bool {
        self.starts_with(&["COPY"])
    }

    /// Whether the statement may have a body with semicolons in it, outside of any quotes.
    fn has_body(&self) -> bool {
        ["FUNCTION", "PROCEDURE"].iter().any(|kind| {
            self.starts_with(&["CREATE", kind])
                || self.starts_with(&["CREATE", "OR", "REPLACE", kind])
        })
    }

    fn text_ends(&mut self) {
        let text = String::from_utf8_lossy(&std::mem::take(&mut self.quoted)).into_owned();
        if self.is_copy() && self.last == "FROM" && self.brackets == 0 {
            self.statement.copied_file = Some((text, self.number));
        }
        self.last.clear();
        self.inside = Inside::Nothing;
        self.at += 1;
    }

    fn name_ends(&mut self) {
        let text = String::from_utf8_lossy(&std::mem::take(&mut self.quoted)).into_owned();
        self.keep(text, true);
        self.last.clear();
        self.inside = Inside::Nothing;
        self.at += 1;
    }

    /// A `$tag$`, or a plain dollar.
    fn dollar(&mut self) {
        self.begin();
        self.last.clear();
        let rest = &self.line[self.at..];
        let name = rest[1..]
            .iter()
            .position(|&b| !is_word(b))
            .unwrap_or(rest.len() - 1);
        let is_tag = rest.get(1 + name) == Some(&b'$') && !rest[1].is_ascii_digit();
        if is_tag {
            self.inside = Inside::Dollar(rest[..name + 2].to_vec());
            self.at += name + 2;
        } else {
            self.at += 1;
        }
    }

    /// A command of psql, which takes the rest of the line or ends at `\\`.
    fn command(&mut self) -> Option<Item> {
        let rest = &self.line[self.at + 1..];
        // Escaped for psql's own splitting and variables.
        if matches!(rest.first(), Some(b';' | b':')) {
            self.at += 2;
            return None;
        }
        let length = rest
            .iter()
            .position(u8::is_ascii_whitespace)
            .unwrap_or(rest.len());
        let name = String::from_utf8_lossy(&rest[..length]).into_owned();
        let (arguments, used) = arguments(&rest[length..]);
        self.at += 1 + length + used;
        // These send what has been read so far, as a semicolon would.
        let sends = name.starts_with('g') || name == "watch" || name == "crosstabview";
        if sends && self.begun {
            return Some(Item::Statement(self.finish()));
        }
        if name == "r" || name == "reset" {
            self.finish();
        }
        if name == "copy" {
            self.copies = arguments.windows(2).any(|pair| {
                pair[0].eq_ignore_ascii_case("from")
                    && pair[1].trim_end_matches(';').eq_ignore_ascii_case("stdin")
            });
            if std::mem::take(&mut self.copies) {
                self.inside = Inside::CopyData;
            }
        }
        Some(Item::Command(Command {
            line: self.number,
            name,
            arguments,
        }))
    }

    fn finish(&mut self) -> Statement {
        let mut statement = std::mem::take(&mut self.statement);
        statement.last_line = self.number;
        self.begun = false;
        self.brackets = 0;
        self.bodies = 0;
        self.last.clear();
        if std::mem::take(&mut self.copies) {
            // The data begins on the next line.
            self.inside = Inside::CopyData;
            self.at = self.line.len();
        }
        statement
    }
}

/// Splits the arguments of a command, and says how many bytes they took. Both kinds of quotes are removed, and
/// a semicolon at the end, which psql forgives.
fn arguments(rest: &[u8]) -> (Vec<String>, usize) {
    let mut arguments = Vec::new();
    let mut word: Option<Vec<u8>> = None;
    let mut quote = None;
    let mut at = 0;
    while at < rest.len() && rest[at] != b'\n' {
        let byte = rest[at];
        match quote {
            Some(end) if byte == end => quote = None,
            None if byte == b'\'' || byte == b'"' => {
                quote = Some(byte);
                word.get_or_insert_default();
            }
            None if byte == b'\\' && rest.get(at + 1) == Some(&b'\\') => {
                at += 2;
                break;
            }
            None if byte.is_ascii_whitespace() => arguments.extend(word.take()),
            _ => word.get_or_insert_default().push(byte),
        }
        at += 1;
    }
    arguments.extend(word.take());
    let mut arguments: Vec<String> = arguments
        .iter()
        .map(|word| String::from_utf8_lossy(word).into_owned())
        .collect();
    if let Some(last) = arguments.last_mut() {
        last.truncate(last.trim_end_matches(';').len());
        if last.is_empty() {
            arguments.pop();
        }
    }
    (arguments, at)
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80
}
