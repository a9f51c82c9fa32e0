//! What is said to a Redis server and what it answers: RESP, versions 2 and 3
//! (<https://redis.io/docs/latest/develop/reference/protocol-spec/>).

use std::fmt;
use std::io::{self, BufRead, BufReader, BufWriter, Read, Write};

use super::Socket;

/// How deep answers may nest.
const DEPTH: usize = 64;
/// A line longer than this, in bytes, is no answer; an error may quote a command.
const LONGEST: usize = 1 << 20;

/// An answer. What version 3 tells apart and version 2 doesn't is one thing here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// A word, such as `OK`.
    Status(Vec<u8>),
    /// An error, with its code in front: `WRONGTYPE Operation against …`.
    Error(String),
    /// A whole number.
    Integer(i64),
    /// Bytes.
    Bulk(Vec<u8>),
    /// Several answers; a map is its keys and values by turns.
    Array(Vec<Reply>),
    /// Nothing.
    Nil,
}

impl Reply {
    /// The first error in it.
    pub fn error(&self) -> Option<&str> {
        match self {
            Self::Error(error) => Some(error),
            Self::Array(replies) => replies.iter().find_map(Self::error),
            _ => None,
        }
    }

    /// Its bytes, where it is a text.
    pub fn into_bytes(self) -> Option<Vec<u8>> {
        match self {
            Self::Status(bytes) | Self::Bulk(bytes) => Some(bytes),
            _ => None,
        }
    }

    /// The answers that it consists of; none where it is one.
    pub fn into_array(self) -> Vec<Reply> {
        match self {
            Self::Array(replies) => replies,
            _ => Vec::new(),
        }
    }
}

/// A connection to a server.
pub struct Connection {
    input: BufReader<Box<dyn Read + Send>>,
    output: BufWriter<Box<dyn Write + Send>>,
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").finish_non_exhaustive()
    }
}

impl Connection {
    /// A conversation over a socket that is connected to a server.
    pub fn over(socket: Socket) -> Self {
        Self {
            input: BufReader::with_capacity(64 * 1024, socket.input),
            output: BufWriter::with_capacity(64 * 1024, socket.output),
        }
    }

    /// Says a command; it may be on its way only once an answer is waited for.
    ///
    /// # Errors
    /// When the server is gone.
    pub fn send<A: AsRef<[u8]>>(&mut self, command: &[A]) -> io::Result<()> {
        write!(self.output, "*{}\r\n", command.len())?;
        for argument in command {
            let argument = argument.as_ref();
            write!(self.output, "${}\r\n", argument.len())?;
            self.output.write_all(argument)?;
            self.output.write_all(b"\r\n")?;
        }
        Ok(())
    }

    /// The answer to the first command that has had none.
    ///
    /// # Errors
    /// When the server is gone, or says what is no answer. [`io::ErrorKind::Interrupted`] when the socket's owner was
    /// asked to stop.
    pub fn receive(&mut self) -> io::Result<Reply> {
        self.output.flush()?;
        self.reply(0)
    }

    /// Says a command and waits for the answer.
    ///
    /// # Errors
    /// As [`Connection::receive`].
    pub fn ask<A: AsRef<[u8]>>(&mut self, command: &[A]) -> io::Result<Reply> {
        self.send(command)?;
        self.receive()
    }

    fn reply(&mut self, depth: usize) -> io::Result<Reply> {
        if depth > DEPTH {
            return Err(no_answer("it nests too deep"));
        }
        let line = self.line()?;
        let Some((kind, rest)) = line.split_first() else {
            return Err(no_answer("it is empty"));
        };
        let text = || String::from_utf8_lossy(rest).into_owned();
        let number = || text().parse::<i64>().map_err(|_| no_answer("no number"));
        Ok(match kind {
            b'+' => Reply::Status(rest.to_vec()),
            b'-' => Reply::Error(text()),
            b':' => Reply::Integer(number()?),
            b'#' => Reply::Integer(i64::from(rest == b"t")),
            b',' | b'(' => Reply::Bulk(rest.to_vec()),
            b'_' => Reply::Nil,
            b'$' | b'=' | b'!' => match usize::try_from(number()?) {
                Err(_) => Reply::Nil,
                Ok(length) => {
                    let bytes = self.bytes(length)?;
                    match kind {
                        b'!' => Reply::Error(String::from_utf8_lossy(&bytes).into_owned()),
                        // What kind of text it is comes first: `txt:`.
                        b'=' => Reply::Bulk(bytes.get(4..).unwrap_or_default().to_vec()),
                        _ => Reply::Bulk(bytes),
                    }
                }
            },
            b'*' | b'~' | b'%' | b'>' => match usize::try_from(number()?) {
                Err(_) => Reply::Nil,
                Ok(length) => {
                    let length = length * if *kind == b'%' { 2 } else { 1 };
                    let replies = (0..length).map(|_| self.reply(depth + 1));
                    let replies = replies.collect::<io::Result<_>>()?;
                    match kind {
                        // What nobody has asked for.
                        b'>' => self.reply(depth)?,
                        _ => Reply::Array(replies),
                    }
                }
            },
            _ => return Err(no_answer("it is of no known kind")),
        })
    }

    /// A line without its end. `read_until` would read on after an interruption.
    fn line(&mut self) -> io::Result<Vec<u8>> {
        let mut line = Vec::new();
        loop {
            let mut heard = self.heard()?;
            let read = heard.read_until(b'\n', &mut line)?;
            self.input.consume(read);
            if line.last() == Some(&b'\n') {
                line.truncate(line.len() - 1);
                if line.last() == Some(&b'\r') {
                    line.pop();
                }
                return Ok(line);
            }
            if line.len() > LONGEST {
                return Err(no_answer("it has no end"));
            }
        }
    }

    fn bytes(&mut self, length: usize) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        // And the end of the line.
        let mut left = length + 2;
        while left > 0 {
            let heard = self.heard()?;
            let heard = &heard[..heard.len().min(left)];
            bytes.extend_from_slice(heard);
            let read = heard.len();
            left -= read;
            self.input.consume(read);
        }
        bytes.truncate(length);
        Ok(bytes)
    }

    /// What has come so far, and at least something.
    fn heard(&mut self) -> io::Result<&[u8]> {
        let heard = self.input.fill_buf()?;
        match heard.is_empty() {
            true => Err(io::ErrorKind::UnexpectedEof.into()),
            false => Ok(heard),
        }
    }
}

fn no_answer(why: &str) -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        format!("this is no answer of a Redis server: {why}"),
    )
}
