//! Arguments of the pool for other processes.

use std::ffi::OsString;
use std::path::PathBuf;

use super::SpecFile;

/// Serves a pool.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    cowherd serve -- npm test                for as long as one command runs\n  \
    cowherd serve --socket /tmp/pool.sock    until Ctrl-C, for an editor or a watching test runner\n\n\
    A client connects to the Unix socket and speaks lines of JSON: it greets, takes containers, and has their \
    addresses. A container is gone when its client drops it, closes the connection, or dies.\n\n  \
    > {\"hello\":{\"protocol\":1,\"cowherd\":\"\"}}\n  \
    > {\"take\":{\"snapshot\":\"shop\"}}\n  \
    < {\"container\":{\"id\":1,\"url\":\"postgres://…\",\"environment\":{\"PGHOST\":\"…\",…},…}}\n  \
    > {\"forward\":{\"container\":1}}         a port of 127.0.0.1, for clients that know no sockets\n  \
    > {\"drop\":{\"container\":1}}\n\n\
    Tests in Rust that use the crate cowherd find the pool by COWHERD_POOL. The spec is looked at again \
    while the pool lives: an edited migration is built by the next take.\n\
    Exit codes: the command's own; without one, 130 or 143 after the signal that ended it.")]
pub(in super::super) struct Serve {
    /// The spec of requests that name none; by default cowherd.yaml in this folder or the nearest parent.
    #[command(flatten)]
    pub(in super::super) spec: SpecFile,

    /// Where to listen; by default cowherd.sock in the session's own folder, else in the store.
    #[arg(long, value_name = "PATH")]
    pub(in super::super) socket: Option<PathBuf>,

    /// How many containers at once at most, as memory allows by default; who asks for more waits.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(in super::super) containers: Option<u32>,

    /// How many of them at most are started ahead; by default two for each core.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(0..=100_000))]
    pub(in super::super) parked: Option<u32>,

    /// Serve for as long as this command runs, which finds the pool by its environment.
    #[arg(last = true, value_name = "CMD")]
    pub(in super::super) command: Vec<OsString>,
}
