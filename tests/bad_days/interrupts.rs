//! Ctrl-C, SIGTERM, SIGKILL: at each moment of a run.

use nix::sys::signal::Signal;

use super::one_row;
use crate::support::processes::until_none;
use crate::support::{Project, Started, postgres, userns};

/// A test that ends when its file on the host is gone, and three that wait for their turn.
fn held() -> Project {
    let project = one_row(
        "sqlite",
        &[
            "name: held, command: 'echo > open/begun; while test -e open/held; do sleep 0.01; done; echo > open/ended', files: host",
            "name: second, command: 'echo > open/second', files: host",
            "name: third, command: 'echo > open/third', files: host",
        ],
    );
    project.open_folder("open").file("open/held", "")
}

fn exists(project: &Project, path: &str) -> bool {
    project.folder().join(path).exists()
}

fn begun(project: &Project) -> Started {
    let mut started = project.start(&["run", "-j", "1"]);
    started.until("test that has begun", |_| exists(project, "open/begun"));
    started
}

#[test]
fn after_one_ctrl_c_what_runs_may_end_and_nothing_new_starts() {
    if !userns() {
        return;
    }
    let project = held();
    let mut started = begun(&project);
    started.signal(Signal::SIGINT);
    started.until_it_says("stopping: 1 test is running; press Ctrl-C again to kill it");
    std::fs::remove_file(project.folder().join("open/held")).expect("the end of the test");
    started
        .wait()
        .code(130)
        .says("    PASS [")
        .says(": 1 passed, 2 not run\n");
    assert!(exists(&project, "open/ended") && !exists(&project, "open/second"));
    project.leaves_nothing();
}

#[test]
fn after_two_ctrl_c_everything_is_killed_at_once() {
    if !userns() {
        return;
    }
    let project = held();
    let mut started = begun(&project);
    started.signal(Signal::SIGINT);
    started.until_it_says("stopping: 1 test is running");
    started.signal(Signal::SIGINT);
    started
        .wait()
        .code(130)
        .says("killing 1 test\n")
        .says(" STOPPED [")
        .says(": 0 passed, 3 not run\n");
    assert!(!exists(&project, "open/ended"));
    project.leaves_nothing();
}

#[test]
fn sigterm_and_sighup_kill_everything_at_once() {
    if !userns() {
        return;
    }
    for (signal, code) in [(Signal::SIGTERM, 143), (Signal::SIGHUP, 129)] {
        let project = held();
        let started = begun(&project);
        started.signal(signal);
        started.wait().code(code).says(": 0 passed, 3 not run\n");
        project.leaves_nothing();
    }
}

#[test]
fn a_test_that_failed_before_the_interruption_does_not_change_the_code() {
    if !userns() {
        return;
    }
    let project = one_row(
        "sqlite",
        &[
            "name: failed, command: 'false'",
            "name: held, command: 'echo > open/begun; sleep 1000', files: host",
        ],
    )
    .open_folder("open");
    let started = begun(&project);
    started.signal(Signal::SIGTERM);
    started
        .wait()
        .code(143)
        .says(": 0 passed, 1 failed, 1 not run\n");
}

/// A project whose last step never ends, with the words that say that it runs.
fn endless(engine: &str) -> (Project, &'static str) {
    let project = one_row(engine, &["name: t, command: 'true'"]);
    let spec = project.read("cowherd.yaml").replace(
        "[ { sql: seed.sql } ]",
        "[ { sql: seed.sql }, { run: { command: sleep 1000, inputs: [seed.sql] } } ]",
    );
    (project.file("cowherd.yaml", spec), "run sleep 1000")
}

/// The last step runs: its program does.
fn building(project: &Project, arguments: &[&str]) -> Started {
    let mut started = project.start(arguments);
    started.until("step that runs", |_| {
        let processes = project.processes();
        processes.iter().any(|process| process.name == "sleep")
    });
    started
}

#[test]
fn a_build_that_is_interrupted_leaves_nothing_half_done() {
    if !userns() {
        return;
    }
    for engine in ["sqlite", "postgres"] {
        if engine == "postgres" && !postgres() {
            continue;
        }
        let (project, _) = endless(engine);
        let base = if engine == "postgres" { 3 } else { 2 };
        for (arguments, signal, code) in [
            (&["run"][..], Signal::SIGINT, 130),
            (&["run"], Signal::SIGTERM, 143),
            (&["build"], Signal::SIGINT, 130),
            (&["build"], Signal::SIGTERM, 143),
            (&["exec", "--", "true"], Signal::SIGINT, 130),
            (&["exec", "--", "true"], Signal::SIGTERM, 143),
        ] {
            let started = building(&project, arguments);
            started.signal(signal);
            let ended = started.wait().code(code);
            assert!(
                !ended.stderr.contains("ERROR"),
                "{arguments:?}: {}",
                ended.stderr
            );
            assert_eq!(project.count("keys"), base, "{arguments:?}");
            assert_eq!(project.count("layers"), base, "{arguments:?}");
            project.leaves_nothing();
        }
    }
}

#[test]
fn discovery_can_be_interrupted() {
    if !userns() {
        return;
    }
    let project = one_row(
        "sqlite",
        &["name: d, discover: sleep 1000, command: [x, '{test}']"],
    );
    let started = building(&project, &["run"]);
    started.signal(Signal::SIGINT);
    started.wait().code(130);
    project.leaves_nothing();
}

#[test]
fn one_who_waits_for_another_build_can_be_interrupted_and_the_other_goes_on() {
    if !userns() {
        return;
    }
    let (project, words) = endless("sqlite");
    let first = building(&project, &["run"]);
    let mut second = project.start(&["run"]);
    second.until_it_says(&format!("{words}: waiting for process {}", first.pid()));
    second.signal(Signal::SIGINT);
    second.wait().code(130);
    first.signal(Signal::SIGINT);
    first.wait().code(130);
    project.leaves_nothing();
}

#[test]
fn a_builder_that_is_killed_hands_over_to_the_one_who_waits() {
    if !userns() {
        return;
    }
    let (project, words) = endless("sqlite");
    let first = building(&project, &["build"]);
    let mut second = project.start(&["build"]);
    second.until_it_says(&format!("{words}: waiting for process {}", first.pid()));
    first.signal(Signal::SIGKILL);
    first.wait().code(137);
    second.until_it_says("building app 3/3 run sleep 1000\n");
    second.signal(Signal::SIGINT);
    second.wait().code(130);
    // The first one's scratch folder goes with the next command.
    project.run(&["run", "none"]).code(4);
    project.leaves_nothing();
}

#[test]
fn after_sigkill_no_process_is_left_and_the_next_run_works() {
    if !userns() {
        return;
    }
    for engine in ["sqlite", "postgres"] {
        if engine == "postgres" && !postgres() {
            continue;
        }
        let project = one_row(
            engine,
            &["name: held, command: 'echo > open/begun; test -e open/done || (setsid sleep 1000 & sleep 1000)', files: host"],
        )
        .open_folder("open");
        let started = begun(&project);
        started.signal(Signal::SIGKILL);
        started.wait().code(137);
        assert_eq!(until_none(|| project.processes()), []);
        std::fs::write(project.folder().join("open/done"), "").expect("a file");
        project.run(&["run"]).code(0);
        project.leaves_nothing();
    }
}
