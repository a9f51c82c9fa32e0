//! Read-only layers under one writable layer.

use std::path::{Path, PathBuf};

use super::describe::SCRATCH;

/// Where an overlay's changes go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Upper {
    /// The container's own scratch folder: its tmpfs, or what [`Sandbox::scratch`](super::Sandbox::scratch) gave.
    Scratch,
    /// Folders on disk, on one file system.
    Folder {
        /// The folder that holds both.
        path: PathBuf,
        /// Where the changes go, relative to `path`.
        upper: PathBuf,
        /// What overlayfs needs beside it, relative to `path`.
        work: PathBuf,
    },
}

/// An overlay mount: read-only layers below, one writable layer on top.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Overlay {
    /// Its name, for the writable layer: letters, digits, `-` and `_`.
    pub name: String,
    /// Where it appears.
    pub target: PathBuf,
    /// The folder that `lower` starts from: short relative names keep the options within one page.
    pub from: PathBuf,
    /// The layers, topmost first.
    pub lower: Vec<PathBuf>,
    /// The names of files of theirs that are in the writable layer from the start, without their holes: overlayfs
    /// copies a file when it is opened for writing, and of its holes only those between MiB.
    pub copied: Vec<PathBuf>,
    /// Where the changes go.
    pub upper: Upper,
    /// The mode of the merged root, which overlayfs takes from the upper folder.
    pub mode: u32,
}

impl Overlay {
    /// Where the changes lie inside the container.
    pub fn changes(&self) -> PathBuf {
        let scratch = Path::new(SCRATCH).join(&self.name);
        match &self.upper {
            Upper::Scratch => scratch.join("upper"),
            Upper::Folder { upper, .. } => scratch.join(upper),
        }
    }

    /// The files of [`Overlay::copied`] that there are, each in the topmost layer that has it, from
    /// [`Overlay::from`], and where its copy goes.
    pub(super) fn copies(&self) -> impl Iterator<Item = (PathBuf, PathBuf)> {
        self.copied.iter().filter_map(|name| {
            let mut layers = self.lower.iter().map(|layer| layer.join(name));
            let (source, found) = layers.find_map(|source| {
                let found = self.from.join(&source).symlink_metadata().ok()?;
                Some((source, found))
            })?;
            // What removes the file is no file.
            found.is_file().then(|| (source, self.changes().join(name)))
        })
    }

    pub(super) fn work(&self) -> PathBuf {
        let scratch = Path::new(SCRATCH).join(&self.name);
        match &self.upper {
            Upper::Scratch => scratch.join("work"),
            Upper::Folder { work, .. } => scratch.join(work),
        }
    }
}
