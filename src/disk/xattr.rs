//! Extended attributes: the one that overlayfs marks an opaque folder with.

use std::path::Path;

use rustix::fs::lgetxattr;
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
