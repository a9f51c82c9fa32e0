//! A server process as a container takes it: how it is started, known to be ready, reached and stopped.

use std::borrow::Cow;
use std::path::PathBuf;
use std::time::Duration;

use super::Exec;

/// A server process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// The command.
    pub exec: Exec,
    /// How it is known to take connections.
    pub ready: Ready,
    /// What then takes connections; `None` where nothing does.
    pub endpoint: Option<Endpoint>,
    /// How it is stopped.
    pub stop: Shutdown,
    /// How long it may take to be ready, on a slow machine.
    pub ready_within: Duration,
}

impl Server {
    /// All commands that are run for it: the server, what asks it, what stops it.
    pub fn commands(&mut self) -> impl Iterator<Item = &mut Exec> {
        let asks = match &mut self.ready {
            Ready::Check(Check {
                probe: Probe::Command(exec),
                ..
            }) => Some(exec),
            Ready::Check(_) | Ready::Line(_) | Ready::Started => None,
        };
        let stops = self.stop.command.as_mut();
        [&mut self.exec].into_iter().chain(asks).chain(stops)
    }
}

/// What a server takes of a host, idle: it was measured, or is a guess.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Load {
    /// Its processes and threads, with those of one connection.
    pub tasks: u64,
    /// Bytes of memory, its writable layer and what the kernel keeps for it included.
    pub memory: u64,
}

impl Load {
    /// PostgreSQL's, as it was measured; by it a host is judged where nobody says what for.
    pub const POSTGRES: Self = Self {
        tasks: 7,
        memory: 11 << 20,
    };
}

impl Default for Load {
    /// A server of which nothing is known.
    fn default() -> Self {
        Self {
            tasks: 16,
            memory: 16 << 20,
        }
    }
}

/// How a server is known to be ready.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ready {
    /// A line on its standard output or error has this text in it. Nothing is asked in a loop, and no connection is
    /// made that would cost the server a process which only says *starting up*.
    Line(Cow<'static, str>),
    /// It runs: nobody can tell more.
    Started,
    /// A check succeeds.
    Check(Check),
}

/// What is asked of a server, and how often. It is asked at once, and then after 1, 2, 4 … milliseconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// What is asked.
    pub probe: Probe,
    /// How long one check may take.
    pub timeout: Duration,
    /// For how long after its start a server is asked more often.
    pub start_period: Duration,
    /// The longest time between two checks within that.
    pub start_interval: Duration,
    /// The time between two checks after it.
    pub interval: Duration,
}

/// What a server is asked to know that it is ready.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Probe {
    /// A port of 127.0.0.1, which takes a connection.
    Tcp(u16),
    /// A page of a port of 127.0.0.1, which is answered with a status of 200 to 299.
    Http {
        /// The port.
        port: u16,
        /// The path, from `/` on.
        path: String,
    },
    /// A command, which exits with 0.
    Command(Exec),
}

/// What of a server takes connections.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Endpoint {
    /// A Unix socket, by its path in the container.
    Socket(PathBuf),
    /// A TCP port of 127.0.0.1 in the container.
    Port(u16),
}

/// How a server is stopped so that its data need no recovery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shutdown {
    /// What is run to have it stopped; it is sent the signal where there is none.
    pub command: Option<Exec>,
    /// The signal for a clean stop that does not wait for clients. A server that ends by it, or with 128 and its
    /// number, has ended as well as one that exits with 0.
    pub signal: i32,
    /// How long the stop may take, on a slow machine.
    pub within: Duration,
}

impl Shutdown {
    /// By a signal (signal(7)), within two minutes.
    ///
    /// ```
    /// use cowherd::engine::Shutdown;
    /// assert_eq!(Shutdown::by(15).within.as_secs(), 120);
    /// ```
    pub fn by(signal: i32) -> Self {
        Self {
            command: None,
            signal,
            within: Duration::from_secs(120),
        }
    }
}
