//! Which test runs next, and what is told of a run, through the library.

use std::collections::BTreeMap;
use std::time::Duration;

use cowherd::schedule::{Queue, Scheduled};
use serde_json::Value;

use crate::support::{Project, userns};

fn test(name: &str, snapshot: &str, threads: usize) -> Scheduled {
    Scheduled {
        name: name.into(),
        snapshot: snapshot.into(),
        threads,
        ..Scheduled::default()
    }
}

/// Takes as many as there are.
fn take_all(queue: &mut Queue) -> Vec<usize> {
    std::iter::from_fn(|| queue.take()).collect()
}

#[test]
fn the_longest_goes_first_and_what_nobody_has_seen_before_it() {
    let tests = ["a", "b", "new", "c", "d"].map(|name| test(name, "shop", 1));
    let known = [("a", 10), ("b", 30), ("c", 20), ("d", 30)];
    let known = known.map(|(name, millis)| (name.to_owned(), Duration::from_millis(millis)));
    let mut queue = Queue::new(&tests, &BTreeMap::from(known), 8);
    // Of two that are alike, the one that comes first in the spec.
    assert_eq!(queue.upcoming().collect::<Vec<_>>(), [2, 1, 4, 3, 0]);
    assert_eq!(take_all(&mut queue), [2, 1, 4, 3, 0]);
}

#[test]
fn among_equals_the_tests_of_one_snapshot_stay_together() {
    let tests = ["one", "two", "one", "three", "two", "one"].map(|name| test(name, name, 1));
    let queue = Queue::new(&tests, &BTreeMap::new(), 2);
    assert_eq!(queue.upcoming().collect::<Vec<_>>(), [0, 2, 5, 1, 4, 3]);
}

#[test]
fn as_many_run_as_there_are_slots_and_one_to_be_tried_again_goes_first() {
    let tests = ["a", "b", "c", "d"].map(|name| test(name, "shop", 1));
    let mut queue = Queue::new(&tests, &BTreeMap::new(), 2);
    assert_eq!(take_all(&mut queue), [0, 1]);
    queue.finished(1);
    queue.retry(1);
    assert_eq!(take_all(&mut queue), [1]);
    queue.finished(0);
    assert_eq!(take_all(&mut queue), [2]);
    queue.clear();
    queue.finished(1);
    assert_eq!(queue.take(), None);
}

#[test]
fn a_test_that_takes_several_slots_goes_before_lighter_ones_which_fill_the_rest() {
    let tests = [
        test("light", "shop", 1),
        test("heavy", "shop", 3),
        test("also light", "shop", 1),
        test("also heavy", "shop", 3),
    ];
    let mut queue = Queue::new(&tests, &BTreeMap::new(), 4);
    assert_eq!(take_all(&mut queue), [1, 0]);
    queue.finished(1);
    // The light one in the last slot is not in its way, and a second one has no slot left.
    assert_eq!(take_all(&mut queue), [3]);
    queue.finished(0);
    assert_eq!(take_all(&mut queue), [2]);
}

#[test]
fn a_heavy_test_is_not_kept_waiting_by_lighter_ones_that_come_after_it() {
    let mut tests = vec![test("heavy", "shop", 3)];
    tests.extend((0..20).map(|number| test(&number.to_string(), "shop", 1)));
    let mut queue = Queue::new(&tests, &BTreeMap::new(), 4);
    assert_eq!(take_all(&mut queue), [0, 1]);
    // It fails, and the slots go to others before it is to be tried again.
    queue.finished(0);
    assert_eq!(take_all(&mut queue), [2, 3, 4]);
    queue.retry(0);
    for light in [1, 2] {
        queue.finished(light);
        assert_eq!(queue.take(), None, "after {light}");
    }
    queue.finished(3);
    assert_eq!(take_all(&mut queue), [0]);
}

#[test]
fn a_test_that_takes_more_slots_than_there_are_runs_alone() {
    let tests = [
        test("light", "shop", 1),
        test("all", "shop", usize::MAX),
        test("many", "shop", 100),
    ];
    let mut queue = Queue::new(&tests, &BTreeMap::new(), 4);
    for alone in [1, 2] {
        assert_eq!(take_all(&mut queue), [alone]);
        queue.finished(alone);
    }
    assert_eq!(take_all(&mut queue), [0]);
}

#[test]
fn nothing_runs_beside_a_test_that_takes_all_slots() {
    if !userns() {
        return;
    }
    let light = |number: usize| format!("  - {{ name: light {number}, command: 'true' }}\n");
    let lights: String = (0..12).map(light).collect();
    let project = Project::new(&format!(
        "\
version: 1
snapshots: {{ app: {{ engine: sqlite }} }}
tests:
{lights}  - {{ name: alone, command: 'exit 1', retries: 2, threads_required: num-test-threads }}
"
    ));
    project
        .run(&["run", "-j", "4", "--report", "json=events"])
        .code(100);
    let events = project.read("events");
    let mut running = Vec::new();
    for line in events.lines() {
        let event: Value = serde_json::from_str(line).expect("an object");
        let name = event["name"].as_str().unwrap_or_default().to_owned();
        match event["event"].as_str() {
            Some("attempt-started") => running.push(name),
            Some("attempt-finished") => running.retain(|running| *running != name),
            _ => continue,
        }
        let alone = running.iter().any(|name| name == "alone");
        assert!(!alone || running.len() == 1, "{running:?}");
    }
    assert_eq!(events.matches("\"event\":\"attempt-started\"").count(), 15);
}
