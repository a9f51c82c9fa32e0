//! What a Cargo package says about itself: which snapshot its tests need.
//!
//! ```toml
//! [package.metadata.cowherd]
//! snapshot = "shop"            # for every test that names none
//! file = "../cowherd.yaml"     # the spec, where it is not in the package's folder or one above it
//! ```

use std::io;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::spec::{self, SpecError};

/// The table `[package.metadata.cowherd]` of a `Cargo.toml`, or the same value of what `cargo metadata` prints.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Metadata {
    /// The snapshot for tests that name none.
    pub snapshot: Option<String>,
    /// The spec, relative to the package's folder.
    pub file: Option<PathBuf>,
}

impl Metadata {
    /// The spec that the package in `folder` names.
    ///
    /// ```
    /// # use std::path::Path;
    /// # let folder = tempfile::tempdir()?;
    /// # let folder = folder.path();
    /// let toml = "[package]\nname = \"orders\"\nmetadata.cowherd.file = \"../cowherd.yaml\"\n";
    /// std::fs::write(folder.join("Cargo.toml"), toml)?;
    /// let metadata = cowherd::package::metadata(folder)?.unwrap();
    /// assert_eq!(metadata.spec_of(folder), Some(folder.join("../cowherd.yaml")));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn spec_of(&self, folder: &Path) -> Option<PathBuf> {
        self.file.as_ref().map(|file| folder.join(file))
    }

    /// The spec of the package in `folder`: the one that is `named`, else the one that the package names, else the
    /// nearest from its folder upwards.
    ///
    /// # Errors
    /// When none is named and there is none.
    pub fn spec_for(&self, folder: &Path, named: Option<&Path>) -> Result<PathBuf, SpecError> {
        let named = named.map(Path::to_owned);
        match named.or_else(|| self.spec_of(folder)) {
            Some(file) => Ok(file),
            None => spec::find(folder),
        }
    }
}

/// Why a package's metadata is not known.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PackageError {
    /// The manifest can't be read.
    #[error("can't read {}", file.display())]
    Unreadable {
        /// The `Cargo.toml`.
        file: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The manifest is no TOML, or its table for Cowherd is wrong.
    #[error("can't use `package.metadata.cowherd` of {}", file.display())]
    Wrong {
        /// The `Cargo.toml`.
        file: PathBuf,
        /// What is wrong, with the line.
        #[source]
        source: toml::de::Error,
    },
}

impl PackageError {
    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Unreadable { .. } => None,
            Self::Wrong { .. } => Some(
                "write `[package.metadata.cowherd]` with `snapshot = \"NAME\"`, \
                 and `file = \"PATH\"` if the spec is elsewhere"
                    .to_owned(),
            ),
        }
    }
}

#[derive(Deserialize)]
struct Manifest {
    package: Option<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    metadata: Option<Tools>,
}

#[derive(Deserialize)]
struct Tools {
    cowherd: Option<Metadata>,
}

fn package(folder: &Path) -> Result<Option<Package>, PackageError> {
    let file = folder.join("Cargo.toml");
    let text = match std::fs::read_to_string(&file) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(PackageError::Unreadable { file, source }),
    };
    let manifest: Manifest =
        toml::from_str(&text).map_err(|source| PackageError::Wrong { file, source })?;
    Ok(manifest.package)
}

/// The table of the package in `folder`; `None` when it has none, or when there is no `Cargo.toml`, as where a
/// test binary runs without its sources.
///
/// # Errors
/// A `Cargo.toml` that can't be read, and a table with other keys or values.
pub fn metadata(folder: &Path) -> Result<Option<Metadata>, PackageError> {
    let tools = package(folder)?.and_then(|package| package.metadata);
    Ok(tools.and_then(|tools| tools.cowherd))
}

/// The name of the package in `folder`; `None` when there is no `Cargo.toml`, or one of a workspace only.
///
/// # Errors
/// As [`metadata`].
pub fn name(folder: &Path) -> Result<Option<String>, PackageError> {
    Ok(package(folder)?.map(|package| package.name))
}

/// The snapshot that the package in `folder` names.
///
/// ```
/// # let folder = tempfile::tempdir()?;
/// let toml = "[package]\nname = \"orders\"\n[package.metadata.cowherd]\nsnapshot = \"shop\"\n";
/// std::fs::write(folder.path().join("Cargo.toml"), toml)?;
/// assert_eq!(cowherd::package::snapshot_of(folder.path())?.as_deref(), Some("shop"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// As [`metadata`].
pub fn snapshot_of(folder: &Path) -> Result<Option<String>, PackageError> {
    Ok(metadata(folder)?.and_then(|metadata| metadata.snapshot))
}
