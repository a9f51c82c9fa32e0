//! The disk at work while there is more to write.

use std::fs::File;
use std::io;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::{self, JoinHandle};

/// After how many bytes of one file the disk is to begin, in bytes.
pub(super) const STRETCH: u64 = 32 << 20;

/// Flushes files on a thread of its own. Left alone, the kernel begins when a lot has come together, and who flushes at
/// the end waits for all of it; so the disk is done about when the last byte is written and hashed.
pub(super) struct Flusher {
    to: SyncSender<File>,
    thread: JoinHandle<io::Result<()>>,
}

impl Flusher {
    pub(super) fn new() -> Self {
        let (to, files) = sync_channel::<File>(1);
        // It ends with the sender, or with the process.
        let thread = thread::spawn(move || {
            files
                .into_iter()
                .try_for_each(|file: File| file.sync_data())
        });
        Self { to, thread }
    }

    /// Begins to flush what was written to the file so far, unless others come first.
    pub(super) fn begin(&self, file: &File) {
        if let Ok(file) = file.try_clone() {
            let _ = self.to.try_send(file);
        }
    }

    /// The first error, which a flush of the same file would not report again (`fsync(2)`, NOTES). Who flushes the whole
    /// file system afterwards, by a folder that was open before, needn't ask.
    pub(super) fn finish(self) -> io::Result<()> {
        drop(self.to);
        let flushed = self.thread.join();
        flushed.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }
}
