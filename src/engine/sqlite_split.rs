//! Splits a SQLite script into statements and dot-commands, line by line, as the `sqlite3` shell does.
//!
//! Where a statement ends is decided by the rules of `sqlite3_complete()` (<https://sqlite.org/c3ref/complete.html>): at
//! a semicolon outside of quotes and comments, and for `CREATE TRIGGER` at `; END;`. The script is read as a
//! stream: only one statement is in memory.

use std::io::{self, BufRead};

/// One part of a script.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece {
    /// A statement, with the semicolon, from its first word on.
    Statement {
        /// The text.
        text: String,
        /// The line of its first word, from 1.
        line: usize,
    },
    /// A line that starts with a dot where a statement could start.
    Dot {
        /// The line, without the dot.
        text: String,
        /// Its number.
        line: usize,
    },
}

/// Why a script can't be split.
#[derive(Debug)]
pub(super) enum SplitError {
    /// It can't be read.
    Read(io::Error),
    /// This line is not UTF-8.
    Encoding(usize),
}

/// Where the scan is between words; the names are those of `sqlite3_complete()`.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Start,
    Normal,
    Explain,
    Create,
    Trigger,
    Semi,
    End,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Token {
    Semi,
    Other,
    Explain,
    Create,
    Temp,
    Trigger,
    End,
}

impl State {
    fn after(self, token: Token) -> Self {
        match (self, token) {
            (Self::Trigger | Self::Semi, Token::Semi) => Self::Semi,
            (_, Token::Semi) => Self::Start,
            (Self::Start, Token::Explain) | (Self::Explain, Token::Other) => Self::Explain,
            (Self::Start | Self::Explain, Token::Create) | (Self::Create, Token::Temp) => {
                Self::Create
            }
            (Self::Semi, Token::End) => Self::End,
            (Self::Create, Token::Trigger) | (Self::Trigger | Self::Semi | Self::End, _) => {
                Self::Trigger
            }
            _ => Self::Normal,
        }
    }
}

/// What the scan is inside of.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Inside {
    Nothing,
    /// A string or a quoted name, up to this byte.
    Quote(u8),
    /// `/* … */`.
    Comment,
}

/// The parts of a script, in order.
pub(super) struct Pieces<R> {
    reader: R,
    /// The line that is being scanned, and how far.
    current: Vec<u8>,
    at: usize,
    number: usize,
    state: State,
    inside: Inside,
    /// The statement so far, whether it has begun, and on which line.
    statement: Vec<u8>,
    begun: bool,
    first_line: usize,
}

impl<R: BufRead> Pieces<R> {
    pub(super) fn new(reader: R) -> Self {
        Self {
            reader,
            current: Vec::new(),
            at: 0,
            number: 0,
            state: State::Start,
            inside: Inside::Nothing,
            statement: Vec::new(),
            begun: false,
            first_line: 0,
        }
    }

    /// The next part; `None` at the end. A last statement without a semicolon counts.
    pub(super) fn next(&mut self) -> Result<Option<Piece>, SplitError> {
        loop {
            if self.at < self.current.len() {
                if self.scan_line() {
                    return self.take().map(Some);
                }
                continue;
            }
            self.current.clear();
            self.at = 0;
            if self
                .reader
                .read_until(b'\n', &mut self.current)
                .map_err(SplitError::Read)?
                == 0
            {
                return if self.begun {
                    self.take().map(Some)
                } else {
                    Ok(None)
                };
            }
            self.number += 1;
            if self.number == 1 && self.current.starts_with(b"\xef\xbb\xbf") {
                self.current.drain(..3);
            }
            if self.inside == Inside::Nothing && !self.begun {
                match self.current.first() {
                    Some(b'.') => {
                        let text = String::from_utf8(std::mem::take(&mut self.current))
                            .map_err(|_| SplitError::Encoding(self.number))?;
                        return Ok(Some(Piece::Dot {
                            text: text[1..].trim().to_owned(),
                            line: self.number,
                        }));
                    }
                    // The shell takes such a line for a comment.
                    Some(b'#') => self.current.clear(),
                    _ => {}
                }
            }
        }
    }

    /// Scans on in the current line, up to its end (`false`) or the end of a statement (`true`).
    fn scan_line(&mut self) -> bool {
        while let Some(&byte) = self.current.get(self.at) {
            let next = self.current.get(self.at + 1).copied();
            match self.inside {
                Inside::Quote(end) => {
                    let rest = &self.current[self.at..];
                    if let Some(length) = rest.iter().position(|&b| b == end) {
                        self.keep(length + 1);
                        self.inside = Inside::Nothing;
                    } else {
                        self.keep(rest.len());
                    }
                }
                Inside::Comment if byte == b'*' && next == Some(b'/') => {
                    self.keep(2);
                    self.inside = Inside::Nothing;
                }
                Inside::Comment => self.keep(1),
                Inside::Nothing => match (byte, next) {
                    (b'-', Some(b'-')) => self.keep(self.current.len() - self.at),
                    (b'/', Some(b'*')) => {
                        self.keep(2);
                        self.inside = Inside::Comment;
                    }
                    (b' ' | b'\t' | b'\r' | b'\n' | b'\x0c', _) => self.keep(1),
                    (b';', _) => {
                        self.keep(1);
                        self.state = self.state.after(Token::Semi);
                        if self.state == State::Start && self.begun {
                            return true;
                        }
                    }
                    (b'\'' | b'"' | b'`', _) => self.quote(byte),
                    (b'[', _) => self.quote(b']'),
                    _ if is_word(byte) => self.word(),
                    _ => {
                        self.begin();
                        self.keep(1);
                        self.state = self.state.after(Token::Other);
                    }
                },
            }
        }
        false
    }

    fn quote(&mut self, end: u8) {
        self.begin();
        self.keep(1);
        self.state = self.state.after(Token::Other);
        self.inside = Inside::Quote(end);
    }

    fn word(&mut self) {
        self.begin();
        let rest = &self.current[self.at..];
        let length = rest.iter().position(|&b| !is_word(b)).unwrap_or(rest.len());
        let token = match rest[..length].to_ascii_uppercase().as_slice() {
            b"CREATE" => Token::Create,
            b"TRIGGER" => Token::Trigger,
            b"TEMP" | b"TEMPORARY" => Token::Temp,
            b"END" => Token::End,
            b"EXPLAIN" => Token::Explain,
            _ => Token::Other,
        };
        self.state = self.state.after(token);
        self.keep(length);
    }

    /// A statement begins here, unless one has begun already.
    fn begin(&mut self) {
        if !self.begun {
            self.begun = true;
            self.first_line = self.number;
        }
    }

    /// Moves on by `length` bytes, which belong to the statement if one has begun.
    fn keep(&mut self, length: usize) {
        let end = (self.at + length).min(self.current.len());
        if self.begun {
            self.statement
                .extend_from_slice(&self.current[self.at..end]);
        }
        self.at = end;
    }

    /// Gives out the statement.
    fn take(&mut self) -> Result<Piece, SplitError> {
        self.begun = false;
        self.state = State::Start;
        let line = self.first_line;
        let text = String::from_utf8(std::mem::take(&mut self.statement)).map_err(|e| {
            let good = &e.as_bytes()[..e.utf8_error().valid_up_to()];
            SplitError::Encoding(line + good.split(|&b| b == b'\n').count() - 1)
        })?;
        Ok(Piece::Statement { text, line })
    }
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'$' || byte >= 0x80
}
