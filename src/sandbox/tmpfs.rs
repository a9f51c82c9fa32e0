//! The file system in memory that sockets, data folders and writable layers lie in.

use std::path::Path;
use std::sync::LazyLock;

/// Its mount options, for the user that it belongs to.
///
/// `huge=within_size` has the kernel, from 6.14 on, take memory in pieces as large as what is written, and never past the
/// end of the file (tmpfs(5), `Documentation/admin-guide/mm/transhuge.rst`): copying a large file up takes half the
/// time that it takes by single pages, and no more memory. `huge=always` rounds up to 2 MiB, which small files can't
/// afford. Kernels without huge pages refuse the option, and have no such file.
pub(super) fn options((uid, gid): (u32, u32)) -> Vec<u8> {
    static HUGE: LazyLock<bool> =
        LazyLock::new(|| Path::new("/sys/kernel/mm/transparent_hugepage/shmem_enabled").exists());
    let pieces = if *HUGE { ",huge=within_size" } else { "" };
    format!("mode=755,uid={uid},gid={gid}{pieces}").into_bytes()
}
