//! A first connection to a server that waits for its test, so that the test's own is not the first.
//!
//! The first backend of a server builds the files that hold the relation cache (`pg_internal.init`), opens the
//! catalogues, which an overlay then copies up, and reads them into the shared buffers. This is the start of a
//! conversation as the protocol has it (<https://www.postgresql.org/docs/current/protocol-flow.html>), and its end.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

/// Version 3.0 of the protocol.
const VERSION: i32 = 3 << 16;
/// A message longer than this, in bytes, is no answer to what is asked here.
const LONGEST: usize = 1 << 16;
/// How long a server that is up may take for an answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// Connects, asks for nothing but an answer, and takes leave.
pub(super) fn converse(socket: &Path, user: &str, database: &str) -> io::Result<()> {
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut hello = VERSION.to_be_bytes().to_vec();
    for text in ["user", user, "database", database, ""] {
        hello.extend_from_slice(text.as_bytes());
        hello.push(0);
    }
    stream.write_all(&framed(None, &hello))?;
    until_ready(&mut stream)?;
    stream.write_all(&framed(Some(b'Q'), b"SELECT 1\0"))?;
    until_ready(&mut stream)?;
    stream.write_all(&framed(Some(b'X'), b""))
}

/// A message: its kind, but for the first one, and its length, which counts itself.
fn framed(kind: Option<u8>, body: &[u8]) -> Vec<u8> {
    let length = (body.len() as i32 + 4).to_be_bytes();
    kind.into_iter()
        .chain(length)
        .chain(body.iter().copied())
        .collect()
}

/// Reads up to the message that says that the server waits for a query.
fn until_ready(stream: &mut UnixStream) -> io::Result<()> {
    loop {
        let mut head = [0; 5];
        stream.read_exact(&mut head)?;
        let [kind, length @ ..] = head;
        let length = (u32::from_be_bytes(length) as usize).saturating_sub(4);
        if length > LONGEST {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let mut body = vec![0; length];
        stream.read_exact(&mut body)?;
        match kind {
            b'Z' => return Ok(()),
            b'E' => return Err(io::Error::other("the server refuses")),
            _ => {}
        }
    }
}
