//! SQL files as people have them: byte-order marks, archives under a wrong name, and the files
//! that a script reads besides.

use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::str::Utf8Error;

pub use super::dialect::Dialect;
use super::listener::{Listener, Region, Statement, Word};
use super::psql::{self, Argument, CopySource};
use super::sqlite_shell;
use super::tee::Tee;

/// Why a file can't be run as an SQL script.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScriptError {
    /// The first bytes are those of UTF-16 text.
    #[error("the file is UTF-16, not UTF-8")]
    Utf16,
    /// The first bytes are those of another format.
    #[error("the file is {0}, not SQL text")]
    NotText(&'static str),
    /// A byte that is no part of UTF-8 text.
    #[error("line {line} is not UTF-8")]
    NotUtf8 {
        /// The line, from 1.
        line: usize,
        /// What is wrong with it.
        #[source]
        source: Utf8Error,
    },
}

impl ScriptError {
    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Utf16 => Some("save it as UTF-8: `iconv -f UTF-16 -t UTF-8 OLD > NEW`".into()),
            Self::NotText("a PostgreSQL archive") => Some(
                "restore it with a step such as `run: { command: pg_restore --no-owner -d $PGDATABASE FILE, inputs: [FILE] }`".into(),
            ),
            Self::NotText(_) => {
                Some("unpack or load it with a `run:` step that names it under `inputs`".into())
            }
            Self::NotUtf8 { .. } => Some("save the file as UTF-8".into()),
        }
    }
}

/// Where a relative name in a script starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// The folder that the client runs in: the spec's.
    WorkingFolder,
    /// The folder of the script itself.
    Script,
}

/// A file that a script reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Include {
    /// The line of the script, from 1.
    pub line: usize,
    /// The command as it stands there, shortened: `\ir parts/a.sql`.
    pub command: String,
    /// The file as the script names it; `None` when only the client can know it: a variable, a
    /// program's output.
    pub file: Option<PathBuf>,
    /// Where a relative name starts.
    pub origin: Origin,
    /// Whether the file is a script too, and not data.
    pub script: bool,
    /// Whether the script may do without: the command stands between `\if` and `\endif`.
    pub optional: bool,
}

impl Include {
    /// The path of the file: `script` is the including file, `working` the client's folder.
    pub fn resolve(&self, script: &Path, working: &Path) -> Option<PathBuf> {
        let start = match self.origin {
            Origin::WorkingFolder => working,
            Origin::Script => script.parent().unwrap_or(working),
        };
        self.file.as_ref().map(|file| start.join(file))
    }
}

/// The text of a script in UTF-8, without a byte-order mark.
///
/// # Errors
/// When the bytes are not UTF-8 text: UTF-16, an archive, another encoding.
///
/// ```
/// use cowherd::migrate::script;
/// assert_eq!(script::text(b"\xef\xbb\xbfSELECT 1")?, "SELECT 1");
/// assert!(script::text(b"\xff\xfeS\0").is_err());
/// # Ok::<(), script::ScriptError>(())
/// ```
pub fn text(bytes: &[u8]) -> Result<&str, ScriptError> {
    let bytes = &bytes[check_head(bytes)?..];
    std::str::from_utf8(bytes).map_err(|source| ScriptError::NotUtf8 {
        line: line_of(bytes, source.valid_up_to()),
        source,
    })
}

/// The line, from 1, on which the byte at `offset` stands; past the end, the last line.
///
/// ```
/// use cowherd::migrate::script::line_of;
/// assert_eq!(line_of(b"a\nb\nc", 2), 2);
/// ```
pub fn line_of(text: &[u8], offset: usize) -> usize {
    let before = &text[..offset.min(text.len())];
    before.split(|byte| *byte == b'\n').count()
}

/// What some editors begin a text in UTF-8 with.
pub(crate) const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Looks at the first bytes of a script: the length of its byte-order mark, 0 without one.
pub(super) fn check_head(head: &[u8]) -> Result<usize, ScriptError> {
    let formats: [(&[u8], &str); 6] = [
        (b"PGDMP", "a PostgreSQL archive"),
        (b"SQLite format 3\0", "an SQLite database"),
        (b"\x1f\x8b", "a gzip archive"),
        (b"\x28\xb5\x2f\xfd", "a zstd archive"),
        (b"BZh", "a bzip2 archive"),
        (b"PK\x03\x04", "a zip archive"),
    ];
    match head {
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] | [0, 1..=0x7f, ..] | [1..=0x7f, 0, ..] => {
            Err(ScriptError::Utf16)
        }
        _ if head.starts_with(BYTE_ORDER_MARK) => Ok(BYTE_ORDER_MARK.len()),
        _ => match formats.iter().find(|(magic, _)| head.starts_with(magic)) {
            Some((_, format)) => Err(ScriptError::NotText(format)),
            None => Ok(0),
        },
    }
}

/// The longest prefix that [`check_head`] looks at.
pub(super) const HEAD: usize = 16;

/// Passes a script's bytes on and notes what else it reads: one pass, in bounded memory.
///
/// ```
/// use std::io::Read;
/// use cowherd::migrate::script::{Dialect, Scan};
///
/// let mut scan = Scan::new(&b"SELECT 1;\n\\ir parts/a.sql\n"[..], Dialect::Postgres);
/// std::io::copy(&mut scan, &mut std::io::sink())?;
/// assert_eq!(scan.finish()?[0].command, r"\ir parts/a.sql");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Scan<R>(Tee<R, Includes<Found>>);

/// The files of a script, in its order.
struct Found(Vec<Include>);

impl Listener for Found {
    fn include(&mut self, include: Include) {
        self.0.push(include);
    }
}

impl<R: Read> Scan<R> {
    /// Reads the script from `inner`.
    pub fn new(inner: R, dialect: Dialect) -> Self {
        let listener = Includes::new(dialect, Found(Vec::new()));
        Self(Tee::new(inner, dialect, listener))
    }

    /// The files that the script reads, in its order. Call it once everything has been read.
    ///
    /// # Errors
    /// When what was read is not SQL text.
    pub fn finish(self) -> Result<Vec<Include>, ScriptError> {
        self.0.finish().map(|includes| includes.listener.0)
    }
}

impl<R: Read> Read for Scan<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

/// Tells a listener which files the script reads, each right after the command that does.
pub(crate) struct Includes<L> {
    dialect: Dialect,
    /// How many `\if` are open.
    conditions: usize,
    listener: L,
}

impl<L: Listener> Includes<L> {
    pub(crate) fn new(dialect: Dialect, listener: L) -> Self {
        Self {
            dialect,
            conditions: 0,
            listener,
        }
    }

    fn add(&mut self, line: usize, command: &[u8], file: Option<String>, script: bool) {
        let command: String = String::from_utf8_lossy(command)
            .trim()
            .chars()
            .take(100)
            .collect();
        let relative = matches!(
            psql::split(command.as_bytes()).0,
            b"ir" | b"include_relative"
        );
        self.listener.include(Include {
            line,
            file: file.map(PathBuf::from),
            origin: if relative {
                Origin::Script
            } else {
                Origin::WorkingFolder
            },
            script,
            optional: self.conditions > 0,
            command,
        });
    }

    fn add_copy(&mut self, line: usize, command: &[u8], source: CopySource) {
        match source {
            CopySource::Inline => {}
            CopySource::File(file) if file.starts_with('~') => self.add(line, command, None, false),
            CopySource::File(file) => self.add(line, command, Some(file), false),
            CopySource::Program => self.add(line, command, None, false),
        }
    }

    fn psql(&mut self, text: &[u8], line: usize) {
        let (name, mut rest) = psql::split(text);
        match name {
            b"if" => self.conditions += 1,
            b"endif" => self.conditions = self.conditions.saturating_sub(1),
            b"i" | b"include" | b"ir" | b"include_relative" => match psql::argument(&mut rest) {
                Some(Argument::Text(file)) if file == "-" => {}
                Some(Argument::Text(file)) => self.add(line, text, Some(file), true),
                Some(Argument::Computed) => self.add(line, text, None, true),
                None => {}
            },
            b"copy" => {
                if let Some(source) = psql::copy_source(text) {
                    self.add_copy(line, text, source);
                }
            }
            _ => {}
        }
    }

    fn sqlite(&mut self, text: &[u8], line: usize) {
        match sqlite_shell::read(text) {
            Some(Argument::Text(file)) => self.add(line, text, Some(file), true),
            Some(Argument::Computed) => self.add(line, text, None, true),
            None => {}
        }
    }

    fn mysql(&mut self, text: &[u8], line: usize) {
        let rest = text
            .strip_prefix(b"\\.")
            .or_else(|| text.strip_prefix(b"SOURCE"));
        let Some(rest) = rest else { return };
        let file = String::from_utf8_lossy(rest);
        let file = file.trim().trim_end_matches(';').trim_end();
        if !file.is_empty() {
            self.add(line, text, Some(file.to_owned()), true);
        }
    }
}

impl<L: Listener> Listener for Includes<L> {
    fn text(&mut self, region: Region, text: &[u8], line: usize) {
        self.listener.text(region, text, line);
    }

    fn command(&mut self, text: &[u8], line: usize) {
        self.listener.command(text, line);
        match self.dialect {
            Dialect::Postgres => self.psql(text, line),
            Dialect::Sqlite => self.sqlite(text, line),
            Dialect::Mysql => self.mysql(text, line),
        }
    }

    fn statement(&mut self, statement: &Statement<'_>) {
        self.listener.statement(statement);
        let (words, line) = (statement.words, statement.first_line);
        match self.dialect {
            Dialect::Sqlite => {}
            Dialect::Postgres => match psql::statement_source(words) {
                // The server takes a relative name from its own data folder, which is its business.
                Some(CopySource::File(file)) if !file.starts_with('/') => {}
                Some(CopySource::File(file)) => {
                    let command = format!("COPY … FROM '{file}'");
                    self.add(line, command.as_bytes(), Some(file), false);
                }
                Some(source) => self.add_copy(line, b"COPY \xe2\x80\xa6 FROM PROGRAM", source),
                None => {}
            },
            Dialect::Mysql => {
                if !words.first().is_some_and(|word| word.is("LOAD")) {
                    return;
                }
                let Some(at) = words.iter().position(|word| word.is("INFILE")) else {
                    return;
                };
                if let Some(Word::Text(file)) = words.get(at + 1) {
                    let file = String::from_utf8_lossy(file).into_owned();
                    if words[..at].iter().any(|word| word.is("LOCAL")) || file.starts_with('/') {
                        let command = format!("LOAD DATA INFILE '{file}'");
                        self.add(line, command.as_bytes(), Some(file), false);
                    }
                }
            }
        }
    }
}
