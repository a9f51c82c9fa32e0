//! Makes an error with file, line and statement of what `psql` writes to standard error.
//!
//! ```text
//! psql:seed/users.sql:12: ERROR:  relation "user" does not exist
//! LINE 1: INSERT INTO user VALUES (1);
//!                     ^
//! HINT:  …
//! ```
//!
//! The line is that of the statement's end; `LINE` counts from the statement's beginning and may be shortened.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};

use super::error::shortened;
use super::{EngineError, ScriptFile};
use crate::migrate::lexer::Lexer;
use crate::migrate::listener::{Listener, Statement};
use crate::migrate::script::{BYTE_ORDER_MARK, Dialect};

/// How `psql` and the server mark an error.
const MARKS: [&str; 5] = ["ERROR:", "FATAL:", "PANIC:", "error:", "fatal:"];

/// How many lines of a statement are looked at.
const LINES: usize = 400;

/// The error for a failed run of `script`.
pub(super) fn explain(script: &ScriptFile, stderr: &str) -> EngineError {
    let Some(problem) = Problem::first(stderr) else {
        return EngineError::Script {
            name: script.name.clone(),
            line: None,
            statement: None,
            message: last_lines(stderr),
            hint: None,
        };
    };
    let hint = hint(&problem.message);
    let (name, host) = match &problem.file {
        // What is run in place of the file comes by standard input.
        Some(file) if script.text.is_some() && file == "<stdin>" => {
            (script.name.clone(), script.host.clone())
        }
        Some(file) if Path::new(file) != script.path => (file.clone(), PathBuf::from(file)),
        _ => (script.name.clone(), script.host.clone()),
    };
    // Without the file there is no statement to show; the error stands without it.
    let found = problem
        .line
        .and_then(|line| find(&host, line, &problem).ok().flatten());
    let (line, statement) = match found {
        Some((line, statement)) => (Some(line), Some(statement)),
        None => (problem.line, None),
    };
    EngineError::Script {
        name,
        line,
        statement,
        message: problem.message,
        hint,
    }
}

/// The message of a failed command that ran no script.
pub(super) fn message(stderr: &str) -> String {
    Problem::first(stderr).map_or_else(|| last_lines(stderr), |problem| problem.message)
}

/// What standard error says of the first error.
struct Problem {
    file: Option<String>,
    line: Option<usize>,
    message: String,
    /// What `LINE n:` shows of the statement.
    fragment: Option<String>,
    /// The line of the data that a `COPY` stumbled on.
    data_line: Option<usize>,
}

impl Problem {
    fn first(stderr: &str) -> Option<Self> {
        let mut lines = stderr.lines();
        let (place, message) = lines.by_ref().find_map(|line| {
            let (at, mark) = MARKS
                .iter()
                .filter_map(|mark| Some((line.find(mark)?, mark)))
                .min()?;
            // A notice may quote an error.
            let place = &line[..at];
            let starts = place.is_empty() || place.ends_with(": ");
            starts.then(|| (place.trim_end_matches(": "), line[at + mark.len()..].trim()))
        })?;
        let (mut file, mut number) = (None, None);
        if let Some((path, line)) = place
            .strip_prefix("psql:")
            .and_then(|rest| rest.rsplit_once(':'))
        {
            file = Some(path.to_owned());
            number = line.parse().ok();
        }
        let mut message = message.to_owned();
        let (mut fragment, mut data_line) = (None, None);
        while let Some(line) = lines.next() {
            if line.starts_with("psql:") {
                break;
            }
            if let Some((_, text)) = line
                .strip_prefix("LINE ")
                .and_then(|rest| rest.split_once(": "))
            {
                fragment = Some(
                    text.trim_start_matches("...")
                        .trim_end_matches("...")
                        .trim()
                        .to_owned(),
                );
                // The line with the mark under it.
                lines.next();
            } else if !line.trim().is_empty() {
                if let Some(context) = line.strip_prefix("CONTEXT:  COPY ") {
                    let number = context.split_once(", line ").map(|(_, rest)| {
                        rest.split(|c: char| !c.is_ascii_digit())
                            .next()
                            .unwrap_or_default()
                    });
                    data_line = number.and_then(|digits| digits.parse().ok());
                }
                message.push('\n');
                message.push_str(line.trim_end());
            }
        }
        Some(Self {
            file,
            line: number,
            message,
            fragment,
            data_line,
        })
    }
}

/// The lines of the statement that ended on `line`.
struct Around {
    line: usize,
    range: Option<(usize, usize)>,
}

impl Listener for Around {
    fn statement(&mut self, statement: &Statement<'_>) {
        self.range = match self.range {
            // Where several statements end on one line, all of it counts as one.
            Some((first, last)) if last == self.line => Some((first, statement.last_line)),
            _ => Some((statement.first_line, statement.last_line)),
        };
    }
}

/// The statement that ended on `line`, with the exact line of the error if the problem tells it, or else of its
/// beginning.
fn find(path: &Path, line: usize, problem: &Problem) -> io::Result<Option<(usize, String)>> {
    let around = Around { line, range: None };
    let mut lexer = Lexer::new(Dialect::Postgres, around);
    let mut lines = BufReader::new(File::open(path)?);
    let mut bytes = Vec::new();
    for number in 1..=line {
        bytes.clear();
        lines.read_until(b'\n', &mut bytes)?;
        let mark = if number == 1 { BYTE_ORDER_MARK } else { b"" };
        lexer.feed(bytes.strip_prefix(mark).unwrap_or(&bytes));
    }
    let Some((first, last)) = lexer.finish().range else {
        return Ok(None);
    };
    let mut text = String::new();
    // Bad data of a COPY stands below the statement, its lines counted from there.
    let mut exact = problem
        .data_line
        .map(|data| last + data)
        .filter(|&exact| exact <= line);
    let lines = BufReader::new(File::open(path)?)
        .split(b'\n')
        .skip(first - 1)
        .take((last - first + 1).min(LINES));
    for (number, bytes) in (first..).zip(lines) {
        let bytes = bytes?;
        let content = String::from_utf8_lossy(&bytes);
        if exact.is_none()
            && problem
                .fragment
                .as_ref()
                .is_some_and(|fragment| content.contains(fragment))
        {
            exact = Some(number);
        }
        text.push_str(&content);
        text.push('\n');
    }
    Ok(Some((exact.unwrap_or(first), shortened(&text))))
}

fn last_lines(stderr: &str) -> String {
    let lines: Vec<&str> = stderr
        .lines()
        .filter(|line| !line.trim().is_empty())
        .collect();
    match &lines[lines.len().saturating_sub(10)..] {
        [] => "it failed without a word".to_owned(),
        last => last.join("\n"),
    }
}

/// What helps with the errors that dumps of other servers meet.
fn hint(message: &str) -> Option<String> {
    let first = message.lines().next()?;
    if first.starts_with("role ") && first.ends_with("does not exist") {
        return Some(
            "the script gives things to roles of another server: dump with --no-owner --no-privileges, or create \
             the roles in a step before"
                .to_owned(),
        );
    }
    if first.starts_with("extension ") && first.ends_with("is not available") {
        return Some(
            "install the package of the extension for this version of PostgreSQL".to_owned(),
        );
    }
    if first.starts_with("unrecognized configuration parameter") {
        return Some(
            "the script comes from a newer PostgreSQL; install that, or name it with `bin_dir:`"
                .to_owned(),
        );
    }
    if first.starts_with("database ") && first.ends_with("already exists") {
        return Some("Cowherd creates the database: name it with `database:`".to_owned());
    }
    None
}
