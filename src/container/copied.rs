//! What a container wrote in its data layers.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// The bytes that a container's writable layers take up, files that overlayfs copied up included. A copy that shares its
/// blocks with the layers counts whole, so that a budget gives the same verdict on every machine.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CopiedUp {
    /// All of them.
    pub bytes: u64,
    /// File by file, largest first; the path begins with the service's name.
    pub files: Vec<(PathBuf, u64)>,
}

impl CopiedUp {
    /// Adds what lies below the upper folder of `service`, as allocated on its file system. Programs may
    /// still run: what goes away meanwhile, or can't be listed, is not counted.
    pub(super) fn add(&mut self, service: &str, upper: &Path) {
        self.add_folder(Path::new(service), upper);
        self.files
            .sort_by_key(|(_, bytes)| std::cmp::Reverse(*bytes));
    }

    fn add_folder(&mut self, shown: &Path, folder: &Path) {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let Ok(metadata) = entry.metadata() else {
                continue;
            };
            let shown = shown.join(entry.file_name());
            if metadata.is_dir() {
                self.add_folder(&shown, &entry.path());
            } else if metadata.is_file() {
                let bytes = metadata.blocks() * 512;
                self.bytes += bytes;
                self.files.push((shown, bytes));
            }
        }
    }
}
