//! `cowherd init`: a first spec for the project in this folder.

use std::path::Path;
use std::process::ExitCode;

use anyhow::Context as _;
use cowherd::init;
use cowherd::project::Project;

use super::args;
use super::output::say;

pub(super) fn init(args: &args::Init) -> anyhow::Result<ExitCode> {
    let here = std::env::current_dir().context("can't find the current folder")?;
    let starter = init::starter(&here, args.engine.as_deref())?;
    if args.print {
        say(&starter.spec)?;
        for (file, _) in &starter.files {
            tracing::info!("without --print, {} is written too", file.display());
        }
        return Ok(ExitCode::SUCCESS);
    }
    let written = starter.write(&here, args.force)?;
    for file in &written {
        say(&format!("wrote {}\n", file.display()))?;
    }
    match obstacle(&written[0]) {
        None => say("next: cowherd run\n")?,
        Some(obstacle) => say(&format!(
            "before `cowherd run` can succeed, see to this:\n{obstacle}\n"
        ))?,
    }
    Ok(ExitCode::SUCCESS)
}

/// What would keep the first run from beginning: an engine that isn't installed, migrations in doubt.
fn obstacle(spec: &Path) -> Option<String> {
    let planned = Project::open(Some(spec)).and_then(|project| {
        let snapshots = &project.spec().snapshots;
        let all: Vec<&str> = snapshots
            .iter()
            .map(|snapshot| snapshot.name.as_str())
            .collect();
        project.plan(&all).map(drop)
    });
    let error = planned.err()?;
    let hint = error.hint().map(|hint| format!("\nhint: {hint}"));
    Some(cowherd::event::in_words(&error) + &hint.unwrap_or_default())
}
