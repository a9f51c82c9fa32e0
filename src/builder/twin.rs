//! Empty databases that are there already, for a service of another name.
//!
//! To initialise a server takes seconds, and what comes of it has nothing of the service's name in it. But a layer has
//! its files below that name, and lies on what was there before. So another service takes a copy of the files.

use std::path::PathBuf;
use std::sync::Arc;

use super::under_way::{Group, UnderWay};
use super::{Builder, StepError};
use crate::disk::{self, Below};
use crate::engine::Engine;
use crate::spec::USUAL_NAME;
use crate::store::{Draft, Layer};

/// Files of a layer, which stays while this value lives.
pub(super) struct Twin {
    files: PathBuf,
    _layer: Layer,
}

impl Builder<'_> {
    /// The files of another service that are what the group is to make: of the same snapshot, or of one whose service
    /// has the usual name.
    pub(super) fn twin(
        &self,
        under_way: &UnderWay<'_>,
        group: &Group<'_>,
        engine: &Arc<dyn Engine>,
    ) -> Result<Option<Twin>, StepError> {
        let Some(alike) = group.step.alike.filter(|alike| *alike != group.key) else {
            return Ok(None);
        };
        // What this process makes by itself is made as quickly as it is copied.
        if engine.server(true).is_none() {
            return Ok(None);
        }
        let (layer, service) = match under_way.twin(group) {
            Some((layer, service)) => (Some(layer.clone()), service),
            None => (self.store.find(&alike)?, USUAL_NAME),
        };
        let files = layer.and_then(|layer| Some((layer.files(service)?, layer)));
        Ok(files.map(|(files, layer)| Twin {
            files,
            _layer: layer,
        }))
    }
}

impl Twin {
    /// Copies the files for the service of `engine`.
    pub(super) fn copy(&self, engine: &Arc<dyn Engine>, draft: &Draft) -> Result<(), StepError> {
        let data = draft.files(engine.place().service())?;
        let files = std::slice::from_ref(&self.files);
        Ok(disk::merge_layers(files, &data, Below::Nothing)?)
    }
}
