//! Snapshots that the store has by itself, imported or committed, and that need no spec here.

use std::path::Path;
use std::sync::Arc;

use super::{Project, ProjectError, open_store};
use crate::container::{State, dependencies};
use crate::plan::StoredChain;
use crate::store::{SnapshotRecord, Store, spec_of};

impl Project {
    /// The snapshot that was imported into the store or committed as `name`, with a project that is `folder`; `None` when there is
    /// none. It is noted that it is in use.
    ///
    /// # Errors
    /// When its layers are gone, its engine isn't here, or the store can't be used.
    pub fn stored(name: &str, folder: &Path) -> Result<Option<(Self, Arc<State>)>, ProjectError> {
        Self::stored_in(open_store()?, name, folder)
    }

    /// As [`Project::stored`], from this store.
    ///
    /// # Errors
    /// As [`Project::stored`].
    pub fn stored_in(
        store: Store,
        name: &str,
        folder: &Path,
    ) -> Result<Option<(Self, Arc<State>)>, ProjectError> {
        let Some(record) = store.stored(name)? else {
            return Ok(None);
        };
        let chain = store.recorded_layers(&record)?;
        if chain.len() < record.layers.len() {
            let name = name.to_owned();
            return Err(ProjectError::StoredGone { name });
        }
        let services = record.services.as_deref().unwrap_or_default();
        let project = Self::with_store(spec_of(name, services, folder)?, store)?;
        let Some(snapshot) = project.spec().snapshots.first() else {
            return Ok(None);
        };
        let engines = crate::engine::for_services(&snapshot.services)?;
        project.store().record_use(&record, &chain)?;
        let state = State {
            snapshot: name.to_owned(),
            layers_folder: project.store().layers_dir().to_owned(),
            layers: chain.into_iter().rev().collect(),
            services: engines.into_iter().map(Arc::from).collect(),
            depends_on: dependencies(&snapshot.services),
            programs: None,
        };
        Ok(Some((project, Arc::new(state))))
    }
}

/// What a plan has to know of such a snapshot.
pub(super) fn chain(record: SnapshotRecord) -> StoredChain {
    let services = record.services.unwrap_or_default().into_iter();
    StoredChain {
        keys: record.keys,
        services: services
            .map(|service| [service.name, service.engine, service.database])
            .collect(),
    }
}
