//! Why a snapshot can't be carried.

use std::io;
use std::path::PathBuf;

use crate::digest::Digest;
use crate::disk::DiskError;
use crate::engine::EngineError;
use crate::sandbox::SandboxError;
use crate::store::StoreError;
use crate::units::format_size;

/// Why a snapshot could not be exported or imported.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CarryError {
    /// The two snapshots are no relatives.
    #[error("can't leave out what `{since}` has: it has no layer in common with `{snapshot}`")]
    NothingInCommon {
        /// The one to export.
        snapshot: String,
        /// The one that the other side has.
        since: String,
    },
    /// A layer has something that no file carries.
    #[error("can't export {}: it is {what}", path.display())]
    Uncarriable {
        /// The entry, from the layer's `files` folder.
        path: PathBuf,
        /// What it is: `a fifo`.
        what: &'static str,
    },
    /// A file of a layer isn't what was sealed.
    #[error("can't export {}: it is not as it was sealed in the layer {}", path.display(), layer.short())]
    Changed {
        /// The layer.
        layer: Digest,
        /// The file, from the layer's `files` folder.
        path: PathBuf,
    },
    /// The file isn't what `cowherd export` writes.
    #[error("can't import {}", file.display())]
    Refused {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        #[source]
        source: Refusal,
    },
    /// The file was made on a machine that this one can't stand in for.
    #[error("can't import {}: `{service}` was built with {what} {theirs}, and here is {ours}", file.display())]
    OtherMachine {
        /// The file.
        file: PathBuf,
        /// The service whose data it is.
        service: String,
        /// What differs: `PostgreSQL`, `the architecture`.
        what: String,
        /// What it was made with.
        theirs: String,
        /// What this machine has.
        ours: String,
    },
    /// The file leaves out a layer that this store lacks.
    #[error("can't import {}: it lies on the layer {} ({label}), which is not here", file.display(), layer.short())]
    LayerNotHere {
        /// The file.
        file: PathBuf,
        /// The layer.
        layer: Digest,
        /// Its step in words.
        label: String,
    },
    /// There is not enough room.
    #[error("can't import {}: it takes {}, and {} are free", file.display(), format_size(*bytes), format_size(*free))]
    NoRoom {
        /// The file.
        file: PathBuf,
        /// What its layers take when they are unpacked.
        bytes: u64,
        /// What the store's file system has left.
        free: u64,
    },
    /// The user asked to stop.
    #[error("interrupted")]
    Interrupted,
    /// An engine that isn't here, or a setting that it refuses.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The disk.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// Nobody to give the files to.
    #[error(transparent)]
    Sandbox(#[from] SandboxError),
}

impl CarryError {
    /// What to do about it, where that can be known.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::NothingInCommon { .. } => {
                "name a snapshot that it starts from, or leave --since out"
            }
            Self::Uncarriable { .. } => "a step made it: let the step remove it before it ends",
            Self::Changed { .. } => {
                "run `cowherd fsck`, which puts the layer aside; it is then built again"
            }
            Self::Refused { .. } => "copy the file again, or export it again",
            Self::OtherMachine { .. } => {
                "install what it was built with, or build the snapshot here from its spec"
            }
            Self::LayerNotHere { .. } => {
                "import the file that has this layer first, or export again without --since"
            }
            Self::NoRoom { .. } => {
                "free some space (`cowherd gc`), or put the store on another file system with COWHERD_STORE"
            }
            Self::Interrupted => return None,
            Self::Engine(error) => return error.hint(),
            Self::Store(error) => return error.hint(),
            Self::Disk(error) => return error.hint(),
            Self::Sandbox(error) => return error.hint(),
        };
        Some(hint.to_owned())
    }
}

/// What is wrong with a file that is to be imported. Names from the file are shown with control characters
/// escaped.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// Not a tar, or one that ends too early.
    #[error("it is no tar, or cut off")]
    Tar(#[source] io::Error),
    /// A layer that is not compressed as it should be.
    #[error("a layer can't be decompressed")]
    Compression(#[source] io::Error),
    /// Something in the outer tar that an image layout has no place for.
    #[error("{0:?} has no place in an OCI image layout")]
    Stranger(PathBuf),
    /// A file of the layout that isn't there.
    #[error("it has no {0}")]
    Missing(String),
    /// A file of the layout that is larger than any that is written.
    #[error("{name} has {}, and at most {} make sense", format_size(*size), format_size(*most))]
    TooLarge {
        /// The file.
        name: String,
        /// Its size.
        size: u64,
        /// The limit.
        most: u64,
    },
    /// A blob whose size is not what refers to it says.
    #[error("{name} has {found} bytes, and should have {expected}")]
    Size {
        /// The blob.
        name: String,
        /// What it should have.
        expected: u64,
        /// What it has.
        found: u64,
    },
    /// A blob whose content is not what its name says.
    #[error("the content of {0} doesn't fit its digest")]
    Digest(String),
    /// A JSON file that says nothing, or too little.
    #[error("{name} makes no sense")]
    Json {
        /// The file.
        name: String,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// An image, but none of Cowherd's, or of another version.
    #[error("it is {0}")]
    Foreign(&'static str),
    /// A text that is shown to people, and is not fit for that.
    #[error("{0} is too long, or has control characters in it")]
    Text(&'static str),
    /// Names, engines or settings that no spec could have.
    #[error("what it says of its snapshot makes no sense")]
    Spec(#[source] Box<crate::spec::SpecError>),
    /// Two names for one entry.
    #[error("an entry has two names")]
    TwoNames,
    /// More entries than were announced, or than anybody has.
    #[error("it has more than {0} entries")]
    TooManyEntries(u64),
    /// More bytes than were announced.
    #[error("the layer {} has more bytes than it says", .0.short())]
    TooManyBytes(Digest),
    /// A path that is longer than the kernel's.
    #[error("a path in it is too long")]
    LongPath,
    /// A path that leads elsewhere.
    #[error("the path {0:?} is absolute, empty, too deep, or has `.` or `..` in it")]
    Path(PathBuf),
    /// An entry out of order: twice there, or without its folder.
    #[error("{0:?} is there twice, or before its folder")]
    Order(PathBuf),
    /// An entry that no layer may have.
    #[error("{path:?} is {what}")]
    Kind {
        /// The entry.
        path: PathBuf,
        /// What it is.
        what: &'static str,
    },
    /// A folder or link with content.
    #[error("{0:?} has content, and is no file")]
    Content(PathBuf),
    /// Set-user-id or set-group-id bits.
    #[error("{path:?} has the mode {mode:o}")]
    Mode {
        /// The entry.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// A link that may lead out of its service's folder.
    #[error("the link {path:?} may lead out of the database's folder, to {target:?}")]
    Link {
        /// The link.
        path: PathBuf,
        /// Where it leads.
        target: PathBuf,
    },
    /// Something behind the end.
    #[error("there is something behind the end of the layer {}", .0.short())]
    Tail(Digest),
    /// A layer that is not what it is said to be.
    #[error("the layer {} has other content than it says", .0.short())]
    Layer(Digest),
}
