//! Extended attributes: the one that overlayfs marks an opaque folder with.

use std::path::Path;
use std::sync::OnceLock;

use rustix::fs::{MemfdFlags, XattrFlags, fsetxattr, lgetxattr, lsetxattr, memfd_create};
use rustix::io::Errno;

use super::{Context as _, DiskError};

/// `user.` where the overlay was mounted with `userxattr`, `trusted.` where not; only root sees
/// the second. The value is `y` (kernel, `filesystems/overlayfs.rst`).
const OPAQUE: [&str; 2] = ["user.overlay.opaque", "trusted.overlay.opaque"];

/// Whether overlayfs hides what lower layers have in the folder `path`.
pub(super) fn is_opaque(path: &Path) -> Result<bool, DiskError> {
    for name in OPAQUE {
        let mut value = [0_u8; 8];
        match lgetxattr(path, name, &mut value) {
            Ok(1) if value[0] == b'y' => return Ok(true),
            // A longer value is none that overlayfs writes for an opaque folder.
            Ok(_) | Err(Errno::NODATA | Errno::OPNOTSUPP | Errno::RANGE | Errno::PERM) => {}
            Err(e) => return Err(e).on("read the attributes of", path),
        }
    }
    Ok(false)
}

/// Marks the folder `to` as opaque in the way that `from` is.
pub(super) fn copy_opaque(from: &Path, to: &Path) -> Result<(), DiskError> {
    for name in OPAQUE {
        let mut value = [0_u8; 8];
        if matches!(lgetxattr(from, name, &mut value), Ok(1) if value[0] == b'y') {
            lsetxattr(to, name, b"y", XattrFlags::empty()).on("write the attributes of", to)?;
        }
    }
    Ok(())
}

/// Marks a folder, as an overlay that was mounted with `userxattr` does.
pub(super) fn make_opaque(path: &Path) -> Result<(), DiskError> {
    lsetxattr(path, OPAQUE[0], b"y", XattrFlags::empty()).on("write the attributes of", path)
}

/// Whether files in memory (tmpfs) take `user.` attributes, which an overlay needs of its writable layer:
/// from Linux 6.6 on. Tried once for each process, on a file without a name.
pub fn memory_takes_user_xattrs() -> bool {
    static TRIED: OnceLock<bool> = OnceLock::new();
    *TRIED.get_or_init(|| {
        let file = memfd_create("cowherd", MemfdFlags::CLOEXEC);
        file.and_then(|file| fsetxattr(&file, "user.cowherd", b"y", XattrFlags::empty()))
            .is_ok()
    })
}
