//! What a tool would note of its migrations. The sums of Refinery and sqlx were made with the tools themselves.

use cowherd::migrate::script::Dialect;
use cowherd::migrate::{Asked, MigrateError, MigrationSet, discover_as};

use super::Folder;

const TABLE: &str = "CREATE TABLE a (x integer);\n";

#[track_caller]
fn set(folder: &Folder, tool: &str, dialect: Dialect, history: bool) -> MigrationSet {
    let asked = Asked {
        tool: Some(tool),
        dialect,
        history,
        database: "shop",
        placeholders: &[].into(),
    };
    discover_as(&folder.dir(), &asked).unwrap()
}

/// The notes of a set for PostgreSQL.
#[track_caller]
fn notes(folder: &Folder, tool: &str) -> Vec<String> {
    let set = set(folder, tool, Dialect::Postgres, true);
    set.migrations.into_iter().filter_map(|m| m.note).collect()
}

#[test]
fn refinery_sums_are_those_of_refinery() {
    let folder = Folder::new(&[])
        .file("V1__initial.sql", TABLE)
        .file("U20__and_more.sql", "SELECT 'ü';");
    let narrow = notes(&folder, "refinery");
    assert!(narrow[0].contains("(1, 'initial', "), "{narrow:?}");
    assert!(
        narrow[0].ends_with(", '3520909349445884664');"),
        "{narrow:?}"
    );
    assert!(
        narrow[1].ends_with(", '5145544124647798883');"),
        "{narrow:?}"
    );
    let table = |folder: &Folder| {
        set(folder, "refinery", Dialect::Sqlite, true)
            .history
            .unwrap()
    };
    assert!(table(&folder).contains("version int4"));

    // With versions of 64 bits all sums are others.
    let cargo =
        "[dependencies]\nrefinery = { version = \"0.10\", features = [\"int8-versions\"] }\n";
    let folder = folder.file("../Cargo.toml", cargo);
    let wide = notes(&folder, "refinery");
    assert!(wide[0].ends_with(", '2991248944450137229');"), "{wide:?}");
    assert!(wide[1].ends_with(", '4003125750503522667');"), "{wide:?}");
    assert!(table(&folder).contains("version int8"));
}

#[test]
fn sqlx_sums_are_those_of_sqlx() {
    let folder = Folder::new(&[]).file("1_it's_a.sql", TABLE);
    let sum = "f309ad17c9443a53a3f6d0a5092123fdfaf8ed6fcacc540c6faebf4838930e40\
               9cc74206a333bed15e86892918379dc3";
    assert_eq!(
        notes(&folder, "sqlx"),
        [format!(
            "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
             VALUES (1, 'it''s a', TRUE, '\\x{sum}', 0);"
        )]
    );
    let sqlite = set(&folder, "sqlx", Dialect::Sqlite, true);
    let note = sqlite.migrations[0].note.as_deref().unwrap();
    assert!(note.contains(&format!("x'{sum}'")), "{note}");

    let named = folder.file("../sqlx.toml", "[migrate]\ntable-name = \"app.migrated\"\n");
    assert!(notes(&named, "sqlx")[0].starts_with("INSERT INTO app.migrated ("));
    let other = named.file("../sqlx.toml", "[migrate]\nignored-chars = [\"\\r\"]\n");
    let error = other.error(Some("sqlx"));
    assert!(matches!(&error, MigrateError::Setting { key, .. } if key == "migrate.ignored-chars"));
    assert!(error.hint().unwrap().contains("history: false"), "{error}");
    set(&other, "sqlx", Dialect::Postgres, false);
}

#[test]
fn flyway_sums_leave_the_ends_of_lines_out() {
    let lines = "CREATE TABLE a (\n  x integer\n);\n-- ü\n";
    let folder = Folder::new(&[])
        .file("V1.0__a_table.sql", TABLE)
        .file("V2__b.sql", lines)
        .file(
            "sub/V3__c.sql",
            &format!("\u{feff}{}", lines.replace('\n', "\r\n")),
        )
        .file("R__view.sql", "CREATE TABLE ${name} (x integer);")
        .file(
            "../flyway.toml",
            "[flyway.placeholders]\nname = \"a\"\n[flyway]\ntable = \"noted\"\n",
        );
    let notes = notes(&folder, "flyway");
    let expected = [
        "(1, '1.0', 'a table', 'SQL', 'V1.0__a_table.sql', -853898207, CURRENT_USER, 0, TRUE);",
        "(2, '2', 'b', 'SQL', 'V2__b.sql', 406014754, CURRENT_USER, 0, TRUE);",
        "(3, '3', 'c', 'SQL', 'sub/V3__c.sql', 406014754, CURRENT_USER, 0, TRUE);",
        // A repeatable migration's is that of what is run.
        "(4, NULL, 'view', 'SQL', 'R__view.sql', -853898207, CURRENT_USER, 0, TRUE);",
    ];
    assert_eq!(notes.len(), expected.len());
    for (note, end) in notes.iter().zip(expected) {
        assert!(note.starts_with("INSERT INTO \"noted\" ("), "{note}");
        assert!(note.ends_with(end), "{note}");
    }
    let base = Folder::new(&["B2__base.sql", "V2__b.sql", "V3__c.sql"]);
    let set = set(&base, "flyway", Dialect::Sqlite, true);
    let note = set.migrations[0].note.as_deref().unwrap();
    assert!(note.contains("(1, '2', 'base', 'SQL_BASELINE', "), "{note}");
    assert!(note.ends_with(", '', 0, 1);"), "{note}");
}

#[test]
fn nothing_is_noted_where_nobody_wants_it() {
    let blocks = "-- migrate:up\n-- migrate:down\n";
    for (tool, file) in [
        ("flyway", "V1__a.sql"),
        ("sqlx", "1_a.sql"),
        ("refinery", "V1__a.sql"),
        ("diesel", "1_a/up.sql"),
        ("golang-migrate", "1_a.up.sql"),
        ("dbmate", "1_a.sql"),
    ] {
        let folder = Folder::new(&[]).file(file, blocks);
        let noted = set(&folder, tool, Dialect::Postgres, true);
        assert!(noted.history.is_some(), "{tool}");
        assert!(noted.migrations[0].note.is_some(), "{tool}");
        let quiet = set(&folder, tool, Dialect::Postgres, false);
        assert_eq!(quiet.history, None, "{tool}");
        assert_eq!(quiet.migrations[0].note, None, "{tool}");
    }
    let plain = Folder::new(&["1_a.sql"]);
    let plain = set(&plain, "sql", Dialect::Postgres, true);
    assert_eq!(
        (plain.history, plain.migrations[0].note.as_ref()),
        (None, None)
    );
}
