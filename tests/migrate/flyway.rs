//! What `flyway migrate` would apply to an empty database.

use cowherd::migrate::{MigrateError, Tool};

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
