//! A build that fails says where and why, keeps what was built before, and leaves nothing half done.

use super::{app, query};
use crate::support::{Project, postgres, userns};

/// Three steps of which the third fails at its second statement; `words` is what is said of it.
fn third_step_fails(engine: &str, base: usize, words: &[&str]) {
    let project = app(engine, "[ { sql: one.sql }, { sql: two.sql }, { sql: [three.sql, four.sql] } ]")
        .file("one.sql", "CREATE TABLE t (x integer);")
        .file("two.sql", "INSERT INTO t VALUES (2);")
        .file("three.sql", "INSERT INTO t VALUES (3);\n\n-- A comment.\nINSERT INTO\n  nowhere VALUES (3);\nINSERT INTO t VALUES (33);\n")
        .file("four.sql", "INSERT INTO t VALUES (4);");
    let ended = project.run(&["run"]).code(101);
    for words in words {
        assert!(
            ended.stderr.contains(words),
            "no {words:?} in:\n{}",
            ended.stderr
        );
    }
    ended.says(": 0 passed, 1 not run\n");
    assert_eq!(project.count("keys"), base + 2);
    assert_eq!(project.count("layers"), base + 2);
    project.leaves_nothing();

    let project = project.file("three.sql", "INSERT INTO t VALUES (3);");
    let last = format!("build app {}/{} sql three.sql four.sql", base + 3, base + 3);
    project
        .run(&["run"])
        .code(0)
        .says(&last)
        .never_says("sql one.sql")
        .never_says("sql two.sql");
    assert_eq!(project.count("layers"), base + 3);
    assert_eq!(query(&project, engine, "SELECT count(*) FROM t"), "3");
}

#[test]
fn sql_that_fails_in_the_third_step_leaves_the_first_two_on_sqlite() {
    if !userns() {
        return;
    }
    third_step_fails(
        "sqlite",
        1,
        &[
            "can't build app 4/4 sql three.sql four.sql",
            "three.sql: line 4: no such table: nowhere",
            "INSERT INTO\n",
            "nowhere VALUES (3)",
        ],
    );
}

#[test]
fn sql_that_fails_in_the_third_step_leaves_the_first_two_on_postgres() {
    if !postgres() {
        return;
    }
    third_step_fails(
        "postgres",
        2,
        &[
            "can't build app 5/5 sql three.sql four.sql",
            "three.sql: line 5: ",
            "relation \"nowhere\" does not exist",
            "INSERT INTO\n",
            "nowhere VALUES (3)",
        ],
    );
}

#[test]
fn a_migration_that_fails_is_named_with_its_line() {
    if !userns() {
        return;
    }
    for engine in ["sqlite", "postgres"] {
        if engine == "postgres" && !postgres() {
            continue;
        }
        let project = app(engine, "[ { migrate: migrations } ]")
            .file("migrations/1_one.sql", "CREATE TABLE t (x integer);")
            .file(
                "migrations/2_two.sql",
                "INSERT INTO t VALUES (1);\nALTER TABLE missing ADD y integer;\n",
            );
        project
            .run(&["build"])
            .code(101)
            .says("migrations/2_two.sql: line 2: ")
            .says("ALTER TABLE missing ADD y integer");
        // The migrations before it stay built.
        let base = if engine == "postgres" { 2 } else { 1 };
        assert_eq!(project.count("keys"), base + 1, "{engine}");
        project.leaves_nothing();
        let project = project.file("migrations/2_two.sql", "INSERT INTO t VALUES (1);");
        project.run(&["build"]).code(0);
        assert_eq!(query(&project, engine, "SELECT x FROM t"), "1");
    }
}

#[test]
fn every_problem_of_a_wrong_spec_is_told_with_its_place() {
    let project = Project::new(
        "\
version: 1
snapshots:
  app:
    engine: sqlit
    setps: []
  other: { from: ap }
tests:
  - { name: t, snapshot: apq, command: 'true', timeout: soon }
",
    );
    project
        .run(&["run"])
        .code(96)
        .says("cowherd.yaml:4:13: ")
        .says("sqlite")
        .says("cowherd.yaml:5:5: ")
        .says("steps")
        .says("cowherd.yaml:6:")
        .says("cowherd.yaml:8:")
        .says("    setps: []");
    assert!(!project.store().exists(), "a store for a wrong spec");
    project.run(&["build"]).code(96);
    project.run(&["exec", "--", "true"]).code(96);
}

#[test]
fn every_missing_file_is_told_with_the_place_of_its_step_and_nothing_is_built() {
    let project = app(
        "sqlite",
        "[ { sql: absent.sql }, { sql: 'none/*.sql' }, { migrate: nowhere } ]",
    )
    .file("present.sql", "");
    project
        .run(&["run"])
        .code(96)
        .says("cowherd.yaml:6:14: ")
        .says("absent.sql")
        .says("none/*.sql")
        .says("nowhere");
    assert_eq!(project.count("keys"), 0);
}

#[test]
fn a_spec_that_is_not_there_is_96() {
    let project = Project::new("version: 1");
    std::fs::remove_file(project.folder().join("cowherd.yaml")).expect("no spec");
    project.run(&["run"]).code(96).says("cowherd.yaml");
    project
        .run(&["run", "-f", "other.yaml"])
        .code(96)
        .says("other.yaml");
}

#[test]
fn an_engine_whose_programs_are_not_there_is_97() {
    let project = Project::new(
        "version: 1\nsnapshots:\n  app:\n    services: { db: { engine: postgres, bin_dir: /nowhere } }\n",
    );
    project
        .run(&["build"])
        .code(97)
        .says("can't find postgres")
        .says("hint")
        .says("bin_dir");
}

#[test]
fn a_setting_that_the_server_refuses_shows_its_last_words() {
    if !postgres() {
        return;
    }
    let project = app("postgres", "[]");
    let spec = project.read("cowherd.yaml").replace(
        "    database: app\n",
        "    database: app\n    settings: { max_connections: banana }\n",
    );
    let project = project.file("cowherd.yaml", spec);
    project
        .run(&["run"])
        .code(101)
        .says("can't build app 2/2 create database app: ")
        .says("db (PostgreSQL ")
        .says("exited with code 1; its last words:")
        .says("invalid value for parameter \"max_connections\": \"banana\"");
    // initdb does not depend on the settings.
    assert_eq!(project.count("keys"), 1);
    project.leaves_nothing();
}

#[test]
fn one_snapshot_that_cannot_be_built_does_not_keep_the_others_from_their_tests() {
    if !userns() {
        return;
    }
    let project = Project::new(
        "\
version: 1
snapshots:
  good: { engine: sqlite, steps: [ { sql: good.sql } ] }
  bad: { from: good, steps: [ { sql: bad.sql } ] }
tests:
  - { name: good, snapshot: good, command: 'true' }
  - { name: bad, snapshot: bad, each: 'c/*.sql' }
  - { name: found, snapshot: bad, discover: seq 3, command: 'test {test}' }
",
    )
    .file("good.sql", "CREATE TABLE t (x);")
    .file("bad.sql", "nonsense;")
    .file("c/1.sql", "SELECT 1;")
    .file("c/2.sql", "SELECT 1;");
    project
        .run(&["run"])
        .code(101)
        .says(": 1 passed, 3 not run\n")
        .says("bad.sql: line 1: ");
    project.run(&["build"]).code(101);
    project.run(&["build", "good"]).code(0);
}
