//! Several snapshots that are built at the same time.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::support::{Project, Started, userns};

/// Waits until so many steps sleep.
#[track_caller]
fn until_sleeping(started: &mut Started, project: &Project, steps: usize) {
    started.until("sleeping steps", |_| sleeping(project).len() == steps);
}

/// The `sleep` of each step.
fn sleeping(project: &Project) -> Vec<Pid> {
    let processes = project.processes().into_iter();
    let sleeps = processes.filter(|process| process.name == "sleep");
    sleeps.map(|sleep| Pid::from_raw(sleep.pid)).collect()
}

fn wake(project: &Project) {
    for sleep in sleeping(project) {
        kill(sleep, Signal::SIGKILL).expect("its end");
    }
}

/// A step that takes until somebody ends it.
const SLEEP: &str = "{ run: { command: 'sleep 1000 || true', inputs: [] } }";

fn project(snapshots: &str) -> Project {
    Project::new(&format!("version: 1\nsnapshots:\n{snapshots}"))
        .file("seed.sql", "CREATE TABLE t (x integer);")
        .file("wrong.sql", "INSERT INTO nowhere VALUES (1);")
}

#[test]
fn snapshots_that_share_nothing_are_built_at_the_same_time() {
    if !userns() {
        return;
    }
    let project = project(&format!(
        "  one: {{ engine: sqlite, database: one, steps: [ {SLEEP} ] }}
  two: {{ engine: sqlite, database: two, steps: [ {{ sql: seed.sql }}, {SLEEP} ] }}\n"
    ));
    let mut build = project.start(&["build"]);
    until_sleeping(&mut build, &project, 2);
    wake(&project);
    let ended = build.wait().code(0).never_says("waiting");
    // In the order of the spec, whoever was ready first.
    assert_eq!(ended.stdout, "one: 2 layers\ntwo: 3 layers\n");
    project.leaves_nothing();
}

#[test]
fn what_snapshots_share_is_built_once_and_then_the_rest_at_the_same_time() {
    if !userns() {
        return;
    }
    let project = project(&format!(
        "  base: {{ engine: sqlite, database: app, steps: [ {{ sql: seed.sql }}, {SLEEP} ] }}
  left: {{ from: base, steps: [ {{ run: {{ command: 'sleep 2000 || true', inputs: [] }} }} ] }}
  right: {{ from: base, steps: [ {{ run: {{ command: 'sleep 3000 || true', inputs: [] }} }} ] }}\n"
    ));
    // The base itself isn't asked for.
    let mut build = project.start(&["build", "right", "left"]);
    until_sleeping(&mut build, &project, 1);
    wake(&project);
    until_sleeping(&mut build, &project, 2);
    wake(&project);
    let ended = build.wait().code(0).never_says("waiting");
    let built = |step: &str| ended.stderr.matches(&format!(" {step} (")).count();
    assert_eq!(built("3/4 run sleep 1000 || true"), 1, "{}", ended.stderr);
    assert_eq!(built("2/4 sql seed.sql"), 1, "{}", ended.stderr);
    assert_eq!(project.count("keys"), 5);
    project.leaves_nothing();
}

#[test]
fn one_that_cant_be_built_stops_no_other() {
    if !userns() {
        return;
    }
    let project = project(&format!(
        "  zebra: {{ engine: sqlite, database: a, steps: [ {{ sql: wrong.sql }} ] }}
  fine: {{ engine: sqlite, database: b, steps: [ {{ sql: seed.sql }}, {SLEEP} ] }}
  ant: {{ engine: sqlite, database: c, steps: [ {{ sql: [seed.sql, wrong.sql] }} ] }}
tests:
  - {{ name: a, snapshot: ant, command: 'true' }}
  - {{ name: f, snapshot: fine, command: 'true' }}
  - {{ name: z, snapshot: zebra, command: 'true' }}\n"
    ));
    let mut run = project.start(&["run", "--report", "junit=out.xml"]);
    run.until("two failures", |run| {
        run.stderr().matches("ERROR").count() == 2
    });
    until_sleeping(&mut run, &project, 1);
    wake(&project);
    let ended = run.wait().code(101).says(": 1 passed, 2 not run\n");
    // Which of them failed first is chance, in what order the end says so isn't.
    let summary = ended.stderr.split("   error ").skip(1);
    let named: Vec<_> = summary.map(|text| text.split(' ').nth(2)).collect();
    assert_eq!(named, [Some("ant"), Some("zebra")], "{}", ended.stderr);
    let junit = project.read("out.xml");
    let at = |name: &str| junit.find(&format!("testcase name=\"{name} "));
    assert!(at("ant").is_some() && at("ant") < at("zebra"), "{junit}");
    project.leaves_nothing();
}

#[test]
fn ctrl_c_ends_all_builds() {
    if !userns() {
        return;
    }
    let snapshot = |name: &str| {
        format!("  {name}: {{ engine: sqlite, database: {name}, steps: [ {SLEEP} ] }}\n")
    };
    let project = project(&["one", "two", "three", "four"].map(snapshot).concat());
    let mut build = project.start(&["build"]);
    build.until("sleeping steps", |_| sleeping(&project).len() > 1);
    build.signal(Signal::SIGINT);
    build.wait().code(130);
    project.leaves_nothing();
}
