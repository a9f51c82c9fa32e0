//! What the `mariadb` client makes of a script beyond the server's SQL, after `client/mysql.cc`: other delimiters than
//! `;`, and comments that are code for some servers.

use super::listener::Word;

/// Whether a statement would have begun with this word, before `next`, which is a command of the client's.
pub(super) fn is_command(word: &[u8], next: u8) -> bool {
    let is = |command: &[u8]| word.eq_ignore_ascii_case(command);
    matches!(next, b' ' | b'\t') && (is(b"SOURCE") || is(b"DELIMITER"))
}

/// Whether what begins with these words ends with its line, as `USE` does.
pub(super) fn ends_with_line(words: &[Word]) -> bool {
    words.len() > 1 && words[0].is("USE")
}

/// What ends a statement.
#[derive(Debug, Default)]
pub(super) struct Delimiter {
    /// Empty for `;`.
    other: Vec<u8>,
}

impl Delimiter {
    /// Takes a client's command, which may name another: `DELIMITER $$`.
    pub(super) fn set(&mut self, command: &[u8]) {
        let mut words = command
            .split(u8::is_ascii_whitespace)
            .filter(|word| !word.is_empty());
        if words.next() == Some(b"DELIMITER")
            && let Some(delimiter) = words.next()
        {
            self.other = match delimiter {
                b";" => Vec::new(),
                other => other.to_vec(),
            };
        }
    }

    /// Whether it is another than `;`.
    pub(super) fn is_other(&self) -> bool {
        !self.other.is_empty()
    }

    /// Whether another than `;` begins with this byte.
    pub(super) fn has_first(&self, byte: u8) -> bool {
        self.other.first() == Some(&byte)
    }

    /// How much of a delimiter other than `;` these bytes begin with, if they go on as one as far as they go.
    pub(super) fn begins(&self, bytes: &[u8]) -> Option<usize> {
        let length = self.other.len().min(bytes.len());
        (length > 0 && bytes[..length] == self.other[..length]).then_some(length)
    }

    /// How many of the bytes end the delimiter, of which so many were there before.
    pub(super) fn end_of(&self, bytes: &[u8], before: usize) -> Option<usize> {
        let rest = self.other.get(before..)?;
        (bytes.starts_with(rest) && !rest.is_empty()).then_some(rest.len())
    }
}

/// What was read of a comment's beginning.
#[derive(Debug, Default)]
pub(super) struct Hint {
    /// After `!` or `M!`.
    is_code: bool,
    digits: usize,
    nines: usize,
    begun: bool,
}

/// What the next byte makes of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Then {
    /// It may still be both.
    More,
    /// It is a comment, to which the byte belongs.
    Comment,
    /// What follows, from the byte on, is code: `/*!40101 SET …`, `/*M!100100 …`.
    Code,
}

impl Hint {
    pub(super) fn read(&mut self, byte: u8) -> Then {
        let first = !std::mem::replace(&mut self.begun, true);
        match byte {
            b'!' if !self.is_code => {
                self.is_code = true;
                Then::More
            }
            b'M' if first => Then::More,
            _ if !self.is_code => Then::Comment,
            b'0'..=b'9' => {
                self.digits += 1;
                self.nines += usize::from(byte == b'9');
                Then::More
            }
            // `/*M!999999\- enable the sandbox mode */` is for the client, as there is no such version.
            _ if self.digits == 6 && self.nines == 6 => Then::Comment,
            _ => Then::Code,
        }
    }
}
