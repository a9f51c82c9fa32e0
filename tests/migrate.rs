//! Which migrations a folder holds, and in which order.

mod flyway;
mod history;
mod scripts;
mod tools;

use std::fs;
use std::path::{Path, PathBuf};

use cowherd::migrate::script::Dialect;
use cowherd::migrate::{Foreign, MigrateError, MigrationSet, Tool, discover, natural_order};
use proptest::prelude::*;
use tempfile::TempDir;

/// A folder `project/migrations` with files; names may hold `/`.
#[must_use]
struct Folder {
    root: TempDir,
}

impl Folder {
    fn new(names: &[&str]) -> Self {
        let folder = Self {
            root: tempfile::tempdir().unwrap(),
        };
        fs::create_dir_all(folder.dir()).unwrap();
        names
            .iter()
            .fold(folder, |folder, name| folder.file(name, "SELECT 1;\n"))
    }

    fn dir(&self) -> PathBuf {
        self.root.path().join("project/migrations")
    }

    fn file(self, name: &str, content: &str) -> Self {
        let path = self.dir().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
        self
    }

    fn discover(&self, tool: Option<&str>) -> Result<MigrationSet, MigrateError> {
        discover(&self.dir(), tool, Dialect::Postgres)
    }

    #[track_caller]
    fn order(&self, tool: &str) -> Vec<String> {
        names(&self.discover(Some(tool)).unwrap())
    }

    #[track_caller]
    fn error(&self, tool: Option<&str>) -> MigrateError {
        self.discover(tool).unwrap_err()
    }

    #[track_caller]
    fn detected(&self) -> Tool {
        self.discover(None).unwrap().tool
    }

    #[track_caller]
    fn foreign(&self) -> Foreign {
        match self.error(None) {
            MigrateError::Foreign { tool, .. } => tool,
            other => panic!("{other}"),
        }
    }
}

fn names(set: &MigrationSet) -> Vec<String> {
    set.migrations
        .iter()
        .map(|migration| migration.name.clone())
        .collect()
}

#[test]
fn a_plain_folder_is_ordered_by_number_and_not_by_text() {
    let folder = Folder::new(&["10_c.sql", "9_b.sql", "1_a.SQL", "notes.md", ".hidden.sql"])
        .file("archive/0_old.sql", "");
    assert_eq!(folder.order("sql"), ["1_a.SQL", "9_b.sql", "10_c.sql"]);
    let set = folder.discover(Some("sql")).unwrap();
    let first = &set.migrations[0];
    assert_eq!(
        (first.version.as_str(), first.description.as_str()),
        ("1", "a")
    );
    assert!(
        !first.transaction,
        "a plain file runs as the client runs it"
    );
}

#[test]
fn a_plain_folder_runs_no_file_that_takes_back_another() {
    let folder = Folder::new(&["1_a.up.sql", "1_a.down.sql"]);
    let error = folder.error(Some("sql"));
    assert!(
        matches!(&error, MigrateError::Down { name } if name == "1_a.down.sql"),
        "{error}"
    );
    assert!(error.hint().unwrap().contains("tool: sqlx"));

    let folder = Folder::new(&[]).file("1_a.sql", "-- +goose Up\nSELECT 1;\n-- +goose Down\n");
    let error = folder.error(Some("sql"));
    assert!(
        matches!(
            error,
            MigrateError::Foreign {
                tool: Foreign::Goose,
                ..
            }
        ),
        "{error}"
    );
}

#[test]
fn an_empty_folder_and_a_missing_one_are_told_apart() {
    assert!(matches!(
        Folder::new(&["README.md"]).error(None),
        MigrateError::Empty { tool: None }
    ));
    let error = Folder::new(&["sub/1_a.sql"]).error(None);
    assert!(matches!(error, MigrateError::Empty { .. }), "{error}");
    let error = discover(Path::new("/nonexistent/x"), None, Dialect::Sqlite).unwrap_err();
    assert!(matches!(error, MigrateError::Read { .. }), "{error}");
}

#[test]
fn sqlx_takes_ups_and_orders_by_number() {
    let folder = Folder::new(&[
        "10_c.up.sql",
        "10_c.down.sql",
        "9_b_b.sql",
        "20240229120000_d.sql",
        "schema.sql",
    ])
    .file("2_n.sql", "-- no-transaction\nVACUUM;");
    let set = folder.discover(Some("sqlx")).unwrap();
    assert_eq!(
        names(&set),
        [
            "2_n.sql",
            "9_b_b.sql",
            "10_c.up.sql",
            "20240229120000_d.sql"
        ]
    );
    let transactions: Vec<bool> = set.migrations.iter().map(|m| m.transaction).collect();
    assert_eq!(transactions, [false, true, true, true]);
    assert_eq!(set.migrations[1].description, "b b");
    assert_eq!(set.migrations[2].description, "c");
}

#[test]
fn sqlx_stops_at_names_that_stop_sqlx() {
    let error = Folder::new(&["1_a.sql", "foo_bar.sql"]).error(Some("sqlx"));
    assert!(
        matches!(&error, MigrateError::Version { name, .. } if name == "foo_bar.sql"),
        "{error}"
    );
    let error = Folder::new(&["1_a.sql", "01_b.sql"]).error(Some("sqlx"));
    assert!(
        matches!(
            error,
            MigrateError::Duplicate {
                tool: Tool::Sqlx,
                ..
            }
        ),
        "{error}"
    );
    let error = Folder::new(&["9223372036854775808_a.sql"]).error(Some("sqlx"));
    assert!(matches!(error, MigrateError::Version { .. }), "{error}");
}

#[test]
fn a_tool_is_detected_where_one_reading_is_left() {
    assert_eq!(
        Folder::new(&["001_a.sql", "002_b.sql"]).detected(),
        Tool::Sql
    );
    assert_eq!(
        Folder::new(&["schema.sql", "seed.sql"]).detected(),
        Tool::Sql
    );
    assert_eq!(
        Folder::new(&["2024-01-02-a.sql", "2024-01-03-b.sql"]).detected(),
        Tool::Sql
    );
    assert_eq!(
        Folder::new(&["1.1_a.sql", "1.2_b.sql"]).detected(),
        Tool::Sql
    );
    let pairs = ["1_a.up.sql", "1_a.down.sql", "12_b.up.sql"];
    for (file, tool) in [("Cargo.toml", Tool::Sqlx), ("go.mod", Tool::GolangMigrate)] {
        let folder = Folder::new(&pairs).file(&format!("../{file}"), "");
        assert_eq!(folder.detected(), tool);
    }
    let folder = Folder::new(&["2024-01-01-000000_a/up.sql", "2024-01-01-000000_a/down.sql"]);
    assert_eq!(folder.detected(), Tool::Diesel);
    let folder = Folder::new(&[]).file("20240101_a.sql", "-- migrate:up\n;\n-- migrate:down\n");
    assert_eq!(folder.detected(), Tool::Dbmate);
    let folder = Folder::new(&["V1__a.sql"]).file("../Cargo.toml", "refinery = \"0.8\"");
    assert_eq!(folder.detected(), Tool::Refinery);
    assert_eq!(
        Folder::new(&["sub/V1__a.sql", "R__v.sql"]).detected(),
        Tool::Flyway
    );
    let unequal = ["1_a.sql", "2_b.sql", "10_c.sql"];
    assert_eq!(
        Folder::new(&unequal).file("../sqlx.toml", "").detected(),
        Tool::Sqlx
    );
    let cargo = "[dependencies]\nsqlx = \"0.8\"\n";
    assert_eq!(
        Folder::new(&unequal)
            .file("../Cargo.toml", cargo)
            .detected(),
        Tool::Sqlx
    );
    let other = "[dependencies]\nsqlx-macros = \"0.8\"\n[dependencies.notsqlx]\n";
    assert!(
        Folder::new(&unequal)
            .file("../Cargo.toml", other)
            .discover(None)
            .is_err()
    );
}

#[test]
fn marks_above_the_repository_do_not_count() {
    let folder = Folder::new(&["1_a.sql", "2_b.sql"]).file("../../sqlx.toml", "");
    assert_eq!(folder.detected(), Tool::Sqlx);
    assert_eq!(folder.file("../.git/HEAD", "").detected(), Tool::Sql);
}

#[test]
fn an_order_on_which_tools_differ_is_refused_with_the_remedy() {
    for set in [
        &["1_a.sql", "2_b.sql", "10_c.sql"][..],
        &["1.9_a.sql", "1.10_b.sql"],
        &["seed-2.sql", "seed-10.sql"],
        &["001_a.sql", "001_b.sql"],
        &["01_a.sql", "1_b.sql"],
        &["2024-01-02_a.sql", "2024-01-02_b.sql"],
        &["001_a.sql", "schema.sql"],
        &["V1__a.sql", "extra.sql"],
        &["V1__a.sql", "002_b.sql"],
        &["V1__a.sql", "V2_typo.sql"],
        &["1_a.up.sql", "1_a.down.sql", "2_b.sql"],
        &["1_a.up.sql", "1_a.down.sql"],
        &["9_a/up.sql", "10_b/up.sql"],
    ] {
        let folder = Folder::new(set);
        let error = folder.error(None);
        assert!(
            matches!(error, MigrateError::Ambiguous { .. }),
            "{set:?}: {error}"
        );
        let hint = error.hint_for(Path::new("db/m")).unwrap();
        assert!(hint.contains("`migrate: { tool: "), "{hint}");
        assert!(hint.contains(", dir: db/m }`"), "{hint}");
        // The first remedy is one that works.
        let MigrateError::Ambiguous { remedies, .. } = &error else {
            unreachable!()
        };
        folder.discover(Some(remedies[0].0.name())).unwrap();
    }
}

#[test]
fn tools_that_are_not_built_in_are_named() {
    let cases: [(&[(&str, &str)], Foreign); 9] = [
        (
            &[
                ("20240101_init/migration.sql", ""),
                ("migration_lock.toml", ""),
            ],
            Foreign::Prisma,
        ),
        (
            &[("1_a.sql", "\u{feff}-- comment\n-- +goose Up\n")],
            Foreign::Goose,
        ),
        (&[("1_a.sql", "-- +migrate Up\n")], Foreign::SqlMigrate),
        (
            &[("1_a.sql", "--liquibase formatted sql\n")],
            Foreign::Liquibase,
        ),
        (
            &[("changelog.xml", "<databaseChangeLog>")],
            Foreign::Liquibase,
        ),
        (&[("20240101000000_create_users.rb", "")], Foreign::Rails),
        (
            &[("0001_initial.py", ""), ("__init__.py", "")],
            Foreign::Django,
        ),
        (&[("env.py", ""), ("versions/a.py", "")], Foreign::Alembic),
        (
            &[("sqitch.plan", ""), ("deploy/a.sql", "")],
            Foreign::Sqitch,
        ),
    ];
    for (files, tool) in cases {
        let folder = files.iter().fold(Folder::new(&[]), |folder, (name, text)| {
            folder.file(name, text)
        });
        assert_eq!(folder.foreign(), tool, "{files:?}");
        let error = folder.error(None);
        assert!(error.to_string().contains(&tool.to_string()), "{error}");
        let hint = error.hint_for(Path::new("db/migrate")).unwrap();
        assert!(hint.contains("db/migrate"), "{hint}");
    }
    let error = Folder::new(&["a.sql"]).error(Some("rails"));
    assert_eq!(error.to_string(), "can't apply migrations of rails yet");
    assert_eq!(
        error.hint_for(Path::new("db/migrate")).unwrap(),
        "run the tool as a step: `run: { command: bin/rails db:prepare, inputs: [db/migrate, db/s*] }`, or \
         `sql: db/structure.sql`"
    );
    let error = Folder::new(&["a.sql"]).error(Some("flywai"));
    assert!(error.hint().unwrap().contains("`flyway`"));
}

proptest! {
    #[test]
    fn natural_order_is_total(a in "[a/0-9_]{0,8}", b in "[a/0-9_]{0,8}", c in "[a/0-9_]{0,8}") {
        prop_assert_eq!(natural_order(&a, &b), natural_order(&b, &a).reverse());
        prop_assert_eq!(natural_order(&a, &b).is_eq(), a == b);
        if natural_order(&a, &b).is_le() && natural_order(&b, &c).is_le() {
            prop_assert!(natural_order(&a, &c).is_le());
        }
    }
}
