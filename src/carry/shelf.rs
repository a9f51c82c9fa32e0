//! The outer tar of a file that is imported: which files of an image layout it has, and where.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Seek as _};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use super::error::Refusal;
use super::image::{self, Blob, Descriptor, INDEX, LAYOUT};
use super::tape::{self, What};
use crate::digest::Digest;

/// How many files an image layout may have.
const FILES: u64 = 10_000;

/// The largest JSON file that makes sense, in bytes.
const JSON: u64 = 8 << 20;

/// Where the files of the layout are.
pub(super) struct Shelf<'a> {
    file: &'a File,
    places: BTreeMap<PathBuf, (u64, u64)>,
}

impl<'a> Shelf<'a> {
    /// Reads the headers, and nothing else.
    pub(super) fn look(file: &'a File) -> Result<Self, Refusal> {
        let length = file.metadata().map_err(Refusal::Tar)?.len();
        let mut places = BTreeMap::new();
        (&mut &*file).rewind().map_err(Refusal::Tar)?;
        tape::scan(file, FILES, &mut |head, _| {
            let path = &head.path;
            let text = path.to_str().unwrap_or_default();
            let folder = matches!(text.trim_end_matches('/'), "." | "blobs" | "blobs/sha256");
            let digest = text.strip_prefix("blobs/sha256/").and_then(Digest::parse);
            let known = matches!(text, LAYOUT | INDEX) || digest.is_some();
            match head.what {
                What::Folder if folder => return Ok(()),
                What::File if known => {}
                _ => return Err(Refusal::Stranger(head.path)),
            }
            if length
                .checked_sub(head.at)
                .is_none_or(|left| left < head.size)
            {
                return Err(Refusal::Tar(io::ErrorKind::UnexpectedEof.into()));
            }
            match places.insert(head.path.clone(), (head.at, head.size)) {
                None => Ok(()),
                Some(_) => Err(Refusal::Order(head.path)),
            }
        })?;
        let shelf = Self { file, places };
        image::read_layout(&shelf.small(LAYOUT, 1 << 10)?)?;
        Ok(shelf)
    }

    /// The index.
    pub(super) fn index(&self) -> Result<Vec<u8>, Refusal> {
        self.small(INDEX, JSON)
    }

    /// The content of a JSON file that something refers to: its size, then its digest, then itself.
    pub(super) fn json(&self, of: &Descriptor) -> Result<Vec<u8>, Refusal> {
        self.section(of)?;
        let name = of.digest.path();
        let bytes = self.small(&name, JSON)?;
        match Digest::of(&bytes) == of.digest.0 {
            true => Ok(bytes),
            false => Err(Refusal::Digest(name)),
        }
    }

    /// A blob that something refers to, if it is as long as it should be.
    pub(super) fn section(&self, of: &Descriptor) -> Result<Section<'a>, Refusal> {
        let name = of.digest.path();
        let (at, size) = self.place(&name)?;
        if size != of.size {
            return Err(Refusal::Size {
                name,
                expected: of.size,
                found: size,
            });
        }
        Ok(Section {
            file: self.file,
            at,
            left: size,
        })
    }

    /// Reads a blob in full, and holds it against its digest.
    pub(super) fn check(&self, of: &Descriptor) -> Result<(), Refusal> {
        let (found, _) = Digest::of_reader(self.section(of)?).map_err(Refusal::Tar)?;
        match Blob(found) == of.digest {
            true => Ok(()),
            false => Err(Refusal::Digest(of.digest.path())),
        }
    }

    fn place(&self, name: &str) -> Result<(u64, u64), Refusal> {
        let place = self.places.get(Path::new(name)).copied();
        place.ok_or_else(|| Refusal::Missing(name.to_owned()))
    }

    fn small(&self, name: &str, most: u64) -> Result<Vec<u8>, Refusal> {
        let (at, size) = self.place(name)?;
        if size > most {
            return Err(Refusal::TooLarge {
                name: name.to_owned(),
                size,
                most,
            });
        }
        let mut bytes = vec![0; size as usize];
        self.file
            .read_exact_at(&mut bytes, at)
            .map_err(Refusal::Tar)?;
        Ok(bytes)
    }
}

/// A part of the file.
#[derive(Debug)]
pub(super) struct Section<'a> {
    file: &'a File,
    at: u64,
    left: u64,
}

impl Read for Section<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = buffer
            .len()
            .min(usize::try_from(self.left).unwrap_or(usize::MAX));
        let read = self.file.read_at(&mut buffer[..most], self.at)?;
        self.at += read as u64;
        self.left -= read as u64;
        Ok(read)
    }
}
