//! A first connection to a server that waits for its test, so that the test's own is not the first.
//!
//! The first one makes the server start a thread for it and read what rights there are. This is the start of a
//! conversation as the protocol has it (<https://mariadb.com/kb/en/connection/>), and its end.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

/// `CLIENT_LONG_PASSWORD`, `CLIENT_CONNECT_WITH_DB`, `CLIENT_PROTOCOL_41`, `CLIENT_SECURE_CONNECTION`,
/// `CLIENT_PLUGIN_AUTH`.
const ABILITIES: u32 = 1 | 1 << 3 | 1 << 9 | 1 << 15 | 1 << 19;
/// `utf8mb4_general_ci`.
const COLLATION: u8 = 45;
/// The longest packet, in bytes.
const PACKET: u32 = 1 << 24;
/// How long a server that is up may take for an answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// Connects without a password, makes sure that there is an answer, and takes leave.
///
/// # Errors
/// A server that can't be reached, or refuses.
pub fn converse(socket: &Path, user: &str, database: &str) -> io::Result<()> {
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    packet(&mut stream)?;
    let mut hello = ABILITIES.to_le_bytes().to_vec();
    hello.extend(PACKET.to_le_bytes());
    hello.push(COLLATION);
    hello.extend([0; 23]);
    // After the user an empty answer to what would prove a password, with its length.
    for text in [user, "", database, "mysql_native_password"] {
        hello.extend(text.as_bytes());
        hello.push(0);
    }
    send(&mut stream, 1, &hello)?;
    let (number, answer) = packet(&mut stream)?;
    if answer.first() == Some(&0xfe) {
        // Another way to prove a password, of which there is none.
        send(&mut stream, number + 1, b"")?;
        packet(&mut stream)?;
    }
    // COM_QUERY.
    send(&mut stream, 0, b"\x03DO 1")?;
    packet(&mut stream)?;
    // COM_QUIT.
    send(&mut stream, 0, b"\x01")
}

fn send(stream: &mut UnixStream, number: u8, body: &[u8]) -> io::Result<()> {
    let mut packet = (body.len() as u32).to_le_bytes()[..3].to_vec();
    packet.push(number);
    packet.extend(body);
    stream.write_all(&packet)
}

/// Reads a packet: its number and its body.
fn packet(stream: &mut UnixStream) -> io::Result<(u8, Vec<u8>)> {
    let mut head = [0; 4];
    stream.read_exact(&mut head)?;
    let [low, middle, high, number] = head;
    let length = u32::from_le_bytes([low, middle, high, 0]) as usize;
    let mut body = vec![0; length];
    stream.read_exact(&mut body)?;
    match body.first() {
        Some(0xff) => Err(io::Error::other("the server refuses")),
        _ => Ok((number, body)),
    }
}
