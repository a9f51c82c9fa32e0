//! SIGKILL before every single change to the store, and after it: the old state or the new one, and the next command
//! goes on from there.

use std::fs;
use std::path::Path;

use crate::support::traced::{End, kill_before, traceable};
use crate::support::{Project, alone, inside};

const SPEC: &str = "\
version: 1
snapshots:
  shop: { engine: sqlite, steps: [ { sql: schema.sql } ] }
";

fn project() -> Project {
    Project::new(SPEC).file("schema.sql", "CREATE TABLE cow (name text);")
}

/// What a store may be like after a kill.
#[track_caller]
fn is_whole(project: &Project, when: &str) -> usize {
    let keys = fs::read_dir(project.store().join("keys"));
    let keys = keys.map_or(0, Iterator::count);
    let checked = project.run(&["fsck", "--json"]);
    let found: serde_json::Value = serde_json::from_str(&checked.stdout).expect("JSON");
    assert_eq!(
        (checked.code, &found["damage"]),
        (0, &serde_json::json!([])),
        "{when}: {found}"
    );
    assert_eq!(
        found["incomplete"],
        serde_json::json!([]),
        "{when}: {found}"
    );
    keys
}

/// Kills `cowherd ARGS` before its first, second, … change, each time in a fresh copy of what `prepare` made, up to the
/// kill that it doesn't live to see. Gives how many keys the store had after each.
#[track_caller]
fn at_every_change(prepare: impl Fn() -> Project, args: &[&str], again: &[&str]) -> Vec<usize> {
    let mut keys = Vec::new();
    for nth in 1.. {
        let project = prepare();
        let when = format!("cowherd {}, killed before change {nth}", args.join(" "));
        let end = kill_before(&project.command(args), nth);
        keys.push(is_whole(&project, &when));
        project.run(again).code(0);
        project.leaves_nothing();
        match end {
            End::Killed => assert!(nth < 2_000, "no end"),
            End::Exited(code) => {
                assert_eq!(code, 0, "{when}");
                break;
            }
        }
    }
    keys
}

/// Runs the test in a process that has no other children than those it watches.
fn watching(name: &str, body: impl FnOnce()) {
    if inside() || traceable_alone() {
        alone(name, body);
    }
}

/// Whether programs can be watched, asked where nobody else waits for children.
fn traceable_alone() -> bool {
    let answer = std::process::Command::new(std::env::current_exe().expect("the test program"))
        .args([
            "store::crash::a_watched_program_ends_as_it_would",
            "--exact",
            "--nocapture",
        ])
        .env(
            "COWHERD_TEST_ALONE",
            "store::crash::a_watched_program_ends_as_it_would",
        )
        .output()
        .expect("the test program");
    let said = String::from_utf8_lossy(&answer.stderr);
    let skipped = said.lines().find(|line| line.starts_with("SKIP ptrace"));
    if let Some(line) = skipped {
        eprintln!("{line}");
    }
    assert!(answer.status.success(), "{said}");
    skipped.is_none()
}

#[test]
fn a_watched_program_ends_as_it_would() {
    alone("store::crash::a_watched_program_ends_as_it_would", || {
        if !traceable() {
            return;
        }
        let command = |program: &str, args: &[&str]| {
            let mut command = std::process::Command::new(program);
            command.args(args);
            command
        };
        assert_eq!(
            kill_before(&command("sh", &["-c", "exit 3"]), 1),
            End::Exited(3)
        );
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
        let (first, second) = (path("first"), path("second"));
        let end = kill_before(&command("mkdir", &[&first, &second]), 2);
        assert_eq!(end, End::Killed);
        assert!(Path::new(&first).exists() && !Path::new(&second).exists());
    });
}

#[test]
fn a_build_that_is_killed_at_any_step_leaves_each_layer_whole_or_absent() {
    watching(
        "store::crash::a_build_that_is_killed_at_any_step_leaves_each_layer_whole_or_absent",
        || {
            let keys = at_every_change(project, &["build"], &["build"]);
            // All three states were seen, in this order.
            assert!(keys.is_sorted() && keys.len() > 40, "{keys:?}");
            assert_eq!([keys[0], keys[keys.len() - 1]], [0, 2]);
            assert!(keys.contains(&1), "{keys:?}");
        },
    );
}

#[test]
fn an_import_that_is_killed_at_any_step_leaves_each_layer_whole_or_absent() {
    watching(
        "store::crash::an_import_that_is_killed_at_any_step_leaves_each_layer_whole_or_absent",
        || {
            let here = project();
            here.run(&["export", "shop", "shop.tar"]).code(0);
            let file = fs::read(here.folder().join("shop.tar")).unwrap();
            let import = ["import", "shop.tar"];
            let there = || project().file("shop.tar", &file);
            let keys = at_every_change(there, &import, &import);
            assert!(keys.is_sorted() && keys.len() > 40, "{keys:?}");
            assert_eq!([keys[0], keys[keys.len() - 1]], [0, 2]);
        },
    );
}

#[test]
fn a_gc_that_is_killed_at_any_step_leaves_each_layer_whole_or_absent() {
    watching(
        "store::crash::a_gc_that_is_killed_at_any_step_leaves_each_layer_whole_or_absent",
        || {
            let built = || {
                let project = project();
                project.run(&["build"]).code(0);
                project
            };
            let keys = at_every_change(built, &["gc", "--all"], &["build"]);
            assert!(keys.iter().rev().is_sorted() && keys.len() > 10, "{keys:?}");
            assert_eq!([keys[0], keys[keys.len() - 1]], [2, 0]);
        },
    );
}
