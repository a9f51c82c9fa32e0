//! Tar: the form of each layer, and of the file that carries them.
//!
//! Headers are written in GNU's form, which takes names of any length and any bytes, and large sizes. What is read is
//! taken apart here record by record, with a limit on everything; the `tar` crate reads headers, and unpacks nothing.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};

use tar::{Archive, Builder, Entries, EntryType, Header};

use super::error::Refusal;

/// The size of a header, and what everything is padded to.
pub(super) const BLOCK: u64 = 512;

/// The longest path, as the kernel has it (`PATH_MAX`, with its end), in bytes.
const PATH: u64 = 4096;

/// The most that one entry takes besides its content: its header, padding, a long name and a long target.
pub(super) const ENTRY: u64 = 2 * BLOCK + 2 * (BLOCK + PATH + BLOCK);

/// What a tar ends with, at most: two blocks, and what fills up a record of twenty.
pub(super) const END: u64 = 40 * BLOCK;

/// What an entry is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum What {
    Folder,
    File,
    Link(PathBuf),
}

/// The head of an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) path: PathBuf,
    pub(super) what: What,
    pub(super) mode: u32,
    /// Of the content, in bytes.
    pub(super) size: u64,
    /// Where in the tar the content begins.
    pub(super) at: u64,
}

fn header(kind: EntryType, mode: u32, size: u64) -> Header {
    // Owner, group and time are zero: who made the file, where and when, makes no difference.
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_size(size);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header
}

/// Writes a tar.
pub(super) struct Writer<W: Write>(Builder<W>);

impl<W: Write> Writer<W> {
    pub(super) fn new(to: W) -> Self {
        Self(Builder::new(to))
    }

    pub(super) fn folder(&mut self, path: &Path, mode: u32) -> io::Result<()> {
        let mut header = header(EntryType::Directory, mode, 0);
        // A slash at the end is what old programs know a folder by.
        let mut name = path.as_os_str().to_owned();
        name.push("/");
        self.0.append_data(&mut header, name, io::empty())
    }

    /// A file of `size` bytes; `content` must give just as many.
    pub(super) fn file(
        &mut self,
        path: &Path,
        mode: u32,
        size: u64,
        content: impl Read,
    ) -> io::Result<()> {
        let mut header = header(EntryType::Regular, mode, size);
        self.0.append_data(&mut header, path, content)
    }

    pub(super) fn link(&mut self, path: &Path, target: &Path) -> io::Result<()> {
        let mut header = header(EntryType::Symlink, 0o777, 0);
        self.0.append_link(&mut header, path, target)
    }

    /// Writes the end.
    pub(super) fn finish(self) -> io::Result<W> {
        self.0.into_inner()
    }
}

/// The header of a file with a short name, for who pads and ends the tar without help.
pub(super) fn plain_header(name: &str, size: u64) -> io::Result<[u8; BLOCK as usize]> {
    let mut header = header(EntryType::Regular, 0o644, size);
    header.set_path(name)?;
    header.set_cksum();
    Ok(*header.as_bytes())
}

/// How many zeros follow a content of `size` bytes.
pub(super) fn padding(size: u64) -> u64 {
    size.next_multiple_of(BLOCK) - size
}

/// Reads a tar of at most `most` entries: `visit` gets the head of each, and its content. Returns what is behind it.
///
/// # Errors
/// A [`Refusal`] for what isn't a folder, a regular file or a symbolic link, and whatever `visit` returns.
pub(super) fn read<R: Read, E: From<Refusal>>(
    from: R,
    most: u64,
    visit: &mut Visit<'_, E>,
) -> Result<R, E> {
    let mut archive = Archive::new(from);
    each(archive.entries().map_err(Refusal::Tar)?, most, visit)?;
    Ok(archive.into_inner())
}

/// As [`read`], but content that `visit` doesn't read is passed over unread.
pub(super) fn scan<E: From<Refusal>>(
    from: &File,
    most: u64,
    visit: &mut Visit<'_, E>,
) -> Result<(), E> {
    let mut archive = Archive::new(from);
    each(
        archive.entries_with_seek().map_err(Refusal::Tar)?,
        most,
        visit,
    )
}

type Visit<'v, E> = dyn FnMut(Head, &mut dyn Read) -> Result<(), E> + 'v;

fn each<R: Read, E: From<Refusal>>(
    entries: Entries<'_, R>,
    most: u64,
    visit: &mut Visit<'_, E>,
) -> Result<(), E> {
    let (mut name, mut target) = (None, None);
    let mut seen = 0;
    for entry in entries.raw(true) {
        let mut entry = entry.map_err(Refusal::Tar)?;
        let header = entry.header();
        let kind = header.entry_type();
        let long = match kind {
            EntryType::GNULongName => Some(&mut name),
            EntryType::GNULongLink => Some(&mut target),
            _ => None,
        };
        if let Some(long) = long {
            let text = long_text(&mut entry)?;
            if long.replace(text).is_some() {
                return Err(Refusal::TwoNames.into());
            }
            continue;
        }
        seen += 1;
        if seen > most {
            return Err(Refusal::TooManyEntries(most).into());
        }
        let path = name
            .take()
            .unwrap_or_else(|| PathBuf::from(OsString::from_vec(header.path_bytes().into_owned())));
        let size = header.size().map_err(Refusal::Tar)?;
        let target = target.take();
        let what = match kind {
            EntryType::Regular | EntryType::Continuous => What::File,
            EntryType::Directory => What::Folder,
            EntryType::Symlink => {
                let short = || header.link_name_bytes().unwrap_or_default().into_owned();
                What::Link(target.unwrap_or_else(|| OsString::from_vec(short()).into()))
            }
            other => {
                let what = kind_in_words(other);
                return Err(Refusal::Kind { path, what }.into());
            }
        };
        if what != What::File && size > 0 {
            return Err(Refusal::Content(path).into());
        }
        let mode = header.mode().map_err(Refusal::Tar)?;
        let at = entry.raw_file_position();
        let head = Head {
            path,
            what,
            mode,
            size,
            at,
        };
        visit(head, &mut entry)?;
    }
    Ok(())
}

/// A name or target that is too long for a header.
fn long_text(entry: &mut impl Read) -> Result<PathBuf, Refusal> {
    let mut bytes = Vec::new();
    entry
        .take(PATH + 1)
        .read_to_end(&mut bytes)
        .map_err(Refusal::Tar)?;
    if bytes.len() as u64 > PATH {
        return Err(Refusal::LongPath);
    }
    if bytes.last() == Some(&0) {
        bytes.pop();
    }
    Ok(OsString::from_vec(bytes).into())
}

fn kind_in_words(kind: EntryType) -> &'static str {
    match kind {
        EntryType::Link => "a hard link",
        EntryType::Char | EntryType::Block => "a device",
        EntryType::Fifo => "a fifo",
        EntryType::GNUSparse => "a sparse file",
        EntryType::XHeader | EntryType::XGlobalHeader => "a record of extended attributes",
        _ => "of an unknown kind",
    }
}

/// The bytes of a path.
pub(super) fn bytes(path: &Path) -> &[u8] {
    path.as_os_str().as_bytes()
}
