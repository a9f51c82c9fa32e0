//! Tests that end otherwise than by a verdict, and snapshots that don't come to be.

use super::{built, cowherd, package};
use crate::support::{Finished, Project, cargo, nextest};

const ABRUPT: &str = r#"
#[test] fn aborts() { println!("lost"); std::process::abort() }
#[test] fn leaves() { std::process::exit(3) }
#[test] fn leaves_content() { std::process::exit(0) }
#[test] fn overflows() { fn deep(n: u64) -> u64 { if n == 0 { 0 } else { 1 + deep(std::hint::black_box(n + 1)) } } deep(1); }
#[test] fn passes() {}
#[test] fn starts_what_outlives_it() {
    std::process::Command::new("/bin/sleep").arg("1000").spawn().unwrap();
    std::thread::spawn(|| loop { std::thread::park() });
}
"#;

#[test]
fn a_test_that_ends_its_process_fails_alone() {
    if !cargo() {
        return;
    }
    let project = built(package().file("src/lib.rs", ABRUPT));
    let finished = cowherd(&project, &["test", "--lib"]).code(101);
    for line in [
        "test aborts ... FAILED",
        "test leaves ... FAILED",
        "test leaves_content ... ok",
        "test overflows ... FAILED",
        "test passes ... ok",
        "test starts_what_outlives_it ... ok",
        "cowherd: the test was ended by signal 6 (SIGABRT)",
        "cowherd: the test's process exited with code 3",
    ] {
        let there = finished.stdout.lines().any(|known| known == line);
        assert!(there, "no {line:?} in:\n{}", finished.stdout);
    }
    finished.says("has overflowed its stack");
    project.leaves_nothing();
}

#[test]
fn cargo_is_told_how_the_only_program_of_a_container_ended() {
    if !cargo() {
        return;
    }
    for (body, says) in [
        ("std::process::exit(42)", "(exit status: 42)"),
        (
            "std::process::abort()",
            "(signal: 6, SIGABRT: process abort signal)",
        ),
    ] {
        let project = package().file("bare.rs", format!("fn main() {{ {body} }}"));
        let finished = cowherd(&project, &["test", "--test", "bare"]);
        assert_ne!(finished.code, 0);
        finished.says(says);
        project.leaves_nothing();
    }
}

/// How often the one cause is told in full.
#[track_caller]
fn told(finished: &Finished) -> usize {
    let count = |text: &str| text.matches("no such table: nowhere").count();
    count(&finished.stdout) + count(&finished.stderr)
}

fn unbuildable() -> Project {
    let tests = "#[test] fn one() {}\n#[test] fn two() {}\n#[test] #[ignore] fn three() {}\n";
    package()
        .file("tests/first.rs", tests)
        .file("tests/second.rs", tests)
        .file("seed.sql", "INSERT INTO nowhere VALUES (1);")
}

#[test]
fn a_snapshot_that_can_not_be_built_fails_every_test_and_is_told_once() {
    if !cargo() {
        return;
    }
    let project = unbuildable();
    let args = ["test", "--no-fail-fast", "--tests"];
    let finished = cowherd(&project, &args).code(101);
    assert_eq!(
        told(&finished),
        1,
        "{}\n{}",
        finished.stdout,
        finished.stderr
    );
    for (line, times) in [
        ("test one ... FAILED", 2),
        ("test two ... FAILED", 2),
        ("test three ... ignored", 2),
        ("cowherd: the snapshot can't be built: see one", 2),
        (
            "cowherd: can't build `shop`: the cause is told once, above",
            2,
        ),
    ] {
        assert_eq!(
            finished.stdout.matches(line).count(),
            times,
            "{line}: {}",
            finished.stdout
        );
    }
    assert_eq!(
        finished
            .stdout
            .matches(" 0 passed; 2 failed; 1 ignored;")
            .count(),
        2
    );
    let finished = cowherd(&project, &["test", "--test", "bare"]).code(101);
    assert_eq!(
        told(&finished),
        1,
        "{}\n{}",
        finished.stdout,
        finished.stderr
    );
    let finished = cowherd(&project, &["test", "--test", "first", "none"]).code(0);
    assert_eq!(told(&finished), 0);
    project.leaves_nothing();
}

#[test]
fn under_nextest_too_every_test_fails_and_the_cause_is_told_once() {
    if !nextest() {
        return;
    }
    let project = unbuildable();
    let finished = cowherd(&project, &["nextest", "run", "--no-fail-fast"]).code(100);
    assert_eq!(
        told(&finished),
        1,
        "{}\n{}",
        finished.stdout,
        finished.stderr
    );
    let shown = finished
        .stderr
        .matches("can't build `shop`: the cause is told once, above")
        .count();
    assert_eq!(shown, 4, "{}", finished.stderr);
    finished.says("4 tests run: 0 passed, 4 failed, 2 skipped");
    project.leaves_nothing();
}

#[test]
fn a_package_that_names_what_is_not_there_says_so() {
    if !cargo() {
        return;
    }
    let project = built(package().file("src/lib.rs", "#[test] fn one() {}"));
    let manifest = project.read("Cargo.toml");
    let project = project.file("Cargo.toml", manifest.replace("\"shop\"", "\"shp\""));
    let finished = cowherd(&project, &["test", "--lib"]).code(96);
    let finished = finished.says("`shp`").says("shop");
    assert!(!finished.stdout.contains("FAILED"), "{}", finished.stdout);
    let project = project.file("Cargo.toml", manifest.replace("snapshot =", "snapshots ="));
    cowherd(&project, &["test", "--lib"])
        .code(96)
        .says("can't use `package.metadata.cowherd` of ")
        .says("hint: write `[package.metadata.cowherd]`");
    let project = project
        .file("Cargo.toml", manifest)
        .file("cowherd.yaml", "version: 7\n");
    cowherd(&project, &["test", "--lib"])
        .code(96)
        .says("cowherd.yaml:1:10: ");
}

#[test]
fn without_cargo_it_is_said_that_there_is_none() {
    let project = package().env("CARGO", "/nowhere/cargo");
    project
        .run(&["cargo", "test"])
        .code(127)
        .says("can't execute `/nowhere/cargo`: No such file or directory")
        .says("hint: is Cargo installed, and in PATH?");
}
