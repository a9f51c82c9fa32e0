//! Reads a script with all that it includes, for what an engine wants to know of it before its client runs it.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use super::{EngineError, ScriptFile};
use crate::migrate::listener::{Listener, Statement};
use crate::migrate::script::{Dialect, Include, Includes};
use crate::migrate::tee::listen;

/// How deep scripts may include each other.
const DEPTH: usize = 16;

/// What an engine notes in its `F`.
pub(super) struct Notes<F> {
    pub(super) dialect: Dialect,
    pub(super) statement: fn(&mut F, &Statement<'_>),
    /// Of a command of the client's.
    pub(super) command: fn(&mut F, &[u8]),
    /// That another script is included.
    pub(super) include: fn(&mut F),
}

/// Reads the script at `path`, or `text` that is run in its place; relative includes start at `folder`.
///
/// # Errors
/// When the script can't be read, or is no text; an included file of this kind is passed over, as the client says so.
pub(super) fn read<F: Default>(
    notes: &Notes<F>,
    text: Option<&str>,
    path: &Path,
    folder: &Path,
) -> io::Result<F> {
    let mut reader = Reader {
        notes,
        facts: F::default(),
        folder,
        open: vec![path.to_owned()],
        seen: Vec::new(),
    };
    match text {
        Some(text) => reader.listen(text.as_bytes())?,
        None => reader.listen(File::open(path)?)?,
    }
    Ok(reader.facts)
}

/// As [`read`], of a script as it is run.
///
/// # Errors
/// As [`read`].
pub(super) fn read_script<F: Default>(
    notes: &Notes<F>,
    script: &ScriptFile,
) -> Result<F, EngineError> {
    read(notes, script.text.as_deref(), &script.host, &script.folder)
        .map_err(|e| EngineError::file("read", &script.host, e))
}

struct Reader<'a, F> {
    notes: &'a Notes<F>,
    facts: F,
    folder: &'a Path,
    /// The file that is being read, last, and those that include it.
    open: Vec<PathBuf>,
    seen: Vec<PathBuf>,
}

impl<F> Reader<'_, F> {
    fn listen(&mut self, text: impl io::Read) -> io::Result<()> {
        let dialect = self.notes.dialect;
        let includes = Includes::new(dialect, self);
        let read = listen(text, dialect, includes)?;
        read.map(drop)
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
    }
}

impl<F> Listener for &mut Reader<'_, F> {
    fn statement(&mut self, statement: &Statement<'_>) {
        (self.notes.statement)(&mut self.facts, statement);
    }

    fn command(&mut self, text: &[u8], _line: usize) {
        (self.notes.command)(&mut self.facts, text);
    }

    fn include(&mut self, include: Include) {
        if !include.script {
            return;
        }
        (self.notes.include)(&mut self.facts);
        let script = self.open.last().map_or(self.folder, PathBuf::as_path);
        let Some(path) = include.resolve(script, self.folder) else {
            return;
        };
        if !self.seen.contains(&path) && self.open.len() <= DEPTH {
            self.seen.push(path.clone());
            self.open.push(path.clone());
            // One that is missing may stand behind an `\if`; the client says so when it does not.
            let _ = File::open(&path).and_then(|file| self.listen(file));
            self.open.pop();
        }
    }
}
