//! What MariaDB's engine builds, in real servers.

use std::io::Write as _;
use std::process::Stdio;

use super::app;
use crate::support::{Project, mariadb, userns};

/// What a query gives in the snapshot `app`, as the client prints it without headings.
#[track_caller]
fn query(project: &Project, sql: &str) -> String {
    let client = ["exec", "--", "mariadb", "--no-defaults", "-uroot", "-Dapp"];
    let args = [
        &client[..],
        &["--default-character-set=utf8mb4", "-Ne", sql],
    ]
    .concat();
    project.run(&args).code(0).stdout.trim_end().to_owned()
}

#[test]
fn the_shop_is_built_and_no_test_meets_another() {
    if !mariadb() {
        return;
    }
    let project = Project::fixture("shop/mariadb").file(
        "cowherd.yaml",
        "version: 1
snapshots:
  shop:
    engine: mariadb
    steps: [ { migrate: migrations }, { sql: seed.sql } ]
tests:
  - name: drop
    snapshot: shop
    command: mariadb --no-defaults -uroot -e 'DROP DATABASE shop'
  - name: counts
    snapshot: shop
    command: test \"$(mariadb --no-defaults -uroot -Dshop -Ne 'SELECT sum(n) FROM row_count')\" = 10184
",
    );
    project.run(&["run"]).code(0).says("2 passed");
    project.leaves_nothing();
}

#[test]
fn a_container_that_has_answered_has_written_less_than_8_mb() {
    if !mariadb() {
        return;
    }
    // Elsewhere the system's table space is copied with some of its holes.
    let limit = match cowherd::disk::memory_takes_user_xattrs() {
        true => 8_000_000,
        false => 12_000_000,
    };
    let project = Project::new(&format!(
        "version: 1
snapshots: {{ app: {{ engine: mariadb, database: app, steps: [ {{ sql: first.sql }} ] }} }}
tests:
  - name: asks
    snapshot: app
    command: mariadb --no-defaults -uroot -Dapp -e 'SELECT * FROM t'
    copy_up: {limit}
"
    ));
    let filled = "CREATE TABLE t (x int); INSERT INTO t SELECT seq FROM seq_1_to_1000;";
    let project = project.file("first.sql", filled);
    project.run(&["run"]).code(0).says("1 passed");
}

#[test]
fn what_mariadb_dump_writes_builds_the_same_state() {
    if !mariadb() {
        return;
    }
    let project = app("mariadb", "[ { sql: first.sql } ]").file(
        "first.sql",
        "CREATE TABLE t (id int PRIMARY KEY, x text);
INSERT INTO t VALUES (1, 'it''s; \\\\ \"é🐄\"'), (2, NULL);
CREATE VIEW v AS SELECT count(*) AS n FROM t;
DELIMITER //
CREATE TRIGGER tr BEFORE INSERT ON t FOR EACH ROW BEGIN SET NEW.x = concat(NEW.x, ';'); END//
CREATE PROCEDURE p() BEGIN SELECT 1; SELECT 2; END//
DELIMITER ;
INSERT INTO t VALUES (3, 'three');",
    );
    let seen_by = "SELECT group_concat(id, '=', ifnull(x, '-') ORDER BY id SEPARATOR '|'), (SELECT n FROM v) FROM t";
    let seen = query(&project, seen_by);
    assert_eq!(seen, "1=it's; \\\\ \"é🐄\"|2=-|3=three;\t3");
    let mut spec = "version: 1\nsnapshots:\n".to_owned();
    for (name, options) in [
        ("plain", &["--routines", "app"][..]),
        ("created", &["--routines", "--databases", "app"]),
        (
            "dropped",
            &["--routines", "--add-drop-database", "--databases", "app"],
        ),
    ] {
        let dump = ["exec", "--", "mariadb-dump", "--no-defaults", "-uroot"];
        let dump = project.run(&[&dump[..], options].concat()).code(0).stdout;
        std::fs::write(project.folder().join(format!("{name}.sql")), dump).unwrap();
        spec += &format!(
            "  {name}: {{ engine: mariadb, database: app, steps: [ {{ sql: {name}.sql }} ] }}\n"
        );
    }
    let project = project.file("cowherd.yaml", spec);
    for name in ["plain", "created", "dropped"] {
        let client = [
            "exec",
            "-s",
            name,
            "--",
            "mariadb",
            "--no-defaults",
            "-uroot",
        ];
        let rest = ["-Dapp", "--default-character-set=utf8mb4", "-Ne", seen_by];
        let found = project.run(&[&client[..], &rest].concat()).code(0);
        assert_eq!(found.stdout.trim_end(), seen, "{name}");
        let call = [&client[..], &["-Dapp", "-e", "CALL p()"]].concat();
        project.run(&call).code(0);
    }
}

#[test]
fn a_script_may_create_the_database_and_read_others() {
    if !mariadb() {
        return;
    }
    let project = app("mariadb", "[ { sql: all.sql }, { sql: bom.sql } ]")
        .file(
            "all.sql",
            "CREATE DATABASE app CHARACTER SET latin1;\nUSE app\nsource parts/table.sql\n\\. parts/rows.sql\n\
             LOAD DATA LOCAL INFILE 'parts/rows.csv' INTO TABLE t FIELDS TERMINATED BY ',';",
        )
        .file("parts/table.sql", "CREATE TABLE t (x int, y text);\n")
        .file("parts/rows.sql", "INSERT INTO t VALUES (1, 'one')")
        .file("parts/rows.csv", "2,two\n3,three\n")
        .file("bom.sql", "\u{feff}INSERT INTO t VALUES (4, 'café');\r\n");
    let seen_by = "SELECT count(*), sum(x), max(length(y)), @@character_set_database FROM t";
    assert_eq!(query(&project, seen_by), "4\t10\t5\tlatin1");
    // What is included is part of the key.
    let project = project.file("parts/rows.csv", "2,two\n");
    assert_eq!(query(&project, "SELECT count(*) FROM t"), "3");

    // It would throw away what was there.
    let project = project.file("cowherd.yaml", {
        let text = "version: 1\nsnapshots:\n  app: { engine: mariadb, database: app, ";
        text.to_owned() + "steps: [ { sql: parts/table.sql }, { sql: all.sql } ] }\n"
    });
    let failed = project.run(&["build"]).code(101);
    failed.says("all.sql: it creates the database anew");
}

#[test]
fn errors_name_file_line_and_statement_of_an_included_script_too() {
    if !mariadb() {
        return;
    }
    let project = app("mariadb", "[ { sql: all.sql } ]")
        .file(
            "all.sql",
            "SELECT 1;\nsource part.sql\nCREATE TABLE after_it (x int);\n",
        )
        .file(
            "part.sql",
            "CREATE TABLE t (x int);\n\nINSERT INTO t\nVALUES (1, 2);\nSELECT 2;\n",
        );
    let failed = project.run(&["build"]).code(101);
    failed
        .says("part.sql: line 3: Column count doesn't match")
        .says("INSERT INTO t\n");
    let project = project.file("all.sql", "CREATE TABLE a (x int);\nCREATE TABL b;\n");
    let failed = project.run(&["build"]).code(101);
    failed
        .says("all.sql: line 2: You have an error")
        .says("CREATE TABL b");
}

#[test]
fn a_check_fails_at_its_first_error_whatever_it_includes() {
    if !mariadb() {
        return;
    }
    let project = app("mariadb", "[]")
        .file(
            "checks/a_plain.sql",
            "SELECT 'before';\nSELECT nosuch;\nSELECT 'after';\n",
        )
        .file(
            "checks/b_including.sql",
            "SELECT 'outer';\nsource part.sql\n",
        )
        .file("checks/c_good.sql", "source good.sql\n")
        .file("part.sql", "SELECT nosuch;\n")
        .file("good.sql", "SELECT 1;\n")
        .file(
            "cowherd.yaml",
            "version: 1
snapshots: { app: { engine: mariadb, database: app } }
tests: [ { name: c, snapshot: app, each: checks/*.sql } ]
",
        );
    let run = project.run(&["run"]).code(100);
    run.says("1 passed, 2 failed")
        .says("before")
        .says("Unknown column 'nosuch'")
        .never_says("after");
}

#[test]
fn a_step_that_kills_the_server_seals_nothing() {
    if !mariadb() {
        return;
    }
    let project = app(
        "mariadb",
        "[ { run: { command: 'kill -9 $(cat /run/cowherd/db/data/cowherd.pid)', inputs: [] } } ]",
    );
    project.run(&["build"]).code(101).says("MariaDB");
    assert_eq!(project.count("keys"), 2);
    project.leaves_nothing();
}

#[test]
fn wrong_settings_are_refused_in_the_servers_own_words() {
    if !mariadb() {
        return;
    }
    let spec = |setting: &str| {
        format!(
            "version: 1\nsnapshots: {{ a: {{ engine: mariadb, settings: {{ {setting} }} }} }}\n"
        )
    };
    let project = Project::new(&spec("sql_mode: NOSUCH"));
    let failed = project.run(&["build"]).code(101);
    failed.says("Error while setting value 'NOSUCH' to 'sql_mode'");
    let project = project.file("cowherd.yaml", spec("no_such_option: 1"));
    let failed = project.run(&["build"]).code(101);
    failed.says("unknown variable 'no_such_option=1'");
}

#[test]
fn the_server_of_the_other_kind_is_offered() {
    if !userns() || !mariadb() {
        return;
    }
    let project = Project::new("version: 1\nsnapshots: { a: { engine: mysql } }\n");
    // Where MySQL's own server is, there is nothing to offer.
    let built = project.run(&["build"]);
    if built.stderr.contains("can't find MySQL") {
        built.code(97).says("`engine: mariadb`");
    }
}

#[test]
fn history_tables_are_those_of_the_tools() {
    if !mariadb() {
        return;
    }
    let tools = [
        (
            "sqlx",
            "1_a.sql",
            "SELECT concat(version, description, success, length(checksum)) FROM _sqlx_migrations",
            "1a148",
        ),
        (
            "flyway",
            "V1__a.sql",
            "SELECT concat_ws('|', installed_rank, version, type, script, installed_by, success) FROM flyway_schema_history",
            "1|1|SQL|V1__a.sql|root|1",
        ),
        (
            "refinery",
            "V1__a.sql",
            "SELECT concat(version, name, applied_on LIKE '20__-__-__T__:__:__.______Z') FROM refinery_schema_history",
            "1a1",
        ),
        (
            "diesel",
            "1_a/up.sql",
            "SELECT version FROM __diesel_schema_migrations",
            "1",
        ),
        (
            "golang-migrate",
            "1_a.up.sql",
            "SELECT concat(version, dirty) FROM schema_migrations",
            "10",
        ),
        (
            "dbmate",
            "1_a.sql",
            "SELECT version FROM schema_migrations",
            "1",
        ),
    ];
    let mut spec = "version: 1\nsnapshots:\n".to_owned();
    let mut project = Project::new("");
    for (tool, file, ..) in tools {
        spec += &format!(
            "  {tool}: {{ engine: mariadb, database: app, steps: [ {{ migrate: {{ tool: {tool}, dir: {tool} }} }} ] }}\n"
        );
        let text = "-- migrate:up\nCREATE TABLE t (x int);\n-- migrate:down\n";
        project = project.file(&format!("{tool}/{file}"), text);
    }
    let project = project.file("cowherd.yaml", spec);
    for (tool, _, query, row) in tools {
        let query = format!("{query}; SELECT count(*) FROM t");
        let client = [
            "exec",
            "-s",
            tool,
            "--",
            "mariadb",
            "--no-defaults",
            "-uroot",
            "-Dapp",
        ];
        let found = project
            .run(&[&client[..], &["-Ne", &query]].concat())
            .code(0);
        assert_eq!(found.stdout, format!("{row}\n0\n"), "{tool}");
    }
}

#[test]
fn what_was_analysed_when_it_was_frozen_plans_the_same_in_every_copy() {
    if !mariadb() {
        return;
    }
    let project = app("mariadb", "[ { sql: a.sql } ]").file(
        "a.sql",
        "CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t SELECT seq FROM seq_1_to_500;",
    );
    let seen_by = "SELECT n_rows FROM mysql.innodb_table_stats WHERE table_name = 't'";
    assert_eq!(query(&project, seen_by), "500");
}

#[test]
fn the_shell_is_the_client() {
    if !mariadb() {
        return;
    }
    let project = app("mariadb", "[]");
    project.run(&["build"]).code(0);
    let mut command = project.command(&["shell"]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut shell = command.spawn().unwrap();
    let input = b"CREATE TABLE t (x int); SELECT current_user(), database();\n";
    shell.stdin.take().unwrap().write_all(input).unwrap();
    let output = shell.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let printed = String::from_utf8_lossy(&output.stdout);
    assert!(printed.contains("root@localhost\tapp"), "{printed}");
    assert_eq!(query(&project, "SHOW TABLES"), "");
}

#[test]
fn what_a_test_left_is_kept_and_entered() {
    if !mariadb() {
        return;
    }
    let project = Project::new(
        "version: 1
snapshots: { app: { engine: mariadb, database: app } }
tests:
  - name: bad
    snapshot: app
    command: mariadb --no-defaults -uroot -Dapp -e 'CREATE TABLE left_over AS SELECT 7 AS x'; exit 3
",
    );
    project.run(&["run", "--keep", "failed"]).code(100);
    let kept = project.run(&["kept"]).code(0).stdout;
    let mut words = kept.split_whitespace();
    let id = words.find(|word| word.len() == 8 && word.chars().all(|c| c.is_ascii_hexdigit()));
    let id = id.expect("a kept state");
    let enter = [
        "enter",
        id,
        "--",
        "mariadb",
        "--no-defaults",
        "-uroot",
        "-Dapp",
    ];
    let entered = project.run(&[&enter[..], &["-Ne", "SELECT x FROM left_over"]].concat());
    assert_eq!(entered.code(0).stdout, "7\n");
}
