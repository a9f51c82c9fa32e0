//! SQLite's data folder: its settings, its freeze, what may lie beside a database.

use std::fs;
use std::path::Path;

use cowherd::engine::{Address, Engine, EngineError, for_service};

use super::{Room, perform, service};

fn engine(settings: &[(&str, &str)]) -> Result<Box<dyn Engine>, EngineError> {
    for_service(&service("sqlite", "shop", settings))
}

fn pragma(path: &Path, name: &str) -> String {
    let connection = rusqlite::Connection::open(path).unwrap();
    let value: rusqlite::types::Value = connection
        .pragma_query_value(None, name, |row| row.get(0))
        .unwrap();
    match value {
        rusqlite::types::Value::Integer(value) => value.to_string(),
        rusqlite::types::Value::Text(value) => value,
        other => panic!("{name} is {other:?}"),
    }
}

#[test]
fn an_empty_database_is_one_sound_file() {
    let room = Room::new();
    let engine = engine(&[]).unwrap();
    perform(engine.base_actions(0), &room.data()).unwrap();
    perform(engine.freeze(), &room.data()).unwrap();
    engine.seal(&room.data()).unwrap();
    let names: Vec<_> = fs::read_dir(room.data())
        .unwrap()
        .map(|e| e.unwrap().file_name())
        .collect();
    assert_eq!(names, ["shop.db"]);
    assert!(
        fs::read(room.data().join("shop.db"))
            .unwrap()
            .starts_with(b"SQLite format 3\0")
    );
}

#[test]
fn settings_that_a_file_keeps_are_kept() {
    let room = Room::new();
    let settings = [
        ("application_id", "0x1234"),
        ("auto_vacuum", "incremental"),
        ("encoding", "UTF-16le"),
        ("journal_mode", "wal"),
        ("page_size", "8192"),
        ("user_version", "7"),
    ];
    let engine = engine(&settings).unwrap();
    perform(engine.base_actions(0), &room.data()).unwrap();
    perform(engine.freeze(), &room.data()).unwrap();
    engine.seal(&room.data()).unwrap();
    let file = room.data().join("shop.db");
    assert!(!room.data().join("shop.db-wal").exists());
    let kept = settings.map(|(name, _)| pragma(&file, name));
    assert_eq!(kept, ["4660", "2", "UTF-16le", "wal", "8192", "7"]);
}

#[test]
fn settings_are_part_of_the_base() {
    let fields = |settings: &[(&str, &str)]| engine(settings).unwrap().base()[0].fields.clone();
    assert_ne!(fields(&[]), fields(&[("page_size", "8192")]));
    assert_ne!(
        fields(&[("page_size", "4096")]),
        fields(&[("page_size", "8192")])
    );
}

#[test]
fn a_setting_of_a_connection_is_refused_with_the_reason() {
    let error = engine(&[("foreign_keys", "on")]).unwrap_err().to_string();
    assert!(error.contains("`foreign_keys`") && error.contains("for one connection"));
    let error = engine(&[("pagesize", "1")]).unwrap_err().to_string();
    assert!(error.contains("none of page_size"), "{error}");
}

#[test]
fn a_value_that_sqlite_does_not_take_is_refused() {
    for (name, value) in [
        ("page_size", "1000"),
        ("auto_vacuum", "sometimes"),
        ("journal_mode", "memory"),
        ("encoding", "latin1"),
    ] {
        let room = Room::new();
        let engine = engine(&[(name, value)]).unwrap();
        let error = perform(engine.base_actions(0), &room.data()).unwrap_err();
        assert!(
            matches!(&error, EngineError::Setting { setting, .. } if setting == name),
            "{error}"
        );
    }
}

#[test]
fn a_name_that_is_no_file_name_is_refused() {
    for name in ["", ".hidden", "a/b"] {
        let error = for_service(&service("sqlite", name, &[])).unwrap_err();
        assert!(matches!(error, EngineError::Database { .. }), "{error}");
    }
    let named = for_service(&service("sqlite", "my shop.sqlite", &[])).unwrap();
    assert_eq!(
        named.url(&Address::Inside),
        "sqlite:///run/cowherd/db/data/my%20shop.sqlite"
    );
}

/// A database in WAL mode with a committed row in its log only, as a killed process leaves it.
fn with_log(room: &Room) {
    let live = room.path("live.db");
    let connection = rusqlite::Connection::open(&live).unwrap();
    connection
        .execute_batch(
            "PRAGMA journal_mode = wal; CREATE TABLE t (x); PRAGMA wal_checkpoint(TRUNCATE); INSERT INTO t VALUES (7)",
        )
        .unwrap();
    for ending in ["", "-wal"] {
        fs::copy(
            room.path(&format!("live.db{ending}")),
            room.data().join(format!("shop.db{ending}")),
        )
        .unwrap();
    }
}

#[test]
fn a_freeze_brings_the_log_in() {
    let room = Room::new();
    with_log(&room);
    let engine = engine(&[]).unwrap();
    assert!(matches!(
        engine.seal(&room.data()),
        Err(EngineError::Unclean { .. })
    ));
    perform(engine.freeze(), &room.data()).unwrap();
    engine.seal(&room.data()).unwrap();
    let connection = rusqlite::Connection::open(room.data().join("shop.db")).unwrap();
    let value: i64 = connection
        .query_row("SELECT x FROM t", [], |row| row.get(0))
        .unwrap();
    assert_eq!(value, 7);
}

#[test]
fn a_log_without_its_database_is_refused_in_an_upper_folder() {
    let room = Room::new();
    with_log(&room);
    fs::remove_file(room.data().join("shop.db")).unwrap();
    let error = engine(&[]).unwrap().seal(&room.data()).unwrap_err();
    assert!(error.to_string().contains("shop.db-wal"), "{error}");
}

#[test]
fn an_unfinished_transaction_is_refused_and_an_empty_journal_removed() {
    let room = Room::new();
    let engine = engine(&[]).unwrap();
    perform(engine.base_actions(0), &room.data()).unwrap();
    let journal = room.data().join("shop.db-journal");

    fs::write(&journal, b"\xd9\xd5\x05\xf9\x20\xa1\x63\xd7 and pages").unwrap();
    for result in [
        perform(engine.freeze(), &room.data()),
        engine.seal(&room.data()),
    ] {
        let error = result.unwrap_err();
        assert!(error.to_string().contains("shop.db-journal"), "{error}");
        assert!(error.hint().is_some());
    }
    assert!(journal.exists());

    // What PRAGMA journal_mode = persist leaves behind.
    fs::write(&journal, [0; 512]).unwrap();
    engine.seal(&room.data()).unwrap();
    assert!(!journal.exists());
}

#[test]
fn a_damaged_database_is_not_frozen() {
    let room = Room::new();
    let engine = engine(&[]).unwrap();
    perform(engine.base_actions(0), &room.data()).unwrap();
    let script = room.script(
        "fill.sql",
        "CREATE TABLE t (x UNIQUE);
         INSERT INTO t SELECT value FROM (WITH RECURSIVE c(value) AS (SELECT 1 UNION ALL SELECT value + 1 FROM c WHERE value < 5000) SELECT value FROM c);",
    );
    perform(engine.script(&script).unwrap(), &room.data()).unwrap();
    let file = room.data().join("shop.db");
    let mut bytes = fs::read(&file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle..middle + 4096].fill(0xff);
    fs::write(&file, bytes).unwrap();
    let error = perform(engine.freeze(), &room.data()).unwrap_err();
    assert!(
        matches!(
            error,
            EngineError::Unclean { .. } | EngineError::Library { .. }
        ),
        "{error}"
    );
}
