//! `run:` steps.

use super::{app, query};
use crate::support::{Project, postgres, userns};

/// A project whose second step is this script.
fn scripted(engine: &str, script: &str) -> Project {
    app(engine, "[ { sql: one.sql }, { run: { command: [./load.sh], inputs: ['data/*.csv'], environment: { OWN: value } } } ]")
        .file("one.sql", "CREATE TABLE t (x integer);")
        .file("data/one.csv", "1\n")
        .program("load.sh", &format!("#!/bin/sh\nset -e\n{script}\n"))
}

/// Runs SQL on the database by whatever client there is.
const SQL: &str = "sql() { echo \"$1;\" | /run/cowherd/bin/cowherd sqlite-client $SQLITE_FILE; }";

#[test]
fn a_command_gets_the_databases_variables_and_its_inputs_belong_to_its_key() {
    if !userns() {
        return;
    }
    let script = format!(
        "{SQL}\ntest $OWN = value\ntest $DATABASE_URL = sqlite://$SQLITE_FILE\nsql \"INSERT INTO t SELECT $(cat data/one.csv)\""
    );
    let project = scripted("sqlite", &script);
    assert_eq!(query(&project, "sqlite", "SELECT x FROM t"), "1");
    let project = project.file("data/one.csv", "2\n");
    project
        .run(&["build"])
        .code(0)
        .never_says("one.sql")
        .says("   build app 3/3 run ./load.sh");
    assert_eq!(query(&project, "sqlite", "SELECT x FROM t"), "2");
    // The command's own file counts too, and a file that is no input doesn't.
    let project = project.program(
        "load.sh",
        &format!("#!/bin/sh\n{SQL}\nsql 'INSERT INTO t VALUES (3)'\n"),
    );
    assert_eq!(query(&project, "sqlite", "SELECT x FROM t"), "3");
    project
        .file("other.csv", "")
        .run(&["build"])
        .code(0)
        .never_says("build");
}

#[test]
fn a_command_loads_a_server() {
    if !postgres() {
        return;
    }
    let project = scripted("postgres", "psql -XAqc \"\\copy t from 'data/one.csv'\"");
    assert_eq!(query(&project, "postgres", "SELECT x FROM t"), "1");
    project.leaves_nothing();
}

#[test]
fn a_command_that_names_no_inputs_is_a_wrong_spec() {
    let project = app("sqlite", "[ { run: { command: ./load.sh } } ]");
    project
        .run(&["build"])
        .code(96)
        .says("cowherd.yaml:6:")
        .says("inputs");
}

#[test]
fn a_command_that_fails_shows_what_it_printed_and_leaves_no_layer() {
    if !userns() {
        return;
    }
    let project = scripted(
        "sqlite",
        "echo half > $SQLITE_FILE; echo on the way; echo went wrong > /dev/stderr; exit 5",
    );
    project
        .run(&["run"])
        .code(101)
        .says("can't build app 3/3 run ./load.sh: ")
        .says("exited with code 5")
        .says("on the way\n")
        .says("went wrong\n");
    assert_eq!(project.count("keys"), 2);
    project.leaves_nothing();
}

#[test]
fn a_command_cannot_reach_the_network_nor_change_the_project() {
    if !userns() {
        return;
    }
    let script = "\
grep -v -e lo: -e Inter -e face /proc/net/dev && exit 3
test \"$(cat /proc/net/route | wc -l)\" -le 1
rm one.sql; mkdir new; echo changed > new/file; echo changed > data/../one.sql
touch /etc/changed 2>/dev/null && exit 4
touch /var/changed 2>/dev/null && exit 5
exit 0";
    let project = scripted("sqlite", script);
    project.run(&["build"]).code(0);
    assert_eq!(project.read("one.sql"), "CREATE TABLE t (x integer);");
    assert!(!project.folder().join("new").exists());
}

#[test]
fn a_command_that_leaves_its_changes_in_a_log_beside_the_database_loses_nothing() {
    if !userns() {
        return;
    }
    // As a program does that ends without closing its database: the last change is in the log only.
    let script = format!("{SQL}
sql 'PRAGMA journal_mode = wal' > /dev/null
(echo 'INSERT INTO t VALUES (7);'; sleep 1000) | /run/cowherd/bin/cowherd sqlite-client $SQLITE_FILE &
until test -s $SQLITE_FILE-wal; do sleep 0.01; done
kill -9 $!");
    let project = scripted("sqlite", &script);
    project.run(&["build"]).code(0);
    assert_eq!(query(&project, "sqlite", "SELECT x FROM t"), "7");
}
