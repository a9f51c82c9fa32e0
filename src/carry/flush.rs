//! The disk at work while there is more to write.

use std::fs::File;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;

/// After how many bytes of one file the disk is to begin, in bytes.
pub(super) const STRETCH: u64 = 32 << 20;

/// Flushes files on a thread of its own. Left alone, the kernel begins when a lot has come together, and who then seals
/// a layer waits for all of it; so the disk is done about when the last byte is written and hashed.
pub(super) struct Flusher {
    to: SyncSender<File>,
}

impl Flusher {
    pub(super) fn new() -> Self {
        let (to, files) = sync_channel::<File>(1);
        // It ends with the sender, or with the process; nobody needs to wait for it.
        thread::spawn(move || {
            for file in files {
                // An error is the seal's to report: it flushes the file system, and had it open before.
                let _ = file.sync_data();
            }
        });
        Self { to }
    }

    /// Begins to flush what was written to the file so far, unless others come first.
    pub(super) fn begin(&self, file: &File) {
        if let Ok(file) = file.try_clone() {
            let _ = self.to.try_send(file);
        }
    }
}
