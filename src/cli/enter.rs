//! `cowherd enter`: into the state that a test left.

use std::fs::File;
use std::io;
use std::process::ExitCode;

use anyhow::Context as _;
use cowherd::project::{Project, open_store, test_environment};
use cowherd::sandbox::Command;
use cowherd::schedule::{self, Stop};

use super::{args, exec, kept, shell};

pub(super) fn enter(args: &args::Enter) -> anyhow::Result<ExitCode> {
    let kept = kept::one(&open_store()?, &args.id)?;
    if args.output || args.logs {
        let path = if args.output {
            kept.output()
        } else {
            kept.logs()
        };
        let mut file =
            File::open(&path).with_context(|| format!("can't read {}", path.display()))?;
        io::copy(&mut file, &mut io::stdout().lock())?;
        return Ok(ExitCode::SUCCESS);
    }
    let project = Project::open(Some(&kept.spec))?;
    let state = project.kept_state(&kept)?;
    let stop = Stop::new()?;
    let watch = schedule::watch(&stop)?;
    let mut command = match args.command.as_slice() {
        [] => shell::client(&project, &state, args.service.as_deref())?,
        command => {
            let mut command = Command::from_argv(command);
            command.envs(test_environment(project.on().identity));
            command
        }
    };
    command.envs(kept.environment);
    let code = exec::in_container(&project, &state, command.into(), &stop);
    drop(watch);
    code
}
