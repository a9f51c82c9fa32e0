//! The life of one attempt: a container, the test's command in it, and what is known afterwards.

use std::fs::File;
use std::io::Write;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use super::Stop;
use crate::container::{self, Container, ContainerError, Ended, Services, Setup, State, Writable};
use crate::disk;
use crate::event::{self, Attempt, Outcome, Output};
use crate::sandbox::cgroup::{Cgroups, Limits};
use crate::sandbox::{Command, Exit, Identity, SandboxError, Slot};
use crate::store::{Scratch, Store};
use crate::units;

/// What all attempts on this machine share.
#[derive(Debug, Clone)]
pub struct Host {
    /// Where layers and scratch folders are.
    pub store: Store,
    /// Who runs tests and services.
    pub identity: Identity,
    /// What this host lets us limit, once somebody asked: finding out moves a process about.
    pub cgroups: Arc<OnceLock<Cgroups>>,
    /// The spec's folder.
    pub project: PathBuf,
    /// What else containers see of the host wherever it lies: the repository around the project.
    pub shown: Vec<PathBuf>,
    /// Whether the store's file system can share blocks, once somebody asked.
    pub reflink: Arc<OnceLock<bool>>,
}

/// A test ready to be attempted.
#[derive(Debug, Clone)]
pub struct Case {
    /// The state that it gets a copy of.
    pub state: Arc<State>,
    /// What to run, with its whole environment.
    pub command: Command,
    /// How long the command may take.
    pub timeout: Duration,
    /// Further folders of the host that it must see.
    pub shown: Vec<PathBuf>,
    /// Whether it sees the host's own project folder rather than a copy-on-write view.
    pub host_files: bool,
    /// Its limits.
    pub limits: Limits,
}

/// Makes a container, runs the test in it, and throws the container away.
///
/// Whatever goes wrong with the container is an [`Outcome::Error`], not a failure of the test; it comes
/// back beside the attempt.
pub fn attempt(host: &Host, case: &Case, stop: &Stop) -> (Attempt, Option<ContainerError>) {
    let begun = Instant::now();
    let mut record = Attempt {
        outcome: Outcome::Interrupted,
        fixture: Duration::ZERO,
        body: Duration::ZERO,
        copied_up: 0,
        files: Vec::new(),
        output: Output::default(),
        service_log: None,
    };
    let fault = match live(host, case, stop, begun, &mut record) {
        Ok(()) | Err(ContainerError::Interrupted) => None,
        Err(error) => {
            record.outcome = Outcome::Error {
                message: event::in_words(&error),
                hint: error.hint(),
            };
            Some(error)
        }
    };
    if record.fixture.is_zero() {
        record.fixture = begun.elapsed();
    }
    (record, fault)
}

fn live(
    host: &Host,
    case: &Case,
    stop: &Stop,
    begun: Instant,
    record: &mut Attempt,
) -> Result<(), ContainerError> {
    let output = disk::unnamed_file(host.store.path()).map_err(ContainerError::Disk)?;
    let scratch = host.scratch_for(&case.state)?;
    let setup = Setup {
        identity: host.identity,
        project: Some((&host.project, case.host_files)),
        shown: &case.shown,
        writable: scratch.as_ref().map_or(Writable::Memory, Writable::Scratch),
        limits: (!case.limits.is_empty()).then(|| (host.cgroups(), case.limits)),
        services: Services::All,
        stop: Some(stop.killed()),
    };
    let mut container = Container::start(&case.state, &setup)?;
    record.fixture = begun.elapsed();
    let started = Instant::now();
    record.outcome = match container.spawn_printing(&case.command, &output) {
        Ok(program) => watch(&mut container, program, case, stop, &output)?,
        // A command that can't be executed is the test's own fault; a shell has codes for it.
        Err(ContainerError::Sandbox(error @ SandboxError::Spawn { .. })) => {
            not_executed(&output, &error)
        }
        Err(error) => return Err(error),
    };
    record.body = started.elapsed();
    record.output = Output::new(output);
    if !record.outcome.passed() {
        record.service_log = container.fallen_services();
    }
    let copied = container.copied_up();
    record.copied_up = copied.bytes;
    record.files = copied.files;
    Ok(())
}

/// Waits for the test's command, and looks now and then at how much it has printed.
fn watch(
    container: &mut Container,
    program: Slot,
    case: &Case,
    stop: &Stop,
    output: &File,
) -> Result<Outcome, ContainerError> {
    let deadline = Instant::now() + case.timeout;
    loop {
        let look = deadline.min(Instant::now() + LOOK_EVERY);
        let ended = container.wait(program, Some(look), Some(stop.killed()));
        return Ok(match ended {
            Ok(Ended::Exited(exit)) => verdict(exit, case, container.out_of_memory(), output),
            Ok(Ended::Stopped) => Outcome::Interrupted,
            Ok(Ended::TimedOut) if look == deadline => Outcome::TimedOut {
                after: case.timeout,
            },
            Ok(Ended::TimedOut) if output.metadata().is_ok_and(|file| file.len() > MOST_OUTPUT) => {
                let most = units::format_size(MOST_OUTPUT);
                note(
                    output,
                    &format!("it printed more than {most} and was killed"),
                );
                Outcome::Failed { code: 137 }
            }
            Ok(Ended::TimedOut) => continue,
            // With cgroup v2 the kernel ends everything in the container, its init too.
            Err(ContainerError::Sandbox(SandboxError::Gone)) if container.out_of_memory() => {
                Outcome::Signalled {
                    signal: SIGKILL,
                    out_of_memory: true,
                }
            }
            Err(error) => return Err(error),
        });
    }
}

/// The signal that the kernel ends a process with when a limit on memory is reached; its number is the same
/// everywhere (signal(7)).
const SIGKILL: i32 = 9;

/// What the end of the test's command means.
fn verdict(exit: Exit, case: &Case, out_of_memory: bool, output: &File) -> Outcome {
    match exit {
        Exit::Code(0) => Outcome::Passed,
        // The shell passes on how its last command ended.
        Exit::Code(code) if out_of_memory && code == 128 + SIGKILL => Outcome::Signalled {
            signal: SIGKILL,
            out_of_memory,
        },
        Exit::Code(code) => {
            if let (true, Some(limit)) = (out_of_memory, case.limits.memory) {
                let limit = units::format_size(limit);
                let text = "the kernel ended a process for want of memory: the limit is";
                note(output, &format!("{text} {limit}"));
            }
            Outcome::Failed { code }
        }
        Exit::Signal(signal) => Outcome::Signalled {
            signal,
            out_of_memory,
        },
    }
}

/// Adds a line of Cowherd's to what the test printed. The verdict stands without it, should there be no
/// room.
fn note(mut output: &File, text: &str) {
    let begun = output.metadata().is_ok_and(|file| file.len() > 0);
    let _ = writeln!(output, "{}cowherd: {text}", if begun { "\n" } else { "" });
}

/// How often a running test's output is measured.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// What a test may print, in bytes, before it is taken for one that prints for ever.
const MOST_OUTPUT: u64 = 4 << 30;

fn not_executed(output: &File, error: &SandboxError) -> Outcome {
    let hint = error.hint().unwrap_or_default();
    note(output, &format!("{}\n{hint}", event::in_words(error)));
    Outcome::Failed {
        code: error.shell_code(),
    }
}

impl Host {
    /// What this host lets us limit. Groups that a killed run left are swept the first time.
    pub fn cgroups(&self) -> &Cgroups {
        self.cgroups.get_or_init(|| {
            let cgroups = Cgroups::detect();
            cgroups.sweep(&container::group_is_alive);
            cgroups
        })
    }

    /// A scratch folder for the writable layer of a copy of `state`, where it doesn't belong in memory: when
    /// the kernel's tmpfs can't carry it, or when a file is so large that copying it up costs more than
    /// memory is worth and the store's file system can share blocks instead.
    ///
    /// # Errors
    /// When the folder can't be made.
    pub fn scratch_for(&self, state: &State) -> Result<Option<Scratch>, ContainerError> {
        let large = || state.largest_file() > LARGE_FILE && self.can_reflink();
        if disk::memory_takes_user_xattrs() && !large() {
            return Ok(None);
        }
        self.store
            .scratch()
            .map(Some)
            .map_err(ContainerError::Store)
    }

    /// What the user should know of a state whose files are large, where the store's file system can't
    /// share blocks.
    pub fn remark(&self, state: &State) -> Option<String> {
        (state.largest_file() > LARGE_FILE && !self.can_reflink()).then(|| {
            format!(
                "the largest file of `{}` has {}: each test that writes to it, or opens it for writing as \
                 PostgreSQL does with every table, copies it; a store on XFS or btrfs (COWHERD_STORE) shares the \
                 blocks instead",
                state.snapshot,
                units::format_size(state.largest_file())
            )
        })
    }

    fn can_reflink(&self) -> bool {
        *self
            .reflink
            .get_or_init(|| disk::can_reflink(self.store.path()).unwrap_or(false))
    }
}

/// From this size on, in bytes, a file is better shared than copied.
const LARGE_FILE: u64 = 64 << 20;
