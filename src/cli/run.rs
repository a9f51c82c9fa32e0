//! `cowherd run`.

use std::process::ExitCode;

use clap::ColorChoice;
use cowherd::project::{Project, Request};
use cowherd::report::{self, Reports};
use cowherd::schedule::Stop;
use cowherd::store::KeptLimits;

use super::{args, console};

pub(super) fn run(args: &args::Run, color: ColorChoice) -> anyhow::Result<ExitCode> {
    let project = Project::open(args.spec.file.as_deref())?;
    let mut reports = Reports::new(console(color));
    for (kind, path) in &args.report {
        reports.add(
            format!("{kind}={}", path.display()),
            report::to_file(kind, path)?,
        );
    }
    let request = Request {
        filters: args.filters.clone(),
        jobs: args.jobs.map(|jobs| jobs as usize),
        retries: args.retries,
        timeout: args.timeout,
        fail_fast: args.fail_fast,
        keep: args.keep,
        keep_limits: KeptLimits {
            age: args.keep_for,
            bytes: args.keep_size,
        },
    };
    let stop = Stop::new()?;
    let finished = project.run(&request, &stop, &mut |event| reports.event(&event));
    let lost = reports.finish();
    for error in &lost {
        tracing::warn!("{}", cowherd::event::in_words(error));
    }
    let code = finished?.exit_code(&stop);
    // A report that is missing must not pass for a green build.
    Ok(ExitCode::from(if code == 0 && !lost.is_empty() {
        97
    } else {
        code
    }))
}
