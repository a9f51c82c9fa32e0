//! A small Redis client for `.redis` files that are tests: redis-cli reads on after an error, and ends with 0.
//!
//! It prints what redis-cli prints where its output is no terminal.

use std::fs;
use std::io::{self, Write};
use std::path::Path;

use super::redis_resp::{Connection, Reply};
use super::redis_script::{must, run};
use super::{EngineError, Socket};

/// Which server, and what of it.
#[derive(Debug, Clone)]
pub struct Target<'a> {
    /// Its Unix socket.
    pub socket: &'a Path,
    /// The database's number.
    pub database: &'a str,
    /// The password, where one is wanted.
    pub password: Option<&'a str>,
}

impl Target<'_> {
    /// Connects, and greets the server.
    ///
    /// # Errors
    /// When there is no server, or it refuses.
    pub fn connect(&self) -> Result<Connection, EngineError> {
        let socket = Socket::connect(self.socket)
            .map_err(|error| EngineError::file("connect to", self.socket, error))?;
        let mut connection = Connection::over(socket);
        greet(&mut connection, self.database, self.password)?;
        Ok(connection)
    }
}

/// Chooses the database.
pub(super) fn greet(
    connection: &mut Connection,
    database: &str,
    password: Option<&str>,
) -> Result<(), EngineError> {
    let doing = format!("use the database {database}");
    if let Some(password) = password {
        must(connection, &doing, &["AUTH", password])?;
    }
    must(connection, &doing, &["SELECT", database])
}

/// Gives the commands of the file `script`, one after the other, and prints what is answered; stops at the first error.
///
/// # Errors
/// When the file can't be read or understood, a command is answered with an error, or the output is gone.
pub fn run_script(
    target: &Target<'_>,
    script: &Path,
    output: &mut dyn Write,
) -> Result<(), EngineError> {
    let text = fs::read(script).map_err(|error| EngineError::file("read", script, error))?;
    let mut connection = target.connect()?;
    let here = std::env::current_dir().unwrap_or_default();
    let name = script
        .strip_prefix(here)
        .unwrap_or(script)
        .display()
        .to_string();
    let gone = |error| EngineError::file("write", "the output", error);
    run(&name, &text, &mut connection, 1, &mut |reply| {
        print(reply, output).map_err(gone)
    })?;
    output.flush().map_err(gone)
}

fn print(reply: &Reply, output: &mut dyn Write) -> io::Result<()> {
    match reply {
        Reply::Status(bytes) | Reply::Bulk(bytes) => output.write_all(bytes)?,
        Reply::Error(error) => output.write_all(error.as_bytes())?,
        Reply::Integer(number) => write!(output, "{number}")?,
        Reply::Array(replies) if !replies.is_empty() => {
            return replies.iter().try_for_each(|reply| print(reply, output));
        }
        Reply::Array(_) | Reply::Nil => {}
    }
    output.write_all(b"\n")
}
