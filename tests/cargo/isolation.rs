//! What a test gets, and what it leaves to the next one.

use super::{built, cowherd, host, package, plain, with_runner};
use crate::support::cargo;

/// A test that finds the database as it was built and changes it, however often it is run.
const FRESH: &str = r#"
fn file() -> std::path::PathBuf {
    std::env::var("DATABASE_URL").unwrap().strip_prefix("sqlite://").unwrap().into()
}

fn fresh() {
    use std::io::Write;
    let before = std::fs::read(file()).unwrap();
    assert!(!before.ends_with(b"changed"));
    std::fs::OpenOptions::new().append(true).open(file()).unwrap().write_all(b"changed").unwrap();
    let sibling = file().with_file_name("sibling");
    assert!(!sibling.exists());
    std::fs::write(sibling, "x").unwrap();
    assert!(!std::path::Path::new("/tmp/mine").exists());
    std::fs::write("/tmp/mine", "x").unwrap();
    // Process and network are the test's own: a port is free that every other test has taken.
    std::mem::forget(std::net::TcpListener::bind("127.0.0.1:4000").unwrap());
}
"#;

#[test]
fn each_test_of_each_binary_finds_the_database_as_it_was_built() {
    if !cargo() {
        return;
    }
    let tests = format!(
        "{FRESH}
#[test] fn one() {{ fresh() }}
#[test] fn two() {{ fresh() }}
#[test] #[ignore] fn three() {{ fresh() }}
#[test] #[should_panic(expected = \"in the end\")] fn four() {{ fresh(); panic!(\"in the end\") }}
"
    );
    let bare = format!("{FRESH}\nfn main() {{ fresh(); println!(\"bare\") }}");
    let project = package()
        .file("tests/first.rs", &tests)
        .file("tests/second.rs", &tests)
        .file("bare.rs", bare);
    // The snapshot is built on the way, and its building shown.
    let finished = cowherd(&project, &["test", "--tests", "--", "--include-ignored"]).code(0);
    assert_eq!(
        finished.stdout.matches(" 4 passed;").count(),
        2,
        "{}",
        finished.stdout
    );
    finished.says("build shop 2/2 sql seed.sql");
    let bare = cowherd(&project, &["test", "--test", "bare"]).code(0);
    assert_eq!(bare.stdout, "bare\n");
    bare.never_says("build shop");
    project.leaves_nothing();
}

#[test]
fn a_test_sees_the_projects_own_files_and_cargos_target_folder() {
    if !cargo() {
        return;
    }
    let project = package().file(
        "tests/files.rs",
        r#"
#[test]
fn files() {
    assert_eq!(std::env::current_dir().unwrap(), std::path::Path::new(env!("CARGO_MANIFEST_DIR")));
    std::fs::write("snapshot.txt", "made by a test").unwrap();
    std::fs::write(concat!(env!("CARGO_TARGET_TMPDIR"), "/made.txt"), "made by a test").unwrap();
    let outside = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../outside.txt");
    let _ = std::fs::write(outside, "");
}
"#,
    );
    // The target folder lies outside the project.
    let elsewhere = project.folder().with_file_name("elsewhere");
    let project = project.env("CARGO_TARGET_DIR", elsewhere.to_str().expect("text"));
    cowherd(&project, &["test", "--test", "files"]).code(0);
    assert_eq!(project.read("snapshot.txt"), "made by a test");
    let made = std::fs::read_to_string(elsewhere.join("tmp/made.txt"));
    assert_eq!(made.expect("a file"), "made by a test");
    assert!(!project.folder().with_file_name("outside.txt").exists());
}

#[test]
fn a_test_is_told_of_its_database_and_not_of_the_runner() {
    if !cargo() {
        return;
    }
    let project = package()
        .file(
            "tests/variables.rs",
            r#"
#[test]
fn named() {
    for (name, value) in std::env::vars() {
        if name.starts_with("COWHERD") || name.ends_with("_RUNNER") || name.ends_with("_URL") || name.starts_with("PG") {
            println!("{name}={value}");
        }
    }
    assert!(std::env::var_os("CARGO_MANIFEST_DIR").is_some() && std::env::var_os("PATH").is_some());
}
"#,
        )
        .env("DATABASE_URL", "postgres://elsewhere/precious")
        .env("PGHOST", "elsewhere");
    let args = ["test", "--test", "variables", "--", "--show-output"];
    let shown = cowherd(&project, &args).code(0).stdout;
    let mut lines: Vec<&str> = shown.lines().filter(|line| line.contains('=')).collect();
    lines.sort_unstable();
    let names: Vec<&str> = lines
        .iter()
        .filter_map(|line| line.split('=').next())
        .collect();
    assert_eq!(
        names,
        [
            "COWHERD_LOG",
            "COWHERD_SNAPSHOT",
            "COWHERD_STORE",
            "COWHERD_TEST",
            "DATABASE_URL",
            "DB_URL"
        ],
        "{shown}"
    );
    assert!(
        lines.contains(&"COWHERD_TEST=named") && lines.contains(&"COWHERD_SNAPSHOT=shop"),
        "{shown}"
    );
}

#[test]
fn a_package_that_names_no_snapshot_runs_untouched() {
    if !cargo() {
        return;
    }
    let project = package()
        .file(
            "Cargo.toml",
            "[package]\nname = \"goods\"\nedition = \"2024\"\n[workspace]\n[profile.dev]\ndebug = 0\n",
        )
        .file("cowherd.yaml", "no spec at all")
        .file(
            "src/lib.rs",
            r#"
#[test] fn outside() {
    assert_eq!(std::env::var("DATABASE_URL").unwrap(), "sqlite:///precious");
    assert!(std::env::var_os("COWHERD_TEST").is_none());
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let parent = status.lines().find_map(|line| line.strip_prefix("PPid:")).unwrap().trim();
    let name = std::fs::read_to_string(format!("/proc/{parent}/comm")).unwrap();
    assert_eq!(name, "cargo\n");
}
"#,
        )
        .env("DATABASE_URL", "sqlite:///precious");
    cowherd(&project, &["test"]).code(0);
    // Not even the store is looked at.
    let project = built_elsewhere(project);
    let project = with_runner(project);
    plain(&project, &["test"]).code(0);
    assert!(!project.folder().with_file_name("no-store").exists());
}

fn built_elsewhere(project: crate::support::Project) -> crate::support::Project {
    let none = project.folder().with_file_name("no-store");
    project.env("COWHERD_STORE", none.to_str().expect("text"))
}

#[test]
fn the_runner_alone_does_what_the_subcommand_does() {
    if !cargo() {
        return;
    }
    let project = package().file(
        "src/lib.rs",
        format!("{FRESH}\n#[test] fn one() {{ fresh() }}\n#[test] fn two() {{ fresh() }}"),
    );
    let project = with_runner(project);
    let finished = plain(&project, &["test", "--lib"]).code(0);
    assert!(
        finished.stdout.contains(" 2 passed;"),
        "{}",
        finished.stdout
    );
}

#[test]
fn a_program_for_cargo_run_runs_as_it_stands() {
    if !cargo() {
        return;
    }
    let project = built(package().file(
        "src/main.rs",
        r#"fn main() { println!("{:?}", std::env::var("COWHERD_TEST")); std::process::exit(7) }"#,
    ));
    let finished = cowherd(&project, &["run", "-q", "--", "--list"]).code(7);
    assert_eq!(finished.stdout, "Err(NotPresent)\n");
}

#[test]
fn a_runner_of_the_users_own_is_executed_in_the_container() {
    if !cargo() {
        return;
    }
    let project = package()
        .program(
            "own.sh",
            "#!/bin/sh\nexport OWN=\"$1 $COWHERD_SNAPSHOT\"\nshift\nexec \"$@\"\n",
        )
        .file(
            "src/lib.rs",
            "#[test] fn owned() { assert_eq!(std::env::var(\"OWN\").unwrap(), \"word shop\") }",
        );
    let variable = cowherd::cargo::runner_variable(&host());
    let own = format!("{}/own.sh word", project.folder().display());
    let project = project.env(&variable, &own);
    let finished = cowherd(&project, &["test", "--lib"]).code(0);
    assert!(
        finished.stdout.contains("test owned ... ok"),
        "{}",
        finished.stdout
    );
}

#[test]
fn the_spec_may_lie_elsewhere() {
    if !cargo() {
        return;
    }
    let project = package();
    let manifest = project.read("Cargo.toml");
    let spec = project.read("cowherd.yaml");
    let project = project
        .file("database/cowherd.yaml", spec)
        .file("database/seed.sql", "CREATE TABLE other (x integer);")
        .file("cowherd.yaml", "no spec at all")
        .file(
            "Cargo.toml",
            manifest.replace("snapshot = \"shop\"", "snapshot = \"shop\"\nfile = \"database/cowherd.yaml\""),
        )
        .file(
            "src/lib.rs",
            format!("{FRESH}\n#[test] fn one() {{ fresh(); std::fs::write(\"made.txt\", \"x\").unwrap() }}"),
        );
    cowherd(&project, &["test", "--lib"]).code(0);
    assert_eq!(project.read("made.txt"), "x");
}

#[test]
fn the_spec_may_say_which_package_gets_which_snapshot() {
    if !cargo() {
        return;
    }
    let project = package();
    let manifest = project
        .read("Cargo.toml")
        .replace("[package.metadata.cowherd]\nsnapshot = \"shop\"\n", "");
    let spec = project.read("cowherd.yaml");
    let project = project
        .file("Cargo.toml", manifest)
        .file("cowherd.yaml", format!("{spec}packages:\n  goods: shop\n"))
        .file(
            "src/lib.rs",
            "#[test] fn named() { assert_eq!(std::env::var(\"COWHERD_SNAPSHOT\").unwrap(), \"shop\") }",
        );
    cowherd(&project, &["test", "--lib"]).code(0);
    let project = project.file(
        "cowherd.yaml",
        format!("{spec}packages: {{ other: shop }}\n"),
    );
    cowherd(&project, &["test", "--lib"])
        .code(101)
        .says("test failed");
    let project = project.file(
        "cowherd.yaml",
        format!("{spec}packages: {{ goods: shp }}\n"),
    );
    cowherd(&project, &["test", "--lib"])
        .code(96)
        .says("cowherd.yaml:4:20: ")
        .says("`shp`");
}

#[test]
fn runners_of_cargos_configuration_are_kept_where_they_can_be() {
    if !cargo() {
        return;
    }
    let own = "#!/bin/sh\nexport OWN=\"$1\"\nshift\nexec \"$@\"\n";
    let project = package()
        .program("tools/own.sh", own)
        .file(
            "src/lib.rs",
            "#[test] fn owned() { assert_eq!(std::env::var(\"OWN\").unwrap(), std::env::var(\"EXPECTED\").unwrap()) }",
        );
    for (config, expected) in [
        (
            format!("[target.{}]\nrunner = 'tools/own.sh one'", host()),
            "one",
        ),
        (
            format!("target.{}.runner = ['tools/own.sh', 'two']", host()),
            "two",
        ),
    ] {
        let project = built(package())
            .program("tools/own.sh", own)
            .file("src/lib.rs", project.read("src/lib.rs"))
            .file(".cargo/config.toml", config)
            .env("EXPECTED", expected);
        cowherd(&project, &["test", "--lib"])
            .code(0)
            .never_says("warning");
    }
    let project = project.file(
        ".cargo/config.toml",
        "[target.'cfg(unix)']\nrunner = 'tools/own.sh one'",
    );
    cowherd(&project, &["test", "--lib", "none"])
        .code(0)
        .says("warning: the runner `tools/own.sh one` is not used")
        .says("in place of `cfg(unix)` in ");
    let project = project.file(
        ".cargo/config.toml",
        format!("target.{}.runner = ['tools/o n.sh']", host()),
    );
    cowherd(&project, &["test", "--lib", "none"])
        .code(97)
        .says("there is a space in `");
    let project = project.file(".cargo/config.toml", "[target");
    cowherd(&project, &["test", "--lib", "none"])
        .code(101)
        .says("can't understand ");
}
