//! Programs that can't be started: what is said, and with which code a shell would end.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use cowherd::sandbox::{Command, Running, SandboxError};
use nix::errno::Errno;

use super::{container, line, null, prints, run, sandbox};
use crate::support::userns;

#[test]
fn a_program_that_is_not_there_is_named() {
    if !userns() {
        return;
    }
    let mut container = container();
    for name in ["/nonexistent/program", "no-such-program", ""] {
        let mut command = Command::new(name);
        command.env("PATH", "/usr/bin:/bin:/etc/passwd");
        let error = failure(&mut container, &command);
        assert_eq!(error.1, Errno::ENOENT, "{name:?}");
        assert_eq!(error.0.to_string(), format!("can't run {name}"));
        assert_eq!(error.0.shell_code(), 127);
        assert!(error.0.hint().is_some());
    }
}

#[test]
fn a_file_that_can_not_be_executed_says_why() {
    if !userns() {
        return;
    }
    let project = tempfile::tempdir().expect("a folder");
    let file = |name: &str, content: &str, mode: u32| {
        let path = project.path().join(name);
        fs::write(&path, content).expect("a file");
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("a mode");
        path
    };
    let text = file("text", "#!/bin/sh\n", 0o644);
    let bare = file("bare", "echo no first line\n", 0o755);
    let lost = file("lost", "#!/nonexistent/interpreter\n", 0o755);
    let mut sandbox = sandbox();
    sandbox.project(project.path(), false);
    let mut container = sandbox.start().expect("a container");
    let tried = [
        (&text, Errno::EACCES, "chmod +x", 126),
        (&bare, Errno::ENOEXEC, "#!/bin/sh", 126),
        (&lost, Errno::ENOENT, "first line", 127),
    ];
    for (path, errno, advice, code) in tried {
        let (error, found) = failure(&mut container, &Command::new(path));
        assert_eq!(found, errno, "{}", path.display());
        let hint = error.hint().expect("a hint");
        assert!(hint.contains(advice), "{hint}");
        assert_eq!(error.shell_code(), code);
    }
    // The first that may be executed is, whatever forbids itself on the way.
    let mut found = Command::new("text");
    found.env("PATH", format!("{}:/usr/bin", project.path().display()));
    assert_eq!(failure(&mut container, &found).1, Errno::EACCES);
    fs::write(project.path().join("id"), "not a program").expect("a file");
    let mut id = Command::new("id");
    id.args(["-u"])
        .env("PATH", format!("{}:/usr/bin", project.path().display()));
    assert!(run(&mut container, &id).0.success());
}

#[test]
fn a_folder_of_the_path_that_is_closed_to_the_containers_user_is_passed_over() {
    if !userns() {
        return;
    }
    let project = tempfile::tempdir().expect("a folder");
    let closed = project.path().join("closed");
    fs::create_dir(&closed).expect("a folder");
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o000)).expect("a mode");
    let mut sandbox = sandbox();
    sandbox.project(project.path(), false);
    let mut container = sandbox.start().expect("a container");
    let path = format!("{}:/usr/bin", closed.display());
    let mut command = Command::new("no-such-program");
    command.env("PATH", &path);
    assert_eq!(failure(&mut container, &command).1, Errno::ENOENT);
    // Who names the folder is told that it is closed.
    let mut command = Command::new(closed.join("program"));
    command.env("PATH", &path);
    assert_eq!(failure(&mut container, &command).1, Errno::EACCES);
}

#[test]
fn a_working_folder_that_can_not_be_entered_is_named() {
    if !userns() {
        return;
    }
    let mut container = container();
    let mut command = line("true");
    command.current_dir("/nonexistent/folder");
    let (error, errno) = failure(&mut container, &command);
    assert_eq!(errno, Errno::ENOENT);
    assert_eq!(
        error.to_string(),
        "can't run /bin/sh in /nonexistent/folder"
    );
    assert_eq!(error.shell_code(), 126, "the program is there");
    let mut inside = line("pwd");
    inside.current_dir("/usr/bin");
    assert_eq!(run(&mut container, &inside).1, "/usr/bin\n");
}

#[track_caller]
fn failure(container: &mut Running, command: &Command) -> (SandboxError, Errno) {
    let error = container
        .spawn(command, [&null(), &null(), &null()])
        .expect_err("no program");
    let SandboxError::Spawn { errno, .. } = error else {
        panic!("{error:?}");
    };
    // The container goes on as if nothing had been asked.
    assert_eq!(prints(container, "echo on"), "on\n");
    (error, errno)
}
