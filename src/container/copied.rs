//! What a container wrote in its data layers.

use std::path::{Path, PathBuf};

use crate::disk::{self, DiskError, Kind, Reach};

/// The bytes that a container's writable layers take up, files that overlayfs copied up included.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CopiedUp {
    /// All of them.
    pub bytes: u64,
    /// File by file, largest first; the path begins with the service's name.
    pub files: Vec<(PathBuf, u64)>,
}

impl CopiedUp {
    /// Adds what lies below the upper folder of `service`, as allocated on its file system.
    ///
    /// # Errors
    /// When the folder can't be read, as when the container is gone.
    pub(super) fn add(&mut self, service: &str, upper: &Path) -> Result<(), DiskError> {
        disk::walk::<DiskError>(upper, Reach::AsIs, &mut |entry| {
            if entry.kind() == Kind::File {
                self.bytes += entry.allocated();
                self.files
                    .push((Path::new(service).join(&entry.relative), entry.allocated()));
            }
            Ok(())
        })?;
        self.files
            .sort_by_key(|(_, bytes)| std::cmp::Reverse(*bytes));
        Ok(())
    }
}
