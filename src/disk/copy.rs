//! Copying a tree, by sharing blocks where the file system can.

use std::fs::{self, DirBuilder, File, Metadata, OpenOptions, Permissions};
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::{
    DirBuilderExt as _, FileExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _,
    lchown, symlink,
};
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::AT_FDCWD;
use nix::sys::stat::{Mode, UtimensatFlags, utimensat};
use nix::sys::time::TimeSpec;
use nix::unistd::{Whence, lseek, mkfifo};

use super::walk::kind;
use super::{Context as _, DiskError, Kind, Unnamed, is_root, remove_tree, xattr};

/// What a copy cost.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Copied {
    /// Regular files.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Of the files, those that share their blocks with the original.
    pub reflinked: u64,
}

/// Lays the tree `from` over `to`, as overlayfs would show a layer over those below it: what is
/// there is replaced, folders are merged, a whiteout removes what it hides, an opaque folder
/// empties the one below it first. So a chain of layers is flattened by copying its layers from
/// the lowest to the topmost into an empty folder; a plain tree is simply copied.
///
/// Modes and modification times are kept, owners too when the caller is root; links stay links,
/// holes stay holes. Hard links become files of their own, and sockets, which nobody listens on
/// any more, are left out.
///
/// # Errors
/// When an entry can't be read or written, or is a device.
pub fn copy_tree(from: &Path, to: &Path) -> Result<Copied, DiskError> {
    let mut copy = Copy::new();
    let metadata = fs::symlink_metadata(from).on("read", from)?;
    copy.folder(from, to, &metadata)?;
    Ok(copy.done)
}

/// Copies what stands at `from`, which is no folder, to `to`, as [`copy_tree`] does for what it finds.
///
/// # Errors
/// As [`copy_tree`].
pub fn copy_entry(from: &Path, to: &Path) -> Result<Copied, DiskError> {
    let mut copy = Copy::new();
    copy.entry(from, to)?;
    Ok(copy.done)
}

struct Copy {
    done: Copied,
    /// Whether block sharing is still worth a try: these two file systems either can or can't.
    reflink: bool,
}

impl Copy {
    fn new() -> Self {
        Self {
            done: Copied::default(),
            reflink: true,
        }
    }

    fn folder(&mut self, from: &Path, to: &Path, metadata: &Metadata) -> Result<(), DiskError> {
        match fs::symlink_metadata(to) {
            Ok(there) if there.is_dir() && !xattr::is_opaque(from)? => {
                // Its own mode comes last: until then, entries must be made in it.
                fs::set_permissions(to, Permissions::from_mode(0o700)).on("write", to)?;
            }
            Ok(_) => {
                remove_tree(to)?;
                DirBuilder::new().mode(0o700).create(to).on("create", to)?;
            }
            Err(_) => DirBuilder::new().mode(0o700).create(to).on("create", to)?,
        }
        for entry in fs::read_dir(from).on("list", from)? {
            let name = entry.on("list", from)?.file_name();
            self.entry(&from.join(&name), &to.join(&name))?;
        }
        attributes(to, metadata)
    }

    fn entry(&mut self, from: &Path, to: &Path) -> Result<(), DiskError> {
        let metadata = fs::symlink_metadata(from).on("read", from)?;
        let kind = kind(&metadata);
        if kind == Kind::Directory {
            return self.folder(from, to, &metadata);
        }
        remove_tree(to)?;
        match kind {
            Kind::Whiteout | Kind::Socket | Kind::Directory => return Ok(()),
            Kind::File => self.file(from, to, &metadata)?,
            Kind::Symlink => {
                let target = fs::read_link(from).on("read", from)?;
                symlink(target, to).on("create", to)?;
            }
            Kind::Fifo => mkfifo(to, Mode::S_IRUSR | Mode::S_IWUSR).on("create", to)?,
            Kind::Device => {
                return Err(io::Error::other("it is a device")).on("copy", from);
            }
        }
        attributes(to, &metadata)
    }

    fn file(&mut self, from: &Path, to: &Path, metadata: &Metadata) -> Result<(), DiskError> {
        let source = File::open(from).on("read", from)?;
        let target = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(to)
            .on("create", to)?;
        self.reflink = self.reflink && reflink_copy::reflink_file(&source, &target).is_ok();
        if self.reflink {
            self.done.reflinked += 1;
        } else {
            copy_extents(&source, &target, metadata.len()).on("copy", from)?;
        }
        self.done.files += 1;
        self.done.bytes += metadata.len();
        Ok(())
    }
}

/// Gives `to` the owner, mode and time that `metadata` tells; the owner only when the caller is root.
pub(super) fn attributes(to: &Path, metadata: &Metadata) -> Result<(), DiskError> {
    if is_root() {
        // Before the mode: a change of owner clears the set-user-id bits.
        lchown(to, Some(metadata.uid()), Some(metadata.gid())).on("change the owner of", to)?;
    }
    if !metadata.is_symlink() {
        let mode = Permissions::from_mode(metadata.mode() & 0o7777);
        fs::set_permissions(to, mode).on("write", to)?;
    }
    let time = |seconds, nanoseconds| TimeSpec::new(seconds, nanoseconds);
    utimensat(
        AT_FDCWD,
        to,
        &time(metadata.atime(), metadata.atime_nsec()),
        &time(metadata.mtime(), metadata.mtime_nsec()),
        UtimensatFlags::NoFollowSymlink,
    )
    .on("write", to)
}

/// Gives a file the epoch for its times.
///
/// # Errors
/// When it is another user's.
pub fn date_back(path: &Path) -> Result<(), DiskError> {
    let epoch = TimeSpec::new(0, 0);
    utimensat(
        AT_FDCWD,
        path,
        &epoch,
        &epoch,
        UtimensatFlags::NoFollowSymlink,
    )
    .on("write", path)
}

/// Copies what is data in `source`, and leaves its holes as holes (`lseek(2)`, `SEEK_DATA`).
fn copy_extents(source: &File, target: &File, length: u64) -> io::Result<()> {
    target.set_len(length)?;
    let mut at = 0;
    loop {
        let start = match lseek(source, at, Whence::SeekData) {
            Ok(start) => start,
            Err(Errno::ENXIO) => return Ok(()),
            // The file system does not know about holes.
            Err(_) => 0,
        };
        let end = lseek(source, start, Whence::SeekHole).unwrap_or(i64::MAX);
        let (mut source, mut target) = (source, target);
        source.seek(SeekFrom::Start(start.unsigned_abs()))?;
        target.seek(SeekFrom::Start(start.unsigned_abs()))?;
        let wanted = end.abs_diff(start);
        if io::copy(&mut source.take(wanted), &mut target)? < wanted {
            return Ok(());
        }
        at = end;
    }
}

/// Whether files in `folder` can share their blocks: tried, with two files that get no name.
///
/// # Errors
/// When the files can't be written.
pub fn can_reflink(folder: &Path) -> Result<bool, DiskError> {
    let (original, shared) = (Unnamed::new(folder)?, Unnamed::new(folder)?);
    let written = original.file().write_all_at(&[7; 4096], 0);
    written.on("write a file in", folder)?;
    Ok(reflink_copy::reflink_file(original.file(), shared.file()).is_ok())
}
