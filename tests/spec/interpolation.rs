//! `${VARIABLE}` in values.

use std::path::Path;

use cowherd::spec::{self, CommandLine, SpecError, TestKind};

use super::with_tests;

fn variable(name: &str) -> Option<String> {
    match name {
        "SET" => Some("value".into()),
        "EMPTY" => Some(String::new()),
        "NUMBER" => Some("3".into()),
        _ => None,
    }
}

/// What a value becomes in an environment.
fn value(text: &str) -> Result<String, SpecError> {
    let text = with_tests(&format!(
        "  - {{ name: a, command: x, environment: {{ V: '{text}' }} }}\n"
    ));
    let spec = spec::parse(Path::new("cowherd.yaml"), text.as_bytes(), &variable)?;
    Ok(spec.tests[0].environment["V"].clone())
}

#[test]
fn values_get_variables_as_in_compose() {
    for (written, expected) in [
        ("${SET}", "value"),
        ("a${SET}b${SET}", "avaluebvalue"),
        ("${EMPTY}", ""),
        ("${UNSET:-default}", "default"),
        ("${EMPTY:-default}", "default"),
        ("${EMPTY-default}", ""),
        ("${UNSET-default}", "default"),
        ("${UNSET-}", ""),
        ("${SET:-default}", "value"),
        ("${SET:?message}", "value"),
        ("${EMPTY?message}", ""),
        ("${SET:+other}", "other"),
        ("${EMPTY:+other}", ""),
        ("${EMPTY+other}", "other"),
        ("${UNSET:-${SET}}", "value"),
        ("${UNSET:-a${UNSET:-b}c}", "abc"),
        ("${UNSET:-a-b:c}", "a-b:c"),
        ("$$SET and $${SET}", "$SET and ${SET}"),
        ("\"$user\", public", "\"$user\", public"),
        ("$", "$"),
        ("^a$", "^a$"),
        ("100$$", "100$"),
    ] {
        assert_eq!(value(written).unwrap(), expected, "{written}");
    }
}

#[test]
fn an_expression_without_a_value_is_marked_itself() {
    for (written, column, message) in [
        ("x ${UNSET}", 49, "variable `UNSET` isn't set"),
        ("${SET} ${SET", 54, "isn't closed by `}`"),
        (
            "${UNSET:?say why}",
            47,
            "variable `UNSET` isn't set: say why",
        ),
        (
            "${EMPTY:?say why}",
            47,
            "variable `EMPTY` is empty: say why",
        ),
        (
            "${EMPTY:?}",
            47,
            "variable `EMPTY` is empty, and needs a value",
        ),
        ("${}", 47, "names no variable"),
        ("${1X}", 47, "names no variable"),
        ("${SET/x/y}", 47, "the forms are"),
        ("${SET:}", 47, "the forms are"),
        ("${UNSET:-${ALSO}}", 47, "variable `ALSO` isn't set"),
    ] {
        let error = value(written).unwrap_err();
        let [problem] = error.problems() else {
            panic!("{written}: {error}")
        };
        assert!(problem.message.contains(message), "{written}: {error}");
        assert_eq!(
            (problem.position.line, problem.position.column),
            (4, column),
            "{written}"
        );
    }
}

#[test]
fn each_expression_of_a_text_is_reported() {
    let error = value("${A}${B} ${A}").unwrap_err();
    let columns: Vec<_> = error
        .problems()
        .iter()
        .map(|one| one.position.column)
        .collect();
    assert_eq!(columns, [47, 51, 56]);
}

#[test]
fn an_expression_on_a_later_line_is_found_there() {
    let text = with_tests(
        "  - name: a\n    command: x\n    environment:\n      V: |\n        one\n        two ${UNSET}\n",
    );
    let error = spec::parse(Path::new("cowherd.yaml"), text.as_bytes(), &variable).unwrap_err();
    let at = error.problems()[0].position;
    assert_eq!((at.line, at.column), (9, 13));
}

#[test]
fn commands_and_keys_keep_every_dollar() {
    let text = with_tests(
        "  - { name: a, discover: 'ls $$ ${UNSET}', command: ['${X}', '{test}'], environment: { '${K}': 1 } }\n",
    );
    let spec = spec::parse(Path::new("cowherd.yaml"), text.as_bytes(), &variable).unwrap();
    let test = &spec.tests[0];
    let discover = CommandLine::Shell("ls $$ ${UNSET}".into());
    let command = CommandLine::Argv(vec!["${X}".into(), "{test}".into()]);
    assert_eq!(test.kind, TestKind::Discover { discover, command });
    assert!(test.environment.contains_key("${K}"));
}

#[test]
fn a_variable_may_stand_for_a_number() {
    let text =
        with_tests("  - { name: a, command: x, retries: '${NUMBER}', timeout: '${UNSET:-5}s' }\n");
    let spec = spec::parse(Path::new("cowherd.yaml"), text.as_bytes(), &variable).unwrap();
    assert_eq!(spec.tests[0].retries, Some(3));
    assert_eq!(spec.tests[0].timeout.unwrap().as_secs(), 5);
}

#[test]
fn a_variable_without_a_value_is_passed_on() {
    for environment in ["{ SET: , UNSET: , B: b }", "[ SET, UNSET, B=b ]"] {
        let text = with_tests(&format!(
            "  - {{ name: a, command: x, environment: {environment} }}\n"
        ));
        let spec = spec::parse(Path::new("cowherd.yaml"), text.as_bytes(), &variable).unwrap();
        let environment = &spec.tests[0].environment;
        let expected = [
            ("B".to_owned(), "b".to_owned()),
            ("SET".into(), "value".into()),
        ];
        assert_eq!(*environment, expected.into());
    }
}
