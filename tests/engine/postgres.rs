//! What PostgreSQL's engine says to run, what it reads in scripts, and how it explains a failure. The
//! programs are stand-ins that print a version.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use cowherd::engine::postgres_script::{Facts, facts};
use cowherd::engine::{Action, Address, Endpoint, Engine, EngineError, for_service, for_services};
use cowherd::spec::Service;

use super::{Room, args, connected, service};

/// Programs of one version; `pg_controldata` also prints `state`.
fn programs(room: &Room, version: &str, state: &str) {
    let folder = room.path("bin");
    fs::create_dir_all(&folder).unwrap();
    for name in ["postgres", "initdb", "pg_controldata", "psql"] {
        let path = folder.join(name);
        let text = format!(
            "#!/bin/sh\nif [ \"$1\" = --version ]; then echo '{name} (PostgreSQL) {version}'; exit; fi\n\
             echo 'pg_control version number:            1300'\n\
             echo 'Database cluster state:               {state}'\n"
        );
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }
}

fn described(room: &Room, database: &str, settings: &[(&str, &str)]) -> Service {
    Service {
        bin_dir: Some(room.path("bin")),
        ..service("postgres", database, settings)
    }
}

fn engine(room: &Room, version: &str, settings: &[(&str, &str)]) -> Box<dyn Engine> {
    programs(room, version, "shut down");
    for_service(&described(room, "shop", settings)).unwrap()
}

/// The `-c` settings of the server, the last of each name.
fn setting(engine: &dyn Engine, building: bool, name: &str) -> Option<String> {
    let server = engine.server(building).unwrap();
    let args = server.exec.args.iter().map(|arg| arg.to_string_lossy());
    args.filter_map(|arg| {
        Some(arg.split_once('=')?.1.to_owned()).filter(|_| arg.starts_with(&format!("{name}=")))
    })
    .next_back()
}

#[test]
fn the_server_listens_where_tests_are_told() {
    let room = Room::new();
    let engine = engine(&room, "15.18", &[]);
    assert_eq!(engine.version(), "15.18");
    assert_eq!(
        engine.url(&Address::Inside),
        "postgres://postgres@127.0.0.1:5432/shop"
    );
    assert_eq!(
        engine.server(false).unwrap().endpoint,
        Some(Endpoint::Socket("/run/cowherd/db/.s.PGSQL.5432".into()))
    );
    assert_eq!(
        setting(&*engine, false, "listen_addresses").as_deref(),
        Some("127.0.0.1")
    );
    let environment = engine.environment(&Address::Inside);
    let value = |name: &str| {
        environment
            .iter()
            .find(|(n, _)| n == name)
            .unwrap()
            .1
            .clone()
    };
    assert_eq!(
        ["PGHOST", "PGPORT", "PGUSER", "PGDATABASE"].map(value),
        ["/run/cowherd/db", "5432", "postgres", "shop"]
    );
}

#[test]
fn further_servers_get_further_ports() {
    let room = Room::new();
    programs(&room, "15.1", "shut down");
    let services = [
        described(&room, "a", &[]),
        described(&room, "b/c", &[]),
        described(&room, "c", &[("port", "6000")]),
    ];
    let urls: Vec<String> = for_services(&services)
        .unwrap()
        .iter()
        .map(|e| e.url(&Address::Inside))
        .collect();
    assert_eq!(
        urls,
        [
            "postgres://postgres@127.0.0.1:5432/a",
            "postgres://postgres@127.0.0.1:5433/b%2Fc",
            "postgres://postgres@127.0.0.1:6000/c"
        ]
    );
}

#[test]
fn settings_of_the_user_win_and_are_part_of_the_key() {
    let room = Room::new();
    let plain = engine(&room, "15.1", &[]);
    let tuned = engine(
        &room,
        "15.1",
        &[("Shared_Buffers", "64MB"), ("port", "7000")],
    );
    assert_eq!(
        setting(&*plain, false, "shared_buffers").as_deref(),
        Some("16MB")
    );
    assert_eq!(
        setting(&*tuned, false, "shared_buffers").as_deref(),
        Some("64MB")
    );
    assert_eq!(plain.base()[0], tuned.base()[0]);
    assert_ne!(plain.base()[1], tuned.base()[1]);
    let ported = engine(&room, "15.1", &[("port", "7000")]);
    assert_eq!(plain.base(), ported.base());
}

#[test]
fn building_changes_nothing_that_pg_control_records() {
    let room = Room::new();
    let engine = engine(&room, "15.1", &[]);
    // The parameters of "struct ControlFileData"; a change of one is written to the WAL at the next start.
    for name in [
        "max_connections",
        "max_locks_per_transaction",
        "max_prepared_transactions",
        "max_wal_senders",
        "max_worker_processes",
        "track_commit_timestamp",
        "wal_level",
        "wal_log_hints",
    ] {
        assert_eq!(
            setting(&*engine, true, name),
            setting(&*engine, false, name),
            "{name}"
        );
    }
    assert_eq!(
        setting(&*engine, true, "autovacuum").as_deref(),
        Some("off")
    );
    assert_eq!(setting(&*engine, false, "autovacuum"), None);
}

#[test]
fn the_launcher_for_subscriptions_runs_for_those_who_ask() {
    let room = Room::new();
    let name = "max_logical_replication_workers";
    assert_eq!(
        setting(&*engine(&room, "15.1", &[]), false, name).as_deref(),
        Some("0")
    );
    assert_eq!(
        setting(
            &*engine(&room, "15.1", &[("wal_level", "logical")]),
            false,
            name
        ),
        None
    );
}

#[test]
fn each_version_gets_arguments_that_it_knows() {
    let room = Room::new();
    let seen = |version: &str| {
        let engine = engine(&room, version, &[]);
        (
            setting(&*engine, false, "recovery_init_sync_method").is_some(),
            args(&engine.base_actions(0)[0]).contains(&"--locale-provider=builtin".to_owned()),
            args(&engine.base_actions(1)[0]).last().unwrap().clone(),
        )
    };
    assert_eq!(
        seen("13.23"),
        (false, false, "CREATE DATABASE \"shop\"".to_owned())
    );
    assert_eq!(
        seen("14.9"),
        (true, false, "CREATE DATABASE \"shop\"".to_owned())
    );
    assert_eq!(
        seen("17.2"),
        (
            true,
            true,
            "CREATE DATABASE \"shop\" STRATEGY file_copy".to_owned()
        )
    );
}

#[test]
fn options_of_the_database_go_into_its_creation() {
    let room = Room::new();
    let engine = engine(&room, "15.1", &[("icu_locale", "de'x"), ("locale", "C")]);
    assert_eq!(
        args(&engine.base_actions(1)[0]).last().unwrap(),
        "CREATE DATABASE \"shop\" TEMPLATE template0 LOCALE_PROVIDER icu ICU_LOCALE 'de''x' LOCALE 'C' STRATEGY file_copy"
    );
    assert_eq!(setting(&*engine, false, "locale"), None);
}

#[test]
fn what_containers_depend_on_is_refused() {
    let room = Room::new();
    programs(&room, "14.1", "shut down");
    for (name, value) in [
        ("data_directory", "/x"),
        ("Logging_Collector", "on"),
        ("port", "many"),
        ("bad name", "1"),
        ("icu_locale", "de"),
    ] {
        let error = for_service(&described(&room, "shop", &[(name, value)])).unwrap_err();
        assert!(
            matches!(&error, EngineError::Setting { setting, .. } if setting == name),
            "{error}"
        );
    }
    let long = "x".repeat(64);
    for name in ["", "template1", &long] {
        let error = for_service(&described(&room, name, &[])).unwrap_err();
        assert!(matches!(error, EngineError::Database { .. }), "{error}");
    }
}

#[test]
fn a_clean_state_is_sealed_and_stripped() {
    let room = Room::new();
    let engine = engine(&room, "15.1", &[]);
    let data = room.data();
    let gone = [
        "postmaster.pid",
        "postmaster.opts",
        "base/5/pg_internal.init",
        "base/pgsql_tmp/pgsql_tmp1.0",
        "global/pg_internal.init",
        "pg_stat/pgstat.stat",
        "pg_stat/global.stat",
        "pg_stat/db_5.stat",
        "pg_stat_tmp/global.stat",
    ];
    let kept = [
        "PG_VERSION",
        "base/5/1259",
        "global/pg_control",
        "pg_stat/pg_stat_statements.stat",
    ];
    for name in gone.iter().chain(&kept) {
        let file = data.join(name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, "x").unwrap();
    }
    engine.seal(&data).unwrap();
    assert!(gone.iter().all(|name| !data.join(name).exists()));
    assert!(kept.iter().all(|name| data.join(name).exists()));
    // An upper folder has only what changed.
    let upper = room.path("upper");
    fs::create_dir(&upper).unwrap();
    engine.seal(&upper).unwrap();
}

#[test]
fn a_crashed_state_is_refused() {
    let room = Room::new();
    let engine = engine(&room, "15.1", &[]);
    programs(&room, "15.1", "in production");
    fs::write(room.data().join("postmaster.pid"), "1").unwrap();
    let error = engine.seal(&room.data()).unwrap_err();
    assert!(error.to_string().contains("`in production`"), "{error}");
    assert!(room.data().join("postmaster.pid").exists());
}

#[track_caller]
fn facts_of(text: &str) -> Facts {
    let room = Room::new();
    let script = room.script("x.sql", text);
    facts(&script.host, &script.folder).unwrap()
}

#[test]
fn databases_are_found_in_statements_and_commands_only() {
    let facts = facts_of(
        "/* CREATE DATABASE a; /* nested */ DROP DATABASE a; */
-- CREATE DATABASE b;
SELECT 'CREATE DATABASE c; \\c c', E'it\\'s; \\c d', $$ ; \\c e $$, $x$ $$ ; DROP DATABASE f; $x$, $1;
DROP DATABASE IF EXISTS Chinook; drop database \"Old One\";
create database CHINOOK encoding 'UTF8';
\\c chinook;
COPY t FROM stdin;
DROP DATABASE g;
\\c h
\\.
\\connect \"dbname=other host=/tmp\"
\\connect postgresql://u@h/uri?x=1
\\connect -
\\connect chinook postgres \\\\ CREATE DATABASE last",
    );
    assert_eq!(facts.creates, ["chinook", "last"]);
    assert_eq!(facts.drops, ["chinook", "Old One"]);
    assert_eq!(facts.connects, ["chinook", "other", "uri", "chinook"]);
    assert!(facts.own_transactions);
}

#[test]
fn transactions_of_the_script_are_noticed() {
    for text in [
        "BEGIN; SELECT 1; COMMIT;",
        "start transaction",
        "VACUUM;",
        "CREATE UNIQUE INDEX CONCURRENTLY i ON t (x);",
        "DROP INDEX CONCURRENTLY i;",
        "CREATE DATABASE x;",
        "SELECT 1 \\g\nROLLBACK \\g",
        "REINDEX (VERBOSE) DATABASE x;",
        "REINDEX (CONCURRENTLY) TABLE t;",
        "ALTER TABLE t DETACH PARTITION p CONCURRENTLY;",
    ] {
        assert!(facts_of(text).own_transactions, "{text}");
    }
    for text in [
        "SELECT 1; INSERT INTO begin_times VALUES ('BEGIN');",
        "CREATE FUNCTION f() RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT CASE WHEN true THEN 1 END; SELECT 2; END;",
        "CREATE RULE r AS ON INSERT TO t DO (DELETE FROM u; END_OF; COMMIT);",
        "DO $$BEGIN PERFORM 1; END$$;",
        "REFRESH MATERIALIZED VIEW CONCURRENTLY v;",
        "ALTER DATABASE x SET work_mem = '8MB';",
        "COPY t FROM stdin;\nBEGIN;\n\\.\n",
        "\\copy t from stdin with csv\nBEGIN;\n\\.\n",
        "VACUUM\n\\r\nSELECT 1;",
    ] {
        assert!(!facts_of(text).own_transactions, "{text}");
    }
}

#[test]
fn what_an_included_file_does_counts_where_it_is_included() {
    let room = Room::new();
    fs::create_dir_all(room.path("seed/parts")).unwrap();
    room.script("seed/parts/a.sql", "\\c from_a\n\\i top.sql\n");
    room.script("top.sql", "CREATE DATABASE from_top;\n\\ir top.sql\n");
    let main =
        "\\ir parts/a.sql\n\\c from_main\n\\i missing.sql\n\\i :file\n\\copy t from 'top.sql'\n";
    let script = room.script("seed/main.sql", main);
    let facts = facts(&script.host, &script.folder).unwrap();
    assert_eq!(facts.connects, ["from_a", "from_main"]);
    assert_eq!(facts.creates, ["from_top"]);
}

#[test]
fn a_database_is_connected_to_in_every_way_that_psql_takes() {
    let facts = facts_of(
        "\\c -reuse-previous=on \"dbname='it\\'s ours' user=x\"\n\\c \"a \"\"b\"\n\\c :name\n\\c Case;\n\\c\n\\conninfo\n",
    );
    assert_eq!(facts.connects, ["it's ours", "a \"b", "Case"]);
}

#[test]
fn a_script_runs_where_it_can_do_its_work() {
    let room = Room::new();
    let engine = engine(&room, "15.1", &[]);
    let actions = |text: &str, transaction: bool| {
        let mut script = room.script("x.sql", text);
        script.transaction = transaction;
        engine.script(&script).unwrap()
    };
    let databases = |text: &str| {
        actions(text, false)
            .iter()
            .map(connected)
            .collect::<Vec<_>>()
    };
    assert_eq!(databases("SELECT 1;"), ["shop"]);
    assert_eq!(
        databases("DROP DATABASE IF EXISTS shop; CREATE DATABASE shop;\n\\c shop\n"),
        ["postgres"]
    );
    assert_eq!(databases("CREATE DATABASE other;\n\\c other\n"), ["shop"]);
    // pg_dump --create: the empty database makes room.
    assert_eq!(
        databases("CREATE DATABASE shop;\n\\connect shop\n"),
        ["shop", "postgres", "postgres"]
    );

    let single =
        |text: &str| args(&actions(text, true)[0]).contains(&"--single-transaction".to_owned());
    assert!(single("SELECT 1;"));
    assert!(!single("BEGIN; COMMIT;"));
    let Action::Exec(exec) = &actions("SELECT 1;", false)[0] else {
        panic!("psql runs it")
    };
    assert_eq!(exec.folder.as_deref(), Some(room.folder.path()));
    assert_eq!(exec.args.last().unwrap(), room.path("x.sql").as_os_str());
}

#[test]
fn a_script_that_fills_another_database_is_remarked_upon() {
    let room = Room::new();
    let engine = engine(&room, "15.1", &[]);
    let remark = |text: &str| engine.remark(&room.script("x.sql", text));
    assert_eq!(remark("SELECT 1;"), None);
    assert_eq!(remark("CREATE DATABASE Shop;\n\\c SHOP\n\\c shop"), None);
    assert!(
        remark("CREATE DATABASE a;\n\\c a\n")
            .unwrap()
            .contains("`database: a`")
    );
    assert!(
        remark("CREATE DATABASE shop;\n")
            .unwrap()
            .contains("without connecting")
    );
}

#[track_caller]
fn explained(text: &str, stderr: &str) -> EngineError {
    let room = Room::new();
    let engine = engine(&room, "15.1", &[]);
    let script = room.script("seed.sql", text);
    engine.explain(
        Some(&script),
        &stderr.replace("FILE", script.path.to_str().unwrap()),
    )
}

#[test]
fn an_error_of_psql_gets_its_file_line_and_statement() {
    let error = explained(
        "-- users\nCREATE TABLE a (id int);\nINSERT INTO a\nVALUES (1),\n       (nope);\nSELECT 1;\n",
        "psql:FILE:2: NOTICE:  an ERROR: in a notice\npsql:FILE:5: ERROR:  column \"nope\" does not exist\nLINE 3:        (nope);\n                ^\nHINT:  Perhaps.\npsql:FILE:6: ERROR:  later\n",
    );
    assert_eq!(
        error.to_string(),
        "can't run seed.sql: line 5: column \"nope\" does not exist\nHINT:  Perhaps.
    INSERT INTO a
    VALUES (1),
           (nope);"
    );
}

#[test]
fn bad_data_of_a_copy_has_its_own_line() {
    let error = explained(
        "SELECT 1;\nCOPY t\nFROM stdin;\n1\tx\nbad\ty\n\\.\n",
        "psql:FILE:6: ERROR:  invalid input syntax for type integer: \"bad\"\nCONTEXT:  COPY t, line 2, column i: \"bad\"\n",
    );
    assert!(
        error
            .to_string()
            .starts_with("can't run seed.sql: line 5: invalid input"),
        "{error}"
    );
    assert!(
        error.to_string().ends_with("    COPY t\n    FROM stdin;"),
        "{error}"
    );
}

#[test]
fn errors_without_a_place_still_say_something() {
    let error = explained("", "psql: error: connection to server failed: FATAL:  no\n");
    assert_eq!(
        error.to_string(),
        "can't run seed.sql: connection to server failed: FATAL:  no"
    );
    let error = explained("", "Segmentation fault\n");
    assert_eq!(error.to_string(), "can't run seed.sql: Segmentation fault");
    let error = explained("", "psql:/gone/part.sql:7: ERROR:  no\n");
    assert_eq!(error.to_string(), "can't run /gone/part.sql: line 7: no");
    let error = explained(
        "SELECT 1;\n",
        "psql:FILE:1: ERROR:  role \"bob\" does not exist\n",
    );
    assert!(error.hint().unwrap().contains("--no-owner"));

    let room = Room::new();
    let error =
        engine(&room, "15.1", &[]).explain(None, "initdb: error: could not create directory\n");
    assert_eq!(
        error.to_string(),
        "can't prepare PostgreSQL 15 for `shop`: could not create directory"
    );
}
