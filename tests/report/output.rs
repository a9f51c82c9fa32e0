//! What tests print: hostile bytes, and too many of them.

use std::fs;
use std::os::unix::fs::FileExt as _;

use cowherd::event::{Event, Outcome, Output, Totals};
use cowherd::report::{Junit, Report};
use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};
use tempfile::TempDir;

use super::script::{attempt, finished, json, junit, plain, test};

proptest! {
    #[test]
    fn any_output_gives_valid_xml_and_json(
        output in proptest::collection::vec(any::<u8>(), 0..400),
        text in any::<String>(),
        names in proptest::collection::vec(any::<char>(), 0..20),
    ) {
        let name: String = names.into_iter().collect();
        let mut test = test(0, "t");
        (test.name, test.entry, test.snapshot) = (name.clone(), text.clone(), text.clone());
        let mut attempt = attempt(Outcome::Error { message: text.clone(), hint: Some(text.clone()) }, 1, &output);
        attempt.service_log = Some(text.clone());
        let retry = Event::AttemptFinished { test: test.clone(), attempt: attempt.clone(), retry: true };
        attempt.outcome = Outcome::Failed { code: 1 };
        let end = Event::RunFinished(Totals { failed: 1, ..Totals::default() });
        let events = [retry, finished(&test, attempt), end];

        let xml = junit(&events);
        prop_assert!(quick_junit::Report::deserialize_from_str(&xml).is_ok(), "{}", xml);
        // XML 1.0, production 2.
        let illegal = |c: char| matches!(c, '\0'..='\x08' | '\x0b' | '\x0c' | '\x0e'..='\x1f' | '\u{fffe}' | '\u{ffff}');
        prop_assert!(!xml.contains(illegal), "{:?}", xml);

        let lines = json(&events);
        let first: serde_json::Value = serde_json::from_str(lines.lines().next().unwrap()).unwrap();
        prop_assert_eq!(first["name"].as_str(), Some(name.as_str()));
        prop_assert_eq!(first["message"].as_str(), Some(text.as_str()));
        let second: serde_json::Value = serde_json::from_str(lines.lines().nth(1).unwrap()).unwrap();
        prop_assert_eq!(second["output"]["text"].as_str().unwrap(), String::from_utf8_lossy(&output));

        let harmless = |c: char| c == '\n' || c == '\t' || !c.is_control();
        prop_assert!(plain(&events, false).chars().all(harmless));
    }
}

#[test]
fn coloured_output_keeps_colours_and_nothing_else_of_escapes() {
    let test = test(0, "t");
    let output =
        b"\x1b[1;38;5;200mpink\x1b[m \x1b]0;title\x07 \x1b[2J \x1b[3 \x9b31m \xc2\x9b31m\x1b";
    let text = plain(
        &[finished(
            &test,
            attempt(Outcome::Failed { code: 1 }, 1, output),
        )],
        true,
    );
    assert!(
        text.contains("\x1b[1;38;5;200mpink\x1b[m ␛]0;title␇ ␛[2J ␛[3 \u{fffd}31m <U+009B>31m␛\n"),
        "{text:?}"
    );
}

/// A sparse gigabyte with a first and a last line.
fn gigabyte() -> Output {
    let file = tempfile::tempfile().unwrap();
    file.set_len(1 << 30).unwrap();
    file.write_all_at("first é\n".as_bytes(), 0).unwrap();
    file.write_all_at(b"\nlast line\n", (1 << 30) - 11).unwrap();
    Output::new(file)
}

#[test]
fn a_gigabyte_of_output_is_cut_in_the_middle() {
    let test = test(0, "t");
    let mut attempt = attempt(Outcome::Failed { code: 1 }, 1, b"");
    attempt.output = gigabyte();
    let events = [
        finished(&test, attempt),
        Event::RunFinished(Totals::default()),
    ];

    let text = plain(&events, false);
    let left_out = (1_u64 << 30) - (80 << 10);
    assert!(text.contains("│ first é\n"), "the head is there");
    assert!(
        text.contains(&format!("│ … {left_out} bytes left out …\n")),
        "{}",
        &text[..200]
    );
    assert!(text.contains("│ last line\n"), "the tail is there");
    assert!(text.len() < 300 << 10, "{}", text.len());

    let left_out = (1_u64 << 30) - (1 << 20);
    let xml = junit(&events);
    assert!(
        xml.contains(&format!("… {left_out} bytes left out …")) && xml.len() < 4 << 20,
        "{}",
        xml.len()
    );
    let line = json(&events);
    assert!(
        line.contains(&format!("\"bytes\":{},\"left_out\":{left_out}", 1 << 30)),
        "{}",
        line.len()
    );
}

#[test]
fn a_cut_never_falls_within_a_character() {
    for shift in 0..4 {
        let mut output = vec![b'x'; shift];
        output.extend("€𝄞".repeat(40_000).bytes());
        let text = plain(
            &[finished(
                &test(0, "t"),
                attempt(Outcome::Failed { code: 1 }, 1, &output),
            )],
            false,
        );
        assert!(text.contains("bytes left out") && !text.contains('\u{fffd}'));
    }
}

#[test]
fn reports_wait_in_bounded_memory_for_the_end() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("junit.xml");
    let mut report = Junit::create(&path).unwrap();
    let output = gigabyte();
    for id in 0..100 {
        let mut attempt = attempt(Outcome::Failed { code: 1 }, 1, b"");
        attempt.output = output.clone();
        report
            .event(&finished(&test(id, &format!("t{id}")), attempt))
            .unwrap();
    }
    report
        .event(&Event::RunFinished(Totals::default()))
        .unwrap();
    let size = fs::metadata(&path).unwrap().len();
    assert!(size < 100 << 20, "{size}");
}
