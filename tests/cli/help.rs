//! `--help`, completions and manual pages.

use crate::support::{Project, golden};

/// The subcommands as `cowherd --help` lists them.
fn subcommands(project: &Project) -> Vec<String> {
    let help = project.run(&["--help"]).code(0).stdout;
    let lines = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    lines
        .take_while(|line| !line.is_empty())
        // A line that goes on begins further right.
        .filter(|line| !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next())
        .filter(|name| *name != "help")
        .map(str::to_owned)
        .collect()
}

#[track_caller]
fn is_plain(text: &str) {
    for line in text.lines() {
        assert!(line.chars().count() <= 100, "too wide: {line}");
        assert!(!line.contains(['`', '\x1b']), "not plain: {line}");
    }
}

#[test]
fn help_is_the_same_at_every_width_and_plain() {
    let project = Project::empty();
    let names = subcommands(&project);
    assert!(names.len() >= 10, "{names:?}");
    let help = project.run(&["--help"]).code(0).stdout;
    is_plain(&help);
    golden("cli/cowherd.txt", &help);
    for name in names {
        let help = project.run(&[&name, "--help"]).code(0).stdout;
        is_plain(&help);
        assert_eq!(help, project.run(&["help", &name]).code(0).stdout);
        golden(&format!("cli/{name}.txt"), &help);
    }
    let help = project.run(&["store", "init", "--help"]).code(0).stdout;
    is_plain(&help);
    golden("cli/store-init.txt", &help);
}

#[test]
fn every_subcommand_gives_an_example() {
    let project = Project::empty();
    for name in subcommands(&project) {
        let help = project.run(&[&name, "--help"]).code(0).stdout;
        assert!(help.contains(&format!("  cowherd {name}")), "{help}");
    }
}

#[test]
fn no_arguments_at_all_are_a_usage_error_that_helps() {
    let finished = Project::empty().run(&[]).code(2);
    assert!(
        finished.stderr.contains("cowherd init"),
        "{}",
        finished.stderr
    );
}

#[test]
fn completions_know_the_subcommands_and_not_the_hidden_one() {
    let project = Project::empty();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = project.run(&["completions", shell]).code(0).stdout;
        assert!(script.contains("inspect"), "{shell}:\n{script}");
    }
    project
        .run(&["completions", "tcsh"])
        .code(2)
        .says("bash, elvish, fish");
}

#[test]
fn a_manual_page_is_there_for_each_subcommand() {
    let project = Project::empty();
    let page = project.run(&["man"]).code(0).stdout;
    assert!(page.contains(".TH cowherd 1"), "{page}");
    let stdout = project.run(&["man", "--dir", "out/man1"]).code(0).stdout;
    let names = subcommands(&project);
    // One of all, and one of the only subcommand that has its own.
    assert_eq!(stdout, format!("{} pages in out/man1\n", names.len() + 2));
    for name in names.iter().map(String::as_str).chain(["store-init"]) {
        let file = project.folder().join(format!("out/man1/cowherd-{name}.1"));
        let page = std::fs::read_to_string(file).unwrap();
        assert!(page.contains(&format!(".TH cowherd-{name} 1")), "{page}");
        assert!(page.contains("Examples:"), "{page}");
    }
}
