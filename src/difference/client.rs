//! A conversation with a server's own client: one connection, one view of the data, answers that are read line by line. All
//! write them as PostgreSQL's `COPY` does.

use std::io;
use std::os::fd::BorrowedFd;
use std::path::Path;

use super::DifferenceError;
use crate::container::{Container, Dialogue, command_of};
use crate::engine::postgres_content::{self, Answer};
use crate::engine::postgres_copy::{fields, unescaped};
use crate::engine::{Engine, mariadb_content};
use crate::migrate::script::Dialect;

/// What follows an answer. No line of `COPY` is so, as it doubles each backslash.
const END: &[u8] = br"\.";

/// A connection to a server in a container.
#[derive(Debug)]
pub(super) struct Client {
    dialogue: Dialogue,
    /// Whether it is `psql`, and not that of MariaDB or MySQL.
    is_psql: bool,
}

impl Client {
    /// Connects to the server of `engine`.
    pub(super) fn start(
        engine: &dyn Engine,
        container: &mut Container,
        stop: Option<BorrowedFd<'_>>,
    ) -> Result<Self, DifferenceError> {
        let is_psql = engine.dialect() == Some(Dialect::Postgres);
        let mut client = engine.client_script(Path::new("-"));
        let mut begin = postgres_content::BEGIN;
        if !is_psql {
            client = client.args(mariadb_content::OPTIONS);
            begin = mariadb_content::BEGIN;
        }
        let dialogue = container.talk_to(&command_of(&client), stop)?;
        let mut client = Self { dialogue, is_psql };
        client.say("the database", &format!("{begin}\n"))?;
        Ok(client)
    }

    /// Asks a question whose answer is read by [`Client::line`], to its end. `what` is what it is for.
    pub(super) fn ask(&mut self, what: &str, query: &str) -> Result<(), DifferenceError> {
        let question = match self.is_psql {
            // Only a COPY makes `psql` write out what it has printed.
            true => format!(
                "COPY ({query}) TO STDOUT;\n\\echo '\\\\.'\nCOPY (SELECT 1 WHERE false) TO STDOUT;\n"
            ),
            false => format!("{query};\n{}\n", mariadb_content::END),
        };
        self.say(what, &question)
    }

    fn say(&mut self, what: &str, text: &str) -> Result<(), DifferenceError> {
        let said = self.dialogue.say(text);
        said.map_err(|error| match error.kind() {
            io::ErrorKind::BrokenPipe => self.gone(what),
            _ => client(what, error),
        })
    }

    /// Reads the next line of the answer; `false` at its end.
    pub(super) fn line(&mut self, what: &str, line: &mut Vec<u8>) -> Result<bool, DifferenceError> {
        match self.dialogue.line(line) {
            Ok(true) => Ok(line != END),
            Ok(false) => Err(self.gone(what)),
            Err(error) => Err(client(what, error)),
        }
    }

    /// A whole answer, which is known to be small.
    pub(super) fn answer(
        &mut self,
        what: &str,
        query: &str,
    ) -> Result<Vec<Answer>, DifferenceError> {
        self.ask(what, query)?;
        let (mut answer, mut line) = (Vec::new(), Vec::new());
        while self.line(what, &mut line)? {
            let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
            answer.push(
                fields(&line)
                    .map(|field| unescaped(field).map(text))
                    .collect(),
            );
        }
        Ok(answer)
    }

    /// Why there is no answer.
    fn gone(&self, what: &str) -> DifferenceError {
        let errors = self.dialogue.errors();
        // Without the place in what was said, which nobody has written.
        let lines = errors.lines().filter_map(|line| {
            if self.is_psql {
                return Some(
                    line.split_once("ERROR:")
                        .map_or(line, |(_, message)| message.trim()),
                );
            }
            // The statement stands before it.
            let said = line.strip_prefix("ERROR ")?;
            Some(said.split_once(": ").map_or(said, |(_, message)| message))
        });
        let message = lines.take(6).collect::<Vec<_>>().join("\n");
        DifferenceError::Query {
            what: what.to_owned(),
            message: match message.is_empty() {
                true => "the server has ended".to_owned(),
                false => message,
            },
        }
    }
}

fn client(what: &str, source: io::Error) -> DifferenceError {
    match source.kind() {
        io::ErrorKind::Interrupted => DifferenceError::Interrupted,
        _ => DifferenceError::Client {
            what: what.to_owned(),
            source,
        },
    }
}
