//! Tests that do what no test should.

use super::one_row;
use crate::support::{postgres, userns};

#[test]
fn a_test_that_leaves_daemons_behind_leaves_nothing() {
    if !userns() {
        return;
    }
    let project = one_row(
        "sqlite",
        &[
            "name: daemons, command: 'for i in 1 2 3; do (trap \"\" TERM HUP INT; setsid sleep 1000 > /dev/null 2>&1 &) ; done; setsid sh -c \"sleep 1000 & sleep 1000\" & echo started'",
        ],
    );
    project.run(&["run"]).code(0);
    project.leaves_nothing();
}

#[test]
fn a_test_that_fills_the_temporary_folder_fails_by_itself_and_harms_no_other() {
    if !userns() {
        return;
    }
    let project = one_row(
        "sqlite",
        &[
            "name: full, command: 'echo mark > /tmp/mark; fallocate -l 2G /tmp/full || dd if=/dev/zero of=/tmp/full bs=1M; echo > /tmp/more || exit 3'",
            "name: next, command: 'test ! -e /tmp/mark && echo fine > /tmp/mine && test \"$(cat /tmp/mine)\" = fine'",
        ],
    );
    project
        .run(&["run", "-j", "1"])
        .code(100)
        .says("No space left on device")
        .says(": 1 passed, 1 failed\n");
    // The same beside each other.
    project
        .run(&["run", "-j", "2"])
        .code(100)
        .says(": 1 passed, 1 failed\n");
    project.leaves_nothing();
}

#[test]
fn a_gigabyte_of_output_costs_no_memory_and_its_head_and_tail_are_shown() {
    if !userns() {
        return;
    }
    let project = one_row(
        "sqlite",
        &[
            "name: loud, command: 'echo the very first; head -c 1G /dev/zero | tr \"\\0\" x; echo; echo the very last; exit 1'",
        ],
    );
    let mut started = project.start(&[
        "run",
        "--report",
        "junit=out.xml",
        "--report",
        "json=out.jsonl",
    ]);
    // The last look before the end is what counts; the reports are written by then.
    let most = std::cell::Cell::new(0);
    started.until("verdict", |started| {
        most.set(most.get().max(peak(started.pid())));
        started.stderr().contains("to run what failed")
    });
    started
        .wait()
        .code(100)
        .says("  │ the very first\n")
        .says(" bytes left out …\n")
        .says("  │ the very last\n");
    assert!(
        most.get() > 0 && most.get() < 64 << 20,
        "{} bytes",
        most.get()
    );
    assert!(project.read("out.xml").len() < 3 << 20);
    assert!(project.read("out.jsonl").contains("\"bytes\":10737418"));
}

/// The most memory that a process had so far, in bytes (`VmHWM`, proc(5)).
fn peak(pid: i32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.split_whitespace().next());
    kib.and_then(|kib| kib.parse::<u64>().ok()).unwrap_or(0) * 1024
}

#[test]
fn output_that_is_no_text_cannot_harm_the_terminal() {
    if !userns() {
        return;
    }
    let project = one_row(
        "sqlite",
        &[
            "name: nasty, command: ['/usr/bin/printf', '\\377\\376 caf\\303\\251 \\033[2J\\033]0;title\\007 \\000 \\r\\n\\303']",
        ],
    );
    let spec = project.read("cowherd.yaml").replace(
        "['/usr/bin/printf',",
        "['/bin/sh', '-c', '/usr/bin/printf \"$0\"; exit 1',",
    );
    let project = project.file("cowherd.yaml", spec);
    let ended = project
        .run(&["run", "--color", "always", "--report", "junit=out.xml"])
        .code(100);
    assert!(
        !ended.stderr.contains("\x1b[2J") && !ended.stderr.contains("\x1b]0;"),
        "{:?}",
        ended.stderr
    );
    let ended = ended.says("\u{fffd}\u{fffd} café ␛[2J␛]0;title␇ ␀ ");
    assert!(!ended.stderr.contains(['\0', '\x07']));
    quick_junit::Report::deserialize_from_str(&project.read("out.xml")).expect("JUnit XML");
}

#[test]
fn a_name_that_is_no_word_cannot_harm_the_terminal_and_can_be_run_again() {
    if !userns() {
        return;
    }
    let project = one_row(
        "sqlite",
        &[
            "name: d, discover: 'printf \"a\\033[2Jb\\ttab $(id)\\n\"', command: ['test', '{test}', '=', x]",
        ],
    );
    let ended = project.run(&["run"]).code(100).says("d::a␛[2Jb␉tab");
    assert!(!ended.stderr.contains("\x1b[2J"));
}

#[test]
fn a_test_that_deletes_everything_it_can_harms_no_other() {
    if !userns() {
        return;
    }
    for engine in ["sqlite", "postgres"] {
        if engine == "postgres" && !postgres() {
            continue;
        }
        let check = match engine {
            "postgres" => "psql -XAtc \\\"SELECT x FROM t\\\"",
            _ => "head -c 15 $SQLITE_FILE",
        };
        let project = one_row(
            engine,
            &[
                "name: deletes, command: 'rm -rf $PWD 2> /dev/null; test ! -e cowherd.yaml || exit 8; rm -rf /run/cowherd/*/data /run/cowherd/* /tmp/* /dev/shm/* 2> /dev/null; true'",
                "name: kills, command: 'kill -9 -1; exit 5'",
                &format!("name: next, command: \"test -e seed.sql && {check}\""),
            ],
        )
        .file("deep/er/file", "content");
        project
            .run(&["run", "-j", "1"])
            .code(100)
            .says("kills: exit code 5\n")
            .says(": 2 passed, 1 failed\n");
        project
            .run(&["run", "-j", "3"])
            .code(100)
            .says(": 2 passed, 1 failed\n");
        assert_eq!(project.read("deep/er/file"), "content");
        project.run(&["run", "next"]).code(0);
        project.leaves_nothing();
    }
}

#[test]
fn a_verdict_does_not_depend_on_what_a_test_makes_of_its_data_folder() {
    if !userns() {
        return;
    }
    let project = one_row(
        "sqlite",
        &[
            "name: closes, command: 'cd $(dirname $SQLITE_FILE) && mkdir a && touch a/b && chmod 000 a . && true'",
            "name: churns, command: 'cd $(dirname $SQLITE_FILE) && (while :; do mkdir -p a/b; touch a/b/c; rm -rf a; done) & sleep 0.3'",
            "name: digs, command: 'cd $(dirname $SQLITE_FILE) && i=0 && while test $i -lt 185; do mkdir dddddddddddddddddddd && cd dddddddddddddddddddd && i=$((i+1)) || exit 1; done'",
            "name: links, command: 'cd $(dirname $SQLITE_FILE) && ln -s / root && ln -s . loop && mkfifo pipe && rm app.db && ln -s /dev/zero app.db'",
        ],
    );
    project.run(&["run"]).code(0).says(": 4 passed\n");
    project.leaves_nothing();
}

#[test]
fn a_test_that_stops_its_own_processes_is_killed_at_its_time_limit() {
    if !userns() {
        return;
    }
    let project = one_row(
        "sqlite",
        &["name: stopped, command: 'kill -STOP $$; echo never', timeout: 200ms"],
    );
    project
        .run(&["run"])
        .code(100)
        .says("stopped: still running after 200ms: killed");
    project.leaves_nothing();
}
