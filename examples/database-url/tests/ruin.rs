//! Tests that would ruin each other's day on a shared database.

use tickets::connect;

fn database() -> rusqlite::Connection {
    connect(&std::env::var("DATABASE_URL").expect("DATABASE_URL")).expect("a database")
}

fn sold(database: &rusqlite::Connection) -> u32 {
    let count = database.query_row("SELECT count(*) FROM ticket", [], |row| row.get(0));
    count.expect("a count")
}

#[test]
fn all_shows_are_cancelled() {
    let database = database();
    assert_eq!(sold(&database), 100);
    database.execute("DELETE FROM show", []).expect("no shows");
    assert_eq!(sold(&database), 0);
}

#[test]
fn the_table_is_dropped() {
    let database = database();
    assert_eq!(sold(&database), 100);
    database.execute("DROP TABLE ticket", []).expect("no table");
}

#[test]
#[should_panic(expected = "half done")]
fn a_test_dies_within_a_transaction() {
    let mut database = database();
    let transaction = database.transaction().expect("a transaction");
    transaction
        .execute("DELETE FROM ticket", [])
        .expect("no tickets");
    panic!("half done");
}
