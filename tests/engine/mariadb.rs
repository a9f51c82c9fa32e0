//! What the engine of MariaDB and MySQL says to run, what it reads in scripts, and how it explains a failure. The programs
//! are stand-ins that print a version.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use cowherd::engine::mariadb_find::{Places, Product};
use cowherd::engine::mariadb_script::{Facts, facts};
use cowherd::engine::{
    Action, Address, Endpoint, Engine, EngineError, ScriptFile, for_service, for_services,
};
use cowherd::spec::Service;

use super::{Room, args, service};

const DEBIAN: &str = "10.11.19-MariaDB-0+deb12u1";

/// Puts programs into a folder, each of which prints its name and `version`.
fn install(folder: &Path, version: &str, programs: &[&str]) {
    fs::create_dir_all(folder).unwrap();
    for name in programs {
        let path = folder.join(name);
        let text = format!("#!/bin/sh\necho '{name}  Ver {version} for Linux on x86_64'\n");
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }
}

const MARIADB: [&str; 3] = ["mariadbd", "mariadb-install-db", "mariadb"];
const MYSQL: [&str; 2] = ["mysqld", "mysql"];

fn described(room: &Room, engine: &str, database: &str, settings: &[(&str, &str)]) -> Service {
    Service {
        bin_dir: Some(room.path("bin")),
        ..service(engine, database, settings)
    }
}

fn mariadb(room: &Room, settings: &[(&str, &str)]) -> Box<dyn Engine> {
    install(&room.path("bin"), DEBIAN, &MARIADB);
    for_service(&described(room, "mariadb", "shop", settings)).unwrap()
}

/// The value of a server's option.
fn option(engine: &dyn Engine, building: bool, name: &str) -> Option<String> {
    let args = engine.server(building).unwrap().exec.args;
    let args = args.iter().map(|arg| arg.to_string_lossy().into_owned());
    let found: Vec<String> = args
        .filter_map(|arg| Some(arg.strip_prefix(&format!("--{name}="))?.to_owned()))
        .collect();
    assert!(found.len() < 2, "{name} is given twice: {found:?}");
    found.into_iter().next()
}

#[test]
fn the_server_listens_where_tests_are_told() {
    let room = Room::new();
    let engine = mariadb(&room, &[]);
    assert_eq!((engine.name(), engine.version()), ("MariaDB", DEBIAN));
    let inside = &Address::Inside;
    assert_eq!(engine.url(inside), "mysql://root@127.0.0.1:3306/shop");
    let socket = "/run/cowherd/db/mysqld.sock";
    let endpoint = engine.server(false).unwrap().endpoint;
    assert_eq!(endpoint, Some(Endpoint::Socket(socket.into())));
    assert_eq!(option(&*engine, false, "socket").as_deref(), Some(socket));
    assert_eq!(option(&*engine, false, "port").as_deref(), Some("3306"));
    let pairs = |address: &Address| {
        let pairs = engine.environment(address).into_iter();
        pairs
            .map(|(name, value)| format!("{name}={value}"))
            .collect::<Vec<_>>()
    };
    assert_eq!(
        pairs(inside),
        [
            "MYSQL_HOST=127.0.0.1",
            "MYSQL_TCP_PORT=3306",
            "MYSQL_UNIX_PORT=/run/cowherd/db/mysqld.sock"
        ]
    );
    let outside = Address::Socket("/proc/7/root/a b".into());
    assert_eq!(
        engine.url(&outside),
        "mysql://root@localhost/shop?socket=/proc/7/root/a%20b/mysqld.sock"
    );
    assert_eq!(pairs(&outside)[0], "MYSQL_HOST=localhost");
    let port = Address::Port(4000);
    assert_eq!(engine.url(&port), "mysql://root@127.0.0.1:4000/shop");
    assert_eq!(pairs(&port).len(), 2);
}

#[test]
fn no_file_of_the_hosts_configures_a_program() {
    let room = Room::new();
    let engine = mariadb(&room, &[]);
    let script = room.script("a.sql", "SELECT 1;");
    let mut execs = vec![engine.server(false).unwrap().exec, engine.client()];
    execs.push(engine.client_script(Path::new("-")));
    for action in [0, 1].iter().flat_map(|index| engine.base_actions(*index)) {
        execs.extend(exec_of(action));
    }
    for exec in execs {
        assert_eq!(exec.args[0], "--no-defaults", "{exec:?}");
    }
    let script = engine.script(&script).unwrap().pop().and_then(exec_of);
    assert!(script.unwrap().args.contains(&"--no-defaults".into()));
}

fn exec_of(action: Action) -> Option<cowherd::engine::Exec> {
    match action {
        Action::Exec(exec) => Some(exec),
        _ => None,
    }
}

#[test]
fn further_servers_of_both_products_get_further_ports() {
    let room = Room::new();
    install(&room.path("bin"), DEBIAN, &MARIADB);
    install(&room.path("other"), "8.4.3", &MYSQL);
    let mysql = Service {
        bin_dir: Some(room.path("other")),
        ..service("mysql", "b/c", &[])
    };
    let services = [
        described(&room, "mariadb", "a", &[]),
        mysql,
        described(&room, "mariadb", "c", &[("port", "6000")]),
    ];
    let engines = for_services(&services).unwrap();
    let urls = engines.iter().map(|engine| engine.url(&Address::Inside));
    assert_eq!(
        urls.collect::<Vec<_>>(),
        [
            "mysql://root@127.0.0.1:3306/a",
            "mysql://root@127.0.0.1:3307/b%2Fc",
            "mysql://root@127.0.0.1:6000/c"
        ]
    );
}

#[test]
fn settings_of_the_user_win_and_are_part_of_the_key() {
    let room = Room::new();
    let plain = mariadb(&room, &[]);
    let tuned = mariadb(
        &room,
        &[("Innodb-Buffer-Pool-Size", "64M"), ("port", "7000")],
    );
    let pool = "innodb_buffer_pool_size";
    assert_eq!(option(&*plain, false, pool).as_deref(), Some("32M"));
    assert_eq!(option(&*tuned, false, pool).as_deref(), Some("64M"));
    assert_eq!(plain.base()[0], tuned.base()[0]);
    assert_ne!(plain.base()[1], tuned.base()[1]);
    let ported = mariadb(&room, &[("port", "7000")]);
    assert_eq!(plain.base(), ported.base());
    // All databases share the files that a server is initialised with, unless they are made otherwise.
    let paged = mariadb(&room, &[("innodb_page_size", "8k")]);
    assert_ne!(plain.base()[0], paged.base()[0]);
    assert!(args(&paged.base_actions(0)[0]).contains(&"--innodb_page_size=8k".to_owned()));
    let flag = mariadb(&room, &[("skip-name-resolve", "")]);
    let args = flag.server(false).unwrap().exec.args;
    assert!(args.contains(&"--skip_name_resolve".into()), "{args:?}");
}

#[test]
fn what_containers_depend_on_is_refused() {
    let room = Room::new();
    install(&room.path("bin"), DEBIAN, &MARIADB);
    for (name, value) in [
        ("datadir", "/x"),
        ("Bind-Address", "0.0.0.0"),
        ("skip-networking", "1"),
        ("loose_socket", "/x"),
        ("port", "many"),
        ("bad name", "1"),
    ] {
        let error =
            for_service(&described(&room, "mariadb", "shop", &[(name, value)])).unwrap_err();
        assert!(
            matches!(&error, EngineError::Setting { setting, .. } if setting == name),
            "{error}"
        );
    }
    let long = "x".repeat(65);
    for name in ["", "mysql", "Sys", "ends ", "🐄", &long] {
        let error = for_service(&described(&room, "mariadb", name, &[])).unwrap_err();
        assert!(matches!(error, EngineError::Database { .. }), "{error}");
    }
    for_service(&described(&room, "mariadb", &long[1..], &[])).unwrap();
}

#[test]
fn each_product_is_known_by_its_version_and_the_other_is_offered() {
    let room = Room::new();
    let folder = room.path("bin");
    install(&folder, "8.4.3", &MYSQL);
    let engine = for_service(&described(&room, "mysql", "shop", &[])).unwrap();
    assert_eq!((engine.name(), engine.version()), ("MySQL", "8.4.3"));
    let initialise = args(&engine.base_actions(0)[0]);
    assert!(initialise.contains(&"--initialize-insecure".to_owned()));

    let error = for_service(&described(&room, "mariadb", "shop", &[])).unwrap_err();
    assert!(
        error.to_string().starts_with("can't find MariaDB"),
        "{error}"
    );
    assert!(error.hint().unwrap().contains("`engine: mysql`"));

    install(&folder, DEBIAN, &["mysqld", "mysql", "mariadb-install-db"]);
    for_service(&described(&room, "mariadb", "shop", &[])).unwrap();
    let error = for_service(&described(&room, "mysql", "shop", &[])).unwrap_err();
    assert!(error.hint().unwrap().contains("`engine: mariadb`"));

    install(&folder, "10.6.23-MariaDB", &MARIADB);
    let error = for_service(&described(&room, "mariadb", "shop", &[])).unwrap_err();
    assert!(matches!(error, EngineError::TooOld { .. }), "{error}");
}

#[test]
fn programs_are_looked_for_beside_the_server_and_missing_ones_are_named() {
    let room = Room::new();
    let tree = room.path("opt/mariadb");
    install(&tree.join("sbin"), "11.4.2-MariaDB", &["mariadbd"]);
    install(&tree.join("bin"), "11.4.2-MariaDB", &["mariadb"]);
    let places = Places {
        path: Some("".into()),
        folders: vec![room.path("nowhere"), tree.join("sbin")],
    };
    let error = places.find(Product::MariaDb, None).unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("can't find mariadb-install-db"),
        "{error}"
    );
    install(
        &tree.join("scripts"),
        "11.4.2-MariaDB",
        &["mariadb-install-db"],
    );
    let programs = places.find(Product::MariaDb, None).unwrap();
    let tree = fs::canonicalize(tree).unwrap();
    assert_eq!(programs.base, tree);
    assert_eq!(programs.client, tree.join("bin/mariadb"));
    assert_eq!(
        programs.install,
        Some(tree.join("scripts/mariadb-install-db"))
    );
    let error = Places::default().find(Product::MariaDb, None).unwrap_err();
    assert!(error.hint().unwrap().contains("`bin_dir:`"), "{error}");
}

#[track_caller]
fn facts_of(text: &str) -> Facts {
    let room = Room::new();
    let script = room.script("x.sql", text);
    facts(&script.host, &script.folder).unwrap()
}

#[test]
fn databases_are_found_in_statements_only() {
    let facts = facts_of(
        "/*M!999999\\- enable the sandbox mode */
/* CREATE DATABASE a; */ # CREATE DATABASE b;
SELECT 'CREATE DATABASE c; it\\'s', \"; DROP DATABASE d\";
CREATE DATABASE /*!32312 IF NOT EXISTS*/ `kept` /*!40100 DEFAULT CHARACTER SET utf8mb4 */;
/*!40000 DROP DATABASE IF EXISTS `Old One`*/;
create or replace database twice;
DELIMITER $$
CREATE PROCEDURE p() BEGIN DROP DATABASE e; END$$
CREATE DATABASE new_one$$
DELIMITER ;
USE `new_one`;",
    );
    assert_eq!(facts.creates, ["twice", "new_one"]);
    assert_eq!(facts.drops, ["Old One", "twice"]);
    assert_eq!(facts.uses, ["new_one"]);
    assert!(!facts.includes);
}

#[test]
fn what_a_script_includes_is_read_too() {
    let room = Room::new();
    room.script("part.sql", "USE other;\n\\. all.sql\n");
    let script = room.script("all.sql", "source part.sql\nSELECT 1;\n");
    let found = facts(&script.host, &script.folder).unwrap();
    assert_eq!(found.uses, ["other"]);
    assert!(found.includes);
}

#[test]
fn a_script_that_creates_the_database_finds_none() {
    let room = Room::new();
    let engine = mariadb(&room, &[]);
    let runs = |text: &str| {
        let script = room.script("x.sql", text);
        engine.script(&script).unwrap().len()
    };
    assert_eq!(runs("CREATE TABLE t (x int);"), 1);
    assert_eq!(runs("CREATE DATABASE IF NOT EXISTS shop; USE shop;"), 1);
    assert_eq!(runs("DROP DATABASE shop; CREATE DATABASE shop;"), 1);
    assert_eq!(runs("CREATE DATABASE `shop`; USE shop;"), 3);
    let noted = ScriptFile {
        before: Some("SELECT 1".to_owned()),
        after: Some("SELECT 2".to_owned()),
        ..room.script("x.sql", "SELECT 3;")
    };
    assert_eq!(engine.script(&noted).unwrap().len(), 3);
}

#[test]
fn a_script_that_fills_another_database_is_remarked_on() {
    let room = Room::new();
    let engine = mariadb(&room, &[]);
    let remark = |text: &str| engine.remark(&room.script("x.sql", text));
    assert_eq!(remark("CREATE TABLE t (x int);"), None);
    assert_eq!(remark("USE Shop; SELECT 1;"), None);
    let other = remark("USE `other`; SELECT 1;").unwrap();
    assert!(other.contains("`database: other`"), "{other}");
    let unused = remark("CREATE DATABASE shop; SELECT 1;").unwrap();
    assert!(unused.contains("without using it"), "{unused}");
}

#[test]
fn errors_name_file_line_and_statement() {
    let room = Room::new();
    let engine = mariadb(&room, &[]);
    let text = "SELECT 1;\n\nINSERT INTO\n  nosuch\nVALUES (1);\nSELECT 2;\n";
    let script = room.script("seed.sql", text);
    room.script("part.sql", "SELECT 'a;\nb';\nSELEC 1;\n");
    let said = |stderr: &str| engine.explain(Some(&script), stderr).to_string();
    // MySQL's client does not show the statement.
    for shown in [
        "",
        "--------------\nINSERT INTO\n  nosuch\nVALUES (1)\n--------------\n\n",
    ] {
        let error = said(&format!(
            "{shown}ERROR 1146 (42S02) at line 3: Table 'shop.nosuch' doesn't exist\n"
        ));
        let start =
            "can't run seed.sql: line 3: Table 'shop.nosuch' doesn't exist\n    INSERT INTO\n";
        assert!(error.starts_with(start), "{error}");
    }
    let error = said(
        "ERROR 1064 (42000) at line 3 in file: 'part.sql': You have an error near 'SELEC 1' at line 1\n\
         ERROR 1064 (42000) at line 9: another\n",
    );
    assert_eq!(
        error,
        "can't run part.sql: line 3: You have an error near 'SELEC 1' at line 1\n    SELEC 1;"
    );
    // The server counts lines from the statement's beginning.
    let error = said("ERROR 1064 (42000) at line 3: near 'x\ny' at line 2\n");
    assert!(
        error.starts_with("can't run seed.sql: line 4: near 'x\ny'"),
        "{error}"
    );
    let error = said("ERROR at line 1: Failed to open file 'no.sql', error: 2\n");
    assert!(error.contains("line 1: Failed to open file"), "{error}");
    let error = said("ERROR 2002 (HY000): Can't connect to local server\n");
    assert_eq!(error, "can't run seed.sql: Can't connect to local server");
    assert_eq!(said("Killed\n"), "can't run seed.sql: Killed");
    assert_eq!(said(""), "can't run seed.sql: it failed without a word");
    let error = engine.explain(
        Some(&script),
        "ERROR 1273 (HY000) at line 1: Unknown collation: 'utf8mb4_0900_ai_ci'\n",
    );
    assert!(error.hint().unwrap().contains("MySQL 8"));
    let prepared = engine.explain(None, "ERROR 1007 (HY000) at line 1: Can't\n");
    assert_eq!(
        prepared.to_string(),
        "can't prepare MariaDB for `shop`: Can't"
    );
}
