//! Several commands at once on one store: nothing is lost, and nobody waits for ever.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::support::{Project, Started, userns};

/// Two builders, a collector and a run start at the same moment, over a step that is another each round.
#[test]
fn two_builders_a_gc_and_a_run_at_once_lose_nothing() {
    if !userns() {
        return;
    }
    // `ROUNDS=1000` is for who changes the store's locks.
    let rounds = std::env::var("ROUNDS")
        .ok()
        .and_then(|rounds| rounds.parse().ok());
    let project = Project::new(
        "\
version: 1
snapshots:
  shop: { engine: sqlite, steps: [ { sql: schema.sql } ] }
  big: { from: shop, steps: [ { sql: more.sql } ] }
tests:
  - { name: one, snapshot: shop, command: 'true' }
  - { name: two, snapshot: big, command: 'grep -q \"$(cat round)\" \"$SQLITE_FILE\"' }
",
    )
    .file("schema.sql", "CREATE TABLE cow (name text);")
    .file("more.sql", "")
    .file("round", "");
    let collected = AtomicBool::new(false);
    for round in 0..rounds.unwrap_or(30) {
        let write = |path: &str, text: String| {
            std::fs::write(project.folder().join(path), text).expect("a file");
        };
        write(
            "more.sql",
            format!("INSERT INTO cow VALUES ('round {round}.');"),
        );
        write("round", format!("round {round}."));
        let gc: &[&str] = match round % 3 {
            0 => &["gc", "--all"],
            1 => &["gc", "--max-size", "10k"],
            _ => &["gc"],
        };
        let commands = [&["build"][..], &["build", "big"], gc, &["run", "-j", "2"]];
        let started: Vec<Started> = commands.map(|args| project.start(args)).into();
        for (args, started) in commands.iter().zip(started) {
            let finished = started.wait();
            assert_eq!(
                finished.code, 0,
                "round {round}, {args:?}:\n{}",
                finished.stderr
            );
            if args[0] == "run" {
                finished.says(": 2 passed\n");
            } else if args[0] == "gc" && finished.stdout.contains("removed  ") {
                collected.store(true, Ordering::Relaxed);
            }
        }
        if round % 10 == 9 {
            project.run(&["fsck"]).code(0);
        }
    }
    assert!(collected.into_inner());
    project.run(&["fsck"]).code(0);
    project.run(&["run"]).code(0).says(": 2 passed\n");
    project.leaves_nothing();
}
