//! Snapshots that are declared in code, without a `cowherd.yaml`.

use std::path::Path;

use super::{Cowherd, Error, Here};
use crate::project::{Project, ProjectError};
use crate::spec::{self, Declaration};

impl Cowherd {
    /// Declares snapshots in code. They mean what the same words mean in a `cowherd.yaml` in `folder`, and they are
    /// built as the same layers: what one of the two has built, the other one finds in the store.
    ///
    /// ```no_run
    /// use cowherd::Cowherd;
    ///
    /// let herd = Cowherd::declare(env!("CARGO_MANIFEST_DIR"), |spec| {
    ///     spec.snapshot("shop", |shop| {
    ///         shop.engine("postgres").migrate("migrations").sql("seed/*.sql")
    ///     })
    /// })?;
    /// let container = herd.snapshot("shop")?.container()?;
    /// # Ok::<(), cowherd::Error>(())
    /// ```
    ///
    /// Tests say `#[cowherd::test(herd = shop)]` with a function that declares them once for all:
    ///
    /// ```
    /// use std::sync::LazyLock;
    ///
    /// use cowherd::{Cowherd, Error};
    ///
    /// fn shop() -> Result<Cowherd, Error> {
    ///     static SHOP: LazyLock<Result<Cowherd, Error>> = LazyLock::new(|| {
    ///         Cowherd::declare(env!("CARGO_MANIFEST_DIR"), |spec| {
    ///             spec.snapshot("shop", |shop| shop.engine("sqlite").sql("seed.sql"))
    ///         })
    ///     });
    ///     SHOP.clone()
    /// }
    /// ```
    ///
    /// # Errors
    /// What is declared is wrong, each mistake with the place of its call; a store that can't be used.
    #[track_caller]
    pub fn declare(
        folder: impl AsRef<Path>,
        snapshots: impl FnOnce(Declaration) -> Declaration,
    ) -> Result<Self, Error> {
        let spec = spec::declare(folder.as_ref(), snapshots).map_err(ProjectError::from)?;
        Ok(Self::of(Here::new(Project::of_spec(spec)?)))
    }

    /// As [`Cowherd::declare`], with the store in the folder `store`, whatever the environment says.
    ///
    /// # Errors
    /// As [`Cowherd::declare`].
    #[track_caller]
    pub fn declare_in(
        folder: impl AsRef<Path>,
        store: &Path,
        snapshots: impl FnOnce(Declaration) -> Declaration,
    ) -> Result<Self, Error> {
        let spec = spec::declare(folder.as_ref(), snapshots).map_err(ProjectError::from)?;
        Ok(Self::of(Here::new(Project::of_spec_in(spec, store)?)))
    }
}
