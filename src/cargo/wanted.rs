//! Which snapshot the tests of a package get: said in its `Cargo.toml`, or in the spec.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::package::{self, PackageError};
use crate::project::ProjectError;
use crate::spec::{self, SpecError};

/// The snapshot that the tests of a package get, and where it is described.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// The snapshot.
    pub snapshot: String,
    /// The spec.
    pub file: PathBuf,
}

/// Why it isn't known.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WantedError {
    /// The package's manifest.
    #[error(transparent)]
    Package(#[from] PackageError),
    /// The spec.
    #[error(transparent)]
    Project(#[from] ProjectError),
}

/// Looks up what the package `name` in `folder` wants: `snapshot` in its `[package.metadata.cowherd]`, else its entry
/// under `packages:` of the spec. That is the one which the variable `COWHERD_FILE` (`named`) or the package names,
/// else the nearest one. `None` when neither says anything.
///
/// ```
/// # let folder = tempfile::tempdir()?;
/// # let folder = folder.path();
/// let spec = "version: 1\nsnapshots: { shop: { engine: sqlite } }\npackages: { orders: shop }\n";
/// std::fs::write(folder.join("cowherd.yaml"), spec)?;
/// let wanted = cowherd::cargo::wanted(folder, "orders", None)?;
/// assert_eq!(wanted.unwrap().snapshot, "shop");
/// assert_eq!(cowherd::cargo::wanted(folder, "carts", None)?, None);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// A manifest or a spec that says something wrong.
pub fn wanted(
    folder: &Path,
    name: &str,
    named: Option<&Path>,
) -> Result<Option<Wanted>, WantedError> {
    let metadata = package::metadata(folder)?.unwrap_or_default();
    let file = metadata.spec_for(folder, named);
    if let Some(snapshot) = metadata.snapshot {
        let file = file.map_err(ProjectError::from)?;
        return Ok(Some(Wanted { snapshot, file }));
    }
    let Ok(file) = file else { return Ok(None) };
    // Most specs have no such list, and this is on the way of every test of packages that want nothing.
    match fs::read(&file) {
        Ok(text) if !String::from_utf8_lossy(&text).contains("packages") => return Ok(None),
        Ok(_) => {}
        Err(source) if source.kind() == io::ErrorKind::NotFound && named.is_none() => {
            return Ok(None);
        }
        Err(source) => {
            return Err(ProjectError::from(SpecError::Unreadable { file, source }).into());
        }
    }
    let spec = spec::load(&file).map_err(ProjectError::from)?;
    let snapshot = spec.packages.get(name).cloned();
    Ok(snapshot.map(|snapshot| Wanted { snapshot, file }))
}
