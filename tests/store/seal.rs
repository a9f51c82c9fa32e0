//! What it takes to seal a draft.

use std::fs;

use super::{Fixture, draft, info};
use crate::support::require;

/// What this thread has read by now, in bytes (proc(5), `/proc/PID/io`).
fn read_so_far() -> Result<u64, String> {
    let text = fs::read_to_string("/proc/thread-self/io").map_err(|error| error.to_string())?;
    let line = text.lines().find_map(|line| line.strip_prefix("rchar: "));
    let number = line.and_then(|number| number.parse().ok());
    number.ok_or(text)
}

#[test]
fn sealing_reads_each_file_once() {
    if !require("io accounting", read_so_far().map(drop)) {
        return;
    }
    // The larger one is flushed by another thread meanwhile.
    for megabytes in [4, 24] {
        let fixture = Fixture::new();
        let draft = draft(&fixture.store, "a");
        let folder = draft.files("db").unwrap();
        for file in 0..megabytes {
            fs::write(folder.join(file.to_string()), vec![file; 1 << 20]).unwrap();
        }
        let before = read_so_far().unwrap();
        draft.seal(info("a", None)).unwrap();
        let read = read_so_far().unwrap() - before;
        let bytes = u64::from(megabytes) << 20;
        // Locks and key files are small.
        let most = bytes + (64 << 10);
        assert!((bytes..most).contains(&read), "{read} of {bytes} bytes");
    }
}
