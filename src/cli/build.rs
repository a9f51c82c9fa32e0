//! `cowherd build`.

use std::process::ExitCode;

use clap::ColorChoice;
use cowherd::project::Project;
use cowherd::schedule::{self, Stop};

use super::{args, console};

pub(super) fn build(args: &args::Build, color: ColorChoice) -> anyhow::Result<ExitCode> {
    let project = Project::open(args.spec.file.as_deref())?;
    let all = project
        .spec()
        .snapshots
        .iter()
        .map(|snapshot| snapshot.name.as_str());
    let wanted: Vec<&str> = match args.snapshots.is_empty() {
        true => all.collect(),
        false => args.snapshots.iter().map(String::as_str).collect(),
    };
    let stop = Stop::new()?;
    let watch = schedule::watch(&stop)?;
    let mut report = console(color);
    let prepared = project.prepare(&wanted, &stop, &mut |event| {
        // A closed standard error must not end a build.
        let _ = report.event(&event);
    })?;
    drop(watch);
    drop(report);
    let mut code = 0;
    for (name, state) in &prepared {
        match state {
            Ok(state) => println!("{name}: {} layers", state.layers.len()),
            Err(_) => code = 101,
        }
    }
    Ok(ExitCode::from(
        stop.asked().map_or(code, |signal| 128 + signal as u8),
    ))
}
