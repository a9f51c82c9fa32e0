//! What is said between a pool and its clients in other processes: lines of JSON over a Unix socket.
//!
//! A client greets, then asks; each request is one line and has one line as its answer. A container is the client's
//! until it drops it or its connection closes, however that comes about.
//!
//! ```text
//! → {"hello":{"protocol":1,"cowherd":"0.1.0"}}
//! ← {"hello":{"protocol":1,"cowherd":"0.1.0"}}
//! → {"take":{"spec":"/home/me/shop/cowherd.yaml","snapshot":"shop"}}
//! ← {"container":{"id":1,"pid":4711,"snapshot":"shop","url":"postgres://…","environment":{"PGHOST":"…",…},…}}
//! → {"forward":{"container":1}}
//! ← {"forwarded":{"port":40123,"url":"postgres://postgres@127.0.0.1:40123/shop"}}
//! → {"drop":{"container":1}}
//! ← {"dropped":{"container":1}}
//! ```
//!
//! A request that can't be met is answered by `{"error":{"message":"…","hint":"…","code":101}}`, whose code is that of
//! the command line. `spec` may be left out where the server was started for one; `snapshot` where there is only
//! one.
//!
//! | request | its fields | answer |
//! |---|---|---|
//! | `hello` | `protocol`, `cowherd` | `hello`, or an `error` that says which version is wanted |
//! | `prepare` | `spec`, `snapshot` | `prepared`: it is built, by this request or before |
//! | `take` | `spec`, `snapshot`, `inside`, `more` | `container` |
//! | `frozen` | `spec`, `snapshot` | `file`: a SQLite database to map or copy, never to write; it stays while the connection does |
//! | `forward` | `container` | `forwarded`: a port of 127.0.0.1 that leads to its first service |
//! | `run` | `container`, `command`, `folder`, `environment`, and three descriptors (`SCM_RIGHTS`) | `ended`, when it has |
//! | `drop` | `container` | `dropped` |

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// The version of this conversation.
pub const PROTOCOL: u32 = 1;

/// What a client asks.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Request {
    /// The first line.
    Hello(Hello),
    /// Have a snapshot built.
    Prepare(Wanted),
    /// Have a container.
    Take(Take),
    /// Have the file of a SQLite snapshot.
    Frozen(Wanted),
    /// Have a port that leads to a container's first service.
    Forward(Named),
    /// Have a program run in a container taken with `inside`.
    Run(Run),
    /// Be done with a container.
    Drop(Named),
}

/// What the pool answers.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// To `hello`.
    Hello(Hello),
    /// To `prepare`.
    Prepared {
        /// The snapshot's name.
        snapshot: String,
    },
    /// To `take`.
    Container(Address),
    /// To `frozen`.
    File {
        /// The snapshot's name.
        snapshot: String,
        /// The file.
        path: PathBuf,
    },
    /// To `forward`.
    Forwarded {
        /// The port.
        port: u16,
        /// The first service's address by that port.
        url: String,
    },
    /// To `run`.
    Ended(Ended),
    /// To `drop`.
    Dropped(Named),
    /// To anything.
    Error(Refusal),
}

/// Who speaks.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Hello {
    /// [`PROTOCOL`].
    pub protocol: u32,
    /// The version of Cowherd.
    pub cowherd: String,
}

impl Hello {
    /// This build's own.
    pub fn own() -> Self {
        Self {
            protocol: PROTOCOL,
            cowherd: env!("CARGO_PKG_VERSION").to_owned(),
        }
    }
}

/// A snapshot.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wanted {
    /// The spec's file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spec: Option<PathBuf>,
    /// The snapshot's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snapshot: Option<String>,
}

/// A container that is asked for.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Take {
    /// The spec's file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spec: Option<PathBuf>,
    /// The snapshot's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snapshot: Option<String>,
    /// For programs that run inside, by `run`, on the host's own project folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inside: Option<Inside>,
    /// Whether who asks has others, taken by other connections, and would wait for itself if it had to wait for a place.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub more: bool,
}

/// What programs in a container see.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Inside {
    /// Further folders of the host, to be read.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub shown: Vec<PathBuf>,
    /// Further folders of the host, to be written too.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub shared: Vec<PathBuf>,
}

/// A container of this connection.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Named {
    /// Its `id`.
    pub container: u64,
}

/// A container with its addresses for programs outside of it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Address {
    /// What this connection calls it.
    pub id: u64,
    /// The process id of its init; none where the container is a file.
    pub pid: Option<i32>,
    /// Whether it had been started before it was asked for.
    pub parked: bool,
    /// The snapshot's name.
    pub snapshot: String,
    /// The first service's address.
    pub url: String,
    /// The folder of the first service's Unix socket.
    pub socket_folder: Option<PathBuf>,
    /// The container's own SQLite file.
    pub file: Option<PathBuf>,
    /// The variables by which programs outside of it find its services.
    pub environment: BTreeMap<String, String>,
}

/// A program to run in a container.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Run {
    /// The container's `id`.
    pub container: u64,
    /// The program and its arguments.
    pub command: Vec<Text>,
    /// Its working folder.
    pub folder: Text,
    /// Its whole environment, but for the container's own variables.
    pub environment: Vec<(Text, Text)>,
}

/// How a program ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ended {
    /// By itself, with this code.
    Code(i32),
    /// By this signal.
    Signal(i32),
}

/// Why a request can't be met.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Refusal {
    /// What can't be done and why.
    pub message: String,
    /// What to do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// As the command line's exit code: 2, 96, 97 or 101.
    pub code: u8,
}

/// Text of the system's: a string, or an array of bytes where it isn't UTF-8.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Text {
    /// Nearly always.
    Utf8(String),
    /// Any bytes.
    Bytes(Vec<u8>),
}

impl From<&OsStr> for Text {
    fn from(text: &OsStr) -> Self {
        match text.to_str() {
            Some(text) => Self::Utf8(text.to_owned()),
            None => Self::Bytes(text.as_bytes().to_owned()),
        }
    }
}

impl From<Text> for OsString {
    fn from(text: Text) -> Self {
        match text {
            Text::Utf8(text) => text.into(),
            Text::Bytes(bytes) => Self::from_vec(bytes),
        }
    }
}
