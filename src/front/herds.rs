//! What all tests of a process share: the project of each package, opened once, and which failures were told.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use super::{Copies, Cowherd, Error};
use crate::event::in_words;
use crate::package;
use crate::project::ProjectError;
use crate::spec;

impl Cowherd {
    /// Opens the `cowherd.yaml` that belongs to the package in `folder`: the one that `COWHERD_FILE` names, else
    /// the one that `[package.metadata.cowherd]` of its `Cargo.toml` names, else the nearest from `folder` upwards.
    ///
    /// ```no_run
    /// use std::path::Path;
    ///
    /// let herd = cowherd::Cowherd::open_package(Path::new(env!("CARGO_MANIFEST_DIR")))?;
    /// # Ok::<(), cowherd::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Cowherd::open`].
    pub fn open_package(folder: &Path) -> Result<Self, Error> {
        if let Some(inside) = Self::around() {
            return Ok(inside);
        }
        if let Some(file) = std::env::var_os("COWHERD_FILE") {
            return Self::open_file(Path::new(&file));
        }
        let metadata = package::metadata(folder)?.unwrap_or_default();
        let file = metadata.spec_for(folder, None);
        Self::open_file(&file.map_err(ProjectError::from)?)
    }

    /// The snapshot that the spec gives to the package of this name, under `packages:`.
    fn snapshot_of_package(&self, name: &str) -> Result<Option<String>, Error> {
        Ok(match &self.copies {
            Copies::Here(here) => here.spec().packages.get(name).cloned(),
            Copies::Pool(at) => {
                let spec = spec::load(&at.1).map_err(ProjectError::from)?;
                spec.packages.get(name).cloned()
            }
            Copies::Inside(_) => None,
        })
    }
}

/// The project of a package, with the snapshot of its tests that name none.
type Herd = (Cowherd, Option<String>);

/// The project of the package in `folder`, for all tests of this process.
pub(super) fn of_package(folder: &Path) -> Result<Herd, Error> {
    static HERDS: Mutex<Option<Herds>> = Mutex::new(None);
    type Herds = HashMap<PathBuf, Arc<OnceLock<Result<Herd, Error>>>>;

    let cell = {
        // Nothing can panic while the lock is held.
        let mut herds = HERDS.lock().unwrap_or_else(PoisonError::into_inner);
        let herds = herds.get_or_insert_default();
        Arc::clone(herds.entry(folder.to_owned()).or_default())
    };
    let open = || {
        let herd = Cowherd::open_package(folder)?;
        let default = match (package::snapshot_of(folder)?, package::name(folder)?) {
            (None, Some(name)) => herd.snapshot_of_package(&name)?,
            (told, _) => told,
        };
        Ok((herd, default))
    };
    cell.get_or_init(open).clone()
}

/// The words for an error that keeps `test` from its database: its causes and what to do, or, where another test
/// has the very same, which test's output tells it.
pub(super) fn told(error: &Error, test: &str) -> String {
    static TOLD: Mutex<Vec<(Error, String)>> = Mutex::new(Vec::new());

    let mut told = TOLD.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((_, first)) = told.iter().find(|(known, _)| known.is(error)) {
        return format!("no database, for the cause that test `{first}` tells");
    }
    told.push((error.clone(), test.to_owned()));
    let hint = error.hint().map(|hint| format!("\n  hint: {hint}"));
    in_words(error) + hint.as_deref().unwrap_or_default()
}
