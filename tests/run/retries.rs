//! Attempts: retries, fresh containers, time limits.

use super::shop;
use crate::support::{Project, userns};

/// Fails until its counter on the host is at `$1`, and always if its database isn't untouched.
const COUNTING: &str = "#!/bin/sh
set -e
test ! -e /tmp/mark && test ! -e $(dirname $SQLITE_FILE)/mark && ! grep -q spoiled $SQLITE_FILE || { echo not fresh; exit 9; }
touch /tmp/mark $(dirname $SQLITE_FILE)/mark
echo spoiled >> $SQLITE_FILE
echo >> counters/$COWHERD_TEST
test $(wc -l < counters/$COWHERD_TEST) -ge $1
";

fn counting(tests: &[&str]) -> Project {
    shop(tests)
        .program("count.sh", COUNTING)
        .open_folder("counters")
}

fn attempts(project: &Project, test: &str) -> usize {
    project.read(&format!("counters/{test}")).lines().count()
}

#[test]
fn a_failed_test_is_tried_again_in_a_fresh_container_and_counts_as_flaky() {
    if !userns() {
        return;
    }
    let project = counting(&[
        "name: steady, command: [./count.sh, '1'], files: host, retries: 3",
        "name: flaky, command: [./count.sh, '3'], files: host, retries: 3",
        "name: hopeless, command: [./count.sh, '99'], files: host, retries: 2",
        "name: once, command: [./count.sh, '2'], files: host",
    ]);
    let ended = project
        .run(&["run", "-j", "2"])
        .code(100)
        .never_says("not fresh");
    assert_eq!(attempts(&project, "steady"), 1);
    assert_eq!(attempts(&project, "flaky"), 3);
    assert_eq!(attempts(&project, "hopeless"), 3);
    assert_eq!(attempts(&project, "once"), 1);
    ended
        .says("] 2/4 flaky: exit code 1\n")
        .says("   FLAKY [")
        .says("flaky flaky (passed at attempt 3)\n")
        .says(": 2 passed (1 flaky), 2 failed\n");
}

#[test]
fn the_number_of_retries_on_the_command_line_replaces_the_specs() {
    if !userns() {
        return;
    }
    let project = counting(&[
        "name: more, command: [./count.sh, '3'], files: host",
        "name: less, command: [./count.sh, '4'], files: host, retries: 9",
    ]);
    project
        .run(&["run", "--retries", "2"])
        .code(100)
        .says(": 1 passed (1 flaky), 1 failed\n");
    assert_eq!(attempts(&project, "less"), 3);
    project
        .run(&["run", "--retries", "0", "less"])
        .code(0)
        .says(": 1 passed\n");
    assert_eq!(attempts(&project, "less"), 4);
}

#[test]
fn a_test_is_killed_at_its_time_limit_with_all_that_it_started() {
    if !userns() {
        return;
    }
    let project = shop(&[
        "name: slow, command: 'echo begun; (trap \"\" TERM HUP INT; sleep 300) & trap \"\" TERM; sleep 300', timeout: 200ms",
        "name: quick, command: 'true', timeout: 1m",
    ]);
    project
        .run(&["run"])
        .code(100)
        .says(" TIMEOUT [")
        .says("slow: still running after 200ms: killed\n  │ begun\n")
        .says(": 1 passed, 1 failed\n");
    project.leaves_nothing();
}

#[test]
fn a_time_limit_on_the_command_line_replaces_the_specs_and_the_test_is_tried_again() {
    if !userns() {
        return;
    }
    let project =
        counting(&["name: slow, command: './count.sh 1; sleep 300', files: host, timeout: 2h"]);
    project
        .run(&["run", "--timeout", "150ms", "--retries", "1"])
        .code(100)
        .says("RETRY [")
        .says("slow: still running after 150ms: killed");
    assert_eq!(attempts(&project, "slow"), 2);
    project.leaves_nothing();
}

#[test]
fn a_test_that_never_stops_printing_is_killed_at_its_time_limit() {
    if !userns() {
        return;
    }
    let project = shop(&["name: chatty, command: 'yes', timeout: 300ms"]);
    project
        .run(&["run"])
        .code(100)
        .says("chatty: still running after 300ms: killed");
    project.leaves_nothing();
}
