//! Tells code, text, comments, inline data and client commands of an SQL script apart, so that a
//! script of any size is read once and never held in memory.
//!
//! The rules are those of the program that runs the script: `psqlscan.l` and `psqlscanslash.l` of
//! psql, `shell.c` of the SQLite command line, `mysql.cc` of the MariaDB client.

use super::body::Body;
use super::dialect::{Dialect, is_name};
use super::lexer_state::{LENGTH, State, WORDS, append, find};
use super::listener::{Listener, Region, Statement, Word};
use super::mysql_client::{self, Delimiter, Hint};
use super::psql;

/// The reader of one script.
pub(crate) struct Lexer<L> {
    dialect: Dialect,
    listener: L,
    state: State,
    line: usize,
    /// Whether the next byte is the first of its line.
    fresh_line: bool,
    /// The last byte so far, until it is known whether the next one belongs to it.
    held: Option<u8>,
    parentheses: usize,
    body: Body,
    words: Vec<Word>,
    word: Vec<u8>,
    /// Whether nothing of the statement stands before `word`.
    word_begins: bool,
    text: Vec<u8>,
    /// The line of the statement's first byte; `None` between statements.
    statement_line: Option<usize>,
    data_follows: bool,
    delimiter: Delimiter,
}

impl<L: Listener> Lexer<L> {
    pub(crate) fn new(dialect: Dialect, listener: L) -> Self {
        Self {
            dialect,
            listener,
            state: State::Code,
            line: 1,
            fresh_line: true,
            held: None,
            parentheses: 0,
            body: Body::default(),
            words: Vec::new(),
            word: Vec::new(),
            word_begins: false,
            text: Vec::new(),
            statement_line: None,
            data_follows: false,
            delimiter: Delimiter::default(),
        }
    }

    #[cfg(feature = "sqlite")]
    pub(crate) fn listener(&mut self) -> &mut L {
        &mut self.listener
    }

    /// Reads on. All is told up to the last line's end.
    pub(crate) fn feed(&mut self, mut bytes: &[u8]) {
        let Some(&first) = bytes.first() else {
            return;
        };
        if let Some(held) = self.held.take() {
            let taken = self.step(&[held, first]);
            bytes = &bytes[taken - 1..];
        }
        // Every token is told by two bytes, and no longer one begins with the end of a line.
        while bytes.len() > 1 || bytes == b"\n" {
            let taken = self.step(bytes);
            bytes = &bytes[taken..];
        }
        self.held = bytes.first().copied();
    }

    /// The script has ended: tells the rest and gives the listener back.
    pub(crate) fn finish(mut self) -> L {
        self.end();
        self.listener
    }

    /// The script has ended: tells the rest.
    pub(crate) fn end(&mut self) {
        if let Some(held) = self.held.take() {
            self.step(&[held]);
        }
        if matches!(self.state, State::Command { .. }) {
            self.end_command();
        }
        if self.fresh_line && self.line > 1 {
            self.line -= 1;
        }
        self.end_statement();
    }

    /// Reads one token or a part of one, and gives its length.
    fn step(&mut self, bytes: &[u8]) -> usize {
        let (region, length) = self.advance(bytes);
        let read = &bytes[..length];
        self.listener.text(region, read, self.line);
        self.line += match (region, read) {
            (_, [byte]) => usize::from(*byte == b'\n'),
            (Region::Code, _) => 0,
            _ => read.split(|&byte| byte == b'\n').count() - 1,
        };
        if region == Region::End {
            self.end_statement();
        }
        self.fresh_line = read.ends_with(b"\n");
        if self.fresh_line && self.data_follows && matches!(self.state, State::Code) {
            self.data_follows = false;
            self.state = State::Data { start: Vec::new() };
        }
        length
    }

    fn advance(&mut self, bytes: &[u8]) -> (Region, usize) {
        match &mut self.state {
            State::Code => self.code(bytes),
            State::LineComment => {
                let end = find(bytes, |byte| byte == b'\n');
                if end < bytes.len() {
                    self.state = State::Code;
                }
                (Region::Comment, bytes.len().min(end + 1))
            }
            State::BlockComment { depth } => {
                let skipped = find(bytes, |byte| byte == b'*' || byte == b'/');
                let length = match &bytes[skipped..] {
                    [b'*', b'/', ..] => {
                        *depth -= 1;
                        if *depth == 0 {
                            self.state = State::Code;
                        }
                        2
                    }
                    [b'/', b'*', ..] if self.dialect == Dialect::Postgres => {
                        *depth += 1;
                        2
                    }
                    // The last byte may have to be seen with the next one.
                    [_] if skipped > 0 => 0,
                    [_, ..] => 1,
                    [] => 0,
                };
                (Region::Comment, skipped + length)
            }
            State::Quoted { end, escapes } => {
                let (end, escapes) = (*end, *escapes);
                (Region::Text, self.quoted(end, escapes, bytes))
            }
            State::Tag(tag) => {
                let byte = bytes[0];
                if byte == b'$' {
                    let delimiter = [b"$", tag.as_slice(), b"$"].concat();
                    self.state = State::Dollar {
                        delimiter,
                        matched: 0,
                    };
                    return (Region::Dollar, 1);
                }
                let number = tag.is_empty() && byte.is_ascii_digit();
                if is_name(byte) && !number && tag.len() < LENGTH {
                    tag.push(byte);
                    return (Region::Code, 1);
                }
                self.state = State::Code;
                self.code(bytes)
            }
            State::Dollar { delimiter, matched } => {
                let skipped = match *matched {
                    0 => find(bytes, |byte| byte == b'$'),
                    _ => 0,
                };
                let Some(&byte) = bytes.get(skipped) else {
                    return (Region::Dollar, skipped);
                };
                // A tag holds no `$`: after a mismatch only this very byte can begin the delimiter.
                *matched = if delimiter[*matched] == byte {
                    *matched + 1
                } else {
                    usize::from(byte == b'$')
                };
                if *matched == delimiter.len() {
                    self.state = State::Code;
                }
                (Region::Dollar, skipped + 1)
            }
            State::Command { .. } => (Region::Command, self.command(bytes)),
            State::Hint(hint) => match hint.read(bytes[0]) {
                mysql_client::Then::More => (Region::Comment, 1),
                mysql_client::Then::Comment => {
                    self.state = State::BlockComment { depth: 1 };
                    self.advance(bytes)
                }
                mysql_client::Then::Code => {
                    self.state = State::Code;
                    self.code(bytes)
                }
            },
            State::Delimiter(matched) => {
                let matched = *matched;
                self.state = State::Code;
                match self.delimiter.end_of(bytes, matched) {
                    Some(length) => (Region::End, length),
                    None => self.code(bytes),
                }
            }
            State::Data { start } => {
                let end = find(bytes, |byte| byte == b'\n');
                let kept = end.min(4 - start.len());
                start.extend_from_slice(&bytes[..kept]);
                if end == bytes.len() {
                    return (Region::Data, end);
                }
                if matches!(start.as_slice(), b"\\." | b"\\.\r") {
                    self.state = State::Code;
                } else {
                    start.clear();
                }
                (Region::Data, end + 1)
            }
        }
    }

    fn code(&mut self, bytes: &[u8]) -> (Region, usize) {
        use Dialect::{Mysql, Postgres, Sqlite};

        if let Some(matched) = self.delimiter.begins(bytes) {
            self.end_word();
            if let Some(length) = self.delimiter.end_of(bytes, 0) {
                return (Region::End, length);
            }
            self.state = State::Delimiter(matched);
            return (Region::Code, matched);
        }
        let skipped = self.skipped(bytes);
        if skipped > 0 {
            return (Region::Code, skipped);
        }
        let (byte, next) = (bytes[0], bytes.get(1).copied());
        if is_name(byte) {
            if self.word.is_empty() {
                self.word_begins = self.statement_line.is_none();
            }
            self.begin_statement();
            if byte == b'$' && self.dialect == Postgres && self.word.is_empty() {
                self.state = State::Tag(Vec::new());
                return (Region::Code, 1);
            }
            let length = 1 + find(&bytes[1..], |byte| {
                !is_name(byte) || self.delimiter.has_first(byte)
            });
            append(&mut self.word, &bytes[..length]);
            return (Region::Code, length);
        }
        if self.dialect == Mysql && self.word_begins && mysql_client::is_command(&self.word, byte) {
            let mut text = std::mem::take(&mut self.word).to_ascii_uppercase();
            text.push(byte);
            self.statement_line = None;
            return self.begin_command(&text, 1);
        }
        let escapes = self.word.eq_ignore_ascii_case(b"E");
        self.end_word();
        let begins = self.fresh_line && self.statement_line.is_none();
        match (byte, next, self.dialect) {
            (b'\n', _, Mysql) if mysql_client::ends_with_line(&self.words) => {
                self.end_statement();
                return (Region::Code, 1);
            }
            (b'\n' | b'\r' | b' ' | b'\t' | 0x0c, ..) => return (Region::Code, 1),
            (b'-', Some(b'-'), _) => {
                self.state = State::LineComment;
                return (Region::Comment, 2);
            }
            (b'/', Some(b'*'), Mysql) => {
                self.state = State::Hint(Hint::default());
                return (Region::Comment, 2);
            }
            // The end of a comment whose content was code.
            (b'*', Some(b'/'), Mysql) => return (Region::Comment, 2),
            (b'/', Some(b'*'), _) => {
                self.state = State::BlockComment { depth: 1 };
                return (Region::Comment, 2);
            }
            (b'#', _, dialect) if dialect == Mysql || dialect == Sqlite && begins => {
                self.state = State::LineComment;
                return (Region::Comment, 1);
            }
            (b'.', _, Sqlite) if begins => return self.begin_command(b".", 1),
            // `\\` goes back to SQL; `\;` and `\:` are SQL with the special meaning gone.
            (b'\\', Some(b'\\' | b';' | b':'), Postgres) => return (Region::Command, 2),
            (b'\\', _, Postgres) => return self.begin_command(b"\\", 1),
            (b'\\', Some(b'.'), Mysql) => return self.begin_command(b"\\.", 2),
            (b';', ..) => {
                let open = self.dialect == Postgres && self.parentheses > 0;
                let ends = !open
                    && !self.delimiter.is_other()
                    && self.body.semicolon_ends(self.dialect, &self.words);
                return (if ends { Region::End } else { Region::Code }, 1);
            }
            _ => {}
        }
        self.begin_statement();
        self.body.other();
        match (byte, self.dialect) {
            (b'\'', _) => self.quote(
                byte,
                self.dialect == Mysql || self.dialect == Postgres && escapes,
            ),
            (b'"', _) => self.quote(byte, self.dialect == Mysql),
            (b'`', Sqlite | Mysql) => self.quote(byte, false),
            (b'[', Sqlite) => self.quote(b']', false),
            _ => {
                match byte {
                    b'(' => self.parentheses += 1,
                    b')' => self.parentheses = self.parentheses.saturating_sub(1),
                    _ => {}
                }
                (Region::Code, 1)
            }
        }
    }

    fn quote(&mut self, end: u8, escapes: bool) -> (Region, usize) {
        self.text.clear();
        self.state = State::Quoted { end, escapes };
        (Region::Text, 1)
    }

    fn quoted(&mut self, end: u8, escapes: bool, bytes: &[u8]) -> usize {
        let skipped = find(bytes, |byte| byte == end || (escapes && byte == b'\\'));
        if skipped > 0 {
            self.keep(&bytes[..skipped]);
            return skipped;
        }
        match bytes {
            [b'\\', escaped, ..] if escapes => {
                self.keep(&[*escaped]);
                2
            }
            // A doubled quote stands for itself.
            [_, next, ..] if *next == end && end != b']' => {
                self.keep(&[end]);
                2
            }
            _ => {
                self.state = State::Code;
                let text = std::mem::take(&mut self.text);
                self.push(|| match end {
                    b'\'' => Word::Text(text),
                    _ => Word::Name(text),
                });
                1
            }
        }
    }

    /// Keeps a part of a string or name whose word will be kept.
    fn keep(&mut self, part: &[u8]) {
        if self.keeps() {
            append(&mut self.text, part);
        }
    }

    /// Whether the word that is being read will be kept.
    fn keeps(&self) -> bool {
        let first = self.words.first();
        let is = |word| first.is_some_and(|first| first.is(word));
        // The options of `REINDEX (…)` are as good as words. Of an INSERT, nobody asks for more.
        (self.parentheses == 0 || is("REINDEX")) && self.words.len() < WORDS && !is("INSERT")
    }

    /// How far nothing happens: most of a dump is values. The last word is left, it may be the prefix of a string.
    fn skipped(&mut self, bytes: &[u8]) -> usize {
        let awaited = self.words.len() >= WORDS || self.keeps() || self.body.awaits_word();
        if awaited || !self.word.is_empty() || self.delimiter.is_other() {
            return 0;
        }
        let plain = |byte| is_name(byte) && byte != b'$' || b" ,.:+=".contains(&byte);
        let plain = &bytes[..find(bytes, |byte| !plain(byte))];
        let last = plain.iter().rev().take_while(|&&byte| is_name(byte));
        plain.len() - last.count()
    }

    fn command(&mut self, bytes: &[u8]) -> usize {
        let State::Command { text, quote, .. } = &mut self.state else {
            return 0;
        };
        let byte = bytes[0];
        if byte == b'\n' {
            self.end_command();
            return 1;
        }
        let mut length = 1;
        if self.dialect == Dialect::Postgres && !psql::takes_whole_line(text) {
            match *quote {
                Some(b'\'') if byte == b'\\' && bytes.get(1) != Some(&b'\n') => {
                    length = bytes.len().min(2);
                }
                Some(end) if byte == end => *quote = None,
                None if byte == b'\\' => {
                    self.end_command();
                    return self.code(bytes).1;
                }
                None if matches!(byte, b'\'' | b'"' | b'`') => *quote = Some(byte),
                Some(_) | None => {}
            }
        }
        append(text, &bytes[..length]);
        length
    }

    /// Begins a command with the `length` bytes that stand for `text`.
    fn begin_command(&mut self, text: &[u8], length: usize) -> (Region, usize) {
        self.state = State::Command {
            text: text.to_vec(),
            line: self.line,
            quote: None,
        };
        (Region::Command, length)
    }

    fn end_command(&mut self) {
        let State::Command { text, line, .. } = std::mem::replace(&mut self.state, State::Code)
        else {
            return;
        };
        if self.dialect == Dialect::Mysql {
            self.delimiter.set(&text);
        }
        if self.dialect == Dialect::Postgres {
            if psql::sends_statement(&text) {
                self.end_statement();
            }
            if psql::drops_statement(&text) {
                self.begin_afresh();
            }
            if psql::copy_source(&text) == Some(psql::CopySource::Inline) {
                self.data_follows = true;
            }
        }
        self.listener.command(&text, line);
    }

    fn begin_statement(&mut self) {
        self.statement_line.get_or_insert(self.line);
    }

    fn end_statement(&mut self) {
        self.end_word();
        let Some(first_line) = self.statement_line else {
            return;
        };
        if self.dialect == Dialect::Postgres && psql::copies_from_stdin(&self.words) {
            self.data_follows = true;
        }
        self.listener.statement(&Statement {
            words: &self.words,
            first_line,
            last_line: self.line,
        });
        self.begin_afresh();
    }

    /// Forgets the statement so far.
    fn begin_afresh(&mut self) {
        self.statement_line = None;
        self.parentheses = 0;
        self.body = Body::default();
        self.words.clear();
        self.word.clear();
    }

    /// Ends the current bare word.
    fn end_word(&mut self) {
        let word = std::mem::take(&mut self.word);
        if word.is_empty() {
            return;
        }
        if self.dialect != Dialect::Postgres || self.parentheses == 0 {
            self.body.word(self.dialect, &self.words, &word);
        }
        self.push(|| Word::Bare(String::from_utf8_lossy(&word).to_ascii_uppercase()));
        self.word = word;
        self.word.clear();
    }

    fn push(&mut self, word: impl FnOnce() -> Word) {
        if self.keeps() {
            self.words.push(word());
        }
    }
}
