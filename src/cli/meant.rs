//! Which snapshot, or state, a name on the command line means.

use std::path::Path;
use std::sync::Arc;

use clap::ColorChoice;
use cowherd::container::State;
use cowherd::plan::PlanError;
use cowherd::project::{Project, ProjectError, open_store};
use cowherd::schedule::Stop;
use cowherd::spec::SpecError;
use cowherd::store::{KeptRecord, StoredService};

use super::failure::Refusal;

/// The name of the one snapshot that is meant.
pub(super) fn one_name<'a>(project: &'a Project, name: Option<&'a str>) -> anyhow::Result<&'a str> {
    let snapshots = &project.spec().snapshots;
    match (name, snapshots.as_slice()) {
        (Some(name), _) => Ok(name),
        (None, [only]) => Ok(&only.name),
        (None, several) => {
            let names: Vec<&str> = several
                .iter()
                .map(|snapshot| snapshot.name.as_str())
                .collect();
            Err(Refusal {
                code: 2,
                message: "can't tell which snapshot is meant".to_owned(),
                hint: format!("name one of {}", names.join(", ")),
            }
            .into())
        }
    }
}

/// Whether the spec has a snapshot of this name.
pub(super) fn is_of_spec(project: &Project, name: &str) -> bool {
    let mut snapshots = project.spec().snapshots.iter();
    snapshots.any(|known| known.name == name)
}

/// The one snapshot that is meant, with its project: one of the spec, which is built if need be, or else one that was
/// imported under this name, for which no spec is needed.
pub(super) fn meant(
    file: Option<&Path>,
    name: Option<&str>,
    color: ColorChoice,
    stop: &Stop,
) -> anyhow::Result<(Project, Arc<State>)> {
    let (folder, opened) = match Project::open(file) {
        Ok(project) => match name {
            Some(name) if !is_of_spec(&project, name) => {
                (project.spec().folder.clone(), Ok(project))
            }
            _ => {
                let state = one_state(&project, name, color, stop)?;
                return Ok((project, state));
            }
        },
        Err(error @ ProjectError::Spec(SpecError::NotFound { .. })) => {
            (std::env::current_dir()?, Err(error))
        }
        Err(error) => return Err(error.into()),
    };
    if let Some(name) = name
        && let Some(found) = Project::stored(name, &folder)?
    {
        return Ok(found);
    }
    // To say what is wrong with the name, or that there is no spec.
    let project = opened?;
    let state = one_state(&project, name, color, stop)?;
    Ok((project, state))
}

/// A snapshot, or a state that was kept, by what its name begins with.
pub(super) fn or_kept(
    file: Option<&Path>,
    name: &str,
    color: ColorChoice,
    stop: &Stop,
) -> anyhow::Result<(Project, Arc<State>)> {
    let error = match meant(file, Some(name), color, stop) {
        Err(error) if is_unknown(&error) => error,
        found => return found,
    };
    let kept = open_store()?.kept()?.into_iter();
    let mut named: Vec<KeptRecord> = kept.filter(|kept| kept.id.starts_with(name)).collect();
    match (named.pop(), named.is_empty()) {
        (Some(kept), true) => {
            let project = Project::open(Some(&kept.spec))?;
            let state = project.kept_state(&kept)?;
            Ok((project, state))
        }
        _ => Err(error),
    }
}

fn is_unknown(error: &anyhow::Error) -> bool {
    matches!(
        error.downcast_ref(),
        Some(
            ProjectError::Spec(SpecError::NotFound { .. })
                | ProjectError::Plan(PlanError::UnknownSnapshot { .. })
        )
    )
}

/// Builds the one snapshot that is meant.
fn one_state(
    project: &Project,
    name: Option<&str>,
    color: ColorChoice,
    stop: &Stop,
) -> anyhow::Result<Arc<State>> {
    let name = one_name(project, name)?;
    let mut report = super::console(color);
    let prepared = project.prepare(&[name], stop, &mut |event| {
        // A closed standard error must not end a build.
        let _ = report.event(&event);
    })?;
    let state = prepared.into_iter().find(|(prepared, _)| prepared == name);
    match (stop.asked(), state) {
        (None, Some((_, state))) => Ok(state?),
        (signal, _) => {
            let signal = signal.unwrap_or_default();
            Err(ProjectError::Interrupted { signal }.into())
        }
    }
}

/// The services of a state as its spec has them, for a snapshot that has no spec.
pub(super) fn services(project: &Project, state: &State) -> Vec<StoredService> {
    let mut snapshots = project.spec().snapshots.iter();
    let snapshot = snapshots.find(|snapshot| snapshot.name == state.snapshot);
    let services = snapshot.map_or(&[][..], |snapshot| &snapshot.services);
    services.iter().map(StoredService::from).collect()
}
