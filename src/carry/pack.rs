//! One layer, as a blob: a tar, compressed.

use std::fs::File;
use std::io::{self, Read as _, Write};
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use super::error::CarryError;
use super::flush::{Flusher, STRETCH};
use super::hashing::Hashing;
use super::image::{Blob, Written};
use super::rules::{MODE, OPAQUE, WHITEOUT, leads_out};
use super::squeeze::Squeeze;
use super::tape;
use crate::digest::Hasher;
use crate::disk::Context as _;
use crate::store::{Layer, Sealed, SealedKind, Store};

/// What goes from the thread that reads the files to the one that compresses, in bytes.
pub(super) const CHUNK: usize = 1 << 20;

/// How many of these may wait.
pub(super) const WAITING: usize = 4;

/// Writes a layer to the end of a file, which errors call `path`.
pub(super) fn pack(
    store: &Store,
    layer: &Layer,
    (to, path): (&File, &Path),
    flusher: &Flusher,
    stopped: &(dyn Fn() -> bool + Sync),
) -> Result<Written, CarryError> {
    let content = store.content(layer)?;
    let root = store
        .layers_dir()
        .join(layer.digest().to_string())
        .join("files");
    let (sender, receiver) = sync_channel(WAITING);
    thread::scope(|scope| {
        let reader = scope.spawn(|| read(&root, layer, &content, Chunks::new(sender)));
        let written = squeeze(receiver, (to, path), flusher, stopped);
        let read = reader.join().expect("a reader of files doesn't panic");
        // Without one who takes what is read, reading fails too.
        let written = written?;
        read?;
        Ok(written)
    })
}

fn squeeze(
    from: Receiver<Vec<u8>>,
    (to, path): (&File, &Path),
    flusher: &Flusher,
    stopped: &(dyn Fn() -> bool + Sync),
) -> Result<Written, CarryError> {
    let mut squeeze = Squeeze::new(Hashing::new(to)).on("write", path)?;
    let mut tar = Hasher::default();
    let mut since = 0;
    for chunk in from {
        if stopped() {
            return Err(CarryError::Interrupted);
        }
        tar.update(&chunk);
        squeeze.write_all(&chunk).on("write", path)?;
        since += chunk.len() as u64;
        if since >= STRETCH {
            flusher.begin(to);
            since = 0;
        }
    }
    let (_, blob, size) = squeeze.finish().on("write", path)?.finish();
    Ok(Written {
        blob: Blob(blob),
        size,
        diff_id: Blob(tar.finish()),
    })
}

/// Makes the tar: what the manifest says is there, in its order, held against the files.
fn read(root: &Path, layer: &Layer, content: &[Sealed], to: Chunks) -> Result<(), CarryError> {
    let mut tar = tape::Writer::new(to);
    for entry in content {
        check(entry)?;
        let path = &entry.path;
        let source = root.join(path);
        let done = match &entry.kind {
            SealedKind::Folder { opaque: false } => tar.folder(path, entry.mode),
            SealedKind::Folder { opaque: true } => tar
                .folder(path, entry.mode)
                .and_then(|()| tar.file(&path.join(OPAQUE), 0o600, 0, io::empty())),
            SealedKind::Link(target) => tar.link(path, target),
            SealedKind::Whiteout => {
                let mut name = std::ffi::OsString::from(WHITEOUT);
                name.push(path.file_name().unwrap_or_default());
                tar.file(&path.with_file_name(name), 0o600, 0, io::empty())
            }
            SealedKind::File { size, sha256 } => {
                let changed = || CarryError::Changed {
                    layer: layer.digest(),
                    path: path.clone(),
                };
                let file = File::open(&source).on("read", &source)?;
                if file.metadata().on("read", &source)?.len() != *size {
                    return Err(changed());
                }
                let mut hashing = Hashing::new(file);
                tar.file(path, entry.mode, *size, (&mut hashing).take(*size))
                    .on("read", &source)?;
                let (_, found, read) = hashing.finish();
                if (found, read) != (*sha256, *size) {
                    return Err(changed());
                }
                Ok(())
            }
            // Refused above.
            SealedKind::Other(_) => Ok(()),
        };
        done.on("read", &source)?;
    }
    let mut chunks = tar.finish().on("read", root)?;
    Ok(chunks.flush().on("read", root)?)
}

/// What would be refused by who imports it is not exported.
fn check(entry: &Sealed) -> Result<(), CarryError> {
    let name = entry.path.file_name().unwrap_or_default();
    let what = match &entry.kind {
        _ if name.as_encoded_bytes().starts_with(WHITEOUT.as_bytes()) => {
            "named as the mark of a removed file is in an image"
        }
        _ if entry.mode & !MODE != 0 => "set-user-id or set-group-id",
        SealedKind::Link(target) if leads_out(&entry.path, target) => {
            "a link that may lead out of the database's folder"
        }
        SealedKind::Other(what) => match what.as_str() {
            "fifo" => "a fifo",
            "socket" => "a socket",
            _ => "a device",
        },
        _ => return Ok(()),
    };
    Err(CarryError::Uncarriable {
        path: entry.path.clone(),
        what,
    })
}

/// Passes on what is written to it in large pieces.
struct Chunks {
    to: SyncSender<Vec<u8>>,
    chunk: Vec<u8>,
}

impl Chunks {
    fn new(to: SyncSender<Vec<u8>>) -> Self {
        Self {
            to,
            chunk: Vec::with_capacity(CHUNK),
        }
    }
}

impl Write for Chunks {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.chunk.len() + bytes.len() > CHUNK {
            self.flush()?;
        }
        self.chunk.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let full = std::mem::replace(&mut self.chunk, Vec::with_capacity(CHUNK));
        let sent = self.to.send(full);
        sent.map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
}
