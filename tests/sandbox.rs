//! The sandbox: what a container sees, may do and leaves behind.

use std::fs::File;
use std::io::{Read, Seek};

use cowherd::sandbox::{Command, Exit, Identity, Running, Sandbox};

use crate::support::userns;

fn sandbox() -> Sandbox {
    Sandbox::new(Identity::of_caller().expect("an identity"))
}

fn null() -> File {
    File::options()
        .read(true)
        .write(true)
        .open("/dev/null")
        .expect("/dev/null")
}

/// Runs a shell line and returns how it ended with all that it printed.
#[track_caller]
fn shell(container: &mut Running, line: &str) -> (Exit, String) {
    let mut output = tempfile::tempfile().expect("a file");
    let mut command = Command::new("/bin/sh");
    command
        .args(["-c", line])
        .env("PATH", "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin");
    let slot = container
        .spawn(&command, [&null(), &output, &output])
        .expect("a shell");
    let exit = container.wait(slot, None, None).expect("an end");
    let mut text = String::new();
    output.rewind().expect("a file from its start");
    output.read_to_string(&mut text).expect("text");
    (exit, text)
}

/// Asserts that a shell line succeeds, and returns what it printed.
#[track_caller]
fn prints(container: &mut Running, line: &str) -> String {
    let (exit, text) = shell(container, line);
    assert!(exit.success(), "{line}: {exit:?}: {text}");
    text
}

#[test]
fn a_program_runs_and_its_exit_code_comes_back() {
    if !userns() {
        return;
    }
    let mut container = sandbox().start().expect("a container");
    assert_eq!(shell(&mut container, "exit 7").0, Exit::Code(7));
    assert_eq!(shell(&mut container, "kill -9 $$").0, Exit::Signal(9));
    assert_eq!(prints(&mut container, "echo hello"), "hello\n");
}

#[test]
fn mounts() {
    if !userns() {
        return;
    }
    let mut container = sandbox().start().expect("a container");
    println!(
        "{}",
        prints(
            &mut container,
            "cat /proc/self/mountinfo; cat /proc/self/status; id; ls -la /dev /run /run/cowherd /proc/self/fd; ip addr || cat /proc/net/dev; hostname; ps aux"
        )
    );
}
