//! A conversation with `psql`: one connection, one view of the data, answers that are read line by line.

use std::io;
use std::os::fd::BorrowedFd;
use std::path::Path;

use super::DifferenceError;
use crate::container::{Container, Dialogue, command_of};
use crate::engine::Engine;
use crate::engine::postgres_content::{Answer, BEGIN};
use crate::engine::postgres_copy::{fields, unescaped};

/// What follows an answer. No line of `COPY` is so, as it doubles each backslash.
const END: &[u8] = br"\.";

/// A connection to a server in a container.
#[derive(Debug)]
pub(super) struct Psql {
    dialogue: Dialogue,
}

impl Psql {
    /// Connects to the server of `engine`.
    pub(super) fn start(
        engine: &dyn Engine,
        container: &mut Container,
        stop: Option<BorrowedFd<'_>>,
    ) -> Result<Self, DifferenceError> {
        let client = command_of(&engine.client_script(Path::new("-")));
        let dialogue = container.talk_to(&client, stop)?;
        let mut psql = Self { dialogue };
        psql.say("the database", &format!("{BEGIN}\n"))?;
        Ok(psql)
    }

    /// Asks a question whose answer is read by [`Psql::line`], to its end. `what` is what it is for.
    pub(super) fn ask(&mut self, what: &str, query: &str) -> Result<(), DifferenceError> {
        // Only a COPY makes `psql` write out what it has printed.
        let flush = "COPY (SELECT 1 WHERE false) TO STDOUT";
        let question = format!("COPY ({query}) TO STDOUT;\n\\echo '\\\\.'\n{flush};\n");
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
        let message = errors.lines().map(|line| match line.split_once("ERROR:") {
            Some((_, message)) => message.trim(),
            None => line,
        });
        let message = message.take(6).collect::<Vec<_>>().join("\n");
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
