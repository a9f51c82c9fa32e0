//! Which migrations a folder holds, in which order, and what scripts read.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use cowherd::migrate::script::{self, Dialect, Include, Origin, Scan, ScriptError};
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
fn flyway_orders_versions_part_by_part() {
    let folder = Folder::new(&[
        "V1.10__ten.sql",
        "V1.9__nine.sql",
        "V1_1__one.sql",
        "V2__two.sql",
        "V20240101120000__late.sql",
        "V1__first.sql",
        "V1.9.0.1__more.sql",
        "V007__seven.SQL",
    ]);
    assert_eq!(
        folder.order("flyway"),
        [
            "V1__first.sql",
            "V1_1__one.sql",
            "V1.9__nine.sql",
            "V1.9.0.1__more.sql",
            "V1.10__ten.sql",
            "V2__two.sql",
            "V007__seven.SQL",
            "V20240101120000__late.sql",
        ]
    );
    let set = folder.discover(None).unwrap();
    assert_eq!(set.tool, Tool::Flyway);
    assert_eq!(set.migrations[1].version, "1.1");
    assert_eq!(set.migrations[1].description, "one");
}

#[test]
fn flyway_takes_one_version_written_in_two_ways_for_a_duplicate() {
    for pair in [
        ["V1__a.sql", "V1.0__b.sql"],
        ["V1_1__a.sql", "V01.1__b.sql"],
    ] {
        let error = Folder::new(&pair).error(Some("flyway"));
        assert!(
            matches!(
                error,
                MigrateError::Duplicate {
                    tool: Tool::Flyway,
                    ..
                }
            ),
            "{error}"
        );
    }
    let error = Folder::new(&["a/R__views.sql", "b/R__views.sql"]).error(None);
    assert!(matches!(error, MigrateError::Duplicate { .. }), "{error}");
}

#[test]
fn flyway_searches_below_and_leaves_hidden_folders_out() {
    let folder = Folder::new(&[
        "2024/V2__b.sql",
        "V1__a.sql",
        "2023/deep/V3__c.sql",
        ".git/V9__x.sql",
        "R__z_view.sql",
        "2024/R__A_view.sql",
        "U3__undo.sql",
        "Values.sql",
        "v4__lower.sql",
        "V5_single.sql",
        "R1__not_repeatable.sql",
    ]);
    let expected = [
        "V1__a.sql",
        "2024/V2__b.sql",
        "2023/deep/V3__c.sql",
        "2024/R__A_view.sql",
        "R__z_view.sql",
    ];
    assert_eq!(folder.order("flyway"), expected);
}

#[test]
fn a_flyway_link_to_a_folder_above_ends() {
    let folder = Folder::new(&["V1__a.sql", "sub/V2__b.sql"]);
    std::os::unix::fs::symlink("..", folder.dir().join("sub/up")).unwrap();
    assert_eq!(folder.order("flyway"), ["V1__a.sql", "sub/V2__b.sql"]);
}

#[test]
fn flyway_starts_an_empty_database_from_the_newest_baseline() {
    let folder = Folder::new(&[
        "V1__a.sql",
        "V2__b.sql",
        "B2__base.sql",
        "V3__c.sql",
        "B1__old.sql",
        "R__r.sql",
    ]);
    assert_eq!(
        folder.order("flyway"),
        ["B2__base.sql", "V3__c.sql", "R__r.sql"]
    );
}

#[test]
fn flyway_transactions_follow_the_conf_file_and_the_statements() {
    let folder = Folder::new(&["V1__a.sql"])
        .file("V2__b.sql", "SELECT 1;")
        .file("V2__b.sql.conf", "# why\nexecuteInTransaction=false\n")
        .file(
            "V3__c.sql",
            "-- a comment\nCREATE INDEX CONCURRENTLY i ON t (a);",
        )
        .file(
            "V4__d.sql",
            "SELECT 'VACUUM'; /* VACUUM; */ SELECT $$;VACUUM;$$;",
        )
        .file("V5__e.sql", "vacuum")
        .file("V6__f.sql", "SELECT 1;")
        .file("V6__f.sql.conf", "shouldExecute=false");
    let set = folder.discover(None).unwrap();
    let transactions: Vec<bool> = set.migrations.iter().map(|m| m.transaction).collect();
    assert_eq!(transactions, [true, false, false, true, false]);
}

#[test]
fn a_flyway_placeholder_is_refused_where_it_would_be_run() {
    let error = Folder::new(&[])
        .file(
            "V1__a.sql",
            "-- ${comment}\nCREATE TABLE t ();\nGRANT ALL ON t TO ${role};\n",
        )
        .error(None);
    let MigrateError::Placeholder {
        name,
        line,
        placeholder,
    } = &error
    else {
        panic!("{error}")
    };
    assert_eq!(
        (name.as_str(), *line, placeholder.as_str()),
        ("V1__a.sql", 3, "${role}")
    );
    assert!(
        error
            .hint()
            .unwrap()
            .contains("placeholderReplacement=false")
    );

    let error = Folder::new(&[])
        .file("V1__a.sql", "SELECT '${in_a_string}';")
        .error(None);
    assert!(matches!(error, MigrateError::Placeholder { .. }), "{error}");
    let built_in = "DO $$ BEGIN PERFORM '${flyway:defaultSchema}'; END $$;";
    let error = Folder::new(&[]).file("V1__a.sql", built_in).error(None);
    assert!(matches!(error, MigrateError::Placeholder { .. }), "{error}");
}

#[test]
fn text_that_only_looks_like_a_placeholder_passes() {
    let body = "CREATE FUNCTION f() RETURNS text LANGUAGE plv8 AS $js$ return `${name}` $js$;\n\
                SELECT $${\"a\": 1}$$::json, '$' || '{', '${' || 'open\n}';\n";
    assert_eq!(
        Folder::new(&[])
            .file("V1__a.sql", body)
            .order("flyway")
            .len(),
        1
    );
    let folder = Folder::new(&[])
        .file("V1__a.sql", "SELECT '${x}';")
        .file("V1__a.sql.conf", "placeholderReplacement=false");
    assert_eq!(folder.order("flyway").len(), 1);
    let folder = Folder::new(&[]).file("V1__a.sql", "SELECT '${x}';").file(
        "../flyway.toml",
        "[flyway]\nplaceholderReplacement = false\n",
    );
    assert_eq!(folder.order("flyway").len(), 1);
}

#[test]
fn flyway_settings_that_change_the_result_are_refused() {
    let defined = Folder::new(&[])
        .file("V1__a.sql", "DO $$ SELECT '${schema}' $$;")
        .file("../flyway.conf", "flyway.placeholders.schema=app\n");
    assert!(matches!(
        defined.error(None),
        MigrateError::Placeholder { .. }
    ));
    let prefix = Folder::new(&["V1__a.sql"]).file(
        "../flyway.toml",
        "[flyway]\nsqlMigrationPrefix = \"M\" # why\n",
    );
    let error = prefix.error(None);
    assert!(matches!(&error, MigrateError::Setting { key, .. } if key == "sqlMigrationPrefix"));
    let usual = Folder::new(&["V1__a.sql"]).file(
        "../flyway.toml",
        "[flyway]\nsqlMigrationSuffixes = [\".sql\"]\nencoding = 'utf-8'",
    );
    assert_eq!(usual.detected(), Tool::Flyway);
    for name in [
        "afterMigrate.sql",
        "beforeMigrate__a.sql",
        "sub/afterVersioned.sql",
    ] {
        let error = Folder::new(&["V1__a.sql", name]).error(None);
        assert!(
            matches!(&error, MigrateError::Callback { name: found } if found == name),
            "{error}"
        );
    }
    let unused = Folder::new(&["V1__a.sql", "afterClean.sql", "afterMigrateError.sql"]);
    assert_eq!(unused.order("flyway"), ["V1__a.sql"]);
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
    assert_eq!(
        Folder::new(&["1_a.up.sql", "1_a.down.sql", "12_b.up.sql"]).detected(),
        Tool::Sqlx
    );
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
    let cases: [(&[(&str, &str)], Foreign); 15] = [
        (
            &[
                ("2024-01-01-000000_a/up.sql", ""),
                ("2024-01-01-000000_a/down.sql", ""),
            ],
            Foreign::Diesel,
        ),
        (
            &[
                ("20240101_init/migration.sql", ""),
                ("migration_lock.toml", ""),
            ],
            Foreign::Prisma,
        ),
        (
            &[("20240101_a.sql", "-- migrate:up\n;\n-- migrate:down\n")],
            Foreign::Dbmate,
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
            &[
                ("1_a.up.sql", ""),
                ("1_a.down.sql", ""),
                ("../go.mod", "module x"),
            ],
            Foreign::GolangMigrate,
        ),
        (
            &[("V1__a.sql", ""), ("../Cargo.toml", "refinery = \"0.8\"")],
            Foreign::Refinery,
        ),
        (&[("V1__a.rs", "")], Foreign::Refinery),
        (
            &[("0001_initial.py", ""), ("__init__.py", "")],
            Foreign::Django,
        ),
        (&[("env.py", ""), ("versions/a.py", "")], Foreign::Alembic),
        (
            &[("sqitch.plan", ""), ("deploy/a.sql", "")],
            Foreign::Sqitch,
        ),
        (
            &[("1_a.up.sql", ""), ("../../go.mod", "module x")],
            Foreign::GolangMigrate,
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
    let error = Folder::new(&["a.sql"]).error(Some("diesel"));
    assert_eq!(error.to_string(), "can't apply migrations of diesel yet");
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

    #[test]
    fn a_script_means_the_same_however_it_is_cut(
        parts in prop::collection::vec(
            prop::sample::select(vec![
                "SELECT 1;", "\n", "'", "''", "\"", "$$", "$a$", "$", "E'", "\\'", "--", "/*", "*/", "(", ")",
                "COPY t FROM stdin;", "\\.", "\\i a.sql", "\\copy t from 'b'", " ", "\\\\", "x", "\\if 1",
            ]),
            0..24,
        ),
        cut in 1_usize..7,
    ) {
        let text = parts.concat();
        prop_assert_eq!(includes_cut(&text, usize::MAX), includes_cut(&text, cut));
    }

    #[test]
    fn an_include_is_found_after_any_closed_string(inner in "[^'\\\\]{0,20}") {
        // Whatever stands in a string and in a comment, the command after them is seen, once.
        let text = format!("SELECT '{inner}', $q${inner}$q$;\n/* {} */\n\\i a.sql\n", inner.replace(['/', '*'], ""));
        let found = includes(&text, Dialect::Postgres);
        prop_assert_eq!(found.len(), 1);
        prop_assert_eq!(found[0].line, text.matches('\n').count());
    }
}

fn includes_cut(text: &str, size: usize) -> Vec<Include> {
    struct Cut<'a>(&'a [u8], usize);
    impl io::Read for Cut<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let length = self.1.min(buffer.len()).min(self.0.len());
            io::Read::read(&mut self.0, &mut buffer[..length])
        }
    }
    let mut scan = Scan::new(Cut(text.as_bytes(), size), Dialect::Postgres);
    io::copy(&mut scan, &mut io::sink()).unwrap();
    scan.finish().unwrap()
}

fn includes(text: &str, dialect: Dialect) -> Vec<Include> {
    let mut scan = Scan::new(text.as_bytes(), dialect);
    io::copy(&mut scan, &mut io::sink()).unwrap();
    scan.finish().unwrap()
}

/// The files that a psql script reads, with their lines.
fn psql(text: &str) -> Vec<(usize, String)> {
    includes(text, Dialect::Postgres)
        .into_iter()
        .map(|include| {
            (
                include.line,
                include.file.map_or("?".into(), |f| f.display().to_string()),
            )
        })
        .collect()
}

fn found(expected: &[(usize, &str)]) -> Vec<(usize, String)> {
    expected
        .iter()
        .map(|(line, name)| (*line, (*name).to_owned()))
        .collect()
}

/// As `pg_dump` writes it, with data made to mislead.
const DUMP: &str = r#"--
-- PostgreSQL database dump
--

-- Dumped from database version 15.6
\restrict abc

SET statement_timeout = 0;
SELECT pg_catalog.set_config('search_path', '', false);

CREATE FUNCTION public.f() RETURNS trigger
    LANGUAGE plpgsql
    AS $_$
BEGIN
  -- it's a trap
  PERFORM 'x', "y", $$ nested '$$;
  \i evil_in_function.sql
  RETURN NEW;
END
$_$;

COPY public.note (id, "from stdin", body) FROM stdin;
1	it's	\N
\i evil.sql
\\.	x
$$	/* "
\.x
\.

COPY public.empty (id) FROM stdin;
\.


COPY public.last (id) FROM stdin WITH (FORMAT csv);
'
\.
\i after.sql
\unrestrict abc
"#;

#[test]
fn data_and_function_bodies_of_a_dump_hold_no_commands() {
    let line = 1 + DUMP
        .lines()
        .position(|line| line == r"\i after.sql")
        .unwrap();
    assert_eq!(psql(DUMP), found(&[(line, "after.sql")]));
    assert_eq!(
        psql(&DUMP.replace('\n', "\r\n")),
        found(&[(line, "after.sql")])
    );
}

#[test]
fn psql_commands_are_seen_outside_of_strings_and_comments_only() {
    let text = r#"
-- \i a
/* \i b /* nested */ \i c */
SELECT '\i d', E'it\'s \i e', "\i f", $x$ \i g $$ $x$, $1 \i 1.sql
SELECT 'a''\i h', E'\\' \i 2.sql
\echo 'it is \i quoted' \i 3.sql
SELECT 1 \; SELECT 2 \i 4.sql
\set x 'y' \\ SELECT '
\i i
' \i 5.sql
SELECT a$b, c$d \i 6.sql
SELECT $tag_1$ $tag$ \i j $tag_1$ \i 7.sql
"#;
    let expected = [
        (4, "1.sql"),
        (5, "2.sql"),
        (6, "3.sql"),
        (7, "4.sql"),
        (10, "5.sql"),
        (11, "6.sql"),
        (12, "7.sql"),
    ];
    assert_eq!(psql(text), found(&expected));
}

#[test]
fn psql_arguments_are_read_as_psql_reads_them() {
    assert_eq!(
        psql("\\i 'with space.sql'\n\\include b.sql \\i c.sql\n"),
        found(&[(1, "with space.sql"), (2, "b.sql"), (2, "c.sql")])
    );
    assert_eq!(psql("\\i 'it''s.sql'"), found(&[(1, "it's.sql")]));
    assert_eq!(
        psql("\\i :file\n\\i :'dir'/x\n\\i `date`\n\\i ~/x\n"),
        found(&[(1, "?"), (2, "?"), (3, "?"), (4, "?")])
    );
    assert_eq!(psql("\\i\n\\i -\n\\info x\n\\ix y\n"), found(&[]));
    let all = includes(
        "\\ir a\n\\include_relative b\n\\if :x\n\\i c\n\\endif\n\\i d\n",
        Dialect::Postgres,
    );
    let seen: Vec<_> = all
        .iter()
        .map(|i| (i.origin, i.optional, i.script))
        .collect();
    assert_eq!(
        seen,
        [
            (Origin::Script, false, true),
            (Origin::Script, false, true),
            (Origin::WorkingFolder, true, true),
            (Origin::WorkingFolder, false, true),
        ]
    );
    assert_eq!(
        all[0].resolve(Path::new("/p/sub/s.sql"), Path::new("/p")),
        Some(PathBuf::from("/p/sub/a"))
    );
}

#[test]
fn copied_files_are_data() {
    let text = "\\copy t (a, \"from\") FROM 'data/x y.csv' WITH (FORMAT csv)\n\
                \\copy (SELECT 1 from 'no') to 'out.csv'\n\
                \\copy t from data.csv csv\n\
                \\COPY t from no.csv\n\
                \\copy t from stdin\n\\i no.sql\n\\.\n\
                \\copy t from program 'zcat x'\n\
                COPY t (a) FROM '/abs/data.csv' (FORMAT csv);\n\
                COPY t TO '/abs/out.csv';\n\
                COPY t FROM 'relative.csv';\n\
                copy t from stdin \\g\n\\i no.sql\n\\.\n\
                \\copy s.t(a,b)from 'it''s'\n";
    let expected = [
        (1, "data/x y.csv"),
        (3, "data.csv"),
        (8, "?"),
        (9, "/abs/data.csv"),
        (15, "it's"),
    ];
    assert_eq!(psql(text), found(&expected));
    assert!(
        includes(text, Dialect::Postgres)
            .iter()
            .all(|include| !include.script)
    );
}

#[test]
fn sqlite_dot_commands_stand_at_the_start_of_a_line_between_statements() {
    let text = ".read 'a b.sql'\n-- .read no\n.rea b.sql\n .read no\nSELECT [it's], 1\n.read no\n;\n\
                CREATE TABLE x (a DEFAULT '\n.read no');\n.re no\n.read |ls\n.read \"c\"\n.mode csv\n\\i no\n";
    let found: Vec<_> = includes(text, Dialect::Sqlite)
        .into_iter()
        .map(|i| (i.line, i.file.map(|f| f.display().to_string())))
        .collect();
    let file = |name: &str| Some(name.to_owned());
    assert_eq!(
        found,
        [
            (1, file("a b.sql")),
            (3, file("b.sql")),
            (11, None),
            (12, file("c"))
        ]
    );
}

#[test]
fn the_mariadb_client_sources_files() {
    let text = "source a.sql;\nSELECT 'it\\'s\nsource no.sql'; # it's\n\\. b.sql\nSELECT 1,\nsource no\n;\n\
                DELIMITER $$\nLOAD DATA LOCAL INFILE 'c.csv' INTO TABLE t;\nSELECT 2 AS\nsource;\n";
    let found: Vec<_> = includes(text, Dialect::Mysql)
        .into_iter()
        .map(|i| (i.line, i.file.unwrap().display().to_string(), i.script))
        .collect();
    assert_eq!(
        found,
        [
            (1, "a.sql".into(), true),
            (4, "b.sql".into(), true),
            (9, "c.csv".into(), false),
        ]
    );
}

#[test]
fn a_byte_order_mark_is_no_text_and_utf_16_is_refused() {
    assert_eq!(script::text("\u{feff}é".as_bytes()).unwrap(), "é");
    assert_eq!(psql("\u{feff}\\i a.sql"), found(&[(1, "a.sql")]));
    for bytes in [&b"\xff\xfeS\0"[..], b"\xfe\xff\0S", b"S\0E\0L\0"] {
        let error = script::text(bytes).unwrap_err();
        assert_eq!(error, ScriptError::Utf16);
        assert!(error.hint().unwrap().contains("iconv"));
        let mut scan = Scan::new(bytes, Dialect::Sqlite);
        io::copy(&mut scan, &mut io::sink()).unwrap();
        assert_eq!(scan.finish().unwrap_err(), ScriptError::Utf16);
    }
    let error = script::text(b"PGDMP\x01\x0e").unwrap_err();
    assert!(error.hint().unwrap().contains("pg_restore"));
    let error = script::text(b"one\ntwo \xe9\n").unwrap_err();
    assert_eq!(error.to_string(), "line 2 is not UTF-8");
}
