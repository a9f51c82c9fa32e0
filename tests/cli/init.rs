//! `cowherd init`, in projects of many kinds.

use std::fs;
use std::path::Path;

use cowherd::{init, spec};

use crate::support::{Project, userns};

/// A project of some kind, and lines that its spec has, without comments.
struct Kind {
    name: &'static str,
    files: &'static [(&'static str, &'static str)],
    lines: &'static [&'static str],
}

const KINDS: &[Kind] = &[
    Kind {
        name: "an empty folder",
        files: &[],
        lines: &["engine: sqlite", "- sql: schema.sql", "each: checks/*.sql"],
    },
    Kind {
        name: "a plain schema with seeds",
        files: &[
            (
                "schema.sql",
                "CREATE TABLE t (id integer PRIMARY KEY AUTOINCREMENT);",
            ),
            ("seed.sql", "INSERT INTO t DEFAULT VALUES;"),
            ("tests/empty.sql", "DELETE FROM t;"),
        ],
        lines: &[
            "engine: sqlite",
            "- sql: schema.sql",
            "- sql: seed.sql",
            "each: tests/*.sql",
        ],
    },
    Kind {
        name: "Redis alone",
        files: &[
            (".env", "CACHE_URL=redis://localhost/1\n"),
            ("seeds/cache.redis", "SET a 1\n"),
        ],
        lines: &[
            "engine: redis",
            "- redis: seeds/cache.redis",
            "each: checks/*.redis",
        ],
    },
    Kind {
        name: "PostgreSQL with Redis beside it",
        files: &[
            (
                "compose.yaml",
                "services:\n  c:\n    image: valkey/valkey:8\n  d:\n    image: postgres:17\n",
            ),
            ("migrations/1_first.sql", "CREATE TABLE t (x int);"),
        ],
        lines: &[
            "services:",
            "db: { engine: postgres }",
            "cache: { engine: redis }",
            "- { on: db, migrate: migrations }",
            "each: checks/*.sql",
        ],
    },
    Kind {
        name: "PHP with MariaDB",
        files: &[
            (
                ".env",
                "DB_CONNECTION=mysql\nDATABASE_URL=mysql://root@127.0.0.1/shop\n",
            ),
            (
                "database/schema.sql",
                "CREATE TABLE t (id int AUTO_INCREMENT PRIMARY KEY);",
            ),
        ],
        lines: &["engine: mariadb", "each: checks/*.sql"],
    },
    Kind {
        name: "MySQL's own image",
        files: &[
            ("compose.yaml", "services:\n  db:\n    image: mysql:8.4\n"),
            ("requirements.txt", "pymysql\n"),
            ("schema.sql", "CREATE TABLE t (x int);"),
        ],
        lines: &["engine: mysql", "- sql: schema.sql"],
    },
    Kind {
        name: "Go with MariaDB's image",
        files: &[
            ("compose.yaml", "services:\n  db:\n    image: mariadb:11\n"),
            ("go.mod", "require github.com/go-sql-driver/mysql v1.8.1\n"),
            ("migrations/000001_a.up.sql", "CREATE TABLE t (x int);"),
            ("migrations/000001_a.down.sql", "DROP TABLE t;"),
        ],
        lines: &["engine: mariadb"],
    },
    Kind {
        name: "Rust with sqlx",
        files: &[
            (
                "Cargo.toml",
                "[dependencies]\nsqlx = { version = \"0.8\", features = [\"postgres\"] }\n",
            ),
            ("migrations/1_first.sql", "CREATE TABLE t (x int);"),
        ],
        lines: &[
            "engine: postgres",
            "- migrate: migrations",
            "#   let container = cowherd::Cowherd::open()?.snapshot(",
        ],
    },
    Kind {
        name: "Rust with Diesel",
        files: &[
            (
                "Cargo.toml",
                "[dependencies]\ndiesel = { version = \"2\", features = [\"sqlite\"] }\n",
            ),
            (
                "migrations/2024-01-01-000000_first/up.sql",
                "CREATE TABLE t (x int);",
            ),
        ],
        lines: &["engine: sqlite", "- migrate: migrations"],
    },
    Kind {
        name: "Node with Prisma",
        files: &[
            (
                ".env",
                "# DATABASE_URL=mysql://x\nDATABASE_URL=\"postgresql://me:secret@localhost/shop\"\n",
            ),
            ("package.json", "{ \"scripts\": { \"test\": \"vitest\" } }"),
            ("pnpm-lock.yaml", ""),
            (
                "node_modules/pg/migrations/1.sql",
                "CREATE TABLE no (x int);",
            ),
            (
                "prisma/migrations/20240101000000_first/migration.sql",
                "CREATE TABLE t (x int);",
            ),
        ],
        lines: &[
            "engine: postgres",
            "- sql: prisma/migrations/*/migration.sql",
            "#   command: pnpm test",
        ],
    },
    Kind {
        name: "Python with Alembic",
        files: &[
            ("requirements.txt", "SQLAlchemy\npsycopg[binary]\npytest\n"),
            ("alembic/env.py", ""),
            ("alembic/versions/1_first.py", ""),
        ],
        lines: &[
            "engine: postgres",
            "- run: { command: alembic upgrade head, inputs: [alembic] }",
            "#   discover: pytest --collect-only -q | grep '::'",
        ],
    },
    Kind {
        name: "Rails",
        files: &[
            ("Gemfile", "gem \"pg\"\n"),
            ("bin/rails", ""),
            ("db/migrate/20240101000000_first.rb", ""),
            ("db/schema.rb", ""),
            ("db/seeds.rb", ""),
            ("test/a_test.rb", ""),
        ],
        lines: &[
            "engine: postgres",
            "- run: { command: bin/rails db:prepare, inputs: [db/migrate, db/s*] }",
            "#   command: bin/rails test",
        ],
    },
    Kind {
        name: "Go with golang-migrate",
        files: &[
            ("go.mod", "require github.com/jackc/pgx/v5 v5.5.0\n"),
            ("db/migrations/1_first.up.sql", "CREATE TABLE t (x int);"),
            ("db/migrations/1_first.down.sql", "DROP TABLE t;"),
        ],
        lines: &[
            "engine: postgres",
            "- migrate: db/migrations",
            "#   discover: go list ./...",
        ],
    },
    Kind {
        name: "Java with Flyway",
        files: &[
            ("pom.xml", "<artifactId>postgresql</artifactId>"),
            (
                "src/main/resources/db/migration/V1__first.sql",
                "CREATE TABLE t (x int);",
            ),
        ],
        lines: &[
            "engine: postgres",
            "- migrate: src/main/resources/db/migration",
            "#   command: mvn --offline test",
        ],
    },
    Kind {
        name: "a Compose file and several parts",
        files: &[
            (
                "docker-compose.yml",
                "services:\n  db:\n    image: 'docker.io/postgis/postgis:16-3.4'\n",
            ),
            ("Makefile", "test:\n\ttrue\n"),
            ("orders/migrations/1_a.sql", "CREATE TABLE a (x int);"),
            ("stock/migrations/1_b.sql", "CREATE TABLE b (x int);"),
        ],
        lines: &[
            "engine: postgres",
            "- migrate: orders/migrations",
            "# - migrate: stock/migrations",
        ],
    },
    Kind {
        name: "migrations in doubt",
        files: &[
            ("migrations/1_a.sql", "CREATE TABLE a (x integer) STRICT;"),
            ("migrations/b.sql", "CREATE TABLE b (x integer);"),
        ],
        lines: &[
            "engine: sqlite",
            "- migrate: { tool: sql, dir: migrations }",
        ],
    },
    Kind {
        name: "numbered files and a dump",
        files: &[
            ("01_a.sql", "CREATE TABLE a (x jsonb);"),
            ("02_b.sql", "CREATE TABLE b (x int);"),
            ("live.dump", ""),
        ],
        lines: &[
            "engine: postgres",
            "- migrate: { tool: sql, dir: . }",
            "# - run: {",
        ],
    },
    Kind {
        name: "a dump alone",
        files: &[("compose.yaml", "image: postgres\n"), ("db/live.dump", "")],
        lines: &[
            "- run: { command: \"pg_restore --no-owner -d \\\"$DATABASE_URL\\\" db/live.dump\", inputs: [db/live.dump] }",
        ],
    },
    Kind {
        name: "a database file only",
        files: &[("data/app.sqlite3", "")],
        lines: &["engine: sqlite", "# steps:"],
    },
];

fn project(kind: &Kind) -> Project {
    let files = kind.files.iter();
    files.fold(Project::empty(), |project, (path, content)| {
        project.file(path, content)
    })
}

fn starter(kind: &Kind) -> init::Starter {
    init::starter(&project(kind).folder(), None).expect(kind.name)
}

#[track_caller]
fn assert_valid(text: &str) -> spec::Spec {
    match spec::parse(Path::new("cowherd.yaml"), text.as_bytes(), &|_| None) {
        Ok(spec) => spec,
        Err(error) => panic!("{error}\n{text}"),
    }
}

#[test]
fn each_kind_of_project_gets_a_spec_that_says_what_it_has() {
    for kind in KINDS {
        let starter = starter(kind);
        assert_valid(&starter.spec);
        for wanted in kind.lines {
            let has = |line: &str| {
                line.split(" # ")
                    .next()
                    .is_some_and(|code| code.trim() == *wanted)
                    || line.trim().starts_with(wanted)
            };
            assert!(
                starter.spec.lines().any(has),
                "{}: no {wanted} in:\n{}",
                kind.name,
                starter.spec
            );
        }
        let widest = starter.spec.lines().map(|line| line.chars().count()).max();
        assert!(widest <= Some(150), "{}", starter.spec);
    }
}

#[test]
fn what_is_only_shown_is_valid_too() {
    for kind in KINDS {
        let starter = starter(kind);
        let shown = starter.spec.lines().map(|line| {
            let code = line.trim_start();
            match code.strip_prefix("# ") {
                // The comments at the top, and about Cargo, are prose.
                Some(rest) if line.starts_with(' ') => {
                    format!("{}{rest}\n", &line[..line.len() - code.len()])
                }
                _ => format!("{line}\n"),
            }
        });
        let shown: String = shown.collect();
        let spec = assert_valid(&shown);
        assert!(
            spec.tests.len() >= 2 || kind.name.starts_with("Rust"),
            "{shown}"
        );
        assert!(spec.snapshots[0].steps.len() >= 2, "{shown}");
    }
}

#[test]
fn an_empty_folder_becomes_an_example_that_passes() {
    if !userns() {
        return;
    }
    let project = Project::empty();
    let written = project.run(&["init"]).code(0).stdout;
    assert_eq!(
        written,
        "wrote cowherd.yaml\nwrote schema.sql\nwrote checks/sells_every_cow.sql\n\
         wrote checks/counts_the_cows.sql\nnext: cowherd run\n"
    );
    project.run(&["run"]).code(0).says("2 passed");
    let counts = fs::read_to_string(project.folder().join("checks/counts_the_cows.sql")).unwrap();
    let project = project.file("checks/counts_the_cows.sql", counts.replace("= 3", "= 4"));
    project
        .run(&["run"])
        .code(100)
        .says("1 passed")
        .says("CHECK constraint failed: hold");
}

#[test]
fn a_project_with_migrations_passes_at_once() {
    if !userns() {
        return;
    }
    let project = Project::empty()
        .file("Cargo.toml", "[dependencies]\nrusqlite = \"0.37\"\n")
        .file("migrations/0001_cow.sql", "CREATE TABLE cow (name text);")
        .file("migrations/0002_herd.sql", "ALTER TABLE cow ADD herd text;")
        .file(
            "seeds/cows.sql",
            "INSERT INTO cow VALUES ('Daisy', 'north');",
        );
    project.run(&["init"]).code(0);
    project
        .run(&["run"])
        .code(0)
        .says("migrate migrations")
        .says("sql seeds/*.sql")
        .says("1 passed");
    let rows = project
        .command(&["exec", "--", "sh", "-c", "true"])
        .status()
        .unwrap();
    assert!(rows.success());
}

#[test]
fn nothing_is_overwritten_but_the_spec_by_force() {
    let project = Project::empty().file("cowherd.yml", "mine");
    let finished = project
        .run(&["init"])
        .code(2)
        .says("error: can't write cowherd.yml: it is there already\n");
    finished.says("hint: `--force` overwrites it");
    let project = project
        .file("notes.txt", "")
        .file("checks/first.sql", "SELECT 1;");
    project.run(&["init", "--force"]).code(0);
    let read = |path: &str| fs::read_to_string(project.folder().join(path)).unwrap_or_default();
    assert!(read("cowherd.yml").contains("each: checks/*.sql"));
    assert_eq!(
        (read("cowherd.yaml"), read("checks/first.sql")),
        (String::new(), "SELECT 1;".into())
    );
}

#[test]
fn print_writes_nothing() {
    let project = Project::empty();
    let printed = project
        .run(&["init", "--print", "--engine", "postgresql"])
        .code(0)
        .stdout;
    assert!(printed.contains("engine: postgres "), "{printed}");
    assert_valid(&printed);
    assert_eq!(fs::read_dir(project.folder()).unwrap().count(), 0);
}

#[test]
fn an_engine_that_is_not_supported_is_named_with_its_evidence() {
    let project = Project::empty().file("Gemfile", "gem 'oracle'\n");
    project
        .run(&["init", "--engine", "oracle"])
        .code(2)
        .says("error: can't write a spec for the engine `oracle`\n");
    project
        .run(&["init", "--engine", "x: y"])
        .code(2)
        .says("takes the one to write the spec for: postgres, sqlite");
}

#[test]
fn what_the_first_run_would_stop_at_is_said_at_once() {
    let project = Project::empty()
        .file("migrations/V1__a.sql", "SELECT 1;")
        .file("migrations/V1__b.sql", "SELECT 1;");
    let said = project.run(&["init"]).code(0).stdout;
    assert!(
        said.contains("before `cowherd run` can succeed, see to this:\n"),
        "{said}"
    );
    assert!(said.contains("both have the flyway version 1"), "{said}");
}

#[test]
fn any_folder_gives_a_name_that_a_spec_can_have() {
    let root = tempfile::tempdir().unwrap();
    for (folder, name) in [
        ("Web Shop", "web-shop"),
        ("42", "app"),
        ("2nd-try", "nd-try"),
        ("true", "app"),
        ("-ö-", "app"),
        ("shop_v2.1", "shop_v2-1"),
    ] {
        let path = root.path().join(folder);
        fs::create_dir(&path).unwrap();
        let spec = assert_valid(&init::starter(&path, None).unwrap().spec);
        assert_eq!(spec.snapshots[0].name, name, "{folder}");
    }
}
