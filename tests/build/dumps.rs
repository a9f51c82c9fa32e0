//! Files as tools write them: dumps, scripts for a client.

use super::{app, query};
use crate::support::{postgres, userns};

#[test]
fn what_pg_dump_writes_builds_the_same_state() {
    if !postgres() {
        return;
    }
    let project = crate::support::Project::fixture("shop/postgres");
    for (options, name) in [
        (&["--create"][..], "create.sql"),
        (&["--clean", "--if-exists", "--create"], "clean.sql"),
        (&[], "plain.sql"),
        (&["--inserts", "--no-owner"], "inserts.sql"),
    ] {
        let dump = [&["exec", "-s", "shop", "--", "pg_dump"], options].concat();
        let dump = project.run(&dump).code(0).stdout;
        assert!(dump.contains("COPY public.orders") || name == "inserts.sql");
        std::fs::write(project.folder().join(name), dump).expect("a dump");
    }
    let mut spec = "version: 1\nsnapshots:\n".to_owned();
    let mut tests = String::new();
    for name in ["create", "clean", "plain", "inserts"] {
        spec += &format!(
            "  {name}: {{ engine: postgres, database: shop, steps: [ {{ sql: {name}.sql }} ] }}\n"
        );
        tests += &format!("  - {{ name: {name}, snapshot: {name}, each: 'checks/shop/*.sql' }}\n");
    }
    let project = project.file("cowherd.yaml", spec + "tests:\n" + &tests);
    project.run(&["run"]).code(0);
    project.leaves_nothing();
}

#[test]
fn what_psql_reads_builds() {
    if !postgres() {
        return;
    }
    let project = app("postgres", "[ { sql: all.psql }, { sql: bom.sql } ]")
        .file(
            "all.psql",
            "\\set ON_ERROR_STOP on
DROP DATABASE IF EXISTS app;
CREATE DATABASE app;
\\c app
\\i parts/table.sql
\\copy t from 'parts/rows.csv' with (format csv)
COPY t FROM stdin;
3\tthree \\\\. not the end
\\.
\\if true
INSERT INTO t VALUES (4, $tag$;$tag$);
\\endif
SELECT format('INSERT INTO t VALUES (%s, %L)', n, 'made') FROM generate_series(5, 6) n \\gexec
",
        )
        .file(
            "parts/table.sql",
            "CREATE TABLE t (x int, y text);\n\\ir table_more.sql\n",
        )
        .file(
            "parts/table_more.sql",
            "CREATE INDEX CONCURRENTLY t_x ON t (x);",
        )
        .file("parts/rows.csv", "1,one\n2,\"two, too\"\n")
        .file(
            "bom.sql",
            b"\xef\xbb\xbfINSERT INTO t VALUES (7, 'caf\xc3\xa9');\r\n",
        );
    assert_eq!(
        query(
            &project,
            "postgres",
            "SELECT count(*), sum(x), max(length(y)) FILTER (WHERE x = 7) FROM t"
        ),
        "7|28|4"
    );
    let project = project.file("parts/rows.csv", "1,one\n");
    assert_eq!(query(&project, "postgres", "SELECT count(*) FROM t"), "6");
}

#[test]
fn a_script_that_fills_another_database_than_the_snapshots_is_remarked_on() {
    if !postgres() {
        return;
    }
    let project = app("postgres", "[ { sql: all.sql } ]").file(
        "all.sql",
        "CREATE DATABASE other;\n\\c other\nCREATE TABLE t ();\n",
    );
    project
        .run(&["build"])
        .code(0)
        .says("all.sql")
        .says("`other`");
}

#[test]
fn what_sqlite3_dumps_builds() {
    if !userns() {
        return;
    }
    let project = app("sqlite", "[ { sql: dump.sql }, { sql: bom.sql } ]")
        .file(
            "dump.sql",
            "PRAGMA foreign_keys=OFF;
BEGIN TRANSACTION;
CREATE TABLE t (x integer, y text);
INSERT INTO t VALUES(1,'one; two -- three');
INSERT INTO t VALUES(2,replace('a\\nb','\\n',char(10)));
CREATE TRIGGER tr AFTER INSERT ON t BEGIN UPDATE t SET y = y || '!' WHERE x = new.x; END;
PRAGMA writable_schema=ON;
PRAGMA writable_schema=OFF;
DELETE FROM sqlite_sequence;
INSERT INTO sqlite_sequence VALUES('u',3);
COMMIT;
"
            .replace("DELETE FROM sqlite_sequence", "CREATE TABLE u (x integer primary key autoincrement);\nDELETE FROM sqlite_sequence"),
        )
        .file("bom.sql", b"\xef\xbb\xbfINSERT INTO t VALUES (3, 'caf\xc3\xa9');\r\n");
    assert_eq!(
        query(&project, "sqlite", "SELECT count(*), sum(length(y)) FROM t"),
        "3|25"
    );
    assert_eq!(
        query(&project, "sqlite", "SELECT seq FROM sqlite_sequence"),
        "3"
    );
}
