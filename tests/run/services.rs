//! Snapshots with several services, and several snapshots.

use crate::support::{Project, postgres, userns};

#[test]
fn children_of_a_snapshot_share_its_layers_and_nothing_else() {
    if !userns() {
        return;
    }
    let project = Project::new(
        "\
version: 1
snapshots:
  base: { engine: sqlite, database: app, steps: [ { sql: base.sql } ] }
  left: { from: base, steps: [ { sql: left.sql } ] }
  right: { from: base, steps: [ { sql: right.sql } ] }
tests:
  - { name: base, snapshot: base, each: 'checks/base.sql' }
  - { name: left, snapshot: left, each: 'checks/left.sql' }
  - { name: right, snapshot: right, each: 'checks/right.sql' }
",
    )
    .file("base.sql", "CREATE TABLE t (x UNIQUE);")
    .file("left.sql", "INSERT INTO t VALUES ('left');")
    .file("right.sql", "INSERT INTO t VALUES ('right');")
    .file("checks/base.sql", "INSERT INTO t VALUES ('left'), ('right');")
    .file("checks/left.sql", "CREATE TABLE one (x CHECK (x = 1)); INSERT INTO one SELECT count(*) FROM t WHERE x = 'left'; INSERT INTO t VALUES ('right');")
    .file("checks/right.sql", "CREATE TABLE one (x CHECK (x = 1)); INSERT INTO one SELECT count(*) FROM t WHERE x = 'right'; INSERT INTO t VALUES ('left');");
    project.run(&["run"]).code(0).says(": 3 passed\n");
    // The empty file, the base, and one for each child.
    assert_eq!(project.count("layers"), 4);
    assert_eq!(project.count("keys"), 4);
}

#[test]
fn the_same_spec_in_another_folder_reuses_every_layer() {
    if !userns() {
        return;
    }
    let spec = "version: 1\nsnapshots:\n  app: { engine: sqlite, steps: [ { sql: a.sql }, { run: { command: [./load.sh], inputs: [data/*] } } ] }\ntests:\n  - { name: t, snapshot: app, command: 'true' }\n";
    let make = |project: Project| {
        project
            .file("a.sql", "CREATE TABLE t (x);")
            .program("load.sh", "#!/bin/sh\ncat data/*\n")
            .file("data/one.csv", "1\n")
    };
    let here = make(Project::new(spec));
    here.run(&["run"])
        .code(0)
        .says("   build app 3/3 run ./load.sh");
    let there = make(Project::new(spec)).env("COWHERD_STORE", here.store().to_str().expect("text"));
    there.run(&["run"]).code(0).never_says("building");
    assert_eq!(here.count("layers"), 3);
}

#[test]
fn services_of_two_engines_stand_side_by_side() {
    if !postgres() {
        return;
    }
    let project = Project::new(
        "\
version: 1
snapshots:
  app:
    services:
      db: { engine: postgres, database: shop }
      files: { engine: sqlite, database: cache }
    steps:
      - { on: db, sql: shop.sql }
      - { on: files, sql: cache.sql }
      - { on: db, sql: more.sql }
      - { on: db, run: { command: 'psql -XAqc \"UPDATE t SET x = 3\"', inputs: [] } }
tests:
  - name: urls
    snapshot: app
    command: env | grep -E '_URL=|^PGPORT=|^SQLITE_FILE=' | sort; exit 1
  - name: both
    snapshot: app
    command: test \"$(psql -XAtc 'SELECT sum(x) FROM t')\" = 3 && grep -q 'CREATE TABLE cached' $SQLITE_FILE
",
    )
    .file("shop.sql", "CREATE TABLE t (x int);")
    .file("cache.sql", "CREATE TABLE cached (x);")
    .file("more.sql", "INSERT INTO t VALUES (1);");
    project
        .run(&["run"])
        .code(100)
        .says("  │ DATABASE_URL=postgres://postgres@127.0.0.1:5432/shop\n")
        .says("  │ DB_URL=postgres://postgres@127.0.0.1:5432/shop\n")
        .says("  │ FILES_URL=sqlite:///run/cowherd/files/data/cache.db\n")
        .says("  │ PGPORT=5432\n")
        .says("  │ SQLITE_FILE=/run/cowherd/files/data/cache.db\n")
        .says(": 1 passed, 1 failed\n");
    // The second service's only step has a layer of its own, as have the others.
    assert_eq!(project.count("keys"), 7);
}

#[test]
fn two_servers_of_one_engine_have_ports_of_their_own() {
    if !postgres() {
        return;
    }
    let project = Project::new(
        "\
version: 1
snapshots:
  app:
    services:
      main: { engine: postgres, database: a }
      audit-log: { engine: postgres, database: b }
    steps:
      - { on: main, sql: a.sql }
      - { on: audit-log, sql: b.sql }
tests:
  - name: both
    snapshot: app
    command: test \"$(psql -XAtc 'TABLE ta')\" = 1 && test \"$(psql -XAt \"$AUDIT_LOG_URL\" -c 'TABLE tb')\" = 2 && test $DATABASE_URL = $MAIN_URL
",
    )
    .file("a.sql", "CREATE TABLE ta AS SELECT 1 AS x;")
    .file("b.sql", "CREATE TABLE tb AS SELECT 2 AS x;");
    project.run(&["run"]).code(0);
}
