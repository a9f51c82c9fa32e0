//! The limit on open files: raised for this process, given back to the programs of its containers.

use std::sync::OnceLock;

use nix::errno::Errno;
use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// The soft limit that this process was started with, once it has another.
static BEFORE: OnceLock<u64> = OnceLock::new();

/// Gives this process another soft limit on open files, at most the hard one (setrlimit(2)). Where the host
/// refuses that, the limit stays as it is.
pub fn set_open_files(soft: u64) {
    let Ok((before, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else {
        return;
    };
    if setrlimit(Resource::RLIMIT_NOFILE, soft.min(hard), hard).is_ok() {
        // The first one is whoever started this process's.
        BEFORE.get_or_init(|| before);
    }
}

/// The limit to give back.
pub(super) fn before() -> Option<u64> {
    BEFORE.get().copied()
}

/// Gives the calling process that limit.
pub(super) fn give_back(soft: u64) -> Result<(), Errno> {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    setrlimit(Resource::RLIMIT_NOFILE, soft.min(hard), hard)
}
