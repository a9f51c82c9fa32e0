//! `cowherd cargo-runner`: what Cargo, rustdoc and nextest execute in place of a test's program.

use std::ffi::{OsStr, OsString};
use std::io::{self, IsTerminal as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use clap::ColorChoice;
use cowherd::cargo::{
    Asked, Binary, DOCTESTS, EachError, Fixture, FixtureError, Kind, MERGED_DOCTESTS, Program,
    RUNNER, RunError, Wanted, WantedError, each, is_test, wanted,
};
use cowherd::event::{Event, in_words};
use cowherd::plan::PlanError;
use cowherd::pool::client::ClientError;
use cowherd::pool::protocol::Refusal as Refused;
use cowherd::project::ProjectError;
use cowherd::sandbox::{Exit, end_like};
use cowherd::schedule::{self, Stop};

use super::args;
use super::failure::Refusal;

/// What a runner is called with.
pub(super) struct Call {
    binary: Binary,
    args: Vec<OsString>,
    /// The package's folder.
    folder: PathBuf,
}

impl Call {
    fn new(words: usize, mut command: Vec<OsString>) -> Option<Self> {
        let args = command.split_off((words + 1).min(command.len()));
        let folder = std::env::var_os("CARGO_MANIFEST_DIR");
        (command.len() == words + 1).then(|| Self {
            binary: Binary { words: command },
            args,
            folder: folder.map_or_else(PathBuf::new, PathBuf::from),
        })
    }

    /// What its package wants.
    fn wanted(&self) -> Result<Option<Wanted>, WantedError> {
        let name = std::env::var("CARGO_PKG_NAME").unwrap_or_default();
        let named = std::env::var_os("COWHERD_FILE").map(PathBuf::from);
        wanted(&self.folder, &name, named.as_deref())
    }

    /// Becomes the program, which is called as without this runner.
    fn execute(&self) -> anyhow::Error {
        let mut command = Command::new(&self.binary.words[0]);
        command.args(&self.binary.words[1..]).args(&self.args);
        let error = command.exec();
        Refusal {
            code: 126,
            message: format!("can't execute {}: {error}", command.get_program().display()),
            hint: "is it built for this machine?".to_owned(),
        }
        .into()
    }
}

/// The call of a runner where nothing is to be done but to execute the program: on the way of every test of every
/// package that needs no snapshot, hence before anything else.
pub(super) fn untouched() -> Option<anyhow::Error> {
    let mut args = std::env::args_os().skip(1);
    if args.next()? != RUNNER {
        return None;
    }
    let mut command: Vec<OsString> = args.collect();
    let mut words = 0;
    if command.first()? == "--words" {
        words = command.get(1)?.to_str()?.parse().ok()?;
        command.drain(..2);
    }
    if command.first()?.as_encoded_bytes().starts_with(b"-") {
        return None;
    }
    let call = Call::new(words, command)?;
    // What is wrong is told where there is time for it.
    let names_one = || !matches!(call.wanted(), Ok(None));
    let lists = std::env::var_os("NEXTEST_TEST_PHASE").is_some_and(|phase| phase == "list");
    let whole = !is_test(call.binary.file());
    (lists || whole || !names_one()).then(|| call.execute())
}

pub(super) fn cargo_runner(
    args: &args::CargoRunner,
    color: ColorChoice,
) -> anyhow::Result<ExitCode> {
    let call = Call::new(args.words, args.command.clone()).ok_or_else(|| Refusal {
        code: 2,
        message: format!(
            "can't run a program: there is none behind {} words",
            args.words
        ),
        hint: "Cargo puts the program and its arguments behind the runner's own words".to_owned(),
    })?;
    run(&call, color)
}

/// Runs a program in as many containers as it has tests, if it belongs to a package with a snapshot.
pub(super) fn run(call: &Call, color: ColorChoice) -> anyhow::Result<ExitCode> {
    let wanted = call.wanted().map_err(|error| match error {
        WantedError::Project(error) => error.into(),
        error => anyhow::Error::from(error),
    })?;
    let Some(wanted) = wanted else {
        return Err(call.execute());
    };
    // nextest asks for one test at a time, whatever the program is; a single doc test is one, too.
    let has = |arg: &str| call.args.iter().any(|known| known == arg);
    let nextest = std::env::var_os("NEXTEST").is_some() && has("--exact") && has("--nocapture");
    let single = nextest || doctest().is_some();
    let kind = match single {
        true => Kind::Other,
        false => call.binary.kind()?,
    };
    let stop = Stop::new()?;
    schedule::stop_with_parent(&stop)?;
    if kind == Kind::MergedDoctests {
        let watch = schedule::watch(&stop)?;
        let fixture = prepared(call, &wanted, color, &stop);
        drop(watch);
        return match fixture? {
            Ok(fixture) => {
                // The program that this process becomes drops nothing.
                drop(fixture);
                Err(merged_doctests(call))
            }
            Err(code) => Ok(code),
        };
    }
    let texts: Option<Vec<&str>> = call.args.iter().map(|arg| arg.to_str()).collect();
    let asked = match (kind, texts) {
        (Kind::Libtest, Some(texts)) => Asked::read(texts, |name| std::env::var(name).ok()),
        (Kind::Libtest, None) => Asked::Whole("arguments that are no text".to_owned()),
        _ => Asked::Whole(String::new()),
    };
    match asked {
        Asked::Words => Err(call.execute()),
        Asked::Whole(why) => {
            if !why.is_empty() {
                let file = call.binary.file().display();
                tracing::warn!(
                    "all tests of {file} share one container, as only it knows about {why}"
                );
            }
            let watch = schedule::watch(&stop)?;
            let ended = whole(call, &wanted, color, &stop);
            drop(watch);
            ended
        }
        Asked::Tests(options) => {
            let watch = schedule::watch(&stop)?;
            let prepare = || {
                let mut report = super::console(color);
                Fixture::prepare(&wanted, &call.folder, &call.binary, &stop, &mut |event| {
                    match event {
                        // The tests tell.
                        Event::BuildFailed { .. } => {}
                        event => drop(report.event(&event)),
                    }
                })
            };
            let mut out = io::stdout().lock();
            let is_terminal = out.is_terminal();
            let done = each(
                &call.binary,
                &options,
                prepare,
                &stop,
                &mut out,
                is_terminal,
            );
            drop(watch);
            match done {
                Ok(done) => Ok(ExitCode::from(match (done.passed, done.fault) {
                    (true, _) => 0,
                    (false, Some(fault)) if !fault.is_fixture() => 97,
                    (false, _) => 101,
                })),
                Err(EachError::Interrupted) => interrupted(&stop),
                Err(EachError::Fixture(error)) => Err(shown(error)),
                Err(error) => Err(Refusal {
                    code: 101,
                    message: in_words(&error),
                    hint: String::new(),
                }
                .into()),
            }
        }
    }
}

/// Runs the program as a whole in one container, with this process's own input and output.
fn whole(
    call: &Call,
    wanted: &Wanted,
    color: ColorChoice,
    stop: &Stop,
) -> anyhow::Result<ExitCode> {
    let fixture = match prepared(call, wanted, color, stop)? {
        Ok(fixture) => fixture,
        Err(code) => return Ok(code),
    };
    let mut words = call.binary.words.clone();
    words.extend(call.args.iter().cloned());
    let program = Program {
        words,
        test: call.name(),
    };
    let stdio = [&io::stdin() as _, &io::stdout() as _, &io::stderr() as _];
    let ended = fixture.run(&program, stdio, stop);
    // What follows may end the process, which drops nothing.
    drop(fixture);
    match ended {
        Ok(exit) => end_like(exit),
        Err(RunError::Interrupted) => interrupted(stop),
        Err(RunError::Container(error)) => Err(error.into()),
        Err(RunError::Pool(error)) => Err(error.into()),
        Err(error) => Err(error.into()),
    }
}

/// The fixture of the package; an exit code where the user knows already why there is none.
fn prepared(
    call: &Call,
    wanted: &Wanted,
    color: ColorChoice,
    stop: &Stop,
) -> anyhow::Result<Result<Fixture, ExitCode>> {
    let mut report = super::console(color);
    let fixture = Fixture::prepare(wanted, &call.folder, &call.binary, stop, &mut |event| {
        drop(report.event(&event));
    });
    match fixture {
        Ok(fixture) => Ok(Ok(fixture)),
        Err(FixtureError::Build(_)) => match stop.asked() {
            Some(_) => interrupted(stop),
            None => Ok(Err(ExitCode::from(101))),
        },
        Err(error) => Err(shown(error)),
    }
}

/// The error in the form in which such errors are shown elsewhere too.
fn shown(error: FixtureError) -> anyhow::Error {
    match error {
        // Here a snapshot's name does not come from the command line.
        FixtureError::Project(ProjectError::Plan(PlanError::UnknownSnapshot { .. })) => {
            error.into()
        }
        FixtureError::Pool(ClientError::Refused(Refused { code: 2, .. })) => error.into(),
        FixtureError::Project(error) => error.into(),
        FixtureError::Pool(error) => error.into(),
        error => error.into(),
    }
}

impl Call {
    /// The test's name where it is known, else the program's.
    fn name(&self) -> String {
        let nextest = std::env::var("NEXTEST_TEST_NAME").ok();
        let after = || {
            let at = self.args.iter().position(|arg| arg == "--exact")?;
            self.args.get(at + 1)?.to_str().map(str::to_owned)
        };
        let program = || {
            Path::new(self.binary.file().file_stem().unwrap_or_default())
                .display()
                .to_string()
        };
        nextest.or_else(after).unwrap_or_else(program)
    }
}

/// Ends as the user asked.
fn interrupted(stop: &Stop) -> ! {
    const SIGINT: i32 = 2;
    end_like(Exit::Signal(stop.asked().unwrap_or(SIGINT)))
}

/// Executes the program of merged doc tests on the host: all it does there is to execute, for each of its tests,
/// the program that it is told to, which is this one ([`one_doctest`]).
fn merged_doctests(call: &Call) -> anyhow::Error {
    let own = match std::env::current_exe() {
        Ok(own) => own,
        Err(error) => return error.into(),
    };
    let mut command = Command::new(&call.binary.words[0]);
    command
        .args(&call.binary.words[1..])
        .args(&call.args)
        .env(MERGED_DOCTESTS[0], own)
        .env(DOCTESTS, call.binary.words.join(OsStr::new("\n")));
    command.exec().into()
}

/// The call of this program as one of merged doc tests.
pub(super) fn doctest() -> Option<Call> {
    std::env::var_os(MERGED_DOCTESTS[1])?;
    let words: Vec<OsString> = std::env::var(DOCTESTS)
        .ok()?
        .lines()
        .map(OsString::from)
        .collect();
    let others = words.len() - 1;
    Call::new(
        others,
        words
            .into_iter()
            .chain(std::env::args_os().skip(1))
            .collect(),
    )
}
