//! States that were reached by hand, as snapshots.

use nix::sys::signal::Signal;

use crate::support::{Project, Started, postgres, userns};

const LITE: &str = "version: 1
snapshots:
  lite: { engine: sqlite, steps: [ { sql: lite.sql } ] }
tests:
  - name: bad
    snapshot: lite
    command: /run/cowherd/bin/cowherd sqlite-client \"$SQLITE_FILE\" --script change.sql; exit 3
";

fn lite() -> Project {
    Project::new(LITE)
        .file(
            "lite.sql",
            "CREATE TABLE item (name TEXT);\nINSERT INTO item VALUES ('hat');\n",
        )
        .file("change.sql", "INSERT INTO item VALUES ('scarf');\n")
        .file("select.sql", "SELECT name FROM item ORDER BY name;\n")
}

/// What is in the snapshot, in a container of its own.
fn items(project: &Project, snapshot: &str) -> String {
    project
        .run(&[
            "exec",
            "-s",
            snapshot,
            "--",
            "sh",
            "-c",
            &script("select.sql"),
        ])
        .code(0)
        .stdout
}

fn script(file: &str) -> String {
    format!("/run/cowherd/bin/cowherd sqlite-client \"$SQLITE_FILE\" --script {file}")
}

/// The name of the one container that is live.
fn container(project: &Project) -> String {
    let told = project.run(&["commit", "zzz", "x"]).stderr;
    let id = told.split_once("there are ").map(|(_, rest)| &rest[..8]);
    id.unwrap_or_else(|| panic!("no container: {told}"))
        .to_owned()
}

/// A container in which something was changed, and which goes on when there is a file `go`. It has the host's own files, so
/// that the test can say when.
fn changed(project: &Project, change: &str, then: &str) -> Started {
    let body = format!("{change}; touch changed; until [ -e go ]; do sleep 0.05; done; {then}");
    let mut exec = project.start(&["exec", "--host-files", "--", "sh", "-c", &body]);
    exec.until("it has changed something", |_| {
        project.folder().join("changed").exists()
    });
    exec
}

#[test]
fn what_a_command_leaves_becomes_a_snapshot() {
    if !userns() {
        return;
    }
    let project = lite();
    let commit = [
        "exec",
        "-s",
        "lite",
        "--commit",
        "more",
        "--",
        "sh",
        "-c",
        &script("change.sql"),
    ];
    project.run(&commit).code(0);
    assert_eq!(items(&project, "more"), "hat\nscarf\n");
    assert_eq!(items(&project, "lite"), "hat\n");
    let list = project.run(&["list"]).stdout;
    assert!(list.contains("committed"), "{list}");

    // Its layers are its own to keep, whatever becomes of the spec.
    let project = project.file("lite.sql", "CREATE TABLE item (name TEXT);\n");
    project.run(&["gc"]).code(0);
    assert_eq!(items(&project, "more"), "hat\nscarf\n");
    project.leaves_nothing();
}

#[test]
fn inspect_draws_what_lies_on_a_snapshot() {
    if !userns() {
        return;
    }
    let project = lite();
    project.run(&["build"]).code(0);
    let alone = project.run(&["inspect"]).code(0).stdout;
    assert!(!alone.contains("lineage"), "{alone}");
    project
        .run(&["exec", "--commit", "more", "--", "true"])
        .code(0);
    project.run(&["run", "--keep", "failed"]).code(100);
    let tree = project.run(&["inspect"]).code(0).stdout;
    let tree = tree.split_once("lineage\n").unwrap().1;
    let lines: Vec<&str> = tree.lines().collect();
    assert_eq!(lines.len(), 3, "{tree}");
    assert!(lines[0].starts_with("lite *  "), "{tree}");
    assert!(
        lines[1].starts_with("├─ ") && lines[2].starts_with("└─ "),
        "{tree}"
    );
    assert!(
        tree.contains("what bad left") && tree.contains("committed"),
        "{tree}"
    );
    let json = project.run(&["inspect", "--json"]).code(0).stdout;
    assert!(json.contains("\"depth\": 1"), "{json}");
}

#[test]
fn a_committed_snapshot_is_inspected_without_a_spec() {
    if !userns() {
        return;
    }
    let project = lite();
    let commit = ["exec", "--commit", "more", "--", "true"];
    project.run(&commit).code(0);
    let beside = project.run(&["inspect", "more"]).code(0).stdout;
    std::fs::remove_file(project.folder().join("cowherd.yaml")).unwrap();
    let text = project.run(&["inspect", "more"]).code(0).stdout;
    assert_eq!(
        text.replace("cowherd.yaml", ""),
        beside.replace("cowherd.yaml", "")
    );
    for part in [
        "from       committed",
        "SQLite ",
        "sql lite.sql",
        " in all\n",
        "more *",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let json = project.run(&["inspect", "more", "--json"]).code(0).stdout;
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(
        (&json["built"], &json["services"][0]),
        (&true.into(), &"db".into())
    );
    let unknown = project.run(&["inspect", "less"]).code(96).stderr;
    assert!(unknown.contains("cowherd.yaml"), "{unknown}");
}

#[test]
fn a_command_that_fails_commits_nothing() {
    if !userns() {
        return;
    }
    let project = lite();
    let run = project.run(&[
        "exec", "-s", "lite", "--commit", "more", "--", "sh", "-c", "exit 4",
    ]);
    assert_eq!(run.code, 4);
    assert_eq!(project.run(&["exec", "-s", "more", "--", "true"]).code, 2);
}

#[test]
fn a_name_that_is_taken_is_left_alone_unless_it_is_to_be_replaced() {
    if !userns() {
        return;
    }
    let project = lite();
    let change = script("change.sql");
    project
        .run(&["exec", "-s", "lite", "--commit", "more", "--", "true"])
        .code(0);
    let again = project.run(&[
        "exec",
        "-s",
        "lite",
        "--commit",
        "more",
        "--",
        "touch",
        "/tmp/done",
    ]);
    assert_eq!(again.code, 2);
    assert!(again.stderr.contains("--replace"), "{}", again.stderr);
    assert_eq!(items(&project, "more"), "hat\n");
    let replace = [
        "exec",
        "-s",
        "lite",
        "--commit",
        "more",
        "--replace",
        "--",
        "sh",
        "-c",
        &change,
    ];
    project.run(&replace).code(0);
    assert_eq!(items(&project, "more"), "hat\nscarf\n");
}

#[test]
fn what_a_failed_test_left_becomes_a_snapshot() {
    if !userns() {
        return;
    }
    let project = lite();
    project.run(&["run", "--keep", "failed"]).code(100);
    let kept = project.run(&["kept"]).stdout;
    let id = kept
        .lines()
        .nth(1)
        .unwrap()
        .split_whitespace()
        .next()
        .unwrap()
        .to_owned();
    project.run(&["commit", &id, "broken"]).code(0);
    project.run(&["drop", "--all"]).code(0);
    assert_eq!(items(&project, "broken"), "hat\nscarf\n");
}

#[test]
fn a_live_container_is_committed_and_goes_on() {
    if !userns() {
        return;
    }
    let project = lite();
    project.run(&["build"]).code(0);
    let exec = changed(&project, &script("change.sql"), &script("select.sql"));
    let id = container(&project);
    let committed = project.run(&["commit", &id[..4], "by-hand"]).code(0);
    assert!(committed.stdout.contains("by-hand"), "{}", committed.stdout);
    assert_eq!(items(&project, "by-hand"), "hat\nscarf\n");
    std::fs::write(project.folder().join("go"), "").unwrap();
    let ended = exec.wait().code(0);
    assert_eq!(ended.stdout, "hat\nscarf\n");
    project.leaves_nothing();
}

#[test]
fn a_server_that_was_committed_answers_again() {
    if !userns() || !postgres() {
        return;
    }
    let project = Project::new(
        "version: 1\nsnapshots:\n  shop: { engine: postgres, steps: [ { sql: shop.sql } ] }\n",
    )
    .file(
        "shop.sql",
        "CREATE TABLE item (name text);\nINSERT INTO item VALUES ('hat');\n",
    );
    let all = "SELECT string_agg(name, ' ' ORDER BY name) FROM item";
    let change = "psql -qc \"INSERT INTO item VALUES ('scarf')\"";
    let then = format!("psql -qc \"INSERT INTO item VALUES ('coat')\"; psql -Atc \"{all}\"");
    let exec = changed(&project, change, &then);
    let id = container(&project);
    project.run(&["commit", &id, "by-hand"]).code(0);
    std::fs::write(project.folder().join("go"), "").unwrap();
    assert_eq!(exec.wait().code(0).stdout, "coat hat scarf\n");
    let committed = project
        .run(&["exec", "-s", "by-hand", "--", "psql", "-Atc", all])
        .code(0);
    assert_eq!(committed.stdout, "hat scarf\n");
    project.leaves_nothing();
}

#[test]
fn a_container_that_is_gone_is_none() {
    if !userns() {
        return;
    }
    let project = lite();
    project.run(&["build"]).code(0);
    let exec = changed(&project, "true", "true");
    let id = container(&project);
    exec.signal(Signal::SIGKILL);
    exec.wait();
    let commit = project.run(&["commit", &id, "x"]);
    assert_eq!(commit.code, 2);
    assert!(commit.stderr.contains("none is live"), "{}", commit.stderr);
}

/// The spec of [`lite`], and a snapshot on top of what is stored as `more`, with these services.
fn upon(project: Project, services: &str) -> Project {
    let spec = LITE.replace(
        "tests:",
        &format!(
            "  base: {{ stored: more, {services} }}\n  upon: {{ from: base, steps: [ {{ sql: coat.sql }} ] }}\ntests:"
        ),
    );
    project
        .file("cowherd.yaml", spec)
        .file("coat.sql", "INSERT INTO item VALUES ('coat');\n")
}

#[test]
fn a_spec_builds_on_what_was_committed() {
    if !userns() {
        return;
    }
    let project = lite();
    let commit = [
        "exec",
        "--commit",
        "more",
        "--",
        "sh",
        "-c",
        &script("change.sql"),
    ];
    project.run(&commit).code(0);
    let project = upon(project, "engine: sqlite, database: lite");
    let build = project.run(&["build", "upon"]).code(0);
    assert!(
        build.stderr.contains("upon 2/2 sql coat.sql"),
        "{}",
        build.stderr
    );
    assert_eq!(items(&project, "upon"), "coat\nhat\nscarf\n");
    assert_eq!(items(&project, "base"), "hat\nscarf\n");
    let inspect = project.run(&["inspect", "upon"]).code(0).stdout;
    assert!(inspect.contains("stored more"), "{inspect}");
}

#[test]
fn a_stored_snapshot_that_is_not_there_or_is_served_otherwise_is_told_at_its_place() {
    if !userns() {
        return;
    }
    let project = upon(lite(), "engine: sqlite, database: lite");
    let absent = project.run(&["build", "upon"]).code(96).stderr;
    assert!(
        absent.contains("cowherd.yaml:4:3: can't find a stored snapshot named `more`"),
        "{absent}"
    );
    assert!(absent.contains("cowherd import"), "{absent}");

    let project = lite();
    project
        .run(&["exec", "--commit", "more", "--", "true"])
        .code(0);
    let project = upon(project, "engine: sqlite, database: other");
    let other = project.run(&["build", "upon"]).code(96).stderr;
    assert!(
        other.contains("write `services: { db: { engine: sqlite, database: lite"),
        "{other}"
    );
}
