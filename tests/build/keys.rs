//! What is built again and what is not.

use super::{app, query};
use crate::support::{Project, userns};

#[test]
fn a_step_is_built_again_with_those_after_it_when_its_file_changes() {
    if !userns() {
        return;
    }
    let project = app(
        "sqlite",
        "[ { sql: one.sql }, { sql: two.sql }, { sql: three.sql } ]",
    )
    .file("one.sql", "CREATE TABLE t (x);")
    .file("two.sql", "INSERT INTO t VALUES ('two');")
    .file("three.sql", "INSERT INTO t VALUES ('three');");
    project.run(&["build"]).code(0);
    project.run(&["build"]).code(0).never_says("build");
    let project = project.file("two.sql", "INSERT INTO t VALUES ('other');");
    project
        .run(&["build"])
        .code(0)
        .never_says("sql one.sql")
        .says("   build app 3/4 sql two.sql")
        .says("   build app 4/4 sql three.sql");
    assert_eq!(
        query(&project, "sqlite", "SELECT group_concat(x) FROM t"),
        "other,three"
    );
    // What was there before is still there.
    let project = project.file("two.sql", "INSERT INTO t VALUES ('two');");
    project.run(&["build"]).code(0).never_says("build");
    assert_eq!(
        query(&project, "sqlite", "SELECT group_concat(x) FROM t"),
        "two,three"
    );
}

#[test]
fn a_file_that_a_script_reads_belongs_to_its_key() {
    if !userns() {
        return;
    }
    let project = app("sqlite", "[ { sql: one.sql } ]")
        .file("one.sql", ".read data/inner.sql\n")
        .file("data/inner.sql", "CREATE TABLE t AS SELECT 1 AS x;");
    assert_eq!(query(&project, "sqlite", "SELECT x FROM t"), "1");
    let project = project.file("data/inner.sql", "CREATE TABLE t AS SELECT 2 AS x;");
    assert_eq!(query(&project, "sqlite", "SELECT x FROM t"), "2");
}

#[test]
fn tests_and_comments_of_the_spec_do_not_belong_to_any_key() {
    if !userns() {
        return;
    }
    let project = app("sqlite", "[ { sql: one.sql } ]").file("one.sql", "CREATE TABLE t (x);");
    project.run(&["build"]).code(0);
    let spec = "# A comment.\n".to_owned()
        + &project.read("cowherd.yaml")
        + "  - { name: u, snapshot: app, command: 'true', mem_limit: 1g }\n";
    project
        .file("cowherd.yaml", spec)
        .run(&["build"])
        .code(0)
        .never_says("build");
}

#[test]
fn a_damaged_store_of_another_format_is_refused_and_not_touched() {
    let project: Project = app("sqlite", "[]");
    std::fs::create_dir(project.store()).expect("a folder");
    std::fs::write(project.store().join("format"), "cowherd store 9\n").expect("a file");
    project
        .run(&["build"])
        .code(97)
        .says("cowherd store 9")
        .says("hint");
    assert_eq!(
        std::fs::read_dir(project.store())
            .expect("a folder")
            .count(),
        1
    );
}
