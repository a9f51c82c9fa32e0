//! What is printed is what Cargo prints without Cowherd.

use super::{built, cowherd, package, plain, without_times};
use crate::support::{Project, cargo};

/// Tests of every kind that libtest knows a word for.
fn all_kinds() -> Project {
    built(package().file(
        "src/lib.rs",
        r#"
#[cfg(test)]
mod tests {
    #[test] fn passes() { println!("out of passes"); eprintln!("err of passes"); }
    #[test] fn fails() { println!("out of fails"); eprintln!("err of fails"); panic!("oh no\nfailures:\n    tests::x"); }
    #[test] fn answers() -> Result<(), String> { Err("nope".into()) }
    #[test] #[should_panic] fn panics() { panic!("as it should") }
    #[test] #[should_panic(expected = "this")] fn panics_otherwise() { panic!("that") }
    #[test] #[should_panic] fn never_panics() {}
    #[test] #[ignore] fn left_out() { println!("out of left_out"); }
    #[test] #[ignore = "it is slow"] fn left_out_for_a_reason() { panic!("slow") }
    #[test] #[ignore] #[should_panic] fn left_out_and_panics() { panic!() }
    #[test] fn speaks_past_the_capture() {
        let status = std::process::Command::new("/bin/sh").args(["-c", "echo out; echo err >&2"]).status();
        assert!(status.unwrap().success());
    }
    #[test] fn speaks_past_the_capture_without_an_end() {
        let status = std::process::Command::new("/bin/sh").args(["-c", "printf out"]).status();
        assert!(status.unwrap().success());
    }
}
"#,
    )
    .file(
        "bare.rs",
        r#"fn main() {
    println!("{:?}", std::env::args().skip(1).collect::<Vec<_>>());
    std::process::exit(std::env::args().len() as i32);
}"#,
    ))
}

#[track_caller]
fn looks_alike(project: &Project, args: &[&str]) {
    let (theirs, ours) = (plain(project, args), cowherd(project, args));
    assert_eq!(
        without_times(&ours.stdout),
        without_times(&theirs.stdout),
        "{args:?}: standard output"
    );
    assert_eq!(
        without_times(&ours.stderr),
        without_times(&theirs.stderr),
        "{args:?}: standard error"
    );
    assert_eq!(ours.code, theirs.code, "{args:?}");
}

#[test]
fn one_test_at_a_time_looks_as_without_cowherd() {
    if !cargo() {
        return;
    }
    let project = all_kinds();
    for args in [
        &[][..],
        &["-q"],
        &["--format", "terse"],
        &["--quiet", "--format=pretty"],
        &["--nocapture"],
        &["--no-capture", "-q"],
        &["--show-output"],
        &["--show-output", "-q"],
        &["--ignored"],
        &["--include-ignored"],
        &["--include-ignored", "-q"],
        &["--exact", "tests::passes"],
        &["--exact", "passes"],
        &["panics", "speaks"],
        &["panics", "--skip", "otherwise", "--skip=never"],
        &["panics", "--skip", "panics"],
        &["--ignored", "panics"],
        &["--test", "passes"],
        &["--", "passes"],
        &["no such test"],
    ] {
        let all = [&["test", "--lib", "--", "--test-threads=1"], args].concat();
        looks_alike(&project, &all);
    }
    project.leaves_nothing();
}

#[test]
fn what_is_no_run_looks_as_without_cowherd() {
    if !cargo() {
        return;
    }
    let project = all_kinds();
    for args in [
        &["--list"][..],
        &["--list", "--format", "terse"],
        &["--list", "--ignored", "panics"],
        &["--help"],
        &["-h"],
    ] {
        looks_alike(&project, &[&["test", "--lib", "--"], args].concat());
    }
    for args in [
        &["test", "--no-run"][..],
        &["test", "--such"],
        &["test", "--lib", "--quiet", "never"],
        &["test", "--test", "bare", "--", "one", "--two", "--list"],
        &["test", "--test", "none"],
        &["--list"],
        &["such"],
    ] {
        looks_alike(&project, args);
    }
}

#[test]
fn several_tests_at_a_time_have_the_same_lines() {
    if !cargo() {
        return;
    }
    let project = all_kinds();
    let sorted = |text: &str| {
        let text = without_times(text);
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    for args in [&[][..], &["-q"], &["--show-output"], &["--include-ignored"]] {
        let args = [
            &["test", "--lib", "--", "--test-threads=3", "--skip", "past"],
            args,
        ]
        .concat();
        let (theirs, ours) = (plain(&project, &args), cowherd(&project, &args));
        // How a line of characters is broken by the names of those that failed is a matter of order.
        let quiet = args.contains(&"-q");
        let lines = |text: &str| {
            let mut lines = sorted(text);
            lines.retain(|line| !quiet || !(line.is_empty() || line.starts_with(['.', 'i', ' '])));
            lines
        };
        assert_eq!(lines(&ours.stdout), lines(&theirs.stdout), "{args:?}");
        assert_eq!(ours.code, theirs.code, "{args:?}");
    }
}

#[test]
fn colours_are_libtests_colours() {
    if !cargo() {
        return;
    }
    let project = all_kinds().env("TERM", "xterm");
    let args = ["test", "--lib", "--", "--color=always", "--test-threads=1"];
    let same = |text: &str| without_times(text).replace("\x1b(B", "");
    assert_eq!(
        same(&cowherd(&project, &args).stdout),
        same(&plain(&project, &args).stdout)
    );
}

#[test]
fn the_variables_of_libtest_count_as_its_options_do() {
    if !cargo() {
        return;
    }
    let project = all_kinds()
        .env("RUST_TEST_THREADS", "1")
        .env("RUST_TEST_NOCAPTURE", "1");
    looks_alike(&project, &["test", "--lib", "passes"]);
}

#[test]
fn what_only_the_binary_knows_is_asked_of_it_as_a_whole() {
    if !cargo() {
        return;
    }
    let project = all_kinds();
    for (args, says) in [
        (&["--frob"][..], "`--frob`"),
        (&["--format", "json"], "`--format json`"),
        (
            &["--ignored", "--include-ignored"],
            "`--ignored --include-ignored`",
        ),
        (&["--test-threads", "0"], "`--test-threads`"),
    ] {
        let args = [&["test", "--lib", "--"], args].concat();
        let theirs = plain(&project, &args);
        let ours = cowherd(&project, &args).code(theirs.code);
        assert_eq!(ours.stdout, theirs.stdout, "{args:?}");
        let ours = ours.says(&format!(
            "share one container, as only it knows about {says}\n"
        ));
        let last = theirs.stderr.lines().last().expect("a line");
        assert!(ours.stderr.contains(last), "{}", ours.stderr);
    }
}

#[test]
fn a_binary_without_tests_and_without_a_snapshot_that_works_is_content() {
    if !cargo() {
        return;
    }
    let project = built(package()).file("cowherd.yaml", "version: 7\n");
    looks_alike(&project, &["test", "--lib"]);
}
