//! Gives a file of commands to a server, and says which of them it refuses.

use std::collections::VecDeque;
use std::io;
use std::rc::Rc;

use super::EngineError;
use super::error::shortened;
use super::redis_commands::{Command, commands};
use super::redis_resp::{Connection, Reply};

/// How many commands may be on their way without an answer, where what follows a failed one is thrown away.
pub(super) const AHEAD: usize = 1024;

const QUOTES: &str =
    "quotes are redis-cli's: \"…\" with \\n, \\\" and \\xff in it, '…' with \\' alone";

/// Gives the commands of `text`, the content of the file `name`, up to the first that the server answers with an
/// error. Up to `ahead` of them are given before the answer to the first is read. What is answered goes to `sink`.
pub(super) fn run(
    name: &str,
    text: &[u8],
    connection: &mut Connection,
    ahead: usize,
    sink: &mut dyn FnMut(&Reply) -> Result<(), EngineError>,
) -> Result<(), EngineError> {
    let mut answers = Answers {
        name,
        waiting: VecDeque::new(),
        queued: Vec::new(),
    };
    for command in commands(text) {
        let command = command.map_err(|misread| EngineError::Script {
            name: name.to_owned(),
            line: Some(misread.line),
            statement: Some(shortened(&misread.text)),
            message: misread.why.to_owned(),
            hint: Some(QUOTES.to_owned()),
        })?;
        if ["QUIT", "EXIT"].contains(&command.word(0).as_str()) {
            break;
        }
        if let Some(why) = refused(&command) {
            return Err(answers.failure(&command, why.to_owned()));
        }
        let command = Rc::new(command);
        for _ in 0..command.times {
            let sent = connection.send(&command.words);
            sent.map_err(|error| gone(format!("run {name}"), &error))?;
            answers.waiting.push_back(Rc::clone(&command));
            while answers.waiting.len() >= ahead.max(1) {
                answers.take(connection, sink)?;
            }
        }
    }
    while !answers.waiting.is_empty() {
        answers.take(connection, sink)?;
    }
    Ok(())
}

/// Why a command can't stand in a file.
fn refused(command: &Command) -> Option<&'static str> {
    match command.word(0).as_str() {
        "SUBSCRIBE" | "PSUBSCRIBE" | "SSUBSCRIBE" | "MONITOR" | "SYNC" | "PSYNC" => {
            Some("what it answers has no end")
        }
        "CLIENT" if command.word(1) == "REPLY" => {
            Some("without answers nobody knows which command fails")
        }
        "SHUTDOWN" => Some("the build ends the server by itself, once all steps are done"),
        "CONNECT" | "CLEAR" | "HELP" | "?" => Some("it is for redis-cli at a terminal"),
        word if word.starts_with(':') => Some("it is for redis-cli at a terminal"),
        _ => None,
    }
}

/// The commands that wait for their answers.
struct Answers<'n> {
    name: &'n str,
    waiting: VecDeque<Rc<Command>>,
    /// Those that wait for `EXEC`.
    queued: Vec<Rc<Command>>,
}

impl Answers<'_> {
    fn take(
        &mut self,
        connection: &mut Connection,
        sink: &mut dyn FnMut(&Reply) -> Result<(), EngineError>,
    ) -> Result<(), EngineError> {
        let Some(command) = self.waiting.pop_front() else {
            return Ok(());
        };
        let reply = connection
            .receive()
            .map_err(|error| gone(format!("run {}", self.name), &error))?;
        if let Some(error) = reply.error() {
            // Of a transaction, the command that failed and not the one that ends it.
            let of_transaction = match &reply {
                Reply::Array(replies) if command.word(0) == "EXEC" => {
                    let place = replies.iter().position(|reply| reply.error().is_some());
                    place.and_then(|place| self.queued.get(place))
                }
                _ => None,
            };
            let failed = of_transaction.unwrap_or(&command);
            return Err(self.failure(failed, error.trim().to_owned()));
        }
        match &reply {
            Reply::Status(word) if word == b"QUEUED" => self.queued.push(command),
            _ if ["MULTI", "EXEC", "DISCARD"].contains(&command.word(0).as_str()) => {
                self.queued.clear();
            }
            _ => {}
        }
        sink(&reply)
    }

    fn failure(&self, command: &Command, message: String) -> EngineError {
        EngineError::Script {
            name: self.name.to_owned(),
            line: Some(command.line),
            statement: Some(shortened(&command.text)),
            message,
            hint: None,
        }
    }
}

/// The error where there is no answer.
pub(super) fn gone(doing: String, error: &io::Error) -> EngineError {
    let why = match error.kind() {
        io::ErrorKind::UnexpectedEof
        | io::ErrorKind::ConnectionReset
        | io::ErrorKind::BrokenPipe => "the server has ended the conversation".to_owned(),
        io::ErrorKind::Interrupted => "interrupted".to_owned(),
        _ => error.to_string(),
    };
    EngineError::Gone { doing, why }
}

/// Fails where the server refuses a command of the engine's own.
pub(super) fn must<A: AsRef<[u8]>>(
    connection: &mut Connection,
    doing: &str,
    command: &[A],
) -> Result<(), EngineError> {
    let reply = connection.ask(command);
    let reply = reply.map_err(|error| gone(doing.to_owned(), &error))?;
    match reply.error() {
        None => Ok(()),
        Some(message) => Err(EngineError::Command {
            doing: doing.to_owned(),
            message: message.trim().to_owned(),
        }),
    }
}

/// What of a file holds otherwise than its author may think, in a sentence; `None` where nothing does.
pub(super) fn remark(text: &[u8]) -> Option<String> {
    let is_shortlived = |command: &Command| {
        let number = |index: usize| command.word(index).parse::<u64>().ok();
        let seconds = match command.word(0).as_str() {
            "EXPIRE" | "SETEX" => number(2),
            "PEXPIRE" | "PSETEX" => number(2).map(|number| number / 1000),
            "SET" | "GETEX" => (2..command.words.len()).find_map(|index| {
                let next = number(index + 1);
                match command.word(index).as_str() {
                    "EX" => next,
                    "PX" => next.map(|number| number / 1000),
                    _ => None,
                }
            }),
            _ => None,
        };
        seconds.is_some_and(|seconds| seconds < LONG)
    };
    commands(text).flatten().find_map(|command| {
        let line = command.line;
        if is_shortlived(&command) {
            return Some(format!(
                "line {line} gives a key a time to live, which runs on while the layer is kept: a later copy lacks \
                 the key; give it in the test, or a date far off with EXPIREAT"
            ));
        }
        let word = [command.word(0), command.word(1)];
        let settings = [["CONFIG", "SET"], ["ACL", "SETUSER"]];
        settings.iter().any(|known| *known == word).then(|| {
            format!(
                "line {line} holds for the server that builds the layer and no other: `{} {}` changes no data; \
                 write `settings:` of the service",
                word[0], word[1]
            )
        })
    })
}

/// A time to live from which on nobody will miss the key, in seconds: ten years.
const LONG: u64 = 10 * 365 * 86_400;
