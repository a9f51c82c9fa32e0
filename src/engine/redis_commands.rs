//! Files of Redis commands, read as redis-cli reads its standard input: one command a line, and the same quotes.
//!
//! Two things are more than redis-cli does, and mean nothing else there: a line that begins with `#` is a comment, and
//! what is quoted may go on over several lines, as a Lua script does.

use std::str;

/// One command of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// The line that it begins on, from 1.
    pub line: usize,
    /// How often it is given: `3 INCR n` is `INCR n`, three times.
    pub times: u64,
    /// Its name and its arguments.
    pub words: Vec<Vec<u8>>,
    /// It as it is written.
    pub text: String,
}

impl Command {
    /// A word in capitals; empty where there is none.
    pub fn word(&self, index: usize) -> String {
        let word = self.words.get(index).map_or(&[][..], Vec::as_slice);
        String::from_utf8_lossy(word).to_ascii_uppercase()
    }
}

/// A command that can't be understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Misread {
    /// The line that it begins on.
    pub line: usize,
    /// It as it is written, as far as it goes.
    pub text: String,
    /// What is wrong with it.
    pub why: &'static str,
}

/// The commands of a text, one after the other.
///
/// ```
/// use cowherd::engine::redis_commands::commands;
///
/// let text = b"# prices\nSET hat \"9 \\xe2\\x82\\xac\"\n\nRPUSH 'the queue' a b\n";
/// let words: Vec<_> = commands(text).map(|command| command.unwrap().words).collect();
/// assert_eq!(words[0], [b"SET".to_vec(), b"hat".to_vec(), "9 €".into()]);
/// assert_eq!(words[1], [&b"RPUSH"[..], b"the queue", b"a", b"b"]);
///
/// let misread = commands(b"SET cap \"blue").next().unwrap().unwrap_err();
/// assert_eq!((misread.line, misread.why), (1, "a quote is not closed"));
/// ```
pub fn commands(text: &[u8]) -> Commands<'_> {
    Commands {
        // As editors on other systems begin a file.
        text: text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text),
        at: 0,
        line: 1,
    }
}

/// See [`commands`].
#[derive(Debug, Clone)]
pub struct Commands<'t> {
    text: &'t [u8],
    at: usize,
    line: usize,
}

impl Iterator for Commands<'_> {
    type Item = Result<Command, Misread>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            while self.peek()?.is_ascii_whitespace() || self.peek() == Some(0) {
                self.take();
            }
            if self.peek() != Some(b'#') {
                break;
            }
            self.rest_of_line();
        }
        let (line, from) = (self.line, self.at);
        let read = self.words();
        if read.is_err() {
            self.rest_of_line();
        }
        let text = String::from_utf8_lossy(&self.text[from..self.at]);
        let text = text.trim_end().to_owned();
        Some(match read.and_then(times) {
            Ok((times, words)) => Ok(Command {
                line,
                times,
                words,
                text,
            }),
            Err(why) => Err(Misread { line, text, why }),
        })
    }
}

impl Commands<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn take(&mut self) -> Option<u8> {
        let byte = self.peek()?;
        self.at += 1;
        self.line += usize::from(byte == b'\n');
        Some(byte)
    }

    fn rest_of_line(&mut self) {
        while self.peek().is_some_and(|byte| byte != b'\n') {
            self.take();
        }
    }

    /// The words up to the line's end, as `sdssplitargs` of Redis' `sds.c` tells them apart.
    fn words(&mut self) -> Result<Vec<Vec<u8>>, &'static str> {
        let mut words = Vec::new();
        loop {
            match self.peek() {
                None | Some(b'\n') => return Ok(words),
                Some(byte) if is_space(byte) => {
                    self.take();
                }
                Some(_) => words.push(self.word()?),
            }
        }
    }

    fn word(&mut self) -> Result<Vec<u8>, &'static str> {
        let mut word = Vec::new();
        while let Some(byte) = self.peek().filter(|byte| !is_space(*byte)) {
            self.take();
            match byte {
                b'"' | b'\'' => {
                    self.quoted(byte, &mut word)?;
                    return Ok(word);
                }
                byte => word.push(byte),
            }
        }
        Ok(word)
    }

    fn quoted(&mut self, quote: u8, word: &mut Vec<u8>) -> Result<(), &'static str> {
        loop {
            let byte = self.take().ok_or("a quote is not closed")?;
            match byte {
                b'\\' if quote == b'"' => {
                    let escaped = self.take().ok_or("a quote is not closed")?;
                    word.push(match escaped {
                        b'n' => b'\n',
                        b'r' => b'\r',
                        b't' => b'\t',
                        b'b' => 0x08,
                        b'a' => 0x07,
                        b'x' => self.hexadecimal().unwrap_or(b'x'),
                        other => other,
                    });
                }
                b'\\' if self.peek() == Some(quote) => word.extend(self.take()),
                byte if byte == quote => {
                    return match self.peek() {
                        Some(next) if !is_space(next) => {
                            Err("a space must follow the end of what is quoted")
                        }
                        _ => Ok(()),
                    };
                }
                byte => word.push(byte),
            }
        }
    }

    fn hexadecimal(&mut self) -> Option<u8> {
        let digits = self.text.get(self.at..self.at + 2)?;
        let digits = digits.iter().all(u8::is_ascii_hexdigit).then_some(digits)?;
        let byte = u8::from_str_radix(str::from_utf8(digits).ok()?, 16).ok()?;
        self.at += 2;
        Some(byte)
    }
}

/// What ends a word that is not quoted.
fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n' | 0)
}

/// Takes the number off that says how often a command is given.
fn times(mut words: Vec<Vec<u8>>) -> Result<(u64, Vec<Vec<u8>>), &'static str> {
    let number = str::from_utf8(&words[0]).ok();
    let Some(times) = number
        .and_then(|text| text.parse::<i64>().ok())
        .filter(|_| words.len() > 1)
    else {
        return Ok((1, words));
    };
    words.remove(0);
    match u64::try_from(times) {
        Ok(times) if times > 0 => Ok((times, words)),
        _ => Err("the number in front says how often: it must be positive"),
    }
}
