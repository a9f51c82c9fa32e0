//! Splits a SQLite script into statements and dot-commands, as the `sqlite3` shell does. The script is read as a
//! stream: only one line and one statement are in memory.

use std::collections::VecDeque;
use std::io::{self, BufRead};

use crate::migrate::lexer::Lexer;
use crate::migrate::listener::{Listener, Region, Statement};
use crate::migrate::script::{BYTE_ORDER_MARK, Dialect};

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
        /// The line, without the end.
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

/// The parts of a script, in order.
pub(super) struct Pieces<R> {
    reader: R,
    lexer: Lexer<Found>,
    line: Vec<u8>,
    at_start: bool,
    at_end: bool,
}

/// What has been read.
#[derive(Default)]
struct Found {
    pieces: VecDeque<Result<Piece, SplitError>>,
    /// The statement so far.
    statement: Vec<u8>,
}

impl<R: BufRead> Pieces<R> {
    pub(super) fn new(reader: R) -> Self {
        Self {
            reader,
            lexer: Lexer::new(Dialect::Sqlite, Found::default()),
            line: Vec::new(),
            at_start: true,
            at_end: false,
        }
    }

    /// The next part; `None` at the end. A last statement without a semicolon counts.
    pub(super) fn next(&mut self) -> Result<Option<Piece>, SplitError> {
        loop {
            if let Some(piece) = self.lexer.listener().pieces.pop_front() {
                return piece.map(Some);
            }
            if self.at_end {
                return Ok(None);
            }
            self.line.clear();
            let read = self.reader.read_until(b'\n', &mut self.line);
            if read.map_err(SplitError::Read)? == 0 {
                self.at_end = true;
                self.lexer.end();
                continue;
            }
            let mark = if self.at_start { BYTE_ORDER_MARK } else { b"" };
            self.at_start = false;
            let line = self.line.strip_prefix(mark).unwrap_or(&self.line);
            self.lexer.feed(line);
        }
    }
}

impl Listener for Found {
    fn text(&mut self, region: Region, text: &[u8], _line: usize) {
        let outside = match region {
            Region::Command => true,
            Region::Comment | Region::End => self.statement.is_empty(),
            _ => self.statement.is_empty() && text.trim_ascii_start().is_empty(),
        };
        if !outside {
            self.statement.extend_from_slice(text);
        }
    }

    fn statement(&mut self, statement: &Statement<'_>) {
        let line = statement.first_line;
        let text = std::mem::take(&mut self.statement);
        self.pieces.push_back(match String::from_utf8(text) {
            Ok(text) => Ok(Piece::Statement { text, line }),
            Err(e) => {
                let good = &e.as_bytes()[..e.utf8_error().valid_up_to()];
                let before = good.split(|&byte| byte == b'\n').count() - 1;
                Err(SplitError::Encoding(line + before))
            }
        });
    }

    fn command(&mut self, text: &[u8], line: usize) {
        self.pieces.push_back(match std::str::from_utf8(text) {
            Ok(text) => Ok(Piece::Dot {
                text: text.trim_end().to_owned(),
                line,
            }),
            Err(_) => Err(SplitError::Encoding(line)),
        });
    }
}
