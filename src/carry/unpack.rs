//! A blob, unpacked into a draft: nothing is believed, and nothing is written outside.

use std::fs::{self, DirBuilder, OpenOptions, Permissions};
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use super::aside::Aside;
use super::error::{CarryError, Refusal};
use super::flush::{Flusher, STRETCH};
use super::image::LayerRecord;
use super::pack::{CHUNK, WAITING};
use super::rules::{MODE, OPAQUE, WHITEOUT, is_plain, leads_out};
use super::shelf::Section;
use super::squeeze::Unsqueeze;
use super::tape::{self, Head, What};
use crate::disk::{self, Context as _};
use crate::store::{Draft, Hashed};

/// What can go wrong while unpacking: with the file, or with this machine.
#[derive(Debug)]
pub(super) enum Fault {
    Refused(Refusal),
    Carry(CarryError),
}

impl From<Refusal> for Fault {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl<E: Into<CarryError>> From<E> for Fault {
    fn from(error: E) -> Self {
        Self::Carry(error.into())
    }
}

/// Unpacks the layer into the draft, up to what `layer` says that it has, and gives the digests of the files. Owners are
/// the caller's.
pub(super) fn unpack(
    blob: Section<'_>,
    layer: &LayerRecord,
    draft: &Draft,
    stopped: &(dyn Fn() -> bool + Sync),
) -> Result<Hashed, Fault> {
    let (sender, receiver) = sync_channel(WAITING);
    // Chunks come back to be filled again: memory that is new costs more than what is copied to it.
    let (emptied, empty) = sync_channel(WAITING);
    thread::scope(|scope| {
        let source = scope.spawn(move || decompress(blob, layer, &sender, &empty));
        let unpacked = write(Chunks::new(receiver, emptied), layer, draft, stopped);
        let decompressed = source.join().expect("a decompressor doesn't panic");
        match unpacked {
            // What is cut off looks like a tar that ends too early.
            Err(Fault::Refused(refusal)) => Err(decompressed.err().unwrap_or(refusal).into()),
            Err(other) => Err(other),
            Ok(hashed) => {
                decompressed?;
                Ok(hashed)
            }
        }
    })
}

fn decompress(
    blob: Section<'_>,
    layer: &LayerRecord,
    to: &SyncSender<Vec<u8>>,
    empty: &Receiver<Vec<u8>>,
) -> Result<(), Refusal> {
    let mut left = layer
        .entries
        .saturating_mul(2 * tape::ENTRY)
        .saturating_add(layer.bytes)
        .saturating_add(tape::END);
    let mut from = Unsqueeze::new(blob).map_err(Refusal::Compression)?;
    loop {
        let mut chunk = empty.try_recv().unwrap_or_default();
        chunk.clear();
        chunk.reserve(CHUNK);
        let read = from.by_ref().take(CHUNK as u64).read_to_end(&mut chunk);
        let read = read.map_err(Refusal::Compression)? as u64;
        if read == 0 {
            break;
        }
        left = left
            .checked_sub(read)
            .ok_or(Refusal::TooManyBytes(layer.digest.0))?;
        if to.send(chunk).is_err() {
            // Nobody takes any more: whoever did has an error of their own.
            return Ok(());
        }
    }
    match from.finish().map_err(Refusal::Compression)? {
        true => Ok(()),
        false => Err(Refusal::Tail(layer.digest.0)),
    }
}

fn write(
    chunks: Chunks,
    layer: &LayerRecord,
    draft: &Draft,
    stopped: &(dyn Fn() -> bool + Sync),
) -> Result<Hashed, Fault> {
    let mut staging = Staging {
        draft,
        layer,
        stopped,
        flusher: Flusher::new(),
        open: Vec::new(),
        last: None,
        marked: false,
        modes: Vec::new(),
        bytes: 0,
        entries: 0,
        hashes: Aside::new(),
    };
    // The mark of an opaque folder is an entry of its own.
    let most = layer.entries.saturating_mul(2);
    let mut rest = tape::read(chunks, most, &mut |head, content| {
        staging.go_on()?;
        staging.take(head, content)
    })?;
    let mut tail = Vec::new();
    let end = rest.by_ref().take(tape::END + 1).read_to_end(&mut tail);
    end.map_err(Refusal::Tar)?;
    if tail.len() as u64 > tape::END || tail.iter().any(|byte| *byte != 0) {
        return Err(Refusal::Tail(layer.digest.0).into());
    }
    staging.finish()
}

/// What is unpacked so far.
struct Staging<'a> {
    draft: &'a Draft,
    layer: &'a LayerRecord,
    stopped: &'a (dyn Fn() -> bool + Sync),
    flusher: Flusher,
    /// The folders that the last entry lies in, from the service's on.
    open: Vec<PathBuf>,
    last: Option<PathBuf>,
    /// Whether the last folder was marked as opaque.
    marked: bool,
    /// Modes of folders, which come when all is in them.
    modes: Vec<(PathBuf, u32)>,
    bytes: u64,
    entries: u64,
    hashes: Aside,
}

impl Staging<'_> {
    fn take(&mut self, head: Head, content: &mut dyn Read) -> Result<(), Fault> {
        let named = head.path.as_os_str().as_bytes();
        let named = match head.what {
            What::Folder => named.strip_suffix(b"/").unwrap_or(named),
            _ => named,
        };
        let path = PathBuf::from(std::ffi::OsStr::from_bytes(named));
        if !is_plain(&path) {
            return Err(Refusal::Path(head.path).into());
        }
        if head.mode & !MODE != 0 && !matches!(head.what, What::Link(_)) {
            let mode = head.mode;
            return Err(Refusal::Mode { path, mode }.into());
        }
        let name = path.file_name().unwrap_or_default().as_bytes();
        if name == OPAQUE.as_bytes() {
            return self.mark(&path, &head);
        }
        let hidden = name.strip_prefix(WHITEOUT.as_bytes());
        let hidden = hidden.map(|name| path.with_file_name(std::ffi::OsStr::from_bytes(name)));
        // A whiteout has the place in the order that its name gives it.
        let real = hidden.as_ref().unwrap_or(&path);
        let target = self.place(real)?;
        match head.what {
            What::Folder if hidden.is_none() => self.folder(&path, target, head.mode),
            What::File if hidden.is_some() => match (head.size, is_plain(real)) {
                (0, true) => Ok(disk::make_whiteout(&target)?),
                _ => Err(Refusal::Content(path).into()),
            },
            What::File => self.file(&target, &head, content),
            What::Link(to) if hidden.is_none() => {
                if leads_out(&path, &to) {
                    return Err(Refusal::Link { path, target: to }.into());
                }
                Ok(symlink(to, &target).on("create", &target)?)
            }
            What::Folder | What::Link(_) => {
                let what = "named as the mark of a removed file";
                Err(Refusal::Kind { path, what }.into())
            }
        }
    }

    /// Where the entry goes, if it comes after the last one and its folder is there. Folders come before what is in
    /// them and names in the order of their bytes, so nothing can be there twice, or below a link.
    fn place(&mut self, path: &Path) -> Result<PathBuf, Fault> {
        let later = self.last.as_deref().is_none_or(|last| last < path);
        while self
            .open
            .last()
            .is_some_and(|folder| !path.starts_with(folder))
        {
            self.open.pop();
        }
        let parent = path.parent().unwrap_or(Path::new(""));
        let folder = self.open.last().map_or(Path::new(""), PathBuf::as_path);
        if !later || parent != folder {
            return Err(Refusal::Order(path.to_owned()).into());
        }
        self.last = Some(path.to_owned());
        self.marked = false;
        self.entries += 1;
        if self.entries > self.layer.entries {
            return Err(Refusal::TooManyEntries(self.layer.entries).into());
        }
        Ok(self.draft.path().join("files").join(path))
    }

    fn folder(&mut self, path: &Path, target: PathBuf, mode: u32) -> Result<(), Fault> {
        match path.to_str() {
            Some(service) if path.components().count() == 1 => drop(self.draft.files(service)?),
            _ => DirBuilder::new()
                .mode(0o700)
                .create(&target)
                .on("create", &target)?,
        }
        self.modes.push((target, mode));
        self.open.push(path.to_owned());
        Ok(())
    }

    /// Directly behind a folder, its mark.
    fn mark(&mut self, path: &Path, head: &Head) -> Result<(), Fault> {
        let folder = path.parent();
        if folder != self.last.as_deref()
            || folder != self.open.last().map(PathBuf::as_path)
            || self.marked
        {
            return Err(Refusal::Order(path.to_owned()).into());
        }
        if head.what != What::File || head.size > 0 {
            return Err(Refusal::Content(path.to_owned()).into());
        }
        self.marked = true;
        if let Some((folder, _)) = self.modes.last() {
            disk::make_opaque(folder)?;
        }
        Ok(())
    }

    fn file(&mut self, target: &Path, head: &Head, content: &mut dyn Read) -> Result<(), Fault> {
        if self.open.is_empty() {
            // Only a service has a place at the top.
            return Err(Refusal::Order(head.path.clone()).into());
        }
        self.bytes = self.bytes.saturating_add(head.size);
        if self.bytes > self.layer.bytes {
            return Err(Refusal::TooManyBytes(self.layer.digest.0).into());
        }
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(target)
            .on("create", target)?;
        let (mut left, mut fresh) = (head.size, 0);
        while left > 0 {
            self.go_on()?;
            let mut piece = self.hashes.piece();
            let most = piece.len().min(left as usize);
            let read = content.read(&mut piece[..most]).map_err(Refusal::Tar)?;
            if read == 0 {
                return Err(Refusal::Tar(io::ErrorKind::UnexpectedEof.into()).into());
            }
            io::Write::write_all(&mut file, &piece[..read]).on("write", target)?;
            self.hashes.take(piece, read);
            left -= read as u64;
            fresh += read as u64;
            if fresh >= STRETCH {
                self.flusher.begin(&file);
                fresh = 0;
            }
        }
        self.hashes.end(head.path.clone());
        Ok(file
            .set_permissions(Permissions::from_mode(head.mode))
            .on("write", target)?)
    }

    fn go_on(&self) -> Result<(), CarryError> {
        match (self.stopped)() {
            true => Err(CarryError::Interrupted),
            false => Ok(()),
        }
    }

    fn finish(self) -> Result<Hashed, Fault> {
        if (self.bytes, self.entries) != (self.layer.bytes, self.layer.entries) {
            return Err(Refusal::Layer(self.layer.digest.0).into());
        }
        // From within outwards: a closed folder can't be entered.
        for (folder, mode) in self.modes.iter().rev() {
            fs::set_permissions(folder, Permissions::from_mode(*mode)).on("write", folder)?;
        }
        Ok(self.hashes.finish())
    }
}

/// Reads what comes in pieces.
struct Chunks {
    from: Receiver<Vec<u8>>,
    /// Takes those that were read.
    emptied: SyncSender<Vec<u8>>,
    chunk: Vec<u8>,
    at: usize,
}

impl Chunks {
    fn new(from: Receiver<Vec<u8>>, emptied: SyncSender<Vec<u8>>) -> Self {
        Self {
            from,
            emptied,
            chunk: Vec::new(),
            at: 0,
        }
    }
}

impl Read for Chunks {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.at == self.chunk.len() {
            // An error: there is no more to come.
            let next = self.from.recv().unwrap_or_default();
            // One too many is let go.
            let _ = self
                .emptied
                .try_send(std::mem::replace(&mut self.chunk, next));
            self.at = 0;
        }
        let most = buffer.len().min(self.chunk.len() - self.at);
        buffer[..most].copy_from_slice(&self.chunk[self.at..self.at + most]);
        self.at += most;
        Ok(most)
    }
}
