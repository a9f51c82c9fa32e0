//! The traps of YAML.

use cowherd::spec::TestKind;

use super::{good, problem, problems, with_tests};

#[test]
fn words_that_yaml_reads_as_booleans_stay_text() {
    let spec = good(
        "version: 1
snapshots: { no: { engine: sqlite }, off: { from: no } }
tests:
  - { name: yes, snapshot: no, command: y, environment: { ON: on, OFF: no, T: true, N: 1e3 } }
",
    );
    assert_eq!(spec.snapshots[0].name, "no");
    assert_eq!(spec.tests[0].name, "yes");
    let environment: Vec<_> = spec.tests[0].environment.values().collect();
    assert_eq!(environment, ["1e3", "no", "on", "true"]);
}

#[test]
fn numbers_stay_as_they_were_written() {
    let spec = good(with_tests(
        "  - { name: 1, command: x, environment: { MODE: 0755, PORTS: 5432:5432, HEX: 0x10, F: 1.50, TIME: 12:30:45 } }
  - { name: 0755, command: x }
",
    ));
    assert_eq!(spec.tests[0].name, "1");
    assert_eq!(spec.tests[1].name, "0755");
    let environment = &spec.tests[0].environment;
    assert_eq!(environment["MODE"], "0755");
    assert_eq!(environment["PORTS"], "5432:5432");
    assert_eq!(environment["HEX"], "0x10");
    assert_eq!(environment["F"], "1.50");
    assert_eq!(environment["TIME"], "12:30:45");
}

#[test]
fn a_duplicate_key_names_both_places() {
    assert_eq!(
        problem(
            "version: 1\nsnapshots:\n  a: { engine: sqlite }\n  b: { from: a }\n  a: { engine: sqlite }\n"
        ),
        "5:3: duplicate key `a`; it already stands at line 3, column 3"
    );
}

#[test]
fn anchors_aliases_and_merge_keys_work_as_in_compose() {
    let spec = good(
        "version: 1
x-env: &env { A: 1, B: 2 }
x-slow: &slow { timeout: 5m, retries: 3 }
x-quick: &quick { timeout: 1s }
snapshots: { shop: { engine: sqlite, x-note: anything } }
tests:
  - { name: a, command: x, <<: *slow, retries: 1, environment: { <<: *env, B: 3 } }
  - { name: b, command: x, <<: [*quick, *slow], environment: *env }
",
    );
    let [a, b] = spec.tests.as_slice() else {
        panic!("{spec:#?}")
    };
    assert_eq!((a.timeout.unwrap().as_secs(), a.retries), (300, Some(1)));
    assert_eq!((b.timeout.unwrap().as_secs(), b.retries), (1, Some(3)));
    assert_eq!((&*a.environment["A"], &*a.environment["B"]), ("1", "3"));
    assert_eq!(b.environment["B"], "2");
}

#[test]
fn what_an_alias_repeats_is_one_problem() {
    let text = "version: 1
x-t: &t { timeout: 5 parsecs }
snapshots: { shop: { engine: sqlite } }
tests: [ { name: a, command: x, <<: *t }, { name: b, command: x, <<: *t } ]
";
    assert!(problem(text).starts_with("2:20: `timeout`: can't read `5 parsecs`"));
}

#[test]
fn a_merge_key_needs_a_map() {
    let text = with_tests("  - { name: a, command: x, <<: y }\n");
    assert!(problem(text).starts_with("4:28: `<<` needs a map"));
}

#[test]
fn an_alias_bomb_is_refused() {
    let levels: Vec<_> = (1..60)
        .map(|level| {
            let many = vec![format!("*a{}", level - 1); 9].join(", ");
            format!("x-{level}: &a{level} [{many}]\n")
        })
        .collect();
    let text = format!("version: 1\nx-0: &a0 [lol, lol]\n{}", levels.concat());
    let problem = problem(text);
    assert!(problem.contains("expand to more than 8 MiB"), "{problem}");
}

#[test]
fn anchors_within_anchors_are_bounded_too() {
    let opened: Vec<_> = (0..50).map(|level| format!("&a{level} [")).collect();
    let opened = opened.concat();
    let text = format!("x-a: {opened}{}{}\n", "x,".repeat(50_000), "]".repeat(50));
    assert!(problem(text).contains("expand to more than 8 MiB"));
}

#[test]
fn an_alias_within_its_own_anchor_is_refused() {
    let problem = problem("x-a: &a [1, *a]\n");
    assert_eq!(
        problem,
        "1:13: this alias stands inside what it is an alias of"
    );
}

#[test]
fn deep_nesting_is_refused_before_the_stack_ends() {
    for text in [
        "[".repeat(100_000),
        "- ".repeat(100_000),
        "{a: ".repeat(100_000),
        "? ".repeat(100_000),
    ] {
        let problem = problem(text);
        assert!(problem.contains("nested more than 64 levels"), "{problem}");
    }
}

#[test]
fn bytes_that_are_no_utf_8_have_a_position() {
    assert_eq!(
        problem(b"version: 1\n# h\xc3\xa9 \xff\n"),
        "2:6: the byte 0xff isn't UTF-8; save the file as UTF-8"
    );
    assert!(problem(b"\xff\xfev\0").contains("it looks like UTF-16"));
}

#[test]
fn a_byte_order_mark_is_no_character() {
    let text = with_tests("  - { name: a, command: x }\n");
    good(format!("\u{feff}{text}"));
    assert!(problems("\u{feff}versio: 1\n")[0].starts_with("1:1: unknown key `versio`"));
}

#[test]
fn tabs_for_indentation_are_explained() {
    let problem = problem("version: 1\nsnapshots:\n\tshop:\n\t\tengine: sqlite\n");
    assert!(problem.starts_with("3:"), "{problem}");
    assert!(
        problem.contains("indented with spaces, never with tabs"),
        "{problem}"
    );
}

#[test]
fn a_tab_before_a_marked_place_keeps_the_marker_under_it() {
    let text =
        "version: 1\nsnapshots: { a: { engine: sqlite } }\ntests: [ {\tname: a,\tcomand: b } ]\n";
    let printed = super::parse(text).unwrap_err().to_string();
    assert!(
        printed.ends_with("\n   |           \t        \t^^^^^^"),
        "{printed}"
    );
}

#[test]
fn a_second_document_is_refused() {
    let problem = problem("version: 1\n---\nversion: 1\n");
    assert_eq!(
        problem,
        "2:1: a second document begins here; a spec is one document"
    );
}

#[test]
fn one_marked_document_is_fine() {
    good(format!(
        "%YAML 1.2\n---\n{}...\n",
        with_tests("  - { name: a, command: x }\n")
    ));
}

#[test]
fn an_empty_file_says_how_to_begin() {
    for text in ["", "\n\n", "# nothing\n", "---\n", "~\n", "\u{feff}"] {
        let problem = problem(text);
        assert!(
            problem.contains("begin with `version: 1`"),
            "{text:?}: {problem}"
        );
    }
}

#[test]
fn null_is_no_value() {
    for null in ["", " ~", " null"] {
        let text = with_tests(&format!(
            "  - name: a\n    command: x\n    timeout:{null}\n"
        ));
        assert_eq!(
            problem(text),
            "6:5: `timeout` has no value; it must be text"
        );
    }
    let text =
        with_tests("  - { name: 'null', command: x, environment: { A: !!str , B: 'null' } }\n");
    let spec = good(text);
    assert_eq!(spec.tests[0].name, "null");
    assert_eq!(spec.tests[0].environment["A"], "");
    assert_eq!(spec.tests[0].environment["B"], "null");
    assert_eq!(
        problem("version: 1\nsnapshots:\n"),
        "2:1: `snapshots` has no value; it must be a map"
    );
}

#[test]
fn syntax_errors_have_positions_and_the_usual_causes() {
    let star = with_tests("  - { name: a, each: *.sql }\n");
    let problem_of_star = problem(star);
    assert!(problem_of_star.starts_with("4:22: "), "{problem_of_star}");
    assert!(problem_of_star.contains("begins with `*` needs quotes"));

    let colon = problem(with_tests("  - name: a: b\n"));
    assert!(colon.starts_with("4:12: this isn't YAML"), "{colon}");
    assert!(colon.contains("needs quotes"), "{colon}");

    let quote = problem("version: \"1\n");
    assert!(quote.contains("a quote isn't closed"), "{quote}");

    let bracket = problem("version: 1\nsnapshots: { a: [b\n");
    assert!(bracket.starts_with("2:"), "{bracket}");

    let at = problem(with_tests("  - name: @a\n"));
    assert!(at.starts_with("4:11: "), "{at}");
    assert!(at.contains("needs quotes"), "{at}");
}

#[test]
fn an_unquoted_placeholder_is_recognised() {
    let text = with_tests("  - { name: a, discover: ls, command: [pytest, {test}] }\n");
    assert_eq!(
        problem(text),
        "4:48: an item of `command` must be text, not a map; if text is meant, write `\"{test}\"`"
    );
}

#[test]
fn foreign_tags_are_refused_and_own_ones_read() {
    assert!(
        problem(with_tests("  - { name: !secret a, command: x }\n"))
            .contains("unknown tag `!secret`")
    );
    let spec = good(with_tests("  - { name: !!str 1, command: ! x }\n"));
    assert!(matches!(spec.tests[0].kind, TestKind::Command(_)));
}

#[test]
fn keys_are_text() {
    let text = with_tests("  - { name: a, command: x, [b]: c, : d }\n");
    let all = problems(text);
    assert_eq!(all.len(), 2, "{all:#?}");
    assert!(all[0].contains("a key must be plain text"));
    assert!(all[1].contains("a key is missing"));
}

#[test]
fn every_kind_of_line_end_counts() {
    for end in ["\n", "\r\n", "\r"] {
        let text = [
            "version: 1",
            "snapshots: { a: { engine: sqlite } }",
            "oops: 1",
            "",
        ]
        .join(end);
        assert!(problem(text).starts_with("3:1: unknown key `oops`"));
    }
}

#[test]
fn a_long_line_is_cut_around_its_problem() {
    let padding = "x".repeat(5000);
    let text = format!(
        "version: 1\nsnapshots: {{ a: {{ engine: sqlite }} }}\ntests: [ {{ name: {padding}, oops: 1, command: '{padding}' }} ]\n"
    );
    let printed = super::parse(text).unwrap_err().to_string();
    assert!(printed.contains("unknown key `oops`"));
    assert!(
        printed
            .lines()
            .filter(|line| line.starts_with(' '))
            .all(|line| line.chars().count() < 200),
        "{printed}"
    );
}

#[test]
fn control_characters_are_not_printed() {
    let text = "version: 1\nsnapshots: { a: { engine: sqlite } }\n\"\\e[31m\": \"\u{85}\"\n";
    let printed = super::parse(text).unwrap_err().to_string();
    assert!(!printed.contains('\u{1b}'), "{printed:?}");
    assert!(!printed.contains('\u{85}'), "{printed:?}");
}

#[test]
fn thousands_of_problems_are_counted_and_not_all_printed() {
    let keys: Vec<_> = (0..20_000).map(|n| format!("zz{n}: 1, ")).collect();
    let keys = keys.concat();
    let text = format!("{{ version: 1, snapshots: {{ a: {{ engine: sqlite }} }}, {keys} }}");
    let printed = super::parse(text).unwrap_err().to_string();
    assert!(
        printed.ends_with("\nand 19900 more problems"),
        "{}",
        printed.len()
    );
}
