//! Ctrl-C and its kin, and ends that nobody announced.

use std::os::unix::process::CommandExt as _;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::{built, cargo_program, package, with_runner};
use crate::support::processes::{descendants, until_none};
use crate::support::{Project, Started, Terminal, cargo, like, nextest};

/// Tests that never end, and say that they have begun.
fn endless() -> Project {
    let test = |name: &str| {
        format!(
            "#[test] fn {name}() {{ std::fs::write(\"{name}.begun\", \"\").unwrap(); loop {{ std::thread::park() }} }}\n"
        )
    };
    built(package().file("src/lib.rs", test("one") + &test("two")).file(
        "bare.rs",
        "fn main() { std::fs::write(\"bare.begun\", \"\").unwrap(); loop { std::thread::park() } }",
    ))
}

/// Runs Cargo in a process group of its own, as a shell does, until the test has begun.
fn begun(project: &Project, args: &[&str], test: &str) -> Started {
    let mut command = project.command(&[&["cargo"], args].concat());
    command.process_group(0);
    let mut started = Started::new(command);
    let begun = project.folder().join(format!("{test}.begun"));
    started.until("test that has begun", |_| begun.exists());
    started
}

fn to_all(started: &Started, signal: Signal) {
    kill(Pid::from_raw(-started.pid()), signal).expect("processes");
}

#[test]
fn ctrl_c_ends_everything_at_once() {
    if !cargo() {
        return;
    }
    for (args, test) in [
        (&["test", "--lib", "--", "--test-threads=2"][..], "one"),
        (
            &["test", "--lib", "--", "--nocapture", "--exact", "two"],
            "two",
        ),
        (&["test", "--test", "bare"], "bare"),
    ] {
        let project = endless();
        let started = begun(&project, args, test);
        to_all(&started, Signal::SIGINT);
        let finished = started.wait().code(130);
        assert!(!finished.stdout.contains("FAILED"), "{}", finished.stdout);
        // Cargo does not wait for what it has started.
        assert_eq!(until_none(|| project.processes()), []);
        project.leaves_nothing();
    }
}

#[test]
fn ctrl_c_at_a_terminal_ends_everything_at_once() {
    if !cargo() {
        return;
    }
    let project = endless();
    let line = "cowherd cargo test --lib -- --test-threads=1";
    let Some(mut terminal) = Terminal::start(&project, line) else {
        return;
    };
    terminal.wait_for("test one ... ");
    terminal.keys("\x03");
    let (code, printed) = terminal.end();
    assert_eq!(code, 130, "{printed}");
    assert_eq!(until_none(|| project.processes()), []);
    project.leaves_nothing();
}

#[test]
fn ctrl_c_under_nextest_ends_everything_and_is_reported() {
    if !nextest() {
        return;
    }
    let project = endless();
    let line = "cowherd cargo nextest run --lib --hide-progress-bar";
    let Some(mut terminal) = Terminal::start(&project, line) else {
        return;
    };
    terminal.wait_for("Starting 2 tests");
    let begun = project.folder().join("one.begun");
    let missing = until_none(|| {
        Some(&begun)
            .filter(|file| !file.exists())
            .into_iter()
            .collect()
    });
    assert!(missing.is_empty(), "no test has begun");
    terminal.keys("\x03");
    let (code, printed) = terminal.end();
    assert_ne!(code, 0);
    assert!(
        printed.contains("SIGINT [") && !printed.contains("LEAK"),
        "{printed}"
    );
    assert_eq!(until_none(|| project.processes()), []);
    project.leaves_nothing();
}

#[test]
fn a_signal_to_all_of_nextest_ends_everything() {
    if !nextest() {
        return;
    }
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        let project = endless();
        let started = begun(&project, &["nextest", "run", "--lib"], "one");
        to_all(&started, signal);
        let finished = started.wait();
        assert_ne!(finished.code, 0);
        finished.says("0 passed, 2 failed");
        assert_eq!(until_none(|| project.processes()), []);
    }
}

#[test]
fn a_signal_to_the_program_alone_reaches_cargo_and_its_tests() {
    if !cargo() {
        return;
    }
    for (signal, code) in [
        (Signal::SIGINT, 130),
        (Signal::SIGTERM, 143),
        (Signal::SIGHUP, 129),
    ] {
        let project = endless();
        let started = begun(&project, &["test", "--lib"], "one");
        started.signal(signal);
        started.wait().code(code);
        assert_eq!(until_none(|| project.processes()), []);
        project.leaves_nothing();
    }
}

#[test]
fn a_reader_that_leaves_ends_everything() {
    if !cargo() {
        return;
    }
    let project = built(package().file(
        "src/lib.rs",
        "#[test] fn speaks() { loop { println!(\"a line\"); } }",
    ));
    let own = project.command(&[]);
    let mut command = like(&own, "/bin/sh");
    command.env("COWHERD", own.get_program()).args([
        "-c",
        "\"$COWHERD\" cargo test --lib -- --nocapture | head -n 3 > read.txt",
    ]);
    Started::new(command)
        .wait()
        .says("can't write the results: Broken pipe");
    assert_eq!(project.read("read.txt"), "\nrunning 1 test\na line\n");
    assert_eq!(until_none(|| project.processes()), []);
    project.leaves_nothing();
}

#[test]
fn a_runner_that_is_killed_takes_its_containers_along() {
    if !cargo() {
        return;
    }
    let project = endless();
    let started = begun(
        &project,
        &["test", "--lib", "--", "--test-threads=2"],
        "two",
    );
    let below = descendants(started.pid());
    let runner = below.iter().find(|process| process.name == "cowherd");
    let runner = runner.unwrap_or_else(|| panic!("no runner among {below:?}"));
    kill(Pid::from_raw(runner.pid), Signal::SIGKILL).expect("a process");
    let finished = started.wait();
    assert_ne!(finished.code, 0);
    finished.says("(signal: 9, SIGKILL: kill)");
    assert_eq!(until_none(|| project.processes()), []);
}

#[test]
fn a_cargo_that_is_killed_takes_its_runner_along() {
    if !cargo() {
        return;
    }
    let project = endless();
    let started = begun(&project, &["test", "--lib"], "one");
    let below = descendants(started.pid());
    let name = std::path::Path::new(&cargo_program())
        .file_name()
        .expect("a name")
        .to_owned();
    let cargo = below.iter().find(|process| *process.name == *name);
    let cargo = cargo.unwrap_or_else(|| panic!("no cargo among {below:?}"));
    kill(Pid::from_raw(cargo.pid), Signal::SIGKILL).expect("a process");
    started.wait().code(137);
    assert_eq!(until_none(|| project.processes()), []);
    project.leaves_nothing();
}

#[test]
fn a_parent_that_is_killed_takes_pool_and_containers_along() {
    if !cargo() {
        return;
    }
    let project = endless();
    let started = begun(
        &project,
        &["test", "--lib", "--", "--test-threads=2"],
        "two",
    );
    started.signal(Signal::SIGKILL);
    let finished = started.wait().code(137);
    // Cargo is still there, and hears from its runner.
    assert_eq!(until_none(|| project.processes()), []);
    assert!(!finished.stdout.contains(" ok"), "{}", finished.stdout);
}

#[test]
fn a_runner_without_a_parent_ends_by_ctrl_c_too() {
    if !cargo() {
        return;
    }
    for args in [&["test", "--lib"][..], &["test", "--test", "bare"]] {
        let project = with_runner(endless());
        let mut command = like(&project.command(&[]), cargo_program());
        command.args(args).process_group(0);
        let mut started = Started::new(command);
        let begun = |name: &str| project.folder().join(format!("{name}.begun")).exists();
        started.until("test that has begun", |_| begun("one") || begun("bare"));
        to_all(&started, Signal::SIGINT);
        started.wait().code(130);
        assert_eq!(until_none(|| project.processes()), []);
        project.leaves_nothing();
    }
}
