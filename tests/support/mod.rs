//! What several test modules need.

mod abilities;
mod alone;
mod golden;
pub(crate) mod processes;
mod project;
mod terminal;
pub(crate) mod traced;

use std::fs::File;

pub(crate) use abilities::{
    OWN_HOST, cargo, dbmate, etcd, mariadb, nextest, nginx, own_host, postgres, redis, require,
    userns, xfs,
};
pub(crate) use alone::{alone, alone_under, alone_with_ipc, inside};
pub(crate) use golden::{assert_looks, golden};
pub(crate) use project::{Finished, Project, Started, like};
pub(crate) use terminal::Terminal;

/// All that is in a file; its position stays where it is, as who writes to it may share it.
pub(crate) fn text(file: &File) -> String {
    use std::os::unix::fs::FileExt;
    let length = file.metadata().expect("a length").len();
    let mut bytes = vec![0; usize::try_from(length).expect("a length")];
    let read = file.read_at(&mut bytes, 0).expect("the file");
    String::from_utf8_lossy(&bytes[..read]).into_owned()
}
