//! What Refinery, Diesel, golang-migrate and dbmate would apply to an empty database.

use cowherd::migrate::{MigrateError, Tool};

use super::{Folder, names};

#[test]
fn refinery_orders_by_number_and_takes_u_for_one_out_of_order() {
    let folder = Folder::new(&[
        "V10__c.sql",
        "V9__b_b.sql",
        "2024/U2__a.sql",
        "V1__first.SQL",
        "V3_typo.sql",
        "v4__lower.sql",
        "V5__with-dash.sql",
        "README.md",
    ]);
    assert_eq!(
        folder.order("refinery"),
        ["2024/U2__a.sql", "V9__b_b.sql", "V10__c.sql"]
    );
    let set = folder.discover(Some("refinery")).unwrap();
    assert!(
        set.migrations
            .iter()
            .all(|m| m.transaction && m.text.is_none())
    );
    assert_eq!(set.migrations[1].description, "b b");
}

#[test]
fn refinery_stops_where_refinery_stops() {
    let error = Folder::new(&["V1.1__a.sql"]).error(Some("refinery"));
    assert!(matches!(&error, MigrateError::Version { name, .. } if name == "V1.1__a.sql"));
    let error = Folder::new(&["V1__a.sql", "U1__b.sql"]).error(Some("refinery"));
    assert!(matches!(error, MigrateError::Duplicate { .. }), "{error}");
    for tool in [None, Some("refinery")] {
        let error = Folder::new(&["V1__a.sql", "V2__b.rs"]).error(tool);
        assert_eq!(error.to_string(), "can't apply `V2__b.rs`: it is a program");
        assert!(error.hint().unwrap().contains("run: "), "{error}");
    }
}

#[test]
fn diesel_takes_folders_by_version_as_text() {
    let folder = Folder::new(&[
        "2024-01-02-000000_b/up.sql",
        "2024-01-02-000000_b/down.sql",
        "20240101000000_a/up.sql",
        "10_late/up.sql",
        "9_last/up.sql",
        ".keep/up.sql",
        "README.md",
    ])
    .file(
        "20240101000000_a/metadata.toml",
        "run_in_transaction = false\n",
    )
    .file("10_late/metadata.toml", "# nothing\n")
    .file("9_last/metadata.toml", "run_in_transaction = true\n");
    std::fs::create_dir(folder.dir().join("empty")).unwrap();
    let set = folder.discover(Some("diesel")).unwrap();
    let versions: Vec<_> = set
        .migrations
        .iter()
        .map(|m| (m.version.as_str(), m.description.as_str(), m.transaction))
        .collect();
    assert_eq!(
        versions,
        [
            ("10", "late", false),
            ("20240101000000", "a", false),
            ("20240102000000", "b", true),
            ("9", "last", true)
        ]
    );
    assert_eq!(set.migrations[0].name, "10_late/up.sql");
    // Numbers say another order: the tool must be named.
    let error = folder.error(None);
    assert!(matches!(error, MigrateError::Ambiguous { .. }), "{error}");
    assert!(error.hint().unwrap().contains("tool: diesel"), "{error}");
}

#[test]
fn diesel_stops_where_diesel_stops() {
    let error = Folder::new(&["1_a/up.sql", "2_b/down.sql"]).error(None);
    assert_eq!(error.to_string(), "can't apply `2_b`: it has no `up.sql`");
    let error = Folder::new(&["1_a/up.sql", "1_b/up.sql"]).error(None);
    assert!(matches!(error, MigrateError::Duplicate { .. }), "{error}");
    let error = Folder::new(&[]).file("1_a/up.sql", "").error(None);
    assert_eq!(
        error.to_string(),
        "can't apply `1_a/up.sql`: it is empty, which diesel refuses"
    );
}

#[test]
fn golang_migrate_takes_ups_of_any_ending_by_number() {
    let folder = Folder::new(&[
        "10_c.up.sql",
        "10_c.down.sql",
        "9_b_b.up.pgsql",
        "0002_a.down.x.up.sql",
        "3_d.up.x.down.sql",
        "11_single.sql",
        "99999999999999999999_big.up.sql",
        "x_y.up.sql",
    ]);
    let set = folder.discover(Some("golang-migrate")).unwrap();
    assert_eq!(
        names(&set),
        ["0002_a.down.x.up.sql", "9_b_b.up.pgsql", "10_c.up.sql"]
    );
    assert_eq!(set.migrations[0].version, "2");
    assert_eq!(set.migrations[1].description, "b b");
    let error = Folder::new(&["1_a.up.sql", "01_b.up.sql"]).error(Some("golang-migrate"));
    assert!(
        matches!(
            error,
            MigrateError::Duplicate {
                tool: Tool::GolangMigrate,
                ..
            }
        ),
        "{error}"
    );
}

const PAIRS: &str = "\
-- a comment

-- migrate:up
CREATE TABLE a (x integer);
-- migrate:down
DROP TABLE a;

--migrate:up  transaction:false
CREATE TABLE b (x integer);
-- migrate:down anything
DROP TABLE b;
";

#[test]
fn dbmate_runs_what_goes_up_and_keeps_the_lines() {
    let folder = Folder::new(&[])
        .file("20240102_b.sql", PAIRS)
        .file(
            "20240101-a_a.sql",
            "-- migrate:up\r\nSELECT 1;\r\n-- migrate:down\r\n",
        )
        .file("notes.sql", "DROP TABLE a;")
        .file("20240103_c.SQL", "DROP TABLE a;");
    let set = folder.discover(Some("dbmate")).unwrap();
    assert_eq!(names(&set), ["20240101-a_a.sql", "20240102_b.sql"]);
    let [first, second] = set.migrations.as_slice() else {
        panic!("{set:?}")
    };
    assert_eq!(first.version, "20240101");
    assert!(first.transaction && !second.transaction);
    assert_eq!(
        second.text.as_deref().unwrap(),
        "\n\n-- migrate:up\nCREATE TABLE a (x integer);\n\n\n\n\
         --migrate:up  transaction:false\nCREATE TABLE b (x integer);\n\n\n"
    );
}

#[test]
fn dbmate_stops_where_dbmate_stops() {
    for text in [
        "SELECT 1;\n",
        "-- migrate:up\nSELECT 1;\n",
        "-- migrate:up\nSELECT 1;\n  -- migrate:down\n",
        "-- migrate:up\nSELECT 1;\n-- migrate:downx\n",
        "-- migrate:upp\nSELECT 1;\n-- migrate:down\n",
        "-- Migrate:UP\nSELECT 1;\n-- migrate:down\n",
        "-- migrate:down\n-- migrate:up\nSELECT 1;\n",
        "-- migrate:up\n-- migrate:up\nSELECT 1;\n-- migrate:down\n",
        "-- migrate:up\nSELECT 1;\n-- migrate:down\n-- migrate:down\n",
        "SELECT 1;\n-- migrate:up\n-- migrate:down\n",
        "/* x */\n-- migrate:up\n-- migrate:down\n",
    ] {
        let error = Folder::new(&[]).file("1_a.sql", text).error(Some("dbmate"));
        assert!(
            matches!(&error, MigrateError::Blocks { .. }),
            "{text}: {error}"
        );
    }
    let blocks = "-- migrate:up\n-- migrate:down\n";
    let twice = Folder::new(&[])
        .file("1_a.sql", blocks)
        .file("1_b.sql", blocks);
    let error = twice.error(None);
    assert!(matches!(error, MigrateError::Duplicate { .. }), "{error}");
    // Run as a plain folder, the file would take back what it has done.
    let error = twice.error(Some("sql"));
    assert!(error.hint().unwrap().contains("tool: dbmate"), "{error}");
}

#[test]
fn dbmate_compares_names_as_text() {
    let blocks = "-- migrate:up\n-- migrate:down\n";
    let folder = ["9_a.sql", "10_b.sql"]
        .iter()
        .fold(Folder::new(&[]), |folder, name| folder.file(name, blocks));
    assert_eq!(folder.order("dbmate"), ["10_b.sql", "9_a.sql"]);
    let error = folder.error(None);
    assert_eq!(
        error.to_string(),
        "can't tell the order of the migrations: dbmate compares names as text and runs `10_b.sql` before \
         `9_a.sql`, which their numbers don't say"
    );
}
