//! Doc tests, which rustdoc compiles into one program each, or many into one.

use super::{cowherd, package, plain, without_times};
use crate::support::{Project, cargo};

fn documented(edition: &str) -> Project {
    let project = package();
    let manifest = project.read("Cargo.toml").replace("2024", edition);
    project.file("Cargo.toml", manifest).file(
        "src/lib.rs",
        r#"
/// ```
/// assert_eq!(goods::add(1, 2), 3);
/// println!("not shown");
/// ```
/// ```should_panic
/// panic!("as it should")
/// ```
/// ```
/// panic!("as it should not")
/// ```
/// ```no_run
/// panic!("never")
/// ```
/// ```ignore
/// no code at all
/// ```
/// ```compile_fail
/// let x: u8 = "";
/// ```
pub fn add(a: u8, b: u8) -> u8 { a + b }
"#,
    )
}

#[test]
fn doc_tests_look_as_without_cowherd() {
    if !cargo() {
        return;
    }
    for edition in ["2021", "2024"] {
        let project = documented(edition);
        project.run(&["build"]).code(0);
        for args in [
            &["test", "--doc"][..],
            &["test", "--doc", "--", "-q", "add"],
        ] {
            let sorted = |text: &str| {
                let text = without_times(text);
                let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
                // The line of characters is in the order in which they end.
                lines.retain(|line| !(line.is_empty() || line.starts_with(['.', 'i', ' '])));
                lines.sort();
                lines
            };
            let (theirs, ours) = (plain(&project, args), cowherd(&project, args));
            let theirs_lines = sorted(&theirs.stdout);
            assert!(theirs.stdout.contains(" 1 failed;"), "{theirs:?}");
            assert_eq!(sorted(&ours.stdout), theirs_lines, "{edition}: {args:?}");
            let last = |text: &str| text.lines().last().map(str::to_owned);
            assert_eq!(last(&ours.stderr), last(&theirs.stderr));
            assert_eq!((ours.code, theirs.code), (101, 101), "{edition}");
        }
        project.leaves_nothing();
    }
}

#[test]
fn each_doc_test_has_a_container_of_its_own() {
    if !cargo() {
        return;
    }
    for edition in ["2021", "2024"] {
        let one = r#"
/// ```
/// assert_eq!(std::env::var("COWHERD_SNAPSHOT").unwrap(), "shop");
/// assert!(std::env::vars().all(|(name, _)| !name.starts_with("COWHERD_CARGO")));
/// let file = std::env::var("DATABASE_URL").unwrap();
/// let file = std::path::Path::new(file.strip_prefix("sqlite://").unwrap()).with_file_name("mine");
/// assert!(!file.exists());
/// std::fs::write(file, "mine").unwrap();
/// ```
"#;
        let project = package();
        let manifest = project.read("Cargo.toml").replace("2024", edition);
        let project = project.file("Cargo.toml", manifest).file(
            "src/lib.rs",
            format!("{one}pub fn one() {{}}\n{one}pub fn two() {{}}\n"),
        );
        let finished = cowherd(&project, &["test", "--doc"]).code(0);
        let passed = " 2 passed; 0 failed;";
        assert!(
            finished.stdout.contains(passed),
            "{edition}: {}",
            finished.stdout
        );
        project.leaves_nothing();
    }
}
