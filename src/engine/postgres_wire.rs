//! A conversation with a PostgreSQL server, as the protocol has it
//! (<https://www.postgresql.org/docs/current/protocol-flow.html>): enough for statements of Cowherd's own, whose answers
//! are few rows of text.
//!
//! `psql` takes longer to start than any of them to run. The server trusts who can reach its socket.

use std::io;

use super::{EngineError, Socket};

/// Version 3.0 of the protocol.
const VERSION: i32 = 3 << 16;
/// A message longer than this, in bytes, is no answer to what is asked here.
const LONGEST: usize = 1 << 20;

/// A row of an answer: a text for each column that is not null.
pub(super) type Row = Vec<Option<String>>;

/// A connection to one database, over which one statement is said at a time.
pub(super) struct Session {
    socket: Socket,
    /// What it is for, for errors: `freeze the database`.
    doing: &'static str,
}

impl Session {
    /// Introduces itself with `parameters`: `user`, `database`, `options` …
    pub(super) fn begin(
        socket: Socket,
        parameters: &[(&str, &str)],
        doing: &'static str,
    ) -> Result<Self, EngineError> {
        let mut hello = VERSION.to_be_bytes().to_vec();
        for text in parameters.iter().flat_map(|(name, value)| [*name, *value]) {
            hello.extend_from_slice(text.as_bytes());
            hello.push(0);
        }
        hello.push(0);
        let mut session = Self { socket, doing };
        session.say(None, &hello)?;
        session.hear()?;
        Ok(session)
    }

    /// Has one statement done, and gives the rows of its answer.
    pub(super) fn run(&mut self, statement: &str) -> Result<Vec<Row>, EngineError> {
        let mut text = statement.as_bytes().to_vec();
        text.push(0);
        self.say(Some(b'Q'), &text)?;
        self.hear()
    }

    /// Takes leave.
    pub(super) fn end(mut self) -> Result<(), EngineError> {
        self.say(Some(b'X'), b"")
    }

    /// Says a message: its kind, but for the first one, and its length, which counts itself.
    fn say(&mut self, kind: Option<u8>, body: &[u8]) -> Result<(), EngineError> {
        let length = (body.len() as i32 + 4).to_be_bytes();
        let message: Vec<u8> = kind
            .into_iter()
            .chain(length)
            .chain(body.iter().copied())
            .collect();
        let said = self.socket.output.write_all(&message);
        said.map_err(|error| self.gone(&error))
    }

    /// Hears an answer up to the message that says that the server waits for a statement.
    fn hear(&mut self) -> Result<Vec<Row>, EngineError> {
        let (mut rows, mut error) = (Vec::new(), None);
        loop {
            let (kind, body) = match self.message() {
                Ok(message) => message,
                // After an error that ends the session, the server says nothing more.
                Err(gone) => return Err(error.unwrap_or_else(|| self.gone(&gone))),
            };
            match kind {
                b'Z' => return error.map_or(Ok(rows), Err),
                b'D' => rows.push(row(&body).ok_or_else(|| self.gone(&no_answer()))?),
                b'E' => error = error.or_else(|| Some(self.refused(message_of(&body)))),
                // Anything but «you are in» would wait for a password.
                b'R' if body != [0; 4] => {
                    return Err(self.refused("the server asks for a password".to_owned()));
                }
                _ => {}
            }
        }
    }

    fn message(&mut self) -> io::Result<(u8, Vec<u8>)> {
        let mut head = [0; 5];
        self.read(&mut head)?;
        let [kind, length @ ..] = head;
        let length = (u32::from_be_bytes(length) as usize).saturating_sub(4);
        if length > LONGEST {
            return Err(no_answer());
        }
        let mut body = vec![0; length];
        self.read(&mut body)?;
        Ok((kind, body))
    }

    /// Not [`io::Read::read_exact`], which would try again for ever where the socket's owner was asked to stop.
    fn read(&mut self, mut into: &mut [u8]) -> io::Result<()> {
        while !into.is_empty() {
            match self.socket.input.read(into)? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                read => into = &mut into[read..],
            }
        }
        Ok(())
    }

    fn gone(&self, error: &io::Error) -> EngineError {
        EngineError::Gone {
            doing: self.doing.to_owned(),
            why: error.to_string(),
        }
    }

    fn refused(&self, message: String) -> EngineError {
        EngineError::Command {
            doing: self.doing.to_owned(),
            message,
        }
    }
}

fn no_answer() -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        "the server says what is no answer",
    )
}

/// The columns of a row: their number, and each with its length, -1 for null.
fn row(body: &[u8]) -> Option<Row> {
    let (_, mut rest) = body.split_first_chunk::<2>()?;
    let mut row = Row::new();
    while !rest.is_empty() {
        let (length, behind) = rest.split_first_chunk::<4>()?;
        rest = behind;
        row.push(match usize::try_from(i32::from_be_bytes(*length)) {
            Err(_) => None,
            Ok(length) => {
                let (text, behind) = rest.split_at_checked(length)?;
                rest = behind;
                Some(String::from_utf8_lossy(text).into_owned())
            }
        });
    }
    Some(row)
}

/// What an error says: `severity: message`, of its fields, which are a letter and a text each.
fn message_of(body: &[u8]) -> String {
    let field = |letter: u8| {
        let mut fields = body.split(|byte| *byte == 0);
        let field = fields.find_map(|field| field.strip_prefix(&[letter]))?;
        Some(String::from_utf8_lossy(field).into_owned())
    };
    let [severity, message] = [b'S', b'M'].map(|letter| field(letter).unwrap_or_default());
    format!("{severity}: {message}")
}
