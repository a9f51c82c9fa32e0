//! The file system in memory that sockets, data folders and writable layers lie in.

use std::path::Path;
use std::sync::LazyLock;

/// Its mount options, for the user that it belongs to, and for large files or not.
///
/// `huge=within_size` has the kernel, from 6.14 on, take memory for a growing file in pieces as large as what is written
/// (tmpfs(5), `Documentation/admin-guide/mm/transhuge.rst`): copying a large file up takes half the time that it takes by
/// single pages, and no more memory. But what is written *within* a file's length, to a hole, gets a huge page, of 2 MiB;
/// so it is for large files alone. `huge=always` takes huge pages for all. Kernels without huge pages refuse the option,
/// and have no such file.
pub(super) fn options((uid, gid): (u32, u32), large_files: bool) -> Vec<u8> {
    static HUGE: LazyLock<bool> =
        LazyLock::new(|| Path::new("/sys/kernel/mm/transparent_hugepage/shmem_enabled").exists());
    let pieces = match large_files && *HUGE {
        true => ",huge=within_size",
        false => "",
    };
    format!("mode=755,uid={uid},gid={gid}{pieces}").into_bytes()
}
