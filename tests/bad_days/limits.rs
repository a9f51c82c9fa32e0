//! `mem_limit`, `pids_limit`, `cpus`: what they do where the kernel enforces them, and what is said where it doesn't;
//! `copy_up`, which Cowherd holds itself.

use std::sync::LazyLock;

use cowherd::sandbox::cgroup::{Cgroups, Limits, Resource};

use super::one_row;
use crate::support::{Project, require, userns};

static CGROUPS: LazyLock<Cgroups> = LazyLock::new(Cgroups::detect);

fn enforced(resource: Resource) -> bool {
    let limits = Limits {
        memory: Some(1 << 30),
        pids: Some(100),
        cpus: Some(1.0),
    };
    let available = match CGROUPS.enforces(resource) {
        true => Ok(()),
        false => Err(CGROUPS.describe(&limits)),
    };
    userns() && require("cgroup", available)
}

/// Holds 256 MiB: `tail` keeps the last line, which here is all that it reads.
const HOG: &str = "head -c 256M /dev/zero | tail -n 1 > /dev/null";

#[test]
fn a_test_beyond_its_memory_limit_is_said_to_be_out_of_memory() {
    if !enforced(Resource::Memory) {
        return;
    }
    let project = one_row(
        "sqlite",
        &[
            &format!("name: hog, command: '{HOG}', mem_limit: 64m"),
            &format!("name: inner, command: '{HOG}; echo it went on; exit 1', mem_limit: 64m"),
            &format!("name: roomy, command: '{HOG}', mem_limit: 1g"),
            &format!("name: free, command: '{HOG}'"),
        ],
    );
    project
        .run(&["run"])
        .code(100)
        .says("; limits: enforced (cgroup v")
        .says("hog: out of memory: ended by signal 9 (SIGKILL) at its mem_limit\n")
        .says("cowherd: the kernel ended a process for want of memory: the limit is 64 MiB\n")
        .says(": 2 passed, 2 failed\n");
    project.leaves_nothing();
}

#[test]
fn a_test_that_copies_up_more_than_it_may_fails_and_the_largest_file_is_named() {
    if !userns() {
        return;
    }
    let big = "head -c 3M /dev/zero > ${SQLITE_FILE%/*}/big";
    let project = one_row(
        "sqlite",
        &[
            &format!("name: copies, command: '{big}', copy_up: 1m"),
            &format!("name: fails, command: '{big}; exit 3', copy_up: 1m"),
            &format!("name: may, command: '{big}', copy_up: 4m"),
        ],
    );
    project
        .run(&["run", "--report", "json=run.jsonl"])
        .code(100)
        .says(
            "copies: it copied up 3 MiB, more than `copy_up: 1 MiB`; the largest file is db/big\n",
        )
        .says("fails: exit code 3\n")
        .says(": 1 passed, 2 failed\n");
    let written = project.read("run.jsonl");
    let outcome = r#""outcome":"copied-up","bytes":3145728,"limit":1048576,"largest":"db/big""#;
    assert!(written.contains(outcome), "{written}");
    project.leaves_nothing();
}

#[test]
fn a_fork_bomb_is_bounded_and_harms_no_other() {
    if !enforced(Resource::Pids) {
        return;
    }
    let project = one_row(
        "sqlite",
        &[
            "name: bomb, command: 'bomb() { bomb | bomb & }; bomb; i=0; while (true) 2> /dev/null; do i=$((i+1)); test $i -lt 10000 || exit 0; done; exit 6', pids_limit: 40",
            "name: next, command: 'i=0; while test $i -lt 60; do sleep 1000 & i=$((i+1)); done', pids_limit: 100",
        ],
    );
    let ended = project.run(&["run", "-j", "2", "--timeout", "60s"]);
    let ended = ended
        .says("; limits: enforced (cgroup v")
        .says("    PASS [");
    assert!(ended.code == 0 || ended.code == 100, "{}", ended.stderr);
    ended.says("] next\n").never_says("TIMEOUT");
    project.leaves_nothing();
}

#[test]
fn a_snapshots_limits_hold_for_its_tests_and_for_snapshots_that_start_from_it() {
    if !enforced(Resource::Memory) {
        return;
    }
    let spec = format!(
        "\
version: 1
snapshots:
  base: {{ engine: sqlite, mem_limit: 64m, pids_limit: 30 }}
  child: {{ from: base, pids_limit: 60 }}
tests:
  - {{ name: base, snapshot: base, command: '{HOG}' }}
  - {{ name: child, snapshot: child, command: '{HOG}' }}
  - {{ name: more, snapshot: child, command: '{HOG}', mem_limit: 1g }}
"
    );
    Project::new(&spec)
        .run(&["run"])
        .code(100)
        .says("base: out of memory: ")
        .says("child: out of memory: ")
        .says(": 1 passed, 2 failed\n");
}

#[test]
fn limits_that_nobody_enforces_are_said_to_be_advisory() {
    if !userns() || CGROUPS.enforces(Resource::Memory) {
        return;
    }
    let project = one_row(
        "sqlite",
        &[&format!("name: hog, command: '{HOG}', mem_limit: 64m")],
    );
    project.run(&["run"]).code(0).says("; limits: advisory");
}

#[test]
fn a_run_without_limits_says_so() {
    if !userns() {
        return;
    }
    let project = one_row("sqlite", &["name: t, command: 'true'"]);
    project
        .run(&["run"])
        .code(0)
        .says("; limits: none asked for\n");
}
