//! What is said about a command line that can't be followed.

use super::shop;
use crate::support::{Project, Terminal, golden, userns};

#[test]
fn usage_errors_say_what_would_be_right() {
    let project = shop();
    let folder = project.folder().canonicalize().unwrap();
    let mut text = String::new();
    for line in [
        "lst",
        "build shop --file",
        "build shpo",
        "exec",
        "exec -- true",
        "exec -s shpo -- true",
        "export shop",
        "export shpo shop.tar",
        "gc --max-size 1x",
        "gc --older-than 30",
        "gc --older-than 1y",
        "gc --older-than 1d --all",
        "import",
        "inspect",
        "inspect shpo",
        "list -f nowhere.yaml",
        "run --color sometimes",
        "run --jobs 0",
        "run --report junit",
        "run --report html=out.html",
        "run --retries -1",
        "run --timeout 5",
        "shell",
        "shell -s shpo",
    ] {
        let args: Vec<&str> = line.split(' ').collect();
        let finished = project.run(&args);
        assert_eq!(finished.stdout, "", "{line}");
        let said = finished.stderr.replace(folder.to_str().unwrap(), "FOLDER");
        text += &format!("$ cowherd {line}\n{said}exit {}\n\n", finished.code);
    }
    assert!(!text.contains('\x1b'), "{text}");
    golden("cli/errors.txt", &text);
}

#[test]
fn without_a_spec_the_way_to_one_is_named() {
    let project = Project::empty();
    for args in [
        &["run"][..],
        &["build"],
        &["shell"],
        &["inspect"],
        &["exec", "--", "true"],
    ] {
        let finished = project
            .run(args)
            .code(96)
            .says("hint: write one with `cowherd init`");
        assert!(
            finished
                .stderr
                .starts_with("error: can't find cowherd.yaml in ")
        );
    }
    project
        .run(&["run", "-f", "other.yaml"])
        .code(96)
        .says("other.yaml: No such file");
}

#[test]
fn a_service_that_is_not_there_is_named_with_those_that_are() {
    if !userns() {
        return;
    }
    let finished = shop()
        .run(&["shell", "-s", "shop", "--service", "cache"])
        .code(2);
    let finished = finished.says("error: can't find a service named `cache` in snapshot `shop`\n");
    finished.says("hint: the services are db\n");
}

#[test]
fn no_match_lists_the_tests() {
    if !userns() {
        return;
    }
    let finished = shop().run(&["run", "tow"]).code(4);
    assert_eq!(
        finished.stderr,
        "error: no test matches tow\nhint: there are: one\n"
    );
}

#[test]
fn colours_are_for_terminals_and_for_who_asks() {
    let line = "cowherd build shpo; cowherd exec";
    let on_terminal = |project: &Project, line: &str| {
        Terminal::start(project, line).map(|terminal| terminal.end().1)
    };
    let Some(text) = on_terminal(&shop(), line) else {
        return;
    };
    assert_eq!(text.matches("\x1b[1;31merror\x1b[0m").count(), 1, "{text}");
    assert_eq!(text.matches("error").count(), 2, "{text}");
    for (project, line) in [
        (shop().env("NO_COLOR", "1"), line),
        (
            shop(),
            "cowherd build shpo --color never; cowherd exec --color never",
        ),
    ] {
        let text = on_terminal(&project, line).unwrap_or_default();
        assert_eq!(text.matches("error").count(), 2, "{text}");
        assert!(!text.contains("\x1b["), "{text}");
    }
    let piped = shop().run(&["--color", "always", "build", "shpo"]).code(2);
    assert!(
        piped.stderr.starts_with("\x1b[1;31merror\x1b[0m: "),
        "{}",
        piped.stderr
    );
}
