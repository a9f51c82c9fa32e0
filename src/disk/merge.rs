//! Several layers made one.

use std::collections::HashSet;
use std::fs::{self, DirBuilder, Metadata};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use super::copy::{attributes, copy_entry};
use super::marks::make_whiteout;
use super::walk::{Reach, walk};
use super::{Context as _, DiskError, Kind, xattr};

/// What lies below the layers that are merged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Below {
    /// Nothing: marks of what is removed from it have no meaning any more.
    Nothing,
    /// More layers: what hides names of theirs must go on hiding them.
    Layers,
}

/// Lays the trees `layers`, the topmost first, into the folder `to` as one that does over what lies below as all of
/// them did together. Each file is copied once, from the topmost layer that has it; blocks are shared where the file
/// system can.
///
/// Attributes are kept as [`copy_tree`](super::copy_tree) keeps them.
///
/// # Errors
/// When an entry can't be read or written, or is a device.
pub fn merge_layers(layers: &[PathBuf], to: &Path, below: Below) -> Result<(), DiskError> {
    let mut merge = Merge {
        to,
        below,
        hiding: HashSet::new(),
        folders: Vec::new(),
        known: HashSet::new(),
    };
    for layer in layers {
        merge.layer(layer)?;
    }
    // The folders' own modes and times come last: until then, entries are made in them.
    for (path, metadata) in merge.folders.iter().rev() {
        attributes(path, metadata)?;
    }
    Ok(())
}

struct Merge<'a> {
    to: &'a Path,
    below: Below,
    /// Names that are settled: lower layers show neither them nor anything under them.
    hiding: HashSet<PathBuf>,
    /// Folders that are made, each before what is in it.
    folders: Vec<(PathBuf, Metadata)>,
    known: HashSet<PathBuf>,
}

impl Merge<'_> {
    fn layer(&mut self, layer: &Path) -> Result<(), DiskError> {
        if self.known.insert(PathBuf::new()) {
            let metadata = fs::symlink_metadata(layer).on("read", layer)?;
            self.folders.push((self.to.to_owned(), metadata));
        }
        // What this layer settles holds for the layers below it, not for itself.
        let mut settled = Vec::new();
        walk::<DiskError>(layer, Reach::AsIs, &mut |entry| {
            let relative = &entry.relative;
            if relative.ancestors().any(|path| self.hiding.contains(path)) {
                return Ok(());
            }
            let target = self.to.join(relative);
            if entry.kind() == Kind::Directory {
                if self.known.insert(relative.clone()) {
                    let mut builder = DirBuilder::new();
                    builder.mode(0o700).create(&target).on("create", &target)?;
                    self.folders.push((target.clone(), entry.metadata.clone()));
                }
                if entry.is_opaque(Reach::AsIs)? {
                    settled.push(relative.clone());
                    if self.below == Below::Layers {
                        xattr::copy_opaque(&entry.path, &target)?;
                    }
                }
                return Ok(());
            }
            settled.push(relative.clone());
            if self.known.contains(relative) {
                return Ok(());
            }
            match entry.kind() {
                Kind::Whiteout if self.below == Below::Nothing => Ok(()),
                Kind::Whiteout => make_whiteout(&target),
                _ => copy_entry(&entry.path, &target).map(drop),
            }
        })?;
        self.hiding.extend(settled);
        Ok(())
    }
}
