//! `--report`: files that parse and say the same as the exit code.

use serde_json::Value;

use super::{SHOP, shop};
use crate::support::{Project, userns};

fn events(project: &Project, path: &str) -> Vec<Value> {
    let lines = project.read(path);
    let parse = |line| serde_json::from_str(line).expect("a JSON object");
    lines.lines().map(parse).collect()
}

/// The events of one kind.
fn of<'e>(events: &'e [Value], kind: &str) -> Vec<&'e Value> {
    events
        .iter()
        .filter(|event| event["event"] == kind)
        .collect()
}

#[test]
fn junit_and_json_say_what_the_exit_code_says() {
    if !userns() {
        return;
    }
    let project = shop(&[
        "name: good, command: echo fine",
        "name: bad, command: 'printf \"<&]]>\\033[31m\\377\\0\"; exit 3'",
        "name: dead, command: kill -9 $$",
        "name: late, command: sleep 300, timeout: 100ms",
    ]);
    let reports = [
        "--report",
        "junit=out/junit.xml",
        "--report",
        "json=out/run.jsonl",
    ];
    project.run(&[&["run"], &reports[..]].concat()).code(100);

    let events = events(&project, "out/run.jsonl");
    assert_eq!(events[0]["v"], 1);
    let outcomes: Vec<(&str, &str)> = of(&events, "attempt-finished")
        .iter()
        .map(|event| {
            (
                event["name"].as_str().expect("text"),
                event["outcome"].as_str().expect("text"),
            )
        })
        .collect();
    for expected in [
        ("good", "passed"),
        ("bad", "failed"),
        ("dead", "signalled"),
        ("late", "timed-out"),
    ] {
        assert!(
            outcomes.contains(&expected),
            "no {expected:?} in {outcomes:?}"
        );
    }
    let last = events.last().expect("an event");
    assert_eq!(last["event"], "run-finished");
    assert_eq!(
        (&last["passed"], &last["failed"], &last["errors"]),
        (&1.into(), &3.into(), &0.into())
    );
    assert!(
        last["fixture_seconds"].as_f64() > Some(0.0) && last["body_seconds"].as_f64() > Some(0.1)
    );
    assert_eq!(of(&events, "build-finished").len(), 2);

    let junit = quick_junit::Report::deserialize_from_str(&project.read("out/junit.xml"));
    let junit = junit.expect("JUnit XML");
    assert_eq!((junit.tests, junit.failures + junit.errors), (4, 3));
    let cases: Vec<&str> = junit
        .test_suites
        .iter()
        .flat_map(|suite| suite.test_cases.iter().map(|case| case.name.as_str()))
        .collect();
    assert_eq!(cases.len(), 4, "{cases:?}");

    project
        .run(&[&["run", "good"], &reports[..]].concat())
        .code(0);
    let junit = quick_junit::Report::deserialize_from_str(&project.read("out/junit.xml"));
    let junit = junit.expect("JUnit XML");
    assert_eq!((junit.tests, junit.failures + junit.errors), (1, 0));
}

#[test]
fn json_on_standard_output_is_all_that_is_there() {
    if !userns() {
        return;
    }
    let project = shop(&["name: good, command: echo fine"]);
    let ended = project.run(&["run", "--report", "json=-"]).code(0);
    for line in ended.stdout.lines() {
        serde_json::from_str::<Value>(line).expect("a JSON object");
    }
    assert!(ended.stdout.contains("\"run-finished\""));
}

#[test]
fn a_report_that_cannot_be_written_is_known_before_anything_is_built() {
    let project = shop(&["name: good, command: 'true'"]).file("taken", "");
    project
        .run(&["run", "--report", "junit=taken/junit.xml"])
        .code(2)
        .says("taken/junit.xml");
    assert!(!project.store().join("keys").exists() || project.count("keys") == 0);
}

#[test]
fn a_report_that_is_lost_does_not_pass_for_a_green_run() {
    if !userns() {
        return;
    }
    let project = shop(&["name: good, command: echo fine"]);
    project
        .run(&["run", "--report", "json=/dev/full"])
        .code(97)
        .says(": 1 passed\n")
        .says("/dev/full");
}

#[test]
fn tests_of_a_snapshot_that_cannot_be_built_are_in_the_reports() {
    if !userns() {
        return;
    }
    let spec = SHOP.replace(
        "tests:",
        "  broken: { from: shop, steps: [ { sql: broken.sql } ] }\ntests:",
    ) + "  - { name: good, snapshot: shop, command: 'true' }\n  - { name: bad, snapshot: broken, command: 'true' }\n";
    let project = Project::new(&spec)
        .file("seed.sql", "")
        .file("broken.sql", "CREATE;");
    project
        .run(&["run", "--report", "json=run.jsonl"])
        .code(101)
        .says("    PASS [")
        .says("can't build broken 3/3 sql broken.sql; no test of broken was run:")
        .says(": 1 passed, 1 not run\n");
    let events = events(&project, "run.jsonl");
    assert_eq!(of(&events, "build-failed").len(), 1);
    assert_eq!(events.last().expect("an event")["not_run"], 1);
}
