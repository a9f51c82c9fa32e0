//! A test in a process of its own: for what is shared by all threads of a process, such as its
//! descriptors, children, limits and ignored signals.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const INSIDE: &str = "COWHERD_TEST_ALONE";

/// Runs `body` in a process that has only this test, `name` being its full name.
#[track_caller]
pub(crate) fn alone(name: &str, body: impl FnOnce()) {
    alone_under(&[], name, body);
}

/// As [`alone`], in an IPC namespace that nobody else makes objects in.
#[track_caller]
pub(crate) fn alone_with_ipc(name: &str, body: impl FnOnce()) {
    let wrapper: &[&str] = match nix::unistd::geteuid().is_root() {
        true => &["unshare", "--ipc"],
        false => &["unshare", "--user", "--map-current-user", "--ipc"],
    };
    alone_under(wrapper, name, body);
}

/// As [`alone`], with the process started through `wrapper`: a program that executes its arguments.
#[track_caller]
pub(crate) fn alone_under(wrapper: &[&str], name: &str, body: impl FnOnce()) {
    if std::env::var_os(INSIDE).is_some_and(|inside| inside == name) {
        return body();
    }
    let own = std::env::current_exe().expect("the test program");
    let mut command = match wrapper {
        [] => Command::new(&own),
        [program, args @ ..] => {
            let mut command = Command::new(program);
            command.args(args).arg(&own);
            command
        }
    };
    command
        .args([name, "--exact", "--nocapture"])
        .env(INSIDE, name)
        .stdin(Stdio::null());
    let output = tempfile::tempfile().expect("a file");
    command
        .stdout(output.try_clone().expect("a file"))
        .stderr(output.try_clone().expect("a file"));
    let mut child = command.spawn().expect("the test program");
    let deadline = Instant::now() + Duration::from_secs(120);
    let status = loop {
        if let Some(status) = child.try_wait().expect("a status") {
            break status.to_string();
        }
        if Instant::now() > deadline {
            child.kill().expect("an end");
            child.wait().expect("an end");
            break "still running after two minutes".to_owned();
        }
        std::thread::sleep(Duration::from_millis(2));
    };
    let text = super::text(&output);
    assert!(
        status == "exit status: 0" && text.contains("1 passed"),
        "{name}, alone: {status}\n{text}"
    );
}

/// Whether this is the process of [`alone`]: what a test needs was asked for before.
pub(crate) fn inside() -> bool {
    std::env::var_os(INSIDE).is_some()
}
