//! Whatever the bytes are.

use std::path::Path;

use cowherd::spec;
use proptest::prelude::*;

/// Lines as YAML counts them, each with its number of characters.
fn widths(bytes: &[u8]) -> Vec<usize> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let text = String::from_utf8_lossy(bytes)
        .replace("\r\n", "\n")
        .replace('\r', "\n");
    text.split('\n').map(|line| line.chars().count()).collect()
}

fn check(bytes: &[u8]) {
    let Err(error) = spec::parse(Path::new("cowherd.yaml"), bytes, &|name| {
        (name.len() < 3).then(|| "v".to_owned())
    }) else {
        return;
    };
    let widths = widths(bytes);
    assert!(!error.problems().is_empty());
    for problem in error.problems() {
        let at = problem.position;
        assert!((1..=widths.len()).contains(&at.line), "{at:?} in {bytes:?}");
        assert!(
            (1..=widths[at.line - 1] + 1).contains(&at.column),
            "{at:?} in {bytes:?}"
        );
    }
    assert!(error.to_string().starts_with("cowherd.yaml:"));
}

/// Pieces that lead further into the reader than single bytes do.
fn pieces() -> impl Strategy<Value = Vec<u8>> {
    let words = prop::sample::select(vec![
        "version: 1\n",
        "snapshots:",
        "tests:",
        "\n",
        "\n  ",
        "\n    ",
        "\n  - ",
        "a:",
        " b",
        "engine: postgres",
        "engine",
        "from: a",
        "from: b",
        "steps:",
        "sql: x",
        "run:",
        "migrate:",
        "command: ",
        "each: ",
        "discover: ",
        "name: a",
        "timeout: ",
        "environment:",
        "mem_limit: ",
        "services:",
        "{",
        "}",
        "[",
        "]",
        ", ",
        ": ",
        "&a ",
        "*a",
        "<<: ",
        "!!str ",
        "!x ",
        "'",
        "\"",
        "\\",
        "|\n",
        ">-\n",
        "\t",
        "\r",
        "\r\n",
        "\u{feff}",
        "---\n",
        "...\n",
        "%YAML 1.2\n",
        "# c\n",
        "? ",
        "- ",
        "~",
        "null",
        "${",
        "${A}",
        "${ABCD}",
        "$$",
        "}",
        "é",
        "\u{1f404}",
        "\u{2028}",
        "\0",
        "x-a: ",
        "1",
        "30s",
        "12q",
    ]);
    prop::collection::vec(words, 0..40).prop_map(|words| words.concat().into_bytes())
}

proptest! {
    #[test]
    fn arbitrary_bytes_give_a_spec_or_problems_within_the_file(
        bytes in prop::collection::vec(any::<u8>(), 0..300)
    ) {
        check(&bytes);
    }

    #[test]
    fn arbitrary_text_gives_a_spec_or_problems_within_the_file(text in "\\PC{0,100}") {
        check(text.as_bytes());
    }

    #[test]
    fn pieces_of_specs_give_a_spec_or_problems_within_the_file(bytes in pieces()) {
        check(&bytes);
    }

    #[test]
    fn a_spec_with_one_byte_changed_gives_a_spec_or_problems_within_the_file(
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
    ) {
        let mut bytes = include_bytes!("../../fixtures/golden/spec/wrong.yaml").to_vec();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        check(&bytes);
        bytes.truncate(at);
        check(&bytes);
    }
}
