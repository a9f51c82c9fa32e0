//! Tells code, text, comments, inline data and client commands of an SQL script apart, byte by
//! byte, so that a script of any size is read once and never held in memory.
//!
//! The rules are those of the program that runs the script: `psqlscan.l` and `psqlscanslash.l` of
//! psql, `shell.c` of the SQLite command line, `mysql.cc` of the MariaDB client.

use super::dialect::Dialect;
use super::psql;

/// What kind of text a byte belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Region {
    /// SQL outside of everything below.
    Code,
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
pub(super) enum Word {
    /// A bare word or number, upper case.
    Bare(String),
    /// A string in single quotes; its content where the statement names files.
    Text(Vec<u8>),
    /// A quoted name.
    Name,
}

impl Word {
    /// Whether this is the bare word `upper`.
    pub(super) fn is(&self, upper: &str) -> bool {
        matches!(self, Self::Bare(word) if word == upper)
    }
}

/// What is told of a script as it is read; lines count from 1.
pub(super) trait Listener {
    /// One byte.
    fn byte(&mut self, _region: Region, _byte: u8, _line: usize) {}
    /// A statement has ended; only its first words are kept.
    fn statement(&mut self, _words: &[Word], _line: usize) {}
    /// A client command has ended, its backslash or dot included.
    fn command(&mut self, _text: &[u8], _line: usize) {}
}

/// How many words of a statement are kept.
const WORDS: usize = 24;
/// How many bytes of a word or string are kept.
const LENGTH: usize = 4096;

enum State {
    Code,
    LineComment,
    BlockComment {
        depth: usize,
    },
    Quoted {
        end: u8,
        escapes: bool,
        escaped: bool,
        closing: bool,
    },
    /// After a `$` that may begin a dollar quote.
    Tag(Vec<u8>),
    Dollar {
        delimiter: Vec<u8>,
        matched: usize,
    },
    Command {
        text: Vec<u8>,
        line: usize,
        quote: Option<u8>,
        escaped: bool,
    },
    Data {
        start: Vec<u8>,
    },
}

/// The reader of one script.
pub(super) struct Lexer<L> {
    dialect: Dialect,
    listener: L,
    state: State,
    line: usize,
    /// Whether the next byte is the first of its line.
    fresh_line: bool,
    /// The last two bytes, as far as they can begin a longer token.
    last: [u8; 2],
    parentheses: usize,
    words: Vec<Word>,
    word: String,
    text: Vec<u8>,
    /// The line of the statement's first byte; `None` between statements.
    statement_line: Option<usize>,
    data_follows: bool,
}

impl<L: Listener> Lexer<L> {
    pub(super) fn new(dialect: Dialect, listener: L) -> Self {
        Self {
            dialect,
            listener,
            state: State::Code,
            line: 1,
            fresh_line: true,
            last: [0; 2],
            parentheses: 0,
            words: Vec::new(),
            word: String::new(),
            text: Vec::new(),
            statement_line: None,
            data_follows: false,
        }
    }

    /// Reads on.
    pub(super) fn feed(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.last = [self.last[1], byte];
            let region = self.advance(byte);
            self.listener.byte(region, byte, self.line);
            self.fresh_line = byte == b'\n';
            if self.fresh_line {
                self.line += 1;
                if self.data_follows && matches!(self.state, State::Code | State::LineComment) {
                    self.data_follows = false;
                    self.state = State::Data { start: Vec::new() };
                }
            }
        }
    }

    /// The script has ended: gives the listener back.
    pub(super) fn finish(mut self) -> L {
        if matches!(self.state, State::Command { .. }) {
            self.end_command();
        }
        self.end_statement();
        self.listener
    }

    fn advance(&mut self, byte: u8) -> Region {
        match &mut self.state {
            State::Code => self.code(byte),
            State::LineComment => {
                if byte == b'\n' {
                    self.state = State::Code;
                }
                Region::Comment
            }
            State::BlockComment { depth } => {
                if self.last == *b"*/" {
                    *depth -= 1;
                    self.last = [0; 2];
                    if *depth == 0 {
                        self.state = State::Code;
                    }
                } else if self.last == *b"/*" && self.dialect == Dialect::Postgres {
                    *depth += 1;
                    self.last = [0; 2];
                }
                Region::Comment
            }
            State::Quoted { .. } => self.quoted(byte),
            State::Tag(tag) => {
                let first = tag.is_empty();
                if byte == b'$' {
                    let delimiter = [b"$", tag.as_slice(), b"$"].concat();
                    self.state = State::Dollar {
                        delimiter,
                        matched: 0,
                    };
                    return Region::Dollar;
                }
                if is_name(byte) && !(first && byte.is_ascii_digit()) && tag.len() < LENGTH {
                    tag.push(byte);
                    return Region::Code;
                }
                self.state = State::Code;
                self.code(byte)
            }
            State::Dollar { delimiter, matched } => {
                // A tag holds no `$`: after a mismatch only this very byte can begin the delimiter.
                *matched = if delimiter[*matched] == byte {
                    *matched + 1
                } else {
                    usize::from(byte == b'$')
                };
                if *matched == delimiter.len() {
                    self.state = State::Code;
                    self.last = [0; 2];
                }
                Region::Dollar
            }
            State::Command { .. } => self.command(byte),
            State::Data { start } => {
                if byte == b'\n' {
                    if matches!(start.as_slice(), b"\\." | b"\\.\r") {
                        self.state = State::Code;
                    } else {
                        start.clear();
                    }
                } else if start.len() < 4 {
                    start.push(byte);
                }
                Region::Data
            }
        }
    }

    fn code(&mut self, byte: u8) -> Region {
        use Dialect::{Mysql, Postgres, Sqlite};

        let [before, _] = self.last;
        if is_name(byte) {
            if byte == b'$' && self.dialect == Postgres && !is_name(before) {
                self.begin_statement();
                self.state = State::Tag(Vec::new());
            } else {
                self.begin_statement();
                if self.word.len() < LENGTH {
                    self.word.push(char::from(byte.to_ascii_uppercase()));
                }
            }
            return Region::Code;
        }
        if self.dialect == Mysql && matches!(byte, b' ' | b'\t') && self.starts_mysql_command() {
            let mut text = std::mem::take(&mut self.word).into_bytes();
            text.push(byte);
            self.statement_line = None;
            self.begin_command(text);
            return Region::Command;
        }
        let prefix = self.end_word();
        match (byte, self.dialect) {
            (b'-', _) if before == b'-' => {
                self.state = State::LineComment;
                return Region::Comment;
            }
            (b'*', _) if before == b'/' => {
                self.state = State::BlockComment { depth: 1 };
                self.last = [0; 2];
                return Region::Comment;
            }
            // Space, and what may begin a comment: no part of a statement.
            (b'\n' | b'\r' | b' ' | b'\t' | 0x0c | b'-' | b'/', _) => return Region::Code,
            (b'#', Mysql) => {
                self.state = State::LineComment;
                return Region::Comment;
            }
            (b'.', Sqlite) if self.fresh_line && self.statement_line.is_none() => {
                self.begin_command(vec![byte]);
                return Region::Command;
            }
            (b'\\', Postgres) => {
                self.begin_command(vec![byte]);
                return Region::Command;
            }
            (b'.', Mysql) if before == b'\\' => {
                if self.words.is_empty() {
                    self.statement_line = None;
                }
                self.begin_command(b"\\.".to_vec());
                return Region::Command;
            }
            (b';', _) if self.dialect != Postgres || self.parentheses == 0 => {
                self.end_statement();
                return Region::Code;
            }
            _ => {}
        }
        self.begin_statement();
        match (byte, self.dialect) {
            (b'\'', _) => {
                let escapes = self.dialect == Mysql || (self.dialect == Postgres && prefix == "E");
                self.quote(byte, escapes);
            }
            (b'"', _) => self.quote(byte, self.dialect == Mysql),
            (b'`', Sqlite | Mysql) => self.quote(byte, false),
            (b'[', Sqlite) => self.quote(b']', false),
            (b'(', _) => self.parentheses += 1,
            (b')', _) => self.parentheses = self.parentheses.saturating_sub(1),
            _ => return Region::Code,
        }
        if matches!(self.state, State::Quoted { .. }) {
            Region::Text
        } else {
            Region::Code
        }
    }

    fn quote(&mut self, end: u8, escapes: bool) {
        self.text.clear();
        self.state = State::Quoted {
            end,
            escapes,
            escaped: false,
            closing: false,
        };
    }

    fn quoted(&mut self, byte: u8) -> Region {
        let State::Quoted {
            end,
            escapes,
            escaped,
            closing,
        } = &mut self.state
        else {
            return Region::Code;
        };
        if *closing {
            if byte != *end || *end == b']' {
                let name = *end != b'\'';
                self.state = State::Code;
                let text = std::mem::take(&mut self.text);
                self.push(if name { Word::Name } else { Word::Text(text) });
                return self.code(byte);
            }
            // A doubled quote stands for itself.
            *closing = false;
        } else if *escaped {
            *escaped = false;
        } else if *escapes && byte == b'\\' {
            *escaped = true;
            return Region::Text;
        } else if byte == *end {
            *closing = true;
            return Region::Text;
        }
        let names_files = self
            .words
            .first()
            .is_some_and(|w| w.is("COPY") || w.is("LOAD"));
        if names_files && self.text.len() < LENGTH {
            self.text.push(byte);
        }
        Region::Text
    }

    fn command(&mut self, byte: u8) -> Region {
        let State::Command {
            text,
            quote,
            escaped,
            ..
        } = &mut self.state
        else {
            return Region::Code;
        };
        if byte == b'\n' {
            self.end_command();
            return Region::Command;
        }
        if self.dialect == Dialect::Postgres && !psql::takes_whole_line(text) {
            match *quote {
                Some(_) if *escaped => *escaped = false,
                Some(b'\'') if byte == b'\\' => *escaped = true,
                Some(end) if byte == end => *quote = None,
                None if text == b"\\" && matches!(byte, b'\\' | b';' | b':') => {
                    // `\\` goes back to SQL; `\;` and `\:` are SQL with the special meaning gone.
                    self.state = State::Code;
                    self.last = [0; 2];
                    return Region::Command;
                }
                None if byte == b'\\' => {
                    self.end_command();
                    self.begin_command(vec![byte]);
                    return Region::Command;
                }
                None if matches!(byte, b'\'' | b'"' | b'`') => *quote = Some(byte),
                Some(_) | None => {}
            }
        }
        if text.len() < LENGTH {
            text.push(byte);
        }
        Region::Command
    }

    fn begin_command(&mut self, text: Vec<u8>) {
        self.state = State::Command {
            text,
            line: self.line,
            quote: None,
            escaped: false,
        };
    }

    fn end_command(&mut self) {
        let State::Command { text, line, .. } = std::mem::replace(&mut self.state, State::Code)
        else {
            return;
        };
        self.last = [0; 2];
        if self.dialect == Dialect::Postgres {
            if psql::sends_statement(&text) {
                self.end_statement();
            }
            if psql::copy_source(&text) == Some(psql::CopySource::Inline) {
                self.data_follows = true;
            }
        }
        self.listener.command(&text, line);
    }

    /// Whether the line has begun with a command of the MariaDB client.
    fn starts_mysql_command(&self) -> bool {
        self.words.is_empty()
            && self.statement_line == Some(self.line)
            && matches!(self.word.as_str(), "SOURCE" | "DELIMITER")
    }

    fn begin_statement(&mut self) {
        self.statement_line.get_or_insert(self.line);
    }

    fn end_statement(&mut self) {
        self.end_word();
        if matches!(
            self.state,
            State::Quoted {
                end: b'\'',
                closing: true,
                ..
            }
        ) {
            let text = std::mem::take(&mut self.text);
            self.push(Word::Text(text));
        }
        self.parentheses = 0;
        let words = std::mem::take(&mut self.words);
        let Some(line) = self.statement_line.take() else {
            return;
        };
        if self.dialect == Dialect::Postgres && psql::copies_from_stdin(&words) {
            self.data_follows = true;
        }
        self.listener.statement(&words, line);
    }

    /// Ends the current bare word and gives it back: it may be the prefix of a string.
    fn end_word(&mut self) -> String {
        if self.word.is_empty() {
            return String::new();
        }
        let word = std::mem::take(&mut self.word);
        self.push(Word::Bare(word.clone()));
        word
    }

    fn push(&mut self, word: Word) {
        if self.parentheses == 0 && self.words.len() < WORDS {
            self.words.push(word);
        }
    }
}

/// Whether the byte can stand in a name: PostgreSQL's `ident_cont`.
fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$') || byte >= 0x80
}
