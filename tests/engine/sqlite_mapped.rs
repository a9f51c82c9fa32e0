//! The private copy of a frozen SQLite file: whatever the file is like, and whatever is done to the copy.

use std::error::Error as _;
use std::fs::{self, File};
use std::mem;
use std::os::unix::fs::{MetadataExt as _, symlink};
use std::path::{Path, PathBuf};
use std::sync::Barrier;

use cowherd::digest::Digest;
use cowherd::engine::EngineError;
use cowherd::engine::sqlite_mapped::{SqliteCopy, private_copy};
use rusqlite::{Connection, ErrorCode};

use super::Room;

/// A database with one table of `rows` rows, about 100 bytes each, made after `before` was run.
fn frozen(room: &Room, before: &str, rows: u32) -> PathBuf {
    let path = room.path("shop.db");
    let connection = Connection::open(&path).unwrap();
    connection.execute_batch(before).unwrap();
    connection
        .execute_batch("CREATE TABLE item (id INTEGER PRIMARY KEY, name TEXT NOT NULL)")
        .unwrap();
    add(&connection, rows).unwrap();
    connection.close().unwrap();
    path
}

fn add(connection: &Connection, rows: u32) -> rusqlite::Result<usize> {
    connection.execute(
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?1)
         INSERT INTO item (name) SELECT printf('%0100d', i) FROM n",
        [rows],
    )
}

fn count(connection: &Connection) -> i64 {
    answer(connection, "SELECT count(*) FROM item")
}

fn answer<T: rusqlite::types::FromSql>(connection: &Connection, query: &str) -> T {
    connection.query_row(query, [], |row| row.get(0)).unwrap()
}

fn digest(path: &Path) -> Digest {
    Digest::of(&fs::read(path).unwrap())
}

/// What this process has mapped of a file, in KiB, by the name that `/proc/self/smaps` gives it; `None` without
/// a mapping.
fn mapped(path: &Path, field: &str) -> Option<u64> {
    let text = fs::read_to_string("/proc/self/smaps").unwrap();
    let (mut total, mut here) = (None, false);
    for line in text.lines() {
        if line
            .split(' ')
            .next()
            .is_some_and(|word| word.contains('-'))
        {
            here = line.ends_with(path.to_str().unwrap());
        } else if let Some(value) = line.strip_prefix(field).filter(|_| here) {
            let value: u64 = value
                .trim_matches([':', ' ', 'k', 'B'])
                .parse()
                .expect("a number of KiB");
            *total.get_or_insert(0) += value;
        }
    }
    total
}

#[test]
fn every_page_size_and_length_is_read_and_written() {
    for size in [512, 1024, 2048, 4096, 8192, 16384, 32768, 65536] {
        let room = Room::new();
        let path = frozen(&room, &format!("PRAGMA page_size = {size}"), 50);
        let before = digest(&path);
        let copy = SqliteCopy::of(&path).unwrap();
        assert_eq!(answer::<i64>(&copy, "PRAGMA page_size"), size);
        assert_eq!(count(&copy), 50);
        add(&copy, 2_000).unwrap();
        assert_eq!(count(&copy), 2_050);
        assert_eq!(answer::<String>(&copy, "PRAGMA integrity_check"), "ok");
        drop(copy);
        assert_eq!(digest(&path), before, "page size {size}");
    }
}

#[test]
fn a_file_that_ends_within_a_page_of_memory_grows_into_it() {
    let room = Room::new();
    let path = frozen(&room, "PRAGMA page_size = 512", 10);
    let length = fs::metadata(&path).unwrap().len();
    assert_ne!(length % 4096, 0, "{length}");
    let copy = SqliteCopy::of(&path).unwrap();
    add(&copy, 10_000).unwrap();
    assert_eq!(count(&copy), 10_010);
    assert_eq!(answer::<String>(&copy, "PRAGMA integrity_check"), "ok");
    assert_eq!(fs::metadata(&path).unwrap().len(), length);
}

#[test]
fn an_empty_file_is_an_empty_database() {
    let room = Room::new();
    let path = room.path("empty.db");
    File::create(&path).unwrap();
    let copy = SqliteCopy::of(&path).unwrap();
    assert_eq!(
        answer::<i64>(&copy, "SELECT count(*) FROM sqlite_schema"),
        0
    );
    copy.execute_batch("CREATE TABLE item (id INTEGER PRIMARY KEY, name)")
        .unwrap();
    add(&copy, 1_000).unwrap();
    assert_eq!(count(&copy), 1_000);
    assert_eq!(fs::metadata(&path).unwrap().len(), 0);
    SqliteCopy::with_room(&path, 0).unwrap();
}

#[test]
fn a_database_in_wal_mode_is_in_rollback_mode_in_its_copy_only() {
    let room = Room::new();
    let path = frozen(&room, "PRAGMA journal_mode = WAL", 50);
    assert_eq!(fs::read(&path).unwrap()[18..20], [2, 2]);
    let before = digest(&path);
    let copy = SqliteCopy::of(&path).unwrap();
    assert_eq!(count(&copy), 50);
    add(&copy, 50).unwrap();
    assert_eq!(count(&copy), 100);
    assert_eq!(answer::<String>(&copy, "PRAGMA integrity_check"), "ok");
    assert_eq!(digest(&path), before);
}

#[test]
fn the_journal_is_in_memory_and_can_not_be_a_log() {
    let room = Room::new();
    let copy = SqliteCopy::of(&frozen(&room, "", 1)).unwrap();
    assert_eq!(answer::<String>(&copy, "PRAGMA journal_mode"), "memory");
    let mode = answer::<String>(&copy, "PRAGMA journal_mode = WAL");
    assert_eq!(mode, "memory");
    let names = fs::read_dir(room.path("")).unwrap();
    assert_eq!(names.count(), 2, "the database and the data folder");
}

#[test]
fn a_transaction_is_rolled_back() {
    let room = Room::new();
    let mut copy = SqliteCopy::of(&frozen(&room, "", 20)).unwrap();
    let transaction = copy.transaction().unwrap();
    add(&transaction, 10_000).unwrap();
    transaction
        .execute("DELETE FROM item WHERE id < 10", [])
        .unwrap();
    transaction.rollback().unwrap();
    assert_eq!(count(&copy), 20);
    assert_eq!(answer::<String>(&copy, "PRAGMA integrity_check"), "ok");
}

#[test]
fn copies_in_two_threads_do_not_see_each_other() {
    let room = Room::new();
    let path = frozen(&room, "", 100);
    let before = digest(&path);
    let barrier = Barrier::new(2);
    std::thread::scope(|scope| {
        for rows in [1_000, 2_000] {
            let (path, barrier) = (&path, &barrier);
            scope.spawn(move || {
                let copy = SqliteCopy::of(path).unwrap();
                barrier.wait();
                add(&copy, rows).unwrap();
                copy.execute("UPDATE item SET name = ?1 WHERE id <= 100", [rows])
                    .unwrap();
                barrier.wait();
                let mine = answer::<u32>(
                    &copy,
                    "SELECT count(DISTINCT name) FROM item WHERE id <= 100",
                );
                assert_eq!((mine, count(&copy)), (1, i64::from(rows) + 100));
                barrier.wait();
            });
        }
    });
    assert_eq!(digest(&path), before);
}

#[test]
fn a_copy_can_go_to_another_thread() {
    let room = Room::new();
    let copy = SqliteCopy::of(&frozen(&room, "", 3)).unwrap();
    let counted = std::thread::spawn(move || count(&copy)).join().unwrap();
    assert_eq!(counted, 3);
}

#[test]
fn reading_takes_no_memory_of_the_copy_and_writing_takes_what_is_written() {
    let room = Room::new();
    let path = frozen(&room, "", 20_000);
    let kib = fs::metadata(&path).unwrap().len() / 1024;
    assert!(kib > 2_000);
    let copy = SqliteCopy::of(&path).unwrap();
    // Every page of the table.
    assert_eq!(
        answer::<i64>(&copy, "SELECT sum(length(name)) FROM item"),
        2_000_000
    );
    assert!(mapped(&path, "Rss").unwrap() > kib * 9 / 10);
    // What a private mapping has of its own is no longer the file's.
    assert_eq!(mapped(&path, "Anonymous"), Some(0));
    copy.execute("UPDATE item SET name = 'hat' WHERE id = 7777", [])
        .unwrap();
    // The page of the row, and the first one, which counts changes.
    let own = mapped(&path, "Anonymous").unwrap();
    assert!(own > 0 && own < kib / 10, "{own} KiB");
    drop(copy);
    assert_eq!(mapped(&path, "Rss"), None);
}

#[test]
fn a_large_file_is_not_read_to_be_opened() {
    let room = Room::new();
    let path = frozen(&room, "", 20);
    let file = File::options().write(true).open(&path).unwrap();
    file.set_len(1 << 30).unwrap();
    let copy = SqliteCopy::of(&path).unwrap();
    assert_eq!(copy.room(), 2 << 30);
    assert_eq!(count(&copy), 20);
    assert!(mapped(&path, "Size").unwrap() >= 1 << 20);
    assert!(mapped(&path, "Rss").unwrap() < 1 << 10);
    assert_eq!(fs::metadata(&path).unwrap().len(), 1 << 30);
}

#[test]
fn growth_ends_at_the_room_and_is_explained() {
    let room = Room::new();
    let path = frozen(&room, "", 100);
    let copy = SqliteCopy::with_room(&path, 1 << 20).unwrap();
    let error = add(&copy, 20_000).unwrap_err();
    assert_eq!(error.sqlite_error_code(), Some(ErrorCode::DiskFull));
    let why = copy.explain(&error).unwrap();
    assert!(why.contains("1 MiB") && why.contains("with_room"), "{why}");
    // The copy is as it was, and usable.
    assert_eq!(count(&copy), 100);
    assert_eq!(answer::<String>(&copy, "PRAGMA integrity_check"), "ok");
    add(&copy, 5_000).unwrap();
    assert_eq!(count(&copy), 5_100);

    let error = copy.execute("SELECT nonsense", []).unwrap_err();
    assert_eq!(copy.explain(&error), None);
}

#[test]
fn a_transaction_that_outgrows_the_room_leaves_the_copy_as_it_was() {
    let room = Room::new();
    let mut copy = SqliteCopy::with_room(&frozen(&room, "", 100), 1 << 20).unwrap();
    // All changes stay in SQLite's cache until the commit.
    copy.execute_batch("PRAGMA cache_size = -1000000").unwrap();
    let transaction = copy.transaction().unwrap();
    add(&transaction, 20_000).unwrap();
    let error = transaction.commit().unwrap_err();
    assert_eq!(error.sqlite_error_code(), Some(ErrorCode::DiskFull));
    assert!(copy.is_autocommit());
    assert_eq!(count(&copy), 100);
    assert_eq!(answer::<String>(&copy, "PRAGMA integrity_check"), "ok");
}

#[test]
fn a_file_larger_than_the_room_asked_for_can_still_be_changed() {
    let room = Room::new();
    let path = frozen(&room, "", 1_000);
    let copy = SqliteCopy::with_room(&path, 1).unwrap();
    assert_eq!(copy.room(), fs::metadata(&path).unwrap().len());
    copy.execute("UPDATE item SET name = 'hat'", []).unwrap();
    assert_eq!(count(&copy), 1_000);
}

#[test]
fn address_space_that_is_refused_is_told_with_a_remedy() {
    let room = Room::new();
    let path = frozen(&room, "", 1);
    for bytes in [1 << 62, u64::MAX] {
        let error = SqliteCopy::with_room(&path, bytes).unwrap_err();
        assert!(matches!(error, EngineError::Room { .. }), "{error}");
        assert!(error.to_string().contains("address space"), "{error}");
        let hint = error.hint().unwrap();
        assert!(
            hint.contains("ulimit -v") && hint.contains("with_room"),
            "{hint}"
        );
    }
    assert_eq!(mapped(&path, "Rss"), None);
}

#[test]
fn a_vacuum_makes_the_copy_smaller() {
    let room = Room::new();
    let copy = SqliteCopy::of(&frozen(&room, "", 20_000)).unwrap();
    let before: i64 = answer(&copy, "PRAGMA page_count");
    copy.execute("DELETE FROM item WHERE id > 10", []).unwrap();
    copy.execute_batch("VACUUM").unwrap();
    assert!(answer::<i64>(&copy, "PRAGMA page_count") < before / 10);
    assert_eq!(count(&copy), 10);
    add(&copy, 20_000).unwrap();
    copy.execute_batch("VACUUM").unwrap();
    assert_eq!(count(&copy), 20_010);
    assert_eq!(answer::<String>(&copy, "PRAGMA integrity_check"), "ok");
}

#[test]
fn memory_that_sqlite_reads_in_place_is_written_as_well() {
    let room = Room::new();
    let path = frozen(&room, "", 20_000);
    let copy = SqliteCopy::of(&path).unwrap();
    copy.execute_batch("PRAGMA mmap_size = 1000000000; PRAGMA cache_size = 10")
        .unwrap();
    copy.execute("UPDATE item SET name = name || 'x' WHERE id % 2", [])
        .unwrap();
    copy.execute("DELETE FROM item WHERE id % 3", []).unwrap();
    copy.execute_batch("VACUUM").unwrap();
    add(&copy, 10_000).unwrap();
    assert_eq!(count(&copy), 16_666);
    assert_eq!(answer::<String>(&copy, "PRAGMA integrity_check"), "ok");
}

#[test]
fn foreign_keys_are_checked_once_asked_for() {
    let room = Room::new();
    let tables = "CREATE TABLE part (of INTEGER REFERENCES item)";
    let copy = SqliteCopy::of(&frozen(&room, tables, 1)).unwrap();
    assert_eq!(answer::<i64>(&copy, "PRAGMA foreign_keys"), 0);
    copy.execute("INSERT INTO part VALUES (99)", []).unwrap();
    copy.execute_batch("PRAGMA foreign_keys = ON").unwrap();
    copy.execute("INSERT INTO part VALUES (99)", [])
        .unwrap_err();
}

#[test]
fn temporary_tables_and_attached_files_work() {
    let room = Room::new();
    let path = frozen(&room, "", 100);
    let copy = SqliteCopy::of(&path).unwrap();
    copy.execute_batch("CREATE TEMP TABLE picked AS SELECT * FROM item WHERE id < 11")
        .unwrap();
    assert_eq!(answer::<i64>(&copy, "SELECT count(*) FROM picked"), 10);
    let out = room.path("out.db");
    copy.execute("ATTACH ?1 AS out", [out.to_str().unwrap()])
        .unwrap();
    copy.execute_batch("CREATE TABLE out.item AS SELECT * FROM picked; DETACH out")
        .unwrap();
    assert_eq!(count(&Connection::open(&out).unwrap()), 10);
}

#[test]
fn a_leaked_statement_keeps_the_memory_for_good() {
    let room = Room::new();
    let path = frozen(&room, "", 1);
    let copy = SqliteCopy::of(&path).unwrap();
    let mut statement = copy.prepare("SELECT name FROM item").unwrap();
    assert!(statement.exists([]).unwrap());
    mem::forget(statement);
    drop(copy);
    assert!(mapped(&path, "Rss").is_some());
}

#[test]
fn a_connection_that_was_taken_out_keeps_its_memory() {
    let room = Room::new();
    let path = frozen(&room, "", 2_000);
    let mut copy = SqliteCopy::of(&path).unwrap();
    let taken = mem::replace(&mut *copy, Connection::open_in_memory().unwrap());
    copy.execute_batch("CREATE TABLE other (a)").unwrap();
    drop(copy);
    add(&taken, 2_000).unwrap();
    assert_eq!(count(&taken), 4_000);
    assert_eq!(answer::<String>(&taken, "PRAGMA integrity_check"), "ok");
}

#[test]
fn what_is_no_database_is_refused() {
    let room = Room::new();
    let path = room.path("notes.txt");
    for text in [
        "x",
        "not a database, though it is long enough for a header of one",
    ] {
        fs::write(&path, text).unwrap();
        let error = SqliteCopy::of(&path).unwrap_err();
        assert!(error.to_string().contains("notes.txt"), "{error}");
        let cause = error.source().unwrap().to_string();
        assert!(cause.contains("not a database"), "{cause}");
    }
    for path in [room.data(), room.path("absent.db")] {
        let error = SqliteCopy::of(&path).unwrap_err();
        assert!(
            matches!(error, EngineError::File { verb: "read", .. }),
            "{error}"
        );
    }
}

#[test]
fn what_is_not_at_rest_is_refused() {
    for name in ["shop.db-wal", "shop.db-journal"] {
        let room = Room::new();
        let path = frozen(&room, "", 1);
        fs::write(room.path(name), "").unwrap();
        SqliteCopy::of(&path).unwrap();
        fs::write(room.path(name), "changes").unwrap();
        let link = room.path("link.db");
        symlink(&path, &link).unwrap();
        for error in [
            SqliteCopy::of(&path).unwrap_err(),
            SqliteCopy::of(&link).unwrap_err(),
            private_copy(&path, &room.data()).unwrap_err(),
        ] {
            let cause = error.source().unwrap().to_string();
            assert!(cause.contains(name), "{cause}");
        }
    }
}

#[test]
fn a_file_of_ones_own_is_writable_by_its_owner_only() {
    let room = Room::new();
    let path = frozen(&room, "PRAGMA journal_mode = WAL", 10);
    let link = room.path("link.db");
    symlink(&path, &link).unwrap();
    let mut permissions = fs::metadata(&path).unwrap().permissions();
    permissions.set_readonly(true);
    fs::set_permissions(&path, permissions).unwrap();
    let before = digest(&path);

    let own = private_copy(&link, &room.data()).unwrap();
    assert_eq!(own, room.data().join("link.db"));
    let metadata = fs::symlink_metadata(&own).unwrap();
    assert!(metadata.is_file());
    assert_eq!(metadata.mode() & 0o7777, 0o600);
    let connection = Connection::open(&own).unwrap();
    assert_eq!(answer::<String>(&connection, "PRAGMA journal_mode"), "wal");
    add(&connection, 10).unwrap();
    assert_eq!(count(&connection), 20);
    assert_eq!(digest(&path), before);

    let error = private_copy(&link, &room.data()).unwrap_err();
    assert!(error.to_string().contains("link.db"), "{error}");
    assert_eq!(count(&connection), 20);
    private_copy(&room.data(), &room.path("")).unwrap_err();
}
