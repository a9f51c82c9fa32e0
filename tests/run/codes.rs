//! How a run ends: its exit code, its last lines.

use super::{SHOP, shop};
use crate::support::{Project, userns};

#[test]
fn a_run_passes_when_every_test_does() {
    if !userns() {
        return;
    }
    let project = shop(&["name: one, command: 'true'", "name: two, command: ['true']"]);
    project.run(&["run"]).code(0).says("done 2 tests in ");
    project.run(&["run"]).code(0).says(": 2 passed\n");
    project.leaves_nothing();
}

#[test]
fn a_run_with_a_failed_test_ends_with_100_and_shows_what_it_printed() {
    if !userns() {
        return;
    }
    let project = shop(&[
        "name: good, command: echo never shown",
        "name: bad, command: echo before; echo beside >&2; exit 7",
        "name: dead, command: kill -SEGV $$",
    ]);
    let ended = project
        .run(&["run", "-j", "1"])
        .code(100)
        .never_says("never shown");
    ended
        .says("bad: exit code 7\n  │ before\n  │ beside\n")
        .says("dead: ended by signal 11 (SIGSEGV)")
        .says(": 1 passed, 2 failed\n")
        .says("to run what failed: cowherd run bad dead\n");
}

#[test]
fn a_filter_chooses_by_a_part_of_the_full_name_and_one_that_fits_nothing_is_4() {
    if !userns() {
        return;
    }
    let project = shop(&[
        "name: orders, command: 'true'",
        "name: stock, command: 'false'",
        "name: checks, each: 'c/*.sh'",
    ])
    .program("c/first.sh", "#!/bin/sh\n")
    .program("c/second.sh", "#!/bin/sh\nexit 1\n");
    let run = |filters: &[&str]| project.run(&[&["run"], filters].concat());
    run(&["orders"]).code(0).says(": 1 passed\n");
    run(&["order", "first"]).code(0).says(": 2 passed\n");
    run(&["checks::"]).code(100).says(": 1 passed, 1 failed\n");
    run(&["ORDERS"])
        .code(4)
        .says("no test matches ORDERS")
        .says("there are: orders, stock, checks::c/first.sh, checks::c/second.sh");
    Project::new(&SHOP.replace("tests:\n", ""))
        .file("seed.sql", "")
        .run(&["run"])
        .code(4)
        .says("the spec has no tests");
}

#[test]
fn a_command_line_that_cannot_be_followed_is_2() {
    let project = shop(&["name: one, command: 'true'"]);
    let run = |arguments: &[&str]| project.run(&[&["run"], arguments].concat()).code(2);
    run(&["-j", "0"]).says("0 is not in 1..=10000");
    run(&["--retries", "some"]).says("--retries");
    run(&["--timeout", "soon"]).says("--timeout");
    run(&["--report", "junit"]).says("KIND=PATH");
    run(&["--report", "tap=out"]).says("the kinds are junit and json");
    run(&["--no-such-thing"]).says("--no-such-thing");
    assert!(!project.store().join("keys").exists() || project.count("keys") == 0);
}

#[test]
fn a_store_that_cannot_be_used_is_97() {
    let project = shop(&["name: one, command: 'true'"]).file("taken", "");
    let taken = project.folder().join("taken");
    let project = project.env("COWHERD_STORE", taken.to_str().expect("text"));
    project.run(&["run"]).code(97).says("taken");
}

#[test]
fn after_a_failure_with_fail_fast_nothing_new_starts() {
    if !userns() {
        return;
    }
    let project = shop(&[
        "name: first, command: 'true'",
        "name: second, command: 'false'",
        "name: third, command: 'true'",
        "name: fourth, command: 'true'",
    ]);
    project
        .run(&["run", "-j", "1", "--fail-fast"])
        .code(100)
        .says(": 1 passed, 1 failed, 2 not run\n");
    // A failure that another attempt may mend is not the end.
    let project = shop(&[
        "name: first, command: 'false'",
        "name: second, command: 'true'",
    ]);
    project
        .run(&["run", "-j", "1", "--fail-fast", "--retries", "1"])
        .code(100)
        .says("RETRY [")
        .says(": 0 passed, 1 failed, 1 not run\n");
}

#[test]
fn the_summary_has_fixture_and_test_time_apart_and_what_was_copied_up() {
    if !userns() {
        return;
    }
    let project = shop(&[
        "name: writer, command: 'dd if=/dev/zero of=$SQLITE_FILE bs=1M count=9 2>/dev/null'",
        "name: sleeper, command: sleep 0.2",
    ]);
    let ended = project.run(&["run"]).code(0);
    let line = |label: &str| {
        let line = ended.stderr.lines().find(|line| line.starts_with(label));
        line.unwrap_or_else(|| panic!("no {label:?} in:\n{}", ended.stderr))
    };
    assert!(line(" fixture ").contains(" in all, median "));
    assert!(line("   tests ").contains(" in all, median "));
    // 9 MiB, and the pages that the file system rounds up to.
    let copied = line("  copied ");
    assert!(copied.starts_with("  copied 9 MiB"), "{copied}");
    assert!(
        copied.contains("the largest file: db/shop.db, 9 MiB in writer"),
        "{copied}"
    );
    assert!(line(" slowest ").ends_with(" sleeper"));
}

#[test]
fn a_command_that_cannot_be_executed_is_a_failed_test_with_the_code_of_a_shell() {
    if !userns() {
        return;
    }
    let project = shop(&[
        "name: absent, command: ['./absent.sh']",
        "name: unknown, command: [no-such-program]",
        "name: closed, command: ['./data.txt']",
        "name: after, command: 'true'",
    ])
    .env("PATH", "/usr/bin:/bin")
    .file("data.txt", "");
    project
        .run(&["run"])
        .code(100)
        .says("absent: exit code 127\n  │ cowherd: can't run ./absent.sh: ENOENT")
        .says("unknown: exit code 127\n  │ cowherd: can't run no-such-program: ENOENT")
        .says("closed: exit code 126\n  │ cowherd: can't run ./data.txt: EACCES")
        .says(": 1 passed, 3 failed\n");
}
