//! The digests of files that are being written, made by a thread beside.

use std::path::PathBuf;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};

use crate::digest::Hasher;
use crate::store::Hashed;

/// How many bytes are handed over at once, and how many of these may wait.
const PIECE: usize = 256 << 10;
const WAITING: usize = 8;

/// Hashes one file after the other, piece by piece.
pub(super) struct Aside {
    pieces: SyncSender<Piece>,
    /// Memory to be filled again.
    empty: Receiver<Vec<u8>>,
    thread: JoinHandle<Hashed>,
}

enum Piece {
    /// As many bytes as it says of what is there.
    Bytes(Vec<u8>, usize),
    End(PathBuf),
}

impl Aside {
    pub(super) fn new() -> Self {
        let (pieces, from) = sync_channel(WAITING);
        let (emptied, empty) = sync_channel(WAITING);
        let thread = thread::spawn(move || {
            let (mut hashed, mut hasher) = (Hashed::new(), Hasher::default());
            for piece in from {
                match piece {
                    Piece::Bytes(bytes, length) => {
                        hasher.update(&bytes[..length]);
                        // One too many is let go.
                        let _ = emptied.try_send(bytes);
                    }
                    Piece::End(path) => {
                        hashed.insert(path, std::mem::take(&mut hasher).finish());
                    }
                }
            }
            hashed
        });
        Self {
            pieces,
            empty,
            thread,
        }
    }

    /// Memory for a piece of the file, with nothing in it that counts.
    pub(super) fn piece(&self) -> Vec<u8> {
        let mut piece = self.empty.try_recv().unwrap_or_default();
        piece.resize(PIECE, 0);
        piece
    }

    /// Takes the next piece of the file: the first `length` bytes. What is cut off would have to be zeroed again.
    pub(super) fn take(&self, piece: Vec<u8>, length: usize) {
        // It listens for as long as somebody can send.
        let _ = self.pieces.send(Piece::Bytes(piece, length));
    }

    /// The file is whole, and called so.
    pub(super) fn end(&self, path: PathBuf) {
        let _ = self.pieces.send(Piece::End(path));
    }

    /// All digests.
    pub(super) fn finish(self) -> Hashed {
        drop(self.pieces);
        let hashed = self.thread.join();
        hashed.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }
}
