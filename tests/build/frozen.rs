//! What a step of PostgreSQL leaves for its readers.

use super::{app, query};
use crate::support::{Project, postgres, userns};

const TABLES: &str = "\
CREATE TABLE large AS SELECT g AS x FROM generate_series(1, 1000) AS g;
CREATE TABLE small AS SELECT g AS x FROM generate_series(1, 1000) AS g;
CREATE TABLE parent (x integer);
CREATE TABLE child () INHERITS (parent);
CREATE TABLE whole (x integer) PARTITION BY RANGE (x);
CREATE TABLE part PARTITION OF whole FOR VALUES FROM (0) TO (1000000);
CREATE MATERIALIZED VIEW seen AS SELECT count(*) FROM large;
";

const CHANGES: &str = "\
INSERT INTO small SELECT generate_series(1, 5000);
INSERT INTO child SELECT generate_series(1, 1000);
INSERT INTO whole SELECT generate_series(1, 1000);
CREATE TABLE fresh AS SELECT 1 AS x;
";

/// Whether the layer with this step in its label has the file.
fn layer_has(project: &Project, label: &str, file: &str) -> bool {
    let ended = project.run(&["inspect", "--json"]).code(0);
    let json: serde_json::Value = serde_json::from_str(&ended.stdout).expect("JSON");
    let steps = json["steps"].as_array().expect("steps");
    let step = steps.iter().find(|step| step["label"] == label);
    let digest = step.expect("the step")["layer"].as_str().expect("a layer");
    let files = project.store().join("layers").join(digest).join("files/db");
    files.join(file).exists()
}

#[test]
fn a_step_freezes_what_it_changes_and_leaves_the_rest_where_it_is() {
    if !userns() || !postgres() {
        return;
    }
    let project = app("postgres", "[ { sql: tables.sql }, { sql: changes.sql } ]")
        .file("tables.sql", TABLES)
        .file("changes.sql", CHANGES);
    project.run(&["build"]).code(0);
    let file = |table: &str| {
        let sql = format!("SELECT pg_relation_filepath('{table}')");
        query(&project, "postgres", &sql)
    };
    for (table, changed) in [
        ("large", false),
        ("seen", false),
        ("small", true),
        ("part", true),
    ] {
        let file = file(table);
        assert!(layer_has(&project, "sql tables.sql", &file), "{table}");
        assert_eq!(
            layer_has(&project, "sql changes.sql", &file),
            changed,
            "{table}"
        );
    }
    // A page that is not all visible, or a row that is not frozen, would be written to by its reader.
    let unfrozen = "SELECT count(*) FROM pg_class \
                    WHERE relkind IN ('r', 'm') AND relallvisible < relpages";
    assert_eq!(query(&project, "postgres", unfrozen), "0");
    let young = "SELECT string_agg(relname, ',') FROM pg_class WHERE relkind IN ('r', 'm') \
                 AND relname IN ('small', 'child', 'part', 'fresh') AND age(relfrozenxid) > 100";
    assert_eq!(query(&project, "postgres", young), "");
    // The statistics are those that the whole database would have.
    let analysed = "SELECT string_agg(DISTINCT tablename || CASE WHEN inherited THEN '*' ELSE '' END, ',') \
                    FROM pg_stats WHERE schemaname = 'public'";
    assert_eq!(
        query(&project, "postgres", analysed),
        "child,fresh,large,parent*,part,seen,small,whole*"
    );
    let counted = "SELECT reltuples::integer FROM pg_class WHERE relname = 'small'";
    assert_eq!(query(&project, "postgres", counted), "6000");
}

#[test]
fn databases_beside_the_snapshot_s_own_are_frozen_where_they_changed() {
    if !userns() || !postgres() {
        return;
    }
    let others = "CREATE DATABASE one; CREATE DATABASE two;\n\
                  \\c one\nCREATE TABLE rows AS SELECT generate_series(1, 1000) AS x;\n";
    let project = app("postgres", "[ { sql: others.sql }, { sql: role.sql } ]")
        .file("others.sql", others)
        .file("role.sql", "CREATE ROLE reader;");
    project.run(&["build"]).code(0);
    let unfrozen = "SELECT count(*) FROM pg_class \
                    WHERE relkind IN ('r', 'm') AND relallvisible < relpages";
    for database in ["app", "one", "two"] {
        let psql = ["exec", "--", "psql", "-XAtd", database, "-c", unfrozen];
        assert_eq!(project.run(&psql).code(0).stdout.trim(), "0", "{database}");
    }
    let analysed = "SELECT reltuples FROM pg_class WHERE relname = 'rows'";
    let psql = ["exec", "--", "psql", "-XAtd", "one", "-c", analysed];
    assert_eq!(project.run(&psql).code(0).stdout.trim(), "1000");
    let files = |database: &str| {
        let sql = format!("SELECT 'base/' || oid FROM pg_database WHERE datname = '{database}'");
        query(&project, "postgres", &sql)
    };
    // Roles are in files that all databases share.
    let role = "SELECT pg_relation_filepath('pg_authid')";
    assert!(layer_has(
        &project,
        "sql role.sql",
        &query(&project, "postgres", role)
    ));
    for database in ["one", "two", "postgres"] {
        let touched = layer_has(&project, "sql role.sql", &files(database));
        assert!(!touched, "{database} was connected to for nothing");
    }
}

#[test]
fn what_initdb_leaves_unfrozen_is_frozen_with_the_database_that_is_always_there_too() {
    if !userns() || !postgres() {
        return;
    }
    let project = Project::new(
        "version: 1
snapshots:
  app: { engine: postgres, database: postgres }
tests:
  - { name: t, snapshot: app, command: 'true' }
",
    );
    project.run(&["build"]).code(0);
    let plan = "EXPLAIN (ANALYZE, BUFFERS) SELECT * FROM pg_shdescription";
    let plan = query(&project, "postgres", plan);
    assert!(!plan.contains("dirtied"), "{plan}");
}

#[test]
fn what_sessions_of_the_build_did_is_not_counted_in_a_container() {
    if !userns() || !postgres() {
        return;
    }
    let project = app("postgres", "[ { sql: tables.sql } ]").file("tables.sql", TABLES);
    project.run(&["build"]).code(0);
    let rows = "SELECT coalesce(sum(n_tup_ins), 0) FROM pg_stat_user_tables";
    assert_eq!(query(&project, "postgres", rows), "0");
    // Autovacuum copies up the catalogues of each database that is known to have been used.
    let used = "SELECT count(*) FROM pg_stat_database WHERE datname <> 'app' AND xact_commit > 0";
    assert_eq!(query(&project, "postgres", used), "0");
}

#[test]
fn what_a_script_sets_for_a_database_is_for_its_users_and_not_for_the_freeze() {
    if !userns() || !postgres() {
        return;
    }
    let limits = "CREATE TABLE rows AS SELECT generate_series(1, 20000) AS x;\n\
                  ALTER DATABASE app SET statement_timeout = '1ms';\n\
                  ALTER DATABASE app SET default_transaction_read_only = on;\n";
    let project = app("postgres", "[ { sql: limits.sql } ]").file("limits.sql", limits);
    project.run(&["build"]).code(0);
    assert_eq!(query(&project, "postgres", "SHOW statement_timeout"), "1ms");
}

#[test]
fn a_script_may_leave_the_snapshot_without_its_database() {
    if !userns() || !postgres() {
        return;
    }
    let project = app("postgres", "[ { sql: drop.sql } ]").file(
        "drop.sql",
        "\\c postgres\nDROP DATABASE app;\nCREATE ROLE left_behind;\n",
    );
    project.run(&["build"]).code(0);
    let roles = "SELECT count(*) FROM pg_roles WHERE rolname = 'left_behind'";
    let psql = ["exec", "--", "psql", "-XAtd", "postgres", "-c", roles];
    assert_eq!(project.run(&psql).code(0).stdout.trim(), "1");
}
