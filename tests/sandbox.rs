//! The sandbox: what a container sees, may do and leaves behind.

mod descriptors;
mod faults;
mod files;
mod network;
mod overlay;
mod parents;
mod programs;
mod project;
mod rights;
mod unstarted;

use std::fs::File;
use std::path::Path;

use cowherd::sandbox::{Command, Exit, Identity, Running, Sandbox};

use crate::support::text;

fn identity() -> Identity {
    Identity::of_caller().expect("an identity")
}

fn sandbox() -> Sandbox {
    Sandbox::new(identity())
}

fn container() -> Running {
    sandbox().start().expect("a container")
}

fn null() -> File {
    File::options()
        .read(true)
        .write(true)
        .open("/dev/null")
        .expect("/dev/null")
}

/// A file for what a program prints, which the program may open again by the name `/dev/stdout`.
fn output() -> File {
    let file = tempfile::tempfile().expect("a file");
    if identity().is_root() {
        let (uid, gid) = identity().user();
        std::os::unix::fs::fchown(&file, Some(uid), Some(gid)).expect("another owner");
    }
    file
}

/// A shell line as a program.
fn line(text: &str) -> Command {
    let mut command = Command::new("/bin/sh");
    command
        .args(["-c", text])
        .env("PATH", "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin")
        .env("LC_ALL", "C");
    command
}

/// Runs a program and returns how it ended with all that it printed.
#[track_caller]
fn run(container: &mut Running, command: &Command) -> (Exit, String) {
    let output = output();
    let slot = container
        .spawn(command, [&null(), &output, &output])
        .expect("a program");
    let exit = container.wait(slot, None, None).expect("an end");
    (exit, text(&output))
}

/// Asserts that a shell line succeeds, and returns what it printed.
#[track_caller]
fn prints(container: &mut Running, text: &str) -> String {
    let (exit, printed) = run(container, &line(text));
    assert!(exit.success(), "{text}: {exit:?}: {printed}");
    printed
}

/// Asserts that a shell line fails and says `why`.
#[track_caller]
fn refuses(container: &mut Running, text: &str, why: &str) {
    let (exit, printed) = run(container, &line(text));
    assert!(!exit.success(), "{text} succeeded: {printed}");
    assert!(printed.contains(why), "{text}: no {why:?} in: {printed}");
}

/// A folder that the container's user may write to, whoever runs the tests.
fn given(folder: &Path) {
    if identity().is_root() {
        let (uid, gid) = identity().user();
        cowherd::disk::chown_tree(folder, uid, gid).expect("another owner");
    }
}
