//! The life of one attempt: a container, the test's command in it, and what is known afterwards.

use std::fs::File;
use std::io::Write;
use std::time::{Duration, Instant};

use super::Stop;
use super::keep::{self, Keep};
use crate::container::{Container, ContainerError, Ended, Order};
use crate::disk;
use crate::event::{self, Attempt, Outcome, Output};
use crate::pool::Pool;
use crate::sandbox::{Command, Exit, SandboxError, Slot};
use crate::units;

/// A test ready to be attempted.
#[derive(Debug, Clone)]
pub struct Case {
    /// The container that it gets.
    pub order: Order,
    /// What to run, with its whole environment.
    pub command: Command,
    /// How long the command may take.
    pub timeout: Duration,
    /// How many bytes the container may write to its data, where there is a limit.
    pub copy_up: Option<u64>,
    /// Which states are kept, and what is noted of them.
    pub keep: Keep,
}

/// Takes a container from the pool, runs the test in it, and gives it back to be thrown away.
///
/// Whatever goes wrong with the container is an [`Outcome::Error`], not a failure of the test; it comes
/// back beside the attempt.
pub fn attempt(pool: &Pool, case: &Case, stop: &Stop) -> (Attempt, Option<ContainerError>) {
    let begun = Instant::now();
    let mut record = Attempt {
        outcome: Outcome::Interrupted,
        fixture: Duration::ZERO,
        body: Duration::ZERO,
        copied_up: 0,
        files: Vec::new(),
        output: Output::default(),
        service_log: None,
        kept: None,
    };
    let fault = match live(pool, case, stop, begun, &mut record) {
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
    pool: &Pool,
    case: &Case,
    stop: &Stop,
    begun: Instant,
    record: &mut Attempt,
) -> Result<(), ContainerError> {
    let output = disk::unnamed_file(case.order.host.store.path()).map_err(ContainerError::Disk)?;
    let mut container = pool.take(&case.order, Some(stop.killed()))?;
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
    if let (true, Some(limit), Some((largest, _))) =
        (record.outcome.passed(), case.copy_up, copied.files.first())
        && copied.bytes > limit
    {
        record.outcome = Outcome::CopiedUp {
            bytes: copied.bytes,
            limit,
            largest: largest.clone(),
        };
    }
    record.copied_up = copied.bytes;
    record.files = copied.files;
    if case.keep.wants(&record.outcome) {
        record.kept = Some(keep::keep(container, case, record, stop));
    }
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
            if let (true, Some(limit)) = (out_of_memory, case.order.limits.memory) {
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
