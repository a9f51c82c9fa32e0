//! What a live container has changed, as a layer.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::{Builder, StepError};
use crate::container::{Container, State};
use crate::digest::Digest;
use crate::disk::{self, Below, Kind, Reach};
use crate::engine::Action;
use crate::store::{Draft, LayerInfo};

/// How the databases of a layer are left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AtRest {
    /// As after the steps of a snapshot: what reads them has nothing to write.
    Frozen,
    /// Stopped cleanly, and else as they were.
    Stopped,
}

/// How often a file is copied that is written to meanwhile.
const TRIES: u32 = 5;

impl Builder<'_> {
    /// Stops the services of a container over `state`, and makes what it has changed a layer on top of the
    /// state's. Gives the state with it. The container's other programs go on; [`Container::start_services_again`] gives them their services
    /// back.
    ///
    /// # Errors
    /// When a service can't be stopped cleanly, or a file is written to all the time; nothing is left then.
    pub fn capture(
        &self,
        container: &mut Container,
        state: &State,
        rest: AtRest,
        (key, label): (&Digest, &str),
    ) -> Result<State, StepError> {
        if rest == AtRest::Frozen {
            for engine in &state.services {
                self.freeze(container, engine)?;
            }
        }
        container.stop_services(self.stop)?;
        let lock = self.store.lock_key(key, label, &mut |_| {})?;
        let draft = self.store.draft(&lock)?;
        for engine in &state.services {
            let service = engine.place().service();
            let Some(changes) = container.changes(service) else {
                continue;
            };
            if engine.server(true).is_some() {
                engine.seal(&container.reach(&engine.place().data()))?;
                disk::merge_layers(&[changes], &draft.files(service)?, Below::Layers)?;
            } else {
                let data = copy_at_rest(&changes, &draft, service)?;
                for action in engine.freeze() {
                    if let Action::InProcess(act) = action {
                        act(&data)?;
                    }
                }
                engine.seal(&data)?;
            }
        }
        let engine = state.services.first();
        let layer = draft.seal(LayerInfo {
            parent: state.layers.first().cloned(),
            label: label.to_owned(),
            engine: engine.map_or("", |engine| engine.name()).to_owned(),
            engine_version: engine.map_or("", |engine| engine.version()).to_owned(),
        })?;
        Ok(state.with(layer))
    }
}

/// Copies files that programs may be writing to, unless they do so all the time.
fn copy_at_rest(from: &Path, draft: &Draft, service: &str) -> Result<PathBuf, StepError> {
    for _ in 0..TRIES {
        let before = times(from)?;
        let to = draft.files(service)?;
        disk::merge_layers(&[from.to_owned()], &to, Below::Layers)?;
        if times(from)? == before {
            return Ok(to);
        }
        disk::remove_tree(&to)?;
    }
    Err(StepError::Busy)
}

/// When each file was written last, and how long it is.
fn times(folder: &Path) -> Result<Vec<(SystemTime, u64)>, StepError> {
    let mut times = Vec::new();
    disk::walk::<StepError>(folder, Reach::AsIs, &mut |entry| {
        if entry.kind() == Kind::File {
            let metadata = fs::symlink_metadata(&entry.path).map_err(StepError::Draft)?;
            let written = metadata.modified().map_err(StepError::Draft)?;
            times.push((written, metadata.len()));
        }
        Ok(())
    })?;
    Ok(times)
}
