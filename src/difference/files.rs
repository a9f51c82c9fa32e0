//! Two chains of folders, file by file, as an overlay shows them.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::disk::{self, Context as _, DiskError, Entry, Kind, Reach};

/// What differs between two trees.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct FilesDifference {
    /// By path.
    pub files: Vec<FileDifference>,
}

/// One file that is not the same on both sides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FileDifference {
    /// Its path in the data folder.
    pub path: PathBuf,
    /// What was there.
    pub before: Option<FileFacts>,
    /// What is there.
    pub after: Option<FileFacts>,
}

/// What is known of a file without reading it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FileFacts {
    /// `file`, `folder`, `link`, or what else it is.
    pub kind: &'static str,
    /// Its permission bits.
    pub mode: u32,
    /// The length of a file, in bytes.
    pub bytes: Option<u64>,
}

/// Compares two trees, each given by the folders that an overlay of it has, topmost first. What both have from the same
/// folder is not read; of two files with one length, the contents are. Folders that are there on one side only are told
/// by what is in them.
///
/// # Errors
/// When a folder can't be listed, or a file can't be read.
pub fn files(before: &[PathBuf], after: &[PathBuf]) -> Result<FilesDifference, DiskError> {
    let (before, mut after) = (tree(before)?, tree(after)?);
    let mut files = Vec::new();
    for (path, was) in before {
        let is = after.remove(&path);
        if let Some(is) = &is
            && (was.path == is.path || is_same(&was, is)?)
        {
            continue;
        }
        files.push(difference(path, Some(&was), is.as_ref()));
    }
    let new = after.into_iter();
    files.extend(new.map(|(path, is)| difference(path, None, Some(&is))));
    files.retain(|file| {
        ![(&file.before, &file.after), (&file.after, &file.before)]
            .into_iter()
            .any(|(one, other)| {
                one.is_none() && other.as_ref().is_some_and(|other| other.kind == FOLDER)
            })
    });
    files.sort_by(|one, other| one.path.cmp(&other.path));
    Ok(FilesDifference { files })
}

const FOLDER: &str = "folder";

/// An entry where it really lies.
struct Found {
    path: PathBuf,
    facts: FileFacts,
}

fn difference(path: PathBuf, before: Option<&Found>, after: Option<&Found>) -> FileDifference {
    let facts = |found: &Found| found.facts.clone();
    FileDifference {
        path,
        before: before.map(facts),
        after: after.map(facts),
    }
}

/// The tree that an overlay of these folders shows (kernel, `filesystems/overlayfs.rst`): what a layer has hides what is
/// below it, and a folder is merged with the one below unless it is opaque.
fn tree(folders: &[PathBuf]) -> Result<BTreeMap<PathBuf, Found>, DiskError> {
    let mut tree = BTreeMap::new();
    for folder in folders.iter().rev() {
        disk::walk(folder, Reach::AsIs, &mut |entry| {
            let kind = entry.kind();
            if kind != Kind::Directory || entry.is_opaque(Reach::AsIs)? {
                forget(&mut tree, &entry.relative);
            }
            if kind != Kind::Whiteout {
                let found = Found {
                    path: entry.path.clone(),
                    facts: facts(entry),
                };
                tree.insert(entry.relative.clone(), found);
            }
            Ok::<(), DiskError>(())
        })?;
    }
    Ok(tree)
}

/// Removes an entry and everything below it.
fn forget(tree: &mut BTreeMap<PathBuf, Found>, path: &Path) {
    // What is below comes right after: paths are ordered component by component.
    let below = tree.range(path.to_owned()..).map(|(path, _)| path);
    let gone: Vec<PathBuf> = below
        .take_while(|other| other.starts_with(path))
        .cloned()
        .collect();
    for path in gone {
        tree.remove(&path);
    }
}

fn facts(entry: &Entry) -> FileFacts {
    let kind = match entry.kind() {
        Kind::Directory => FOLDER,
        Kind::File => "file",
        Kind::Symlink => "link",
        Kind::Fifo => "pipe",
        Kind::Socket => "socket",
        Kind::Device | Kind::Whiteout => "device",
    };
    FileFacts {
        kind,
        mode: entry.mode(),
        bytes: (entry.kind() == Kind::File).then_some(entry.metadata.len()),
    }
}

fn is_same(one: &Found, other: &Found) -> Result<bool, DiskError> {
    if one.facts != other.facts {
        return Ok(false);
    }
    match one.facts.kind {
        "file" => same_bytes(&one.path, &other.path),
        "link" => {
            let target = |found: &Found| std::fs::read_link(&found.path).on("read", &found.path);
            Ok(target(one)?.as_os_str().as_bytes() == target(other)?.as_os_str().as_bytes())
        }
        _ => Ok(true),
    }
}

/// Whether two files have the same bytes.
pub(super) fn same_bytes(one: &Path, other: &Path) -> Result<bool, DiskError> {
    const AT_ONCE: usize = 256 * 1024;
    let length = |path: &Path| Ok(std::fs::metadata(path).on("read", path)?.len());
    if length(one)? != length(other)? {
        return Ok(false);
    }
    let [mut first, mut second] = [vec![0; AT_ONCE], vec![0; AT_ONCE]];
    let mut one_file = File::open(one).on("read", one)?;
    let mut other_file = File::open(other).on("read", other)?;
    loop {
        let read = fill(&mut one_file, &mut first).on("read", one)?;
        let also = fill(&mut other_file, &mut second).on("read", other)?;
        if first[..read] != second[..also] {
            return Ok(false);
        }
        if read == 0 {
            return Ok(true);
        }
    }
}

/// Reads until the buffer is full or the file at its end.
fn fill(file: &mut File, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match file.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(n) => filled += n,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(filled)
}
