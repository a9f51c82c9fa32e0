//! What failing tests leave, and going into it.

use crate::support::{Project, postgres, userns};

const LITE: &str = "version: 1
snapshots:
  lite: { engine: sqlite, steps: [ { sql: lite.sql } ] }
tests:
  - name: bad
    snapshot: lite
    environment: { COLOUR: green }
    command: /run/cowherd/bin/cowherd sqlite-client \"$SQLITE_FILE\" --script change.sql; echo it went wrong; exit 3
  - name: good
    snapshot: lite
    command: \"true\"
";

fn lite() -> Project {
    Project::new(LITE)
        .file(
            "lite.sql",
            "CREATE TABLE item (name TEXT);\nINSERT INTO item VALUES ('hat'), ('coat');\n",
        )
        .file(
            "change.sql",
            "PRAGMA journal_mode = wal;\nDELETE FROM item WHERE name = 'hat';\nINSERT INTO item VALUES ('scarf');\n",
        )
}

/// The names of the kept states, the newest first.
fn ids(project: &Project) -> Vec<String> {
    let kept = project.run(&["kept"]);
    assert_eq!(kept.code, 0, "{}", kept.stderr);
    let lines = kept.stdout.lines().filter(|line| !line.starts_with("ID "));
    lines
        .filter_map(|line| line.split_whitespace().next())
        .filter(|id| id.len() == 8)
        .map(str::to_owned)
        .collect()
}

/// What a statement selects in a kept state.
fn select(project: &Project, id: &str, sql: &str) -> String {
    let file = project.folder().join("select.sql");
    std::fs::write(&file, sql).unwrap();
    let script = "/run/cowherd/bin/cowherd sqlite-client \"$SQLITE_FILE\" --script select.sql";
    let entered = project.run(&["enter", id, "--", "sh", "-c", script]);
    assert_eq!(entered.code, 0, "{}", entered.stderr);
    entered.stdout
}

#[test]
fn what_a_failed_test_left_can_be_entered_again_and_again() {
    if !userns() {
        return;
    }
    let project = lite();
    let run = project.run(&["run", "--keep", "failed"]);
    assert_eq!(run.code, 100, "{}", run.stderr);
    let ids = ids(&project);
    let [id] = ids.as_slice() else {
        panic!("one is kept, not {ids:?}");
    };
    assert!(
        run.stderr.contains(&format!("cowherd enter {id}")),
        "{}",
        run.stderr
    );
    for _ in 0..2 {
        let left = select(
            &project,
            &id[..4],
            "SELECT name FROM item ORDER BY name;\nDELETE FROM item;\n",
        );
        assert_eq!(left, "coat\nscarf\n");
    }
    let said = project.run(&["enter", id, "--", "sh", "-c", "echo $COWHERD_TEST $COLOUR"]);
    assert_eq!(said.stdout, "bad green\n");
    let code = project.run(&["enter", id, "--", "sh", "-c", "exit 7"]).code;
    assert_eq!(code, 7);
    assert!(
        project
            .run(&["enter", id, "--output"])
            .stdout
            .ends_with("it went wrong\n")
    );
    project.leaves_nothing();
}

#[test]
fn a_failure_says_which_rows_were_changed() {
    if !userns() {
        return;
    }
    let project = lite();
    let run = project.run(&["run", "--keep", "failed"]);
    for line in [
        "item: 1 inserted, 1 deleted",
        "- name='hat'",
        "+ name='scarf'",
    ] {
        assert!(run.stderr.contains(line), "{}", run.stderr);
    }
    let id = ids(&project).pop().unwrap();
    let diff = project.run(&["diff", "lite", &id[..5]]);
    assert_eq!(diff.code, 0, "{}", diff.stderr);
    assert!(diff.stdout.contains("+ name='scarf'"), "{}", diff.stdout);
}

#[test]
fn nothing_is_kept_unless_it_is_asked_for() {
    if !userns() {
        return;
    }
    let project = lite();
    project.run(&["run"]);
    assert_eq!(ids(&project), Vec::<String>::new());
    project.run(&["run", "--keep", "all"]);
    assert_eq!(ids(&project).len(), 2);
}

#[test]
fn a_kept_state_holds_its_layers_until_it_is_dropped() {
    if !userns() {
        return;
    }
    let project = lite();
    let layers = || project.count("layers");
    project.run(&["run", "--keep", "none"]);
    let before = layers();
    project.run(&["run", "--keep", "failed"]);
    assert_eq!(layers(), before + 1);
    // Its snapshot is another one from now on, and nobody but the kept state needs the old layers.
    let project = project.file("lite.sql", "CREATE TABLE item (name TEXT);\n");
    let gc = project.run(&["gc"]);
    assert_eq!(gc.code, 0, "{}", gc.stderr);
    let id = ids(&project).pop().unwrap();
    let left = select(&project, &id, "SELECT name FROM item ORDER BY name;\n");
    assert_eq!(left, "coat\nscarf\n");

    let dropped = project.run(&["drop", &id]);
    assert_eq!(dropped.code, 0, "{}", dropped.stderr);
    assert_eq!(ids(&project), Vec::<String>::new());
    assert_eq!(project.count("layers"), before);
    assert_eq!(project.count("kept"), 0);
}

#[test]
fn a_kept_state_is_entered_whatever_became_of_the_files_of_its_steps() {
    if !userns() {
        return;
    }
    let project = lite();
    project.run(&["run", "--keep", "failed"]);
    std::fs::remove_file(project.folder().join("lite.sql")).unwrap();
    let id = ids(&project).pop().unwrap();
    let left = select(&project, &id, "SELECT name FROM item ORDER BY name;\n");
    assert_eq!(left, "coat\nscarf\n");
}

#[test]
fn gc_of_everything_drops_kept_states_and_says_so() {
    if !userns() {
        return;
    }
    let project = lite();
    project.run(&["run", "--keep", "failed"]);
    let gc = project.run(&["gc", "--all"]);
    assert!(
        gc.stdout.contains("dropped the state that bad left"),
        "{}",
        gc.stdout
    );
    assert_eq!(project.count("kept"), 0);
    assert_eq!(project.count("layers"), 0);
}

#[test]
fn beyond_the_limits_the_oldest_goes() {
    if !userns() {
        return;
    }
    let project = lite();
    for _ in 0..3 {
        project.run(&["run", "bad", "--keep", "failed"]);
    }
    let all = ids(&project);
    assert_eq!(all.len(), 3);
    // Each takes two pages of 4 KiB: there is room for one.
    project.run(&["run", "bad", "--keep", "failed", "--keep-size", "12KB"]);
    let left = ids(&project);
    assert_eq!(left.len(), 1);
    assert!(!all.contains(&left[0]));
    project.run(&["run", "bad", "--keep", "failed", "--keep-for", "0s"]);
    assert_eq!(ids(&project), Vec::<String>::new());
}

#[test]
fn a_wrong_name_is_told_what_to_do() {
    if !userns() {
        return;
    }
    let project = lite();
    let nothing = project.run(&["enter", "3f2a"]);
    assert_eq!(nothing.code, 2);
    assert!(
        nothing.stderr.contains("cowherd run --keep failed"),
        "{}",
        nothing.stderr
    );
    project.run(&["run", "--keep", "all"]);
    let several = project.run(&["drop", ""]);
    assert_eq!(several.code, 2);
    assert!(
        several.stderr.contains("several begin so"),
        "{}",
        several.stderr
    );
    assert_eq!(ids(&project).len(), 2);
    let dropped = project.run(&["drop", "--all"]);
    assert_eq!(dropped.stdout.lines().count(), 2);
}

#[test]
fn the_reports_name_what_is_kept() {
    if !userns() {
        return;
    }
    let project = lite();
    let arguments = [
        "run",
        "--keep",
        "failed",
        "--report",
        "json=run.jsonl",
        "--report",
        "junit=run.xml",
    ];
    project.run(&arguments);
    let id = ids(&project).pop().unwrap();
    let in_json = format!("\"kept\":{{\"id\":\"{id}\",\"bytes\":");
    assert!(project.read("run.jsonl").contains(&in_json));
    assert!(
        project
            .read("run.xml")
            .contains(&format!("cowherd enter {id}"))
    );
}

#[test]
fn a_server_is_stopped_cleanly_before_its_state_is_kept() {
    if !userns() || !postgres() {
        return;
    }
    let project = Project::new(
        "version: 1
snapshots:
  shop: { engine: postgres, steps: [ { sql: shop.sql } ] }
tests:
  - name: bad
    snapshot: shop
    timeout: 2s
    command: psql -qc \"INSERT INTO item VALUES ('scarf')\" -c \"BEGIN\" -c \"DELETE FROM item\" -c \"SELECT pg_sleep(60)\"
",
    )
    .file("shop.sql", "CREATE UNLOGGED TABLE item (name text);\nINSERT INTO item VALUES ('hat');\n");
    let run = project.run(&["run", "--keep", "failed"]);
    assert_eq!(run.code, 100, "{}", run.stderr);
    let id = ids(&project).pop().unwrap();
    // The transaction was open; an unlogged table is emptied by a server that has to recover.
    let sql = "SELECT string_agg(name, ' ' ORDER BY name) FROM item";
    let left = project.run(&["enter", &id, "--", "psql", "-Atc", sql]);
    assert_eq!(left.stdout, "hat scarf\n", "{}", left.stderr);
    let logs = project.run(&["enter", &id, "--logs"]);
    assert!(
        logs.stdout.contains("ready to accept connections"),
        "{}",
        logs.stdout
    );
    project.leaves_nothing();
}
