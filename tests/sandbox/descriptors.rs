//! Which descriptors reach a container.

use std::fs;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use cowherd::sandbox::Running;
use nix::fcntl::{FcntlArg, FdFlag, fcntl};

use super::{container, line, null, prints, run};
use crate::support::{alone, text, userns};

/// Descriptors that survive `execve`, above and between those that a container has.
fn inheritable() -> Vec<OwnedFd> {
    let file = null();
    (0..200)
        .map(|_| {
            let fd = file.as_fd().try_clone_to_owned().expect("a descriptor");
            fcntl(&fd, FcntlArg::F_SETFD(FdFlag::empty())).expect("a flag");
            fd
        })
        .collect()
}

fn descriptors(pid: i32) -> Vec<(i32, PathBuf)> {
    let folder = PathBuf::from(format!("/proc/{pid}/fd"));
    let mut found: Vec<(i32, PathBuf)> = fs::read_dir(&folder)
        .expect("descriptors")
        .map(|entry| {
            let entry = entry.expect("a descriptor");
            let number = entry.file_name().to_str().expect("text").parse();
            (
                number.expect("a number"),
                fs::read_link(entry.path()).expect("a link"),
            )
        })
        .collect();
    found.sort();
    found
}

/// Asserts that init has `/dev/null` three times, its socket, its signal descriptor and nothing else.
#[track_caller]
fn assert_init_holds_little(container: &Running) {
    let found = descriptors(container.pid());
    let numbers: Vec<i32> = found.iter().map(|(number, _)| *number).collect();
    assert_eq!(numbers, [0, 1, 2, 3, 4], "{found:?}");
    let device = |path: &str| fs::metadata(path).expect("a device").rdev();
    for number in 0..3 {
        let path = format!("/proc/{}/fd/{number}", container.pid());
        assert_eq!(device(&path), device("/dev/null"), "{found:?}");
    }
    let name = |index: usize| found[index].1.to_str().expect("text");
    assert!(name(3).starts_with("socket:["), "{found:?}");
    assert_eq!(name(4), "anon_inode:[signalfd]");
}

#[test]
fn a_program_has_its_three_descriptors_and_no_other() {
    if !userns() {
        return;
    }
    alone(
        "sandbox::descriptors::a_program_has_its_three_descriptors_and_no_other",
        || {
            let _held = inheritable();
            let _other = container();
            let mut container = container();
            // The shell's, seen from beside it: what lists them opens the folder.
            let list = "find /proc/$$/fd -mindepth 1 -printf '%f\\n'; true";
            let seen = prints(&mut container, list);
            assert_eq!(seen, "0\n1\n2\n");
            assert_init_holds_little(&container);
        },
    );
}

#[test]
fn init_keeps_nothing_of_the_programs_that_it_started() {
    if !userns() {
        return;
    }
    let mut container = container();
    assert_init_holds_little(&container);
    for _ in 0..3 {
        prints(&mut container, "true");
    }
    let output = tempfile::tempfile().expect("a file");
    let sleeper = container
        .spawn(
            &line("echo here; exec sleep 1000"),
            [&null(), &output, &output],
        )
        .expect("a program");
    let missing = cowherd::sandbox::Command::new("/nonexistent");
    container
        .spawn(&missing, [&null(), &null(), &null()])
        .expect_err("no program");
    assert_init_holds_little(&container);
    container.signal(sleeper, 15).expect("a signal");
    container.wait(sleeper, None, None).expect("an end");
    assert_init_holds_little(&container);
}

#[test]
fn a_caller_without_standard_descriptors_gets_the_same_container() {
    if !userns() {
        return;
    }
    alone(
        "sandbox::descriptors::a_caller_without_standard_descriptors_gets_the_same_container",
        || {
            // What is said on a failure still has somewhere to go.
            let aside: Vec<OwnedFd> = [1, 2]
                .map(|number| format!("/proc/self/fd/{number}"))
                .iter()
                .map(|path| {
                    fs::OpenOptions::new()
                        .append(true)
                        .open(path)
                        .expect("a file")
                })
                .map(OwnedFd::from)
                .collect();
            let output = tempfile::tempfile().expect("a file");
            for number in 0..3 {
                nix::unistd::close(number).expect("an open descriptor");
            }
            // Its two ends of the control socket are 0 and 1 now, and what a program gets is 2.
            let outcome = std::panic::catch_unwind(|| {
                let mut container = container();
                let slot = container
                    .spawn(
                        &line("echo hello; cat /proc/1/comm"),
                        [&null(), &output, &output],
                    )
                    .expect("a program");
                let exit = container.wait(slot, None, None).expect("an end");
                assert!(exit.success(), "{exit:?}");
                assert_init_holds_little(&container);
            });
            nix::unistd::dup2_stdin(null()).expect("a descriptor");
            nix::unistd::dup2_stdout(&aside[0]).expect("a descriptor");
            nix::unistd::dup2_stderr(&aside[1]).expect("a descriptor");
            outcome.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            assert_eq!(text(&output), "hello\ncowherd-init\n");
        },
    );
}

#[test]
fn a_closed_container_gives_its_descriptors_back() {
    if !userns() {
        return;
    }
    alone(
        "sandbox::descriptors::a_closed_container_gives_its_descriptors_back",
        || {
            let own = i32::try_from(std::process::id()).expect("a pid");
            let before = descriptors(own);
            let mut one = container();
            run(&mut one, &line("exit 1"));
            assert_ne!(descriptors(own), before);
            drop(one);
            assert_eq!(descriptors(own), before);
        },
    );
}
