//! What a file system is, and how much room it has.

use std::path::Path;

use nix::sys::statfs::statfs;
use nix::unistd::{SysconfVar, sysconf};

use super::{Context as _, DiskError};

/// A file system as `statfs(2)` shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileSystem {
    /// Its kind as `mount` writes it (`ext4`, `xfs`, `tmpfs`, `overlay`), or its magic number.
    pub kind: String,
    /// Bytes that this user may still write.
    pub free: u64,
    /// Bytes in all.
    pub total: u64,
}

/// The magic numbers of `statfs(2)` and `linux/magic.h`; ext2 to ext4 share one.
const KINDS: [(u64, &str); 14] = [
    (0xef53, "ext4"),
    (0x5846_5342, "xfs"),
    (0x9123_683e, "btrfs"),
    (0xca45_1a4e, "bcachefs"),
    (0x2fc1_2fc1, "zfs"),
    (0xf2f5_2010, "f2fs"),
    (0x0102_1994, "tmpfs"),
    (0x8584_58f6, "ramfs"),
    (0x794c_7630, "overlay"),
    (0x6969, "nfs"),
    (0xff53_4d42, "cifs"),
    (0x0102_1997, "9p"),
    (0x6573_5546, "fuse"),
    (0x7371_7368, "squashfs"),
];

/// The file system that `path` is on.
///
/// # Errors
/// When the system can't be asked.
pub fn file_system(path: &Path) -> Result<FileSystem, DiskError> {
    let facts = statfs(path).on("look at the file system of", path)?;
    // Some targets have this as a signed number of 32 bits.
    #[allow(clippy::cast_sign_loss, clippy::unnecessary_cast)]
    let magic = facts.filesystem_type().0 as u64 & 0xffff_ffff;
    let kind = KINDS
        .iter()
        .find(|(number, _)| *number == magic)
        .map_or_else(|| format!("{magic:#x}"), |(_, name)| (*name).to_owned());
    let block = u64::try_from(facts.block_size()).unwrap_or_default();
    Ok(FileSystem {
        kind,
        free: facts.blocks_available().saturating_mul(block),
        total: facts.blocks().saturating_mul(block),
    })
}

/// The size of a page of memory, in bytes; 4,096 where the system doesn't say.
pub fn page_size() -> u64 {
    let size = sysconf(SysconfVar::PAGE_SIZE).ok().flatten();
    size.and_then(|size| u64::try_from(size).ok())
        .unwrap_or(4096)
}
