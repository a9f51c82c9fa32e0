//! Going through a tree without following links.

use std::collections::HashSet;
use std::fs::{self, File, Metadata, Permissions};
use std::io;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _, lchown};
use std::path::{Path, PathBuf};

use super::{Context as _, DiskError, xattr};

/// What an entry of a tree is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A folder.
    Directory,
    /// A regular file.
    File,
    /// A symbolic link.
    Symlink,
    /// Overlayfs's mark for a name that was removed: a character device 0:0
    /// (kernel, `filesystems/overlayfs.rst`, "whiteouts and opaque directories").
    Whiteout,
    /// A named pipe.
    Fifo,
    /// A Unix socket.
    Socket,
    /// Any other device.
    Device,
}

/// One entry of a tree.
#[derive(Debug)]
pub struct Entry {
    /// The path from the root of the walk.
    pub relative: PathBuf,
    /// The path to open it with.
    pub path: PathBuf,
    /// What `lstat(2)` says.
    pub metadata: Metadata,
}

impl Entry {
    /// What it is.
    pub fn kind(&self) -> Kind {
        kind(&self.metadata)
    }

    /// The permission bits, set-user-id and its like included.
    pub fn mode(&self) -> u32 {
        self.metadata.mode() & 0o7777
    }

    /// The bytes that it takes on the disk.
    pub fn allocated(&self) -> u64 {
        self.metadata.blocks() * 512
    }

    /// Whether overlayfs hides what lower layers have in this folder.
    ///
    /// # Errors
    /// When the attribute can't be read: that takes the right to list the folder.
    pub fn is_opaque(&self, reach: Reach) -> Result<bool, DiskError> {
        if self.kind() != Kind::Directory {
            return Ok(false);
        }
        let _opened = Opened::if_closed(&self.path, &self.metadata, reach)?;
        xattr::is_opaque(&self.path)
    }
}

pub(super) fn kind(metadata: &Metadata) -> Kind {
    let of = metadata.file_type();
    if of.is_dir() {
        Kind::Directory
    } else if of.is_file() {
        Kind::File
    } else if of.is_symlink() {
        Kind::Symlink
    } else if of.is_char_device() && metadata.rdev() == 0 {
        Kind::Whiteout
    } else if of.is_fifo() {
        Kind::Fifo
    } else if of.is_socket() {
        Kind::Socket
    } else {
        Kind::Device
    }
}

/// What to do with a folder that its own owner may not list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// Fail: the tree may be in use.
    AsIs,
    /// Allow it for the time of the visit, then put the mode back. For trees that nobody else
    /// looks at.
    Force,
}

/// Visits everything below `root` (not `root` itself): a folder before what is in it, names in
/// the order of their bytes, links as links.
///
/// # Errors
/// When a folder can't be listed, and whatever `visit` returns.
pub fn walk<E: From<DiskError>>(
    root: &Path,
    reach: Reach,
    visit: &mut dyn FnMut(&Entry) -> Result<(), E>,
) -> Result<(), E> {
    let metadata = fs::symlink_metadata(root).on("read", root)?;
    inside(root, Path::new(""), &metadata, reach, visit)
}

fn inside<E: From<DiskError>>(
    folder: &Path,
    relative: &Path,
    metadata: &Metadata,
    reach: Reach,
    visit: &mut dyn FnMut(&Entry) -> Result<(), E>,
) -> Result<(), E> {
    let _opened = Opened::if_closed(folder, metadata, reach)?;
    let mut names = fs::read_dir(folder)
        .and_then(|entries| {
            entries
                .map(|entry| Ok(entry?.file_name()))
                .collect::<io::Result<Vec<_>>>()
        })
        .on("list", folder)?;
    names.sort_unstable();
    for name in names {
        let path = folder.join(&name);
        let metadata = fs::symlink_metadata(&path).on("read", &path)?;
        let entry = Entry {
            relative: relative.join(&name),
            path,
            metadata,
        };
        visit(&entry)?;
        if entry.kind() == Kind::Directory {
            inside(&entry.path, &entry.relative, &entry.metadata, reach, visit)?;
        }
    }
    Ok(())
}

/// Opens a file for reading even when its mode denies that to its owner, who is the caller.
///
/// The mode is changed for a moment: for trees that nobody else looks at.
///
/// # Errors
/// When it can't be opened all the same.
pub fn open_for_reading(entry: &Entry) -> Result<File, DiskError> {
    match File::open(&entry.path) {
        Err(e) if e.kind() == io::ErrorKind::PermissionDenied => {
            let _opened = Opened::new(&entry.path, &entry.metadata, 0o400)?;
            File::open(&entry.path).on("read", &entry.path)
        }
        other => other.on("read", &entry.path),
    }
}

/// A mode that is put back at the end.
struct Opened<'a> {
    path: &'a Path,
    mode: u32,
}

impl<'a> Opened<'a> {
    /// Opens a folder that its owner may not list.
    fn if_closed(
        path: &'a Path,
        metadata: &Metadata,
        reach: Reach,
    ) -> Result<Option<Self>, DiskError> {
        let closed = reach == Reach::Force && metadata.mode() & 0o500 != 0o500;
        closed.then(|| Self::new(path, metadata, 0o700)).transpose()
    }

    fn new(path: &'a Path, metadata: &Metadata, more: u32) -> Result<Self, DiskError> {
        let mode = metadata.mode() & 0o7777;
        fs::set_permissions(path, Permissions::from_mode(mode | more)).on("read", path)?;
        Ok(Self { path, mode })
    }
}

impl Drop for Opened<'_> {
    fn drop(&mut self) {
        let _ = fs::set_permissions(self.path, Permissions::from_mode(self.mode));
    }
}

/// The size of a tree.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TreeSize {
    /// Bytes that it takes on the disk, folders included; a file with several links counts once.
    pub allocated: u64,
    /// How many entries there are.
    pub entries: u64,
}

/// Measures everything below `root`.
///
/// # Errors
/// When a folder can't be listed.
pub fn tree_size(root: &Path, reach: Reach) -> Result<TreeSize, DiskError> {
    let mut size = TreeSize::default();
    let mut linked = HashSet::new();
    walk(root, reach, &mut |entry| {
        let of = &entry.metadata;
        if of.is_dir() || of.nlink() == 1 || linked.insert((of.dev(), of.ino())) {
            size.allocated += entry.allocated();
        }
        size.entries += 1;
        Ok::<(), DiskError>(())
    })?;
    Ok(size)
}

/// Gives `root` and everything below it to another user and group; links themselves, not
/// what they point to.
///
/// # Errors
/// When the owner of an entry can't be changed: that takes root.
pub fn chown_tree(root: &Path, uid: u32, gid: u32) -> Result<(), DiskError> {
    let give = |path: &Path| lchown(path, Some(uid), Some(gid)).on("change the owner of", path);
    give(root)?;
    if fs::symlink_metadata(root).on("read", root)?.is_dir() {
        walk(root, Reach::AsIs, &mut |entry| give(&entry.path))?;
    }
    Ok(())
}
