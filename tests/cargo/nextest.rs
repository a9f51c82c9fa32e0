//! nextest, which runs each test in a process of its own by itself.

use super::{built, cowherd, package, plain};
use crate::support::{nextest, postgres};

#[test]
fn its_retries_get_a_fresh_container_each() {
    if !nextest() {
        return;
    }
    let project = package().file(
        "src/lib.rs",
        r#"
fn fresh() {
    let file = std::env::var("DATABASE_URL").unwrap();
    let file = std::path::Path::new(file.strip_prefix("sqlite://").unwrap()).with_file_name("mine");
    assert!(!file.exists(), "not fresh");
    std::fs::write(file, "mine").unwrap();
}
#[test] fn flaky() { fresh(); assert_eq!(std::env::var("NEXTEST_ATTEMPT").unwrap(), "3"); }
#[test] fn steady() { fresh() }
#[test] #[ignore] fn left_out() { panic!() }
"#,
    );
    let finished = cowherd(&project, &["nextest", "run", "--retries", "3"]).code(0);
    assert!(
        !finished.stderr.contains("not fresh"),
        "{}",
        finished.stderr
    );
    finished
        .says("TRY 3 PASS")
        .says("2 tests run: 2 passed (1 flaky), 1 skipped")
        .never_says("LEAK");
    project.leaves_nothing();
}

#[test]
fn its_list_is_the_binarys_own() {
    if !nextest() {
        return;
    }
    let project = built(package().file(
        "src/lib.rs",
        "#[test] fn one() {}\n#[test] #[ignore] fn two() {}",
    ));
    // Nobody asks for the snapshot.
    let project = project.file("cowherd.yaml", "version: 7\n");
    let args = ["nextest", "list", "--message-format", "json"];
    let text = |text: &str| text.replace("\"runner\"", "").len();
    let (theirs, ours) = (
        plain(&project, &args).code(0),
        cowherd(&project, &args).code(0),
    );
    assert!(theirs.stdout.contains("\"two\""));
    assert_eq!(
        text(&ours.stdout),
        text(&theirs.stdout),
        "{}\n{}",
        ours.stdout,
        theirs.stdout
    );
}

#[test]
fn a_server_is_no_leak_and_no_test_outlives_its_time() {
    if !postgres() || !nextest() {
        return;
    }
    let project = package();
    let spec = project.read("cowherd.yaml").replace("sqlite", "postgres");
    let project = project
        .file("cowherd.yaml", spec)
        .file(
            ".config/nextest.toml",
            "[profile.default]\nslow-timeout = { period = \"2s\", terminate-after = 1, grace-period = \"1s\" }\n\
             leak-timeout = { period = \"1s\", result = \"fail\" }\n",
        )
        .file(
            "src/lib.rs",
            r#"
#[test] fn connects() { std::net::TcpStream::connect("127.0.0.1:5432").unwrap(); }
#[test] fn connects_and_leaves() {
    std::mem::forget(std::net::TcpStream::connect("127.0.0.1:5432").unwrap());
    std::process::Command::new("/bin/sleep").arg("1000").spawn().unwrap();
}
#[test] fn hangs() { loop { std::thread::park() } }
"#,
        );
    project.run(&["build"]).code(0);
    let finished = cowherd(&project, &["nextest", "run", "--no-fail-fast"]).code(100);
    finished
        .says("3 tests run: 2 passed, 1 timed out")
        .says("TIMEOUT")
        .never_says("LEAK");
    project.leaves_nothing();
}

#[test]
fn what_a_process_says_and_how_it_ends_passes_through() {
    if !nextest() {
        return;
    }
    let project = package()
        .file(
            "src/lib.rs",
            r#"
#[test] fn aborts() { println!("to stdout"); eprintln!("to stderr"); std::process::abort() }
#[test] fn leaves() { std::process::exit(3) }
"#,
        )
        .file(
            "bare.rs",
            r#"
fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if args.iter().any(|arg| arg == "--list") {
        assert!(std::env::var_os("COWHERD_SNAPSHOT").is_none());
        if !args.iter().any(|arg| arg == "--ignored") { println!("own test: test"); }
        return;
    }
    assert_eq!(args, ["--exact", "own test", "--nocapture"]);
    assert_eq!(std::env::var("COWHERD_TEST").unwrap(), "own test");
}
"#,
        );
    let manifest = project.read("Cargo.toml").replace("test = false\n", "");
    let project = project.file("Cargo.toml", manifest);
    cowherd(&project, &["nextest", "run", "--no-fail-fast"])
        .code(100)
        .says("3 tests run: 1 passed, 2 failed")
        .says("SIGABRT [")
        .says("to stdout\n")
        .says("to stderr\n")
        .says("test failed with exit code 3");
    project.leaves_nothing();
}
