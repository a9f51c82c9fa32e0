//! What libtest prints around a test, told apart from what the test prints.

use cowherd::cargo::{Frame, Verdict};

/// What is shown, and the verdict, when all of it comes in pieces of this size.
fn read(name: &str, serial: bool, text: &str, piece: usize) -> (String, Option<Verdict>) {
    let mut frame = Frame::new(name, serial);
    let mut shown = Vec::new();
    for bytes in text.as_bytes().chunks(piece) {
        shown.extend(frame.feed(bytes));
    }
    let (rest, verdict) = frame.finish();
    shown.extend(rest);
    (String::from_utf8(shown).expect("text"), verdict)
}

#[track_caller]
fn is(
    name: &str,
    serial: bool,
    text: &str,
    shown: &str,
    verdict: Option<(Option<&str>, &str, &str)>,
) {
    for piece in 1..=text.len() {
        let (printed, found) = read(name, serial, text, piece);
        assert_eq!(printed, shown, "in pieces of {piece}");
        let found = found.map(|verdict| {
            let output = String::from_utf8(verdict.output).expect("text");
            (verdict.mode, verdict.word, output)
        });
        let expected = verdict.map(|(mode, word, output)| {
            (mode.map(str::to_owned), word.to_owned(), output.to_owned())
        });
        assert_eq!(found, expected, "in pieces of {piece}");
    }
}

const END: &str = "\ntest result: ok. 1 passed; 0 failed; 0 ignored\n\n";

#[test]
fn a_verdict_is_found_however_it_comes() {
    let text = format!("\nrunning 1 test\ntest a::b ... ok\n{END}");
    is("a::b", false, &text, "", Some((None, "ok", "")));
    is(
        "a::b",
        true,
        &text,
        "test a::b ... ",
        Some((None, "ok", "")),
    );
    let text = format!("\nrunning 1 test\ntest a - should panic ... ok\n{END}");
    is(
        "a",
        false,
        &text,
        "",
        Some((Some("should panic"), "ok", "")),
    );
    is(
        "a",
        true,
        &text,
        "test a - should panic ... ",
        Some((Some("should panic"), "ok", "")),
    );
}

#[test]
fn what_was_captured_is_told_from_the_frame_even_if_it_looks_like_one() {
    let output = "\nfailures:\n    a\n\ntest a ... ok\n---- a stdout ----\nno end";
    let failed =
        format!("FAILED\n\nfailures:\n\n---- a stdout ----\n{output}\n\nfailures:\n    a\n{END}");
    let text = format!("\nrunning 1 test\ntest a ... {failed}");
    is("a", false, &text, "", Some((None, "FAILED", output)));
    is(
        "a",
        true,
        &text,
        "test a ... ",
        Some((None, "FAILED", output)),
    );
    let text = format!(
        "\nrunning 1 test\ntest a ... ok\n\nsuccesses:\n\n---- a stdout ----\n{output}\n\n\nsuccesses:\n    a\n{END}"
    );
    is(
        "a",
        false,
        &text,
        "",
        Some((None, "ok", &format!("{output}\n"))),
    );
}

#[test]
fn what_passes_the_capture_is_shown_without_the_frame() {
    let noise = "before\ntest a is meant\n test result: none\nok\n\nlast";
    let text = format!("\nrunning 1 test\n{noise}test a ... ok\n{END}");
    is("a", false, &text, noise, Some((None, "ok", "")));
    let text = format!("\nrunning 1 test\ntest a ... {noise}ok\n{END}");
    is(
        "a",
        true,
        &text,
        &format!("test a ... {noise}"),
        Some((None, "ok", "")),
    );
    let text = format!("early\n\nrunning 1 test\ntest a ... ok\n{END}");
    is("a", false, &text, "early\n", Some((None, "ok", "")));
}

#[test]
fn a_process_that_ends_early_has_no_verdict_and_loses_nothing() {
    for (text, shown) in [
        ("", ""),
        ("\nrunning 1", "\nrunning 1"),
        ("\nrunning 1 test\n", ""),
        ("\nrunning 1 test\nlast words", "last words"),
        ("\nrunning 1 test\ntest a ... ", "test a ... "),
        ("\nrunning 1 test\ntest a ... ok\n", "test a ... ok\n"),
    ] {
        is("a", false, text, shown, None);
    }
    is(
        "a",
        true,
        "\nrunning 1 test\ntest a ... last words",
        "test a ... last words",
        None,
    );
}

#[test]
fn a_test_whose_name_begins_with_another_is_another() {
    let text = format!("\nrunning 1 test\ntest ab ... ok\n{END}");
    is("a", false, &text, &text["\nrunning 1 test\n".len()..], None);
}
