//! Reports over scripted events.

mod output;
mod script;
mod terminal;
mod writing;

use std::process::Command;

use cowherd::event::{Event, Outcome, Totals};

use script::{assert_golden, attempt, finished, json, junit, millis, plain, script as a_run, test};

#[test]
fn plain_tells_each_thing_that_happened() {
    assert_golden("plain.txt", &plain(&a_run(), false));
}

#[test]
fn plain_colours_do_not_leak_from_a_test_into_the_report() {
    assert_golden("plain-colours.txt", &plain(&a_run(), true));
}

#[test]
fn json_has_a_line_for_each_event() {
    let events = a_run();
    let text = json(&events);
    assert_eq!(text.lines().count(), events.len());
    assert_golden("events.jsonl", &text);
}

#[test]
fn junit_tells_failures_errors_and_retries_apart() {
    let text = junit(&a_run());
    assert_golden("junit.xml", &text);
    let report = quick_junit::Report::deserialize_from_str(&text).unwrap();
    assert_eq!(
        (report.tests, report.failures, report.errors, report.skipped),
        (11, 3, 4, 1)
    );
}

#[test]
fn a_run_of_passes_ends_in_few_lines() {
    let mut events = a_run();
    let last = Event::RunFinished(Totals {
        passed: 1,
        wall: millis(60),
        ..Totals::default()
    });
    events.retain(|event| !matches!(event, Event::BuildFailed { .. }));
    events.drain(9..);
    events.push(last);
    let text = plain(&events, false);
    assert!(
        text.ends_with("\n    done 1 test in 60ms: 1 passed\n"),
        "{text}"
    );
}

#[test]
fn a_run_of_no_test_says_so() {
    let text = plain(&[Event::RunFinished(Totals::default())], false);
    assert!(text.contains("no test was run"), "{text}");
}

#[test]
fn an_error_that_differs_in_scratch_names_only_is_the_same() {
    let mut events = Vec::new();
    for (id, scratch) in ["3f9a1c", "77b0e2"].into_iter().enumerate() {
        let test = test(id, &format!("t{id}"));
        let message = format!(
            "can't make /store/scratch/{scratch}/upper for {}: File exists",
            test.name
        );
        events.push(finished(
            &test,
            attempt(
                Outcome::Error {
                    message,
                    hint: None,
                },
                0,
                b"",
            ),
        ));
    }
    let other = test(2, "other");
    let message = "can't make /store/scratch/0a0a0a/upper for other: Permission denied".into();
    events.push(finished(
        &other,
        attempt(
            Outcome::Error {
                message,
                hint: None,
            },
            0,
            b"",
        ),
    ));
    events.push(Event::RunFinished(Totals {
        errors: 3,
        ..Totals::default()
    }));
    let text = plain(&events, false);
    assert!(text.contains("t1: the same error as t0"), "{text}");
    assert!(text.contains("2 tests could not be run"), "{text}");
    assert_eq!(text.matches("Permission denied").count(), 2, "{text}");
}

#[test]
fn the_command_to_run_failures_survives_the_shell() {
    let names = ["plain", "it's", "two words", "tab\there", "$HOME", "-dash"];
    let mut events: Vec<_> = names
        .iter()
        .enumerate()
        .map(|(id, name)| {
            finished(
                &test(id, name),
                attempt(Outcome::Failed { code: 1 }, 1, b""),
            )
        })
        .collect();
    events.push(Event::RunFinished(Totals {
        failed: names.len(),
        ..Totals::default()
    }));
    let text = plain(&events, false);
    let command = text
        .lines()
        .last()
        .unwrap()
        .split_once("cowherd run -- ")
        .unwrap()
        .1;
    let echo = format!("printf '%s\\0' {command}");
    let output = Command::new("bash").args(["-c", &echo]).output().unwrap();
    assert_eq!(
        String::from_utf8(output.stdout)
            .unwrap()
            .trim_end_matches('\0')
            .split('\0')
            .collect::<Vec<_>>(),
        names
    );
}

#[test]
fn very_many_failures_name_their_entries_in_the_command() {
    let mut events: Vec<_> = (0..500)
        .map(|id| {
            finished(
                &test(id, &format!("checks::{id:05}.sql")),
                attempt(Outcome::Failed { code: 1 }, 1, b""),
            )
        })
        .collect();
    events.push(Event::RunFinished(Totals {
        failed: 500,
        ..Totals::default()
    }));
    let text = plain(&events, false);
    assert!(
        text.ends_with("to run what failed: cowherd run checks\n"),
        "{text}"
    );
    assert!(text.contains("… and 450 more"), "{text}");
}
