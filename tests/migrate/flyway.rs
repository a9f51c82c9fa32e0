//! What `flyway migrate` would apply to an empty database.

use cowherd::migrate::script::Dialect;
use cowherd::migrate::{Asked, MigrateError, Tool, discover_as};

use super::Folder;

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

/// The text that is run of the only file.
#[track_caller]
fn filled(folder: &Folder) -> String {
    let set = folder.discover(None).unwrap();
    set.migrations[0].text.as_deref().unwrap().to_owned()
}

#[test]
fn flyway_placeholders_are_filled_in_from_the_configuration_and_the_spec() {
    let script = "-- for ${role}, ${comment}\nGRANT ALL ON t TO \"${ROLE}\";\nSELECT '${app.name}', '${';\n\
                  DO $$ BEGIN PERFORM '${role} ${body}'; END $$;\n";
    let folder = Folder::new(&[]).file("V1__a.sql", script).file(
        "../flyway.toml",
        "[flyway.placeholders]\nrole = \"reader\"\n\"app.name\" = 'shop'\n",
    );
    assert_eq!(
        filled(&folder),
        "-- for reader, ${comment}\nGRANT ALL ON t TO \"reader\";\nSELECT 'shop', '${';\n\
         DO $$ BEGIN PERFORM 'reader ${body}'; END $$;\n"
    );
    let folder = Folder::new(&[])
        .file("V1__a.sql", "SELECT '${a}${b}';")
        .file(
            "../flyway.conf",
            "flyway.placeholders.a=of the file\nflyway.placeholders.b=of the file\n",
        );
    let placeholders = [("B".to_owned(), "of the spec".to_owned())].into();
    let asked = Asked {
        tool: None,
        dialect: Dialect::Postgres,
        history: true,
        database: "shop",
        placeholders: &placeholders,
    };
    let set = discover_as(&folder.dir(), &asked).unwrap();
    let text = set.migrations[0].text.as_deref();
    assert_eq!(text, Some("SELECT 'of the fileof the spec';"));
    let folder = folder.file(
        "V1__a.sql",
        "SELECT '${flyway:Database} ${flyway:filename}';",
    );
    let set = discover_as(&folder.dir(), &asked).unwrap();
    let text = set.migrations[0].text.as_deref();
    assert_eq!(text, Some("SELECT 'shop V1__a.sql';"));
    let asked = Asked {
        tool: Some("sql"),
        ..asked
    };
    let error = discover_as(&folder.dir(), &asked).unwrap_err();
    assert!(matches!(error, MigrateError::NoPlaceholders(Tool::Sql)));

    let other = Folder::new(&[]).file("V1__a.sql", "SELECT '@@x@@ ${x}';").file(
        "../flyway.toml",
        "[flyway]\nplaceholderPrefix = \"@@\"\nplaceholderSuffix = \"@@\"\n[flyway.placeholders]\nx = \"1\"\n",
    );
    assert_eq!(filled(&other), "SELECT '1 ${x}';");
}

#[test]
fn a_statement_that_a_placeholder_makes_is_seen() {
    let folder = Folder::new(&[])
        .file("V1__a.sql", "CREATE INDEX ${how} i ON t (x);")
        .file("../flyway.conf", "flyway.placeholders.how=CONCURRENTLY\n");
    assert!(!folder.discover(None).unwrap().migrations[0].transaction);
}

#[test]
fn a_flyway_placeholder_without_a_value_is_refused_where_it_would_be_run() {
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
        ..
    } = &error
    else {
        panic!("{error}")
    };
    assert_eq!(
        (name.as_str(), *line, placeholder.as_str()),
        ("V1__a.sql", 3, "${role}")
    );
    let hint = error.hint().unwrap();
    assert!(hint.contains("placeholderReplacement=false"), "{hint}");
    assert!(hint.contains("placeholders: { role: … }"), "{hint}");

    for text in [
        "SELECT '${in_a_string}';",
        "DO $$ BEGIN PERFORM '${flyway:nothing}'; END $$;",
        "SELECT '${flyway:timestamp}';",
        "SELECT '${flyway:workingDirectory}';",
    ] {
        let error = Folder::new(&[]).file("V1__a.sql", text).error(None);
        assert!(matches!(error, MigrateError::Placeholder { .. }), "{error}");
    }
    let built_in = "DO $$ BEGIN PERFORM '${flyway:defaultSchema}'; END $$;";
    let text = filled(&Folder::new(&[]).file("V1__a.sql", built_in));
    assert_eq!(text, "DO $$ BEGIN PERFORM 'public'; END $$;");
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
    for setting in [
        "schemas = \"app\"",
        "defaultSchema = \"app\"",
        "target = \"2\"",
    ] {
        let text = format!("[flyway]\n{setting}\n");
        let error = Folder::new(&["V1__a.sql"])
            .file("../flyway.toml", &text)
            .error(None);
        assert!(matches!(&error, MigrateError::Setting { .. }), "{error}");
    }
}

#[test]
fn flyway_callbacks_run_where_flyway_runs_them() {
    let folder = Folder::new(&[
        "V1__a.sql",
        "V2__b.sql",
        "R__r.sql",
        "afterMigrate__b.sql",
        "sub/afterMigrate__a.sql",
        "afterMigrateApplied.sql",
        "afterMigrateOperationFinish.sql",
        "beforeMigrate.sql",
        "beforeEachMigrate.sql",
        "afterEachMigrate.sql",
        "afterVersioned.sql",
        "beforeRepeatables.sql",
        "beforeValidate.sql",
        "afterValidate.sql",
        "afterClean.sql",
        "afterMigrateError.sql",
        "beforeUndo.sql",
    ]);
    assert_eq!(
        folder.order("flyway"),
        [
            "beforeValidate.sql",
            "afterValidate.sql",
            "beforeMigrate.sql",
            "beforeEachMigrate.sql",
            "V1__a.sql",
            "afterEachMigrate.sql",
            "beforeEachMigrate.sql",
            "V2__b.sql",
            "afterEachMigrate.sql",
            "afterVersioned.sql",
            "beforeRepeatables.sql",
            "beforeEachMigrate.sql",
            "R__r.sql",
            "afterEachMigrate.sql",
            "afterMigrateApplied.sql",
            "sub/afterMigrate__a.sql",
            "afterMigrate__b.sql",
            "afterMigrateOperationFinish.sql",
        ]
    );
    let set = folder.discover(None).unwrap();
    let noted = set.migrations.iter().filter(|m| m.note.is_some());
    let noted: Vec<&str> = noted.map(|m| m.name.as_str()).collect();
    assert_eq!(noted, ["V1__a.sql", "V2__b.sql", "R__r.sql"]);
    let unused = Folder::new(&["V1__a.sql", "beforeRepeatables.sql"]);
    assert_eq!(unused.order("flyway"), ["V1__a.sql"]);
    let alone = Folder::new(&["afterMigrate.sql"]);
    assert!(matches!(
        alone.error(Some("flyway")),
        MigrateError::Empty { .. }
    ));
    for name in ["beforeConnect.sql", "sub/afterEachMigrateStatement.sql"] {
        let error = Folder::new(&["V1__a.sql", name]).error(None);
        assert!(
            matches!(&error, MigrateError::Callback { name: found } if found == name),
            "{error}"
        );
    }
}
