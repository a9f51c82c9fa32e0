//! A small SQLite client, for hosts that have no `sqlite3` and for `.sql` files that are tests.
//!
//! It prints rows in the list mode of `sqlite3`: columns with `|` between them, NULL as nothing.

use std::io::{BufRead, Write};
use std::path::Path;

use super::EngineError;
use super::sqlite_script::{Session, open};
use super::sqlite_split::{Pieces, SplitError};

/// How deep `.read` may nest.
const DEPTH: usize = 16;

/// Runs the file `script` on `database` and prints what it selects; stops at the first error.
///
/// # Errors
/// When a file can't be read, a statement fails, or the output is gone.
pub fn run_script(
    database: &Path,
    script: &Path,
    output: &mut dyn Write,
) -> Result<(), EngineError> {
    let connection = open(database)?;
    let name = script.display().to_string();
    let mut session = Session::printing(&connection, &mut *output, Path::new(""));
    session.file(&name, script, DEPTH)?;
    output
        .flush()
        .map_err(|e| EngineError::file("write", "the output", e))
}

/// Reads statements from `input` to its end, or to `.quit`; a failed statement is reported on `errors` and the
/// next one runs. With `prompt`, says when it waits for input. The result is whether all went well.
///
/// # Errors
/// When the database can't be opened, or the input or output is gone.
pub fn shell(
    database: &Path,
    input: impl BufRead,
    output: &mut dyn Write,
    errors: &mut dyn Write,
    prompt: bool,
) -> Result<bool, EngineError> {
    let gone = |e| EngineError::file("write", "the output", e);
    let connection = open(database)?;
    let mut pieces = Pieces::new(input);
    let mut well = true;
    loop {
        if prompt {
            write!(output, "sqlite> ").map_err(gone)?;
        }
        output.flush().map_err(gone)?;
        let piece = match pieces.next() {
            Ok(Some(piece)) => piece,
            Ok(None) => return Ok(well),
            Err(SplitError::Read(e)) => return Err(EngineError::file("read", "the input", e)),
            Err(SplitError::Encoding(line)) => {
                well = false;
                writeln!(errors, "line {line} is not UTF-8").map_err(gone)?;
                continue;
            }
        };
        let mut session = Session::printing(&connection, &mut *output, Path::new(""));
        match session.piece("the input", &piece, DEPTH) {
            Ok(true) => {}
            Ok(false) => return Ok(well),
            Err(EngineError::Script { message, .. }) => {
                well = false;
                writeln!(errors, "{message}").map_err(gone)?;
            }
            Err(e) => return Err(e),
        }
    }
}
