//! What a migration tool would find of itself in a snapshot.

use cowherd::Cowherd;

use super::{app, query};
use crate::support::{Project, dbmate, postgres, userns};

/// Builds a set of each tool on both engines, and asks what is in its table.
fn noted(files: &[(&str, &str)], tool: &str, sql: &str, expected: &str) {
    if !userns() {
        return;
    }
    for engine in ["sqlite", "postgres"] {
        if engine == "postgres" && !postgres() {
            continue;
        }
        let steps = format!("[ {{ migrate: {{ tool: {tool}, dir: m }} }} ]");
        let project = files
            .iter()
            .fold(app(engine, &steps), |project, (name, text)| {
                project.file(&format!("m/{name}"), text)
            });
        project.run(&["build"]).code(0);
        assert_eq!(query(&project, engine, sql), expected, "{engine}");
        // Every migration has been applied.
        assert_eq!(query(&project, engine, "SELECT count(*) FROM a, b"), "0");
        project.leaves_nothing();
    }
}

const A: &str = "CREATE TABLE a (x integer);\n";
const B: &str = "CREATE TABLE b (x integer);\n";

#[test]
fn flyway_finds_its_table() {
    noted(
        &[
            ("V1__first.sql", A),
            ("V2__second.sql", B),
            ("R__view.sql", "CREATE VIEW v AS SELECT * FROM a;"),
            ("afterMigrate.sql", "INSERT INTO b SELECT * FROM v;"),
        ],
        "flyway",
        "SELECT installed_rank, version, description, type, checksum FROM flyway_schema_history \
         WHERE CAST(success AS integer) = 1 ORDER BY 1",
        "1|1|first|SQL|-853898207\n2|2|second|SQL|-1317295622\n3||view|SQL|1266982670",
    );
}

#[test]
fn sqlx_finds_its_table_although_a_script_changes_the_search_path() {
    noted(
        &[
            ("1_a.up.sql", A),
            ("1_a.down.sql", "DROP TABLE a;"),
            ("2_b.up.sql", B),
        ],
        "sqlx",
        "SELECT version, description, length(checksum) FROM _sqlx_migrations ORDER BY 1",
        "1|a|48\n2|b|48",
    );
    if userns() && postgres() {
        let dump = "SET search_path = '';\nCREATE TABLE public.c (x integer);\n";
        let project = app("postgres", "[ { migrate: { tool: sqlx, dir: m } } ]")
            .file("m/1_dump.sql", dump)
            .file(
                "m/2_index.sql",
                "-- no-transaction\nCREATE INDEX CONCURRENTLY i ON c (x);",
            );
        project.run(&["build"]).code(0);
        let sql = "SELECT count(*) FROM public._sqlx_migrations";
        assert_eq!(query(&project, "postgres", sql), "2");
    }
}

#[test]
fn refinery_finds_its_table() {
    noted(
        &[("V1__initial.sql", A), ("V2__b.sql", B)],
        "refinery",
        "SELECT version, name, checksum FROM refinery_schema_history WHERE version = 1",
        "1|initial|3520909349445884664",
    );
}

#[test]
fn diesel_finds_its_table() {
    noted(
        &[
            ("2024-01-01-000000_a/up.sql", A),
            ("2024-01-01-000000_a/down.sql", "DROP TABLE a;"),
            ("2024-01-02-000000_b/up.sql", B),
        ],
        "diesel",
        "SELECT version FROM __diesel_schema_migrations ORDER BY 1",
        "20240101000000\n20240102000000",
    );
}

#[test]
fn golang_migrate_finds_its_table() {
    noted(
        &[
            ("9_a.up.sql", A),
            ("9_a.down.sql", "DROP TABLE a;"),
            ("10_b.up.sql", B),
        ],
        "golang-migrate",
        "SELECT version, CAST(dirty AS integer) FROM schema_migrations",
        "10|0",
    );
}

#[test]
fn dbmate_finds_its_table_and_only_what_goes_up_is_run() {
    let file = |sql: &str, table: &str| {
        format!("-- migrate:up\n{sql}\n-- migrate:down\nDROP TABLE {table};\n")
    };
    noted(
        &[("1_a.sql", &file(A, "a")), ("2_b.sql", &file(B, "b"))],
        "dbmate",
        "SELECT version FROM schema_migrations ORDER BY 1",
        "1\n2",
    );
}

#[test]
fn a_block_that_fails_is_named_with_its_line_in_the_file() {
    if !userns() {
        return;
    }
    let text = "-- migrate:up\nCREATE TABLE a (x integer);\n-- migrate:down\nDROP TABLE a;\n\n\
                -- migrate:up\nCREATE TABLE a\n  (x integer);\n-- migrate:down\n";
    for engine in ["sqlite", "postgres"] {
        if engine == "postgres" && !postgres() {
            continue;
        }
        app(engine, "[ { migrate: m } ]")
            .file("m/1_a.sql", text)
            .run(&["build"])
            .code(101)
            .says("m/1_a.sql: line 7: ")
            .says("already exists")
            .says("CREATE TABLE a\n");
    }
}

#[test]
fn a_set_without_history_leaves_no_table() {
    if !userns() {
        return;
    }
    let steps = "[ { migrate: { dir: m, history: false } } ]";
    let project = app("sqlite", steps)
        .file("m/1_a.up.sql", A)
        .file("m/1_a.down.sql", "DROP TABLE a;");
    project.run(&["build"]).code(0);
    let tables = "SELECT group_concat(name) FROM sqlite_schema";
    assert_eq!(query(&project, "sqlite", tables), "a");
    // Which of the two tools it is matters for the table.
    let project: Project = project.file("cowherd.yaml", project_with_history());
    project
        .run(&["build"])
        .code(96)
        .says("may be sqlx's or golang-migrate's")
        .says("`migrate: { tool: golang-migrate, dir: m }` fills `schema_migrations`");
}

fn project_with_history() -> String {
    "version: 1\nsnapshots:\n  app: { engine: sqlite, database: app, steps: [ { migrate: m } ] }\n"
        .to_owned()
}

#[test]
fn placeholders_of_the_spec_are_part_of_the_key() {
    if !userns() {
        return;
    }
    let spec = |name: &str| {
        format!("[ {{ migrate: {{ tool: flyway, dir: m, placeholders: {{ name: {name} }} }} }} ]")
    };
    let script = "CREATE TABLE ${name} AS SELECT 'of ${name}' AS x;";
    let project = app("sqlite", &spec("one")).file("m/V1__a.sql", script);
    assert_eq!(query(&project, "sqlite", "SELECT x FROM one"), "of one");
    let spec = project
        .read("cowherd.yaml")
        .replace("name: one", "name: two");
    let project = project.file("cowherd.yaml", spec);
    assert_eq!(query(&project, "sqlite", "SELECT x FROM two"), "of two");
}

#[test]
fn dbmate_itself_applies_nothing() {
    if !userns() || !dbmate() {
        return;
    }
    for engine in ["sqlite", "postgres"] {
        if engine == "postgres" && !postgres() {
            continue;
        }
        let project = app(engine, "[ { migrate: { tool: dbmate, dir: m } } ]")
            .file(
                "m/1_a.sql",
                format!("-- migrate:up\n{A}\n-- migrate:down\nDROP TABLE a;\n"),
            )
            .file(
                "m/2_b.sql",
                format!("-- migrate:up transaction:false\n{B}-- migrate:down\n"),
            );
        let spec = project.folder().join("cowherd.yaml");
        let herd = Cowherd::open_in(&spec, &project.store()).expect("a project");
        let snapshot = herd.snapshot("app").expect("a snapshot");
        let container = snapshot.container().expect("a container");
        let url = match container.file() {
            Some(file) => format!("sqlite:{}", file.display()),
            None => format!("{}?sslmode=disable", container.tcp_url().expect("a port")),
        };
        let dbmate = |words: &[&str]| {
            let output = std::process::Command::new("dbmate")
                .args(["--url", &url, "--migrations-dir", "m", "--no-dump-schema"])
                .args(words)
                .current_dir(project.folder())
                .output()
                .expect("dbmate");
            let text = [output.stdout, output.stderr].concat();
            let text = String::from_utf8_lossy(&text).into_owned();
            assert!(output.status.success(), "{engine}: {text}");
            text
        };
        let status = dbmate(&["status", "--exit-code"]);
        assert!(
            status.contains("Applied: 2\nPending: 0"),
            "{engine}: {status}"
        );
        // It tells of each that it applies.
        assert_eq!(dbmate(&["up", "--strict"]), "", "{engine}");
    }
}
