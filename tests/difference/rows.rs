//! Rows of any two tables: what is told to differ turns the one into the other.

use std::path::{Path, PathBuf};

use cowherd::difference::{Change, DifferenceError, RowsWanted, Side, collect};
use cowherd::engine::content::Value;
use cowherd::engine::for_service;
use cowherd::spec::Service;
use proptest::prelude::*;
use rusqlite::types::{Value as Stored, ValueRef};
use rusqlite::{Connection, params_from_iter};

fn open(folder: &Path) -> Result<Side, DifferenceError> {
    let service = Service {
        name: "db".to_owned(),
        engine: "sqlite".to_owned(),
        database: "shop".to_owned(),
        ..Service::default()
    };
    let engine = for_service(&service).unwrap();
    let side = Side::open(engine.as_ref(), &[PathBuf::from(folder)], None, None)?;
    Ok(side.expect("SQLite has tables"))
}

/// A database with one table `t` of these rows; those whose key is there already are left out.
fn write(folder: &Path, encoding: &str, table: &str, rows: &[[Stored; 3]]) {
    let file = folder.join("shop.db");
    let connection = Connection::open(file).unwrap();
    connection
        .pragma_update(None, "encoding", encoding)
        .unwrap();
    // Nothing has to survive a power cut.
    let fast = "PRAGMA synchronous = OFF; BEGIN;";
    connection
        .execute_batch(&format!("{fast} {table}"))
        .unwrap();
    for row in rows {
        connection
            .execute(
                "INSERT OR IGNORE INTO t VALUES (?1, ?2, ?3)",
                params_from_iter(row),
            )
            .unwrap();
    }
    connection.execute_batch("COMMIT").unwrap();
    connection.close().unwrap();
}

/// The rows as SQLite has them, in words.
fn read(folder: &Path) -> Vec<String> {
    let connection = Connection::open(folder.join("shop.db")).unwrap();
    let mut statement = connection.prepare("SELECT * FROM t").unwrap();
    let rows = statement.query_map([], |row| {
        let values = (0..3).map(|column| {
            Ok(match row.get_ref(column)? {
                ValueRef::Null => Value::Null,
                ValueRef::Integer(number) => Value::Integer(number),
                ValueRef::Real(number) => Value::Real(number),
                ValueRef::Text(text) => Value::Text(String::from_utf8(text.to_vec()).unwrap()),
                ValueRef::Blob(bytes) => Value::Blob(bytes.to_vec()),
            })
        });
        Ok(format!(
            "{:?}",
            values.collect::<rusqlite::Result<Vec<_>>>()?
        ))
    });
    let mut rows: Vec<String> = rows.unwrap().map(Result::unwrap).collect();
    rows.sort();
    rows
}

/// Few values, so that rows of two tables meet, and all that is hard to put in order.
fn value() -> impl Strategy<Value = Stored> {
    let integers = prop::sample::select(vec![0, 1, 2, 10, -1, (1 << 53) + 1, i64::MAX, i64::MIN]);
    let reals = prop::sample::select(vec![
        0.5,
        1.0,
        -1.0,
        10.0,
        9_007_199_254_740_992.0,
        9.3e18,
        -9.3e18,
        f64::INFINITY,
    ]);
    let texts = prop::sample::select(vec![
        "",
        "a",
        "A",
        "ab",
        "a\tb",
        "é",
        "\u{e000}",
        "\u{fffd}",
        "\u{1f404}",
        "1",
    ]);
    let blobs = prop::sample::select(vec![vec![], vec![0], vec![0xff], b"a".to_vec()]);
    prop_oneof![
        integers.prop_map(Stored::Integer),
        reals.prop_map(Stored::Real),
        texts.prop_map(|text: &str| Stored::Text(text.to_owned())),
        blobs.prop_map(Stored::Blob),
    ]
}

fn row() -> impl Strategy<Value = [Stored; 3]> {
    let last = prop_oneof![value(), Just(Stored::Null)];
    (value(), value(), last).prop_map(|(a, b, c)| [a, b, c])
}

const TABLES: [&str; 5] = [
    "CREATE TABLE t (a, b, c)",
    "CREATE TABLE t (a, b, c, PRIMARY KEY (a, b))",
    "CREATE TABLE t (a, b, c, PRIMARY KEY (b, a)) WITHOUT ROWID",
    "CREATE TABLE t (a, b, c, PRIMARY KEY (c))",
    "CREATE TABLE t (a, b COLLATE NOCASE, c, PRIMARY KEY (b DESC))",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn what_differs_turns_the_one_into_the_other(
        table in prop::sample::select(TABLES.to_vec()),
        encoding in prop::sample::select(vec!["UTF-8", "UTF-16le", "UTF-16be"]),
        common in prop::collection::vec(row(), 0..12),
        removed in prop::collection::vec(row(), 0..12),
        added in prop::collection::vec(row(), 0..12),
    ) {
        let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
        write(folders[0].path(), encoding, table, &[common.clone(), removed].concat());
        write(folders[1].path(), encoding, table, &[added, common].concat());
        let [mut before, mut after] = folders.each_ref().map(|folder| open(folder.path()).unwrap());
        let wanted = RowsWanted { tables: &[], stopped: &|| false };
        let difference = collect(&mut before, &mut after, wanted, usize::MAX).unwrap();

        let mut rows = read(folders[0].path());
        for table in &difference.tables {
            // The key comes first in what is told.
            let place = ["a", "b", "c"].map(|name| table.table.columns.iter().position(|c| c == name).unwrap());
            let shown = |row: &Option<Vec<Value>>| {
                let row = row.as_ref().expect("a row");
                format!("{:?}", place.map(|at| &row[at]))
            };
            for row in &table.rows {
                if row.change != Change::Inserted {
                    let there = rows.iter().position(|other| *other == shown(&row.before));
                    rows.swap_remove(there.expect("the row that was"));
                }
                if row.change != Change::Deleted {
                    rows.push(shown(&row.after));
                }
                prop_assert_ne!(&row.before, &row.after);
                if row.change == Change::Updated {
                    prop_assert!(table.table.key > 0);
                }
            }
            let number = table.table.inserted + table.table.updated + table.table.deleted;
            prop_assert_eq!(number, table.rows.len() as u64);
        }
        rows.sort();
        prop_assert_eq!(rows, read(folders[1].path()));
    }
}

#[test]
fn a_file_with_changes_beside_it_is_not_read_as_if_it_were_whole() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "UTF-8", TABLES[0], &[]);
    std::fs::write(folder.path().join("shop.db-wal"), "changes").unwrap();
    let error = open(folder.path()).unwrap_err();
    assert!(
        std::error::Error::source(&error).is_some_and(|e| e.to_string().contains("shop.db-wal")),
        "{error:?}"
    );
}

#[test]
fn the_order_to_stop_ends_it() {
    let folder = tempfile::tempdir().unwrap();
    let rows: Vec<_> = (0..5000)
        .map(|n| [Stored::Integer(n), Stored::Null, Stored::Null])
        .collect();
    write(folder.path(), "UTF-8", TABLES[0], &rows);
    let [mut before, mut after] = [(), ()].map(|()| open(folder.path()).unwrap());
    let wanted = RowsWanted {
        tables: &[],
        stopped: &|| true,
    };
    let ended = collect(&mut before, &mut after, wanted, 0);
    assert!(
        matches!(ended, Err(DifferenceError::Interrupted)),
        "{ended:?}"
    );
}
