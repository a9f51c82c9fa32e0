//! What can go wrong with a store.

use std::path::PathBuf;

use crate::digest::Digest;
use crate::disk::DiskError;

/// Why the store could not do something.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// No variable says where the store is.
    #[error("can't tell where the store is: neither COWHERD_STORE nor HOME is set")]
    NoHome,
    /// The store was made by another version of Cowherd.
    #[error("can't use the store {}: its format is `{found}`", path.display())]
    OtherFormat {
        /// The store.
        path: PathBuf,
        /// What its `format` file says.
        found: String,
    },
    /// The folder is not empty, and no store.
    #[error("can't make a store of {}: the folder is not empty", path.display())]
    NotAStore {
        /// The folder.
        path: PathBuf,
    },
    /// A layer was removed by hand while it was in use.
    #[error("can't find the layer {} any more", .0.short())]
    LayerGone(Digest),
    /// What should have been one layer is another.
    #[error("can't seal the layer {}: its content is that of {}", .expected.short(), .found.short())]
    OtherContent {
        /// The layer that was asked for.
        expected: Digest,
        /// The one that the content makes.
        found: Digest,
    },
    /// A layer is built for a service whose name can't be a folder's name.
    #[error("can't use `{0}` as the name of a service in a layer")]
    ServiceName(String),
    /// A file of the store is not what Cowherd writes.
    #[error("can't read {}: it is damaged", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The disk.
    #[error(transparent)]
    Disk(#[from] DiskError),
}

impl StoreError {
    /// What to do about it, where that can be known.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NoHome => Some("set COWHERD_STORE to a folder on a local disk".to_owned()),
            Self::OtherFormat { path, .. } => Some(format!(
                "this version of Cowherd reads format 1 only: use the version that made it, set COWHERD_STORE to another folder, or remove {}: what is in it is built again",
                path.display()
            )),
            Self::NotAStore { path } => Some(format!(
                "set COWHERD_STORE to an empty folder or a new one, such as {}",
                path.join("cowherd").display()
            )),
            Self::LayerGone(_) => Some("run the command again: the layer is built anew".to_owned()),
            Self::ServiceName(_) | Self::OtherContent { .. } => None,
            Self::Damaged { path, .. } => {
                Some(format!("remove {}: it is built again", path.display()))
            }
            Self::Disk(error) => error.hint(),
        }
    }
}
