//! Makes an error with file, line and statement of what the `mariadb` client writes to standard error.
//!
//! ```text
//! --------------
//! INSERT INTO user VALUES (1)
//! --------------
//!
//! ERROR 1146 (42S02) at line 12 in file: 'seed/users.sql': Table 'shop.user' doesn't exist
//! ```
//!
//! The line is that of the statement's beginning. The statement is shown by MariaDB's client alone, the file for one
//! that was included.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::Path;

use super::error::shortened;
use super::{EngineError, ScriptFile};
use crate::migrate::lexer::Lexer;
use crate::migrate::listener::{Listener, Statement};
use crate::migrate::script::{BYTE_ORDER_MARK, Dialect};

/// What stands around a statement.
const RULE: &str = "--------------";

/// How many lines of a statement are looked at.
const LINES: usize = 400;

/// What is said of a script that would drop what earlier steps made.
pub(super) const FILLED: &str = "it creates the database anew, but steps before it fill it";

/// The error for a failed run of `script`.
pub(super) fn explain(script: &ScriptFile, stderr: &str) -> EngineError {
    let failed = |name: String, line, statement, message: String| EngineError::Script {
        name,
        line,
        statement,
        hint: hint(&message),
        message,
    };
    let Some(problem) = Problem::first(stderr) else {
        return failed(script.name.clone(), None, None, last_lines(stderr));
    };
    if problem.message.contains(FILLED) {
        return failed(script.name.clone(), None, None, FILLED.to_owned());
    }
    let (name, host) = match &problem.file {
        Some(file) => (file.clone(), script.folder.join(file)),
        None => (script.name.clone(), script.host.clone()),
    };
    let statement = problem.statement.clone().or_else(|| {
        // Without the file there is no statement to show; the error stands without it.
        find(&host, problem.line?).ok().flatten()
    });
    // `near '…' at line 2` counts from the statement's beginning.
    let within = problem.message.rsplit_once("' at line ");
    let within = within.and_then(|(_, digits)| digits.parse::<usize>().ok());
    let line = problem
        .line
        .map(|line| line + within.unwrap_or(1).saturating_sub(1));
    let statement = statement.map(|text| shortened(&text));
    failed(name, line, statement, problem.message)
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
    statement: Option<String>,
}

impl Problem {
    fn first(stderr: &str) -> Option<Self> {
        let mut statement: Vec<&str> = Vec::new();
        let mut inside = false;
        let mut lines = stderr.lines();
        let text = loop {
            let line = lines.next()?;
            if line == RULE {
                inside = !inside;
                if inside {
                    statement.clear();
                }
            } else if inside {
                statement.push(line);
            } else if let Some(text) = line.strip_prefix("ERROR ") {
                break text;
            }
        };
        // `1064 (42000) at line 3 in file: 'a.sql': …`, or `1045 (28000): …`, or `at line 3: …`.
        let (mut file, mut number) = (None, None);
        let mut message = text;
        if let Some((_, rest)) = text.split_once("at line ") {
            let digits = rest.split(|c: char| !c.is_ascii_digit()).next()?;
            number = digits.parse().ok();
            message = &rest[digits.len()..];
            if let Some(rest) = message.strip_prefix(" in file: '")
                && let Some((name, rest)) = rest.split_once("': ")
            {
                file = Some(name.to_owned());
                message = rest;
            }
        } else if let Some((_, rest)) = text.split_once("): ") {
            message = rest;
        }
        let mut message = message.trim_start_matches(':').trim().to_owned();
        // What a message quotes may have lines of its own.
        for line in lines.take_while(|line| *line != RULE && !line.starts_with("ERROR ")) {
            message.push('\n');
            message.push_str(line.trim_end());
        }
        Some(Self {
            file,
            line: number,
            message: message.trim_end().to_owned(),
            statement: (!statement.is_empty()).then(|| statement.join("\n")),
        })
    }
}

/// The lines of the first statement that begins on `line` or after it.
struct At {
    line: usize,
    range: Option<(usize, usize)>,
}

impl Listener for At {
    fn statement(&mut self, statement: &Statement<'_>) {
        if self.range.is_none() && statement.last_line >= self.line {
            self.range = Some((statement.first_line, statement.last_line));
        }
    }
}

/// The statement that begins on `line`.
fn find(path: &Path, line: usize) -> io::Result<Option<String>> {
    let mut lexer = Lexer::new(Dialect::Mysql, At { line, range: None });
    let mut lines = BufReader::new(File::open(path)?);
    let mut bytes = Vec::new();
    let mut number = 0;
    while number < line + LINES && lines.read_until(b'\n', &mut bytes)? > 0 {
        number += 1;
        let mark = if number == 1 { BYTE_ORDER_MARK } else { b"" };
        lexer.feed(bytes.strip_prefix(mark).unwrap_or(&bytes));
        bytes.clear();
    }
    let Some((first, last)) = lexer.finish().range else {
        return Ok(None);
    };
    let lines = BufReader::new(File::open(path)?).split(b'\n');
    let lines = lines.skip(first - 1).take((last - first + 1).min(LINES));
    let lines: Vec<Vec<u8>> = lines.collect::<io::Result<_>>()?;
    Ok(Some(
        String::from_utf8_lossy(&lines.join(&b'\n')).into_owned(),
    ))
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
    if first == FILLED {
        return Some("let it be the first step, or take its `CREATE DATABASE` out".to_owned());
    }
    if first.starts_with("Unknown collation") {
        return Some(
            "the script comes from another kind of server or a newer one: `utf8mb4_0900_ai_ci` is MySQL 8's, \
             `utf8mb4_uca1400_ai_ci` that of MariaDB 10.10 and later"
                .to_owned(),
        );
    }
    if first.starts_with("Can't create database") && first.contains("database exists") {
        return Some("Cowherd creates the database: name it with `database:`".to_owned());
    }
    None
}
