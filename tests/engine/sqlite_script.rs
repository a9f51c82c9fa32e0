//! SQLite scripts: what runs, what is refused, where a failure is.

use std::fs;

use cowherd::engine::{Engine, EngineError, ScriptFile, for_service, sqlite_client};
use rusqlite::Connection;

use super::{Room, perform, service};

struct Shop {
    room: Room,
    engine: Box<dyn Engine>,
}

impl Shop {
    fn new() -> Self {
        let room = Room::new();
        let engine = for_service(&service("sqlite", "shop", &[])).unwrap();
        perform(engine.base_actions(0), &room.data()).unwrap();
        Self { room, engine }
    }

    fn load(&self, text: impl AsRef<[u8]>) -> Result<(), EngineError> {
        self.run(&self.room.script("load.sql", text))
    }

    fn run(&self, script: &ScriptFile) -> Result<(), EngineError> {
        perform(self.engine.script(script)?, &self.room.data())
    }

    fn ask(&self, query: &str) -> String {
        let connection = Connection::open(self.room.data().join("shop.db")).unwrap();
        connection
            .query_row(query, [], |row| row.get::<_, rusqlite::types::Value>(0))
            .map(|value| match value {
                rusqlite::types::Value::Integer(n) => n.to_string(),
                rusqlite::types::Value::Text(text) => text,
                other => format!("{other:?}"),
            })
            .unwrap()
    }

    fn client(&self, text: &str) -> (Result<(), EngineError>, String) {
        let script = self.room.script("test.sql", text);
        let mut output = Vec::new();
        let result =
            sqlite_client::run_script(&self.room.data().join("shop.db"), &script.host, &mut output);
        (result, String::from_utf8(output).unwrap())
    }
}

/// The line and the message of a failed script.
#[track_caller]
fn failure(result: Result<(), EngineError>) -> (Option<usize>, String) {
    match result.unwrap_err() {
        EngineError::Script { line, message, .. } => (line, message),
        other => panic!("{other}"),
    }
}

#[test]
fn a_dump_is_loaded() {
    let shop = Shop::new();
    shop.load(
        "PRAGMA foreign_keys=OFF;
BEGIN TRANSACTION;
CREATE TABLE child (id INTEGER PRIMARY KEY, parent INTEGER REFERENCES parent (id));
INSERT INTO child VALUES(1,10);
INSERT INTO child VALUES(2,10);
CREATE TABLE parent (id INTEGER PRIMARY KEY, name TEXT);
INSERT INTO parent VALUES(10,'semi;colon -- no comment /* nor this');
CREATE VIEW v AS SELECT name FROM parent;
PRAGMA writable_schema=ON;
PRAGMA writable_schema=OFF;
COMMIT;
",
    )
    .unwrap();
    assert_eq!(shop.ask("SELECT count(*) FROM child"), "2");
    assert_eq!(
        shop.ask("SELECT name FROM v"),
        "semi;colon -- no comment /* nor this"
    );
}

#[test]
fn foreign_keys_are_not_checked_unless_the_script_asks_for_it() {
    let tables = "CREATE TABLE p (id INTEGER PRIMARY KEY);
CREATE TABLE c (p REFERENCES p DEFERRABLE INITIALLY DEFERRED);
";
    let shop = Shop::new();
    shop.load(format!("{tables}INSERT INTO c VALUES (1);"))
        .unwrap();
    let shop = Shop::new();
    // Alone in its transaction, a deferred key is checked at once; in a larger one the next line would mend it.
    let result = shop.load(format!(
        "{tables}PRAGMA foreign_keys = ON;\nINSERT INTO c VALUES (1);\nINSERT INTO p VALUES (1);"
    ));
    assert_eq!(
        failure(result),
        (Some(4), "FOREIGN KEY constraint failed".to_owned())
    );
}

#[test]
fn a_byte_order_mark_is_no_part_of_the_script() {
    let shop = Shop::new();
    shop.load("\u{feff}CREATE TABLE t (x);\nINSERT INTO t VALUES ('é')")
        .unwrap();
    assert_eq!(shop.ask("SELECT x FROM t"), "é");
}

#[test]
fn a_statement_is_what_stands_between_comments_and_semicolons() {
    let shop = Shop::new();
    shop.load("# it's\n;; -- it's\n/* it's\n.read no */ ;CREATE TABLE t (x);/**//*/ ;*/INSERT INTO t VALUES (-/**/-1), (8/2)\n")
        .unwrap();
    assert_eq!(shop.ask("SELECT group_concat(x) FROM t"), "1,4");
    let result = shop.load("-- one\n\n  /* two\n*/ SELECT\n1,\nno;");
    let error = result.unwrap_err().to_string();
    assert_eq!(
        error,
        "can't run load.sql: line 6: no such column: no\n    SELECT\n    1,\n    no;"
    );
}

#[test]
fn another_encoding_is_refused_with_its_line() {
    let result = Shop::new().load(b"CREATE TABLE t (x);\nINSERT INTO t VALUES\n  ('\xe9');\n");
    assert_eq!(failure(result), (Some(3), "this is not UTF-8".to_owned()));
}

#[test]
fn a_failure_has_the_line_of_the_mistake() {
    let shop = Shop::new();
    let result = shop.load("-- one\nCREATE TABLE t (x);\n\nUPDATE t\nSET x = 1,\n    x = y;\n");
    let error = result.unwrap_err();
    assert_eq!(
        error.to_string(),
        "can't run load.sql: line 6: no such column: y
    UPDATE t
    SET x = 1,
        x = y;"
    );
    // Of other mistakes SQLite does not say where they are: the statement's line stands.
    let result = shop.load("CREATE TABLE u (x UNIQUE);\nINSERT INTO u VALUES\n (1),\n (1);");
    assert_eq!(
        failure(result),
        (Some(2), "UNIQUE constraint failed: u.x".to_owned())
    );
    let result = shop.load("SELECT 1; SELECT 2;\n SELECT 3; SELECT FROM;");
    assert_eq!(failure(result).0, Some(2));
    let result = shop.load("SELECT 1;\nSELECT 'never closed;\n");
    assert_eq!(failure(result).0, Some(2));
}

#[test]
fn a_trigger_is_one_statement() {
    let shop = Shop::new();
    shop.load(
        "CREATE TABLE t (x); CREATE TABLE log (x);
CREATE TEMP TABLE trigger_names (x);
EXPLAIN QUERY PLAN SELECT 1;
CREATE TRIGGER after_t AFTER INSERT ON t WHEN (1) BEGIN
  SELECT 1 AS \"end\";
  -- END;
  INSERT INTO log VALUES (CASE WHEN new.x = 1 THEN 'one; END;' ELSE new.x END);
  UPDATE log SET x = x || '!';
END /* of it */;
INSERT INTO t VALUES (1);",
    )
    .unwrap();
    assert_eq!(shop.ask("SELECT x FROM log"), "one; END;!");
}

#[test]
fn transactions_of_the_script_are_its_own() {
    let shop = Shop::new();
    shop.load(
        "CREATE TABLE t (x);
INSERT INTO t VALUES (1);
BEGIN; INSERT INTO t VALUES (2); ROLLBACK;
SAVEPOINT s; INSERT INTO t VALUES (3); ROLLBACK TO s; RELEASE s;
INSERT INTO t VALUES (4);
VACUUM;
INSERT INTO t VALUES (5);",
    )
    .unwrap();
    assert_eq!(shop.ask("SELECT group_concat(x) FROM t"), "1,4,5");
    let result = shop.load("INSERT INTO t VALUES (6);\nROLLBACK;");
    assert_eq!(
        failure(result),
        (
            Some(2),
            "cannot rollback - no transaction is active".to_owned()
        )
    );
    let result = shop.load("BEGIN;\nINSERT INTO t VALUES (7);");
    assert!(failure(result).1.contains("COMMIT is missing"));
}

#[test]
fn read_runs_other_files_from_the_working_folder() {
    let shop = Shop::new();
    fs::create_dir(shop.room.path("parts")).unwrap();
    shop.room
        .script("parts/a.sql", "CREATE TABLE a (x);\n.read 'parts/b.sql'\n");
    shop.room
        .script("parts/b.sql", "\nINSERT INTO a VALUES (1);\n");
    let main = shop.room.script(
        "main.sql",
        ".bail on\n.headers on\n# a comment\n.read parts/a.sql\nSELECT 1;\n",
    );
    shop.run(&main).unwrap();
    assert_eq!(shop.ask("SELECT count(*) FROM a"), "1");

    let result = shop.run(&main);
    let error = result.unwrap_err().to_string();
    assert!(
        error.starts_with("can't run parts/a.sql: line 1: table a already exists"),
        "{error}"
    );
}

#[test]
fn a_file_that_reads_itself_is_stopped() {
    let shop = Shop::new();
    let main = shop.room.script("main.sql", "\n.read main.sql\n");
    assert_eq!(
        failure(shop.run(&main)),
        (Some(2), ".read is nested too deeply".to_owned())
    );
    for unnamed in [".read", ".read ''", ".read |ls"] {
        let (_, message) = failure(shop.load(unnamed));
        assert_eq!(message, ".read needs the name of a file");
    }
}

#[test]
fn what_reaches_for_other_files_is_refused() {
    let shop = Shop::new();
    for (text, line) in [
        ("SELECT 1;\n.import users.csv users", 2),
        ("\n\n.shell rm -r x", 3),
        ("ATTACH 'other.db' AS other;", 1),
        ("\nVACUUM INTO 'copy.db';", 2),
    ] {
        let error = shop.load(text).unwrap_err();
        assert!(error.hint().unwrap().contains("`run:` step"), "{error}");
        assert_eq!(failure(Err(error)).0, Some(line), "{text}");
    }
    shop.load("ATTACH ':memory:' AS scratch; CREATE TABLE scratch.t (x);")
        .unwrap();
}

#[test]
fn many_statements_are_one_transaction_and_quit_ends_them() {
    let shop = Shop::new();
    let rows: String = (0..2000)
        .map(|n| format!("INSERT INTO t VALUES ({n});\n"))
        .collect();
    shop.load(format!(
        "CREATE TABLE t (x);\n{rows}.quit\nthis is not reached\n"
    ))
    .unwrap();
    assert_eq!(shop.ask("SELECT count(*) FROM t"), "2000");
}

#[test]
fn the_client_prints_as_the_shell_does_and_stops_at_the_first_error() {
    let shop = Shop::new();
    shop.load("CREATE TABLE t (a, b);").unwrap();
    let (result, output) = shop.client(
        "INSERT INTO t VALUES (1, 'x|y'), (NULL, 1.0), (0.1, 1e100);
SELECT a, b FROM t;
.print \"done\"
SELECT x'6869';
",
    );
    result.unwrap();
    assert_eq!(output, "1|x|y\n|1.0\n0.1|1.0e+100\ndone\nhi\n");

    let (result, output) = shop.client("SELECT 1;\nSELECT nope;\nSELECT 2;");
    assert_eq!(
        failure(result),
        (Some(2), "no such column: nope".to_owned())
    );
    assert_eq!(output, "1\n");
}

#[test]
fn the_interactive_client_goes_on_after_an_error() {
    let shop = Shop::new();
    let (mut output, mut errors) = (Vec::new(), Vec::new());
    let input = b"SELECT 1;\nSELECT nope;\nSELECT\n 2;\n.quit\nSELECT 3;\n";
    let well = sqlite_client::shell(
        &shop.room.data().join("shop.db"),
        &input[..],
        &mut output,
        &mut errors,
        false,
    )
    .unwrap();
    assert!(!well);
    assert_eq!(String::from_utf8(output).unwrap(), "1\n2\n");
    assert_eq!(String::from_utf8(errors).unwrap(), "no such column: nope\n");
}
