//! Carrying a snapshot to another machine, as one file.
//!
//! The file is an OCI image layout in a tar, so that the tools of that world can look at it, copy it and keep it in a
//! registry:
//!
//! ```text
//! blobs/sha256/…               one for each layer: application/vnd.oci.image.layer.v1.tar+zstd
//! blobs/sha256/…               the configuration: platform, diff_ids, and the field `cowherd`
//! blobs/sha256/…               the manifest: configuration and layers, in order
//! oci-layout                   the version of the layout
//! index.json                   names the manifest, and the snapshot as its tag
//! ```
//!
//! The field `cowherd` of the configuration is Cowherd's own record: the services with their settings, what they were
//! built with (engine, exact version, and what else of the machine the data depends on: see
//! [`Engine::machine`](crate::engine::Engine::machine)), and the whole chain of layers, each with its digest, its
//! step's key and, where the file holds it, its blob. A file that was made with `--since` leaves out the layers that the
//! other side has.
//!
//! A layer's tar has what the layer's manifest has, in the same order: folders before what is in them, names in the
//! order of their bytes. Owners, groups and times are zero, as they are no part of a layer. What overlayfs marks is
//! written as the OCI image specification has it: a removed name as `.wh.NAME`, an opaque folder by `.wh..wh..opq` in
//! it. Nothing else than folders, regular files and symbolic links is carried. Every byte of the file follows from the
//! snapshot and the version of Cowherd.
//!
//! # What an import believes
//!
//! Nothing before it is checked; in this order:
//!
//! 1. *Sizes*: the outer tar is scanned by its headers; each file has its place and a limit. What the layers say that
//!    they take must fit on the disk.
//! 2. *Digests*: of the manifest, the configuration and every blob that is needed.
//! 3. *Structure*: each layer is unpacked in scratch. An entry must be a folder, a file, a symbolic link or one of the
//!    two marks, in strict order, so that none can be there twice, before its folder or below a link; no absolute path,
//!    no `..`, no link that may lead out of the service's folder, no set-user-id, no extended attribute; never more entries or bytes
//!    than were announced.
//! 4. *Itself*: what was unpacked is sealed by the store, and only as the layer that it is said to be.
//!
//! What remains is trust in who made the file: which step a layer is the result of, and what a database does when it is
//! run, no digest can tell.

mod aside;
mod error;
mod export;
mod flush;
mod hashing;
mod image;
mod import;
mod pack;
mod rules;
mod shelf;
mod squeeze;
mod tape;
mod unpack;

pub use error::{CarryError, Refusal};
pub use export::{Exported, Parcel, export};
pub use import::{Imported, import, spool};
