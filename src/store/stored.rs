//! Snapshots that the store has by itself, as specs.

use std::path::Path;

use super::StoredService;
use crate::spec::{self, Spec, SpecError};

/// The spec of a snapshot that the store has by itself, for who works in `folder`: its services, and no steps. It is read and
/// checked as any other.
///
/// # Errors
/// Names, engines or settings that no spec may have.
pub fn spec_of(name: &str, services: &[StoredService], folder: &Path) -> Result<Spec, SpecError> {
    spec::declare(folder, |spec| {
        spec.snapshot(name, |mut snapshot| {
            for service in services {
                snapshot = snapshot.service(&service.name, |mut declared| {
                    declared = declared.engine(&service.engine).database(&service.database);
                    for (name, value) in &service.settings {
                        declared = declared.setting(name, value);
                    }
                    declared
                });
            }
            snapshot
        })
    })
}
