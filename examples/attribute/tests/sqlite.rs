//! Every test gets the whole shop for itself. There is no container here: the frozen file is mapped into the test's
//! process, and SQLite works on that.

use cowherd::{Cowherd, DatabaseFile, Error, SqliteCopy, SqliteFile};
use rstest::rstest;
use rusqlite::Connection;
use shop_attribute::sqlite::{place_order, total};

fn orders(shop: &Connection) -> i64 {
    let count = shop.query_row("SELECT count(*) FROM orders", [], |row| row.get(0));
    count.expect("a count")
}

#[cowherd::test(snapshot = "shop")]
fn an_order_is_placed(mut shop: SqliteCopy) -> rusqlite::Result<()> {
    // Ids can be relied on: the seed ends at 1000, and no other test has taken the next one.
    assert_eq!(place_order(&mut shop, 17, &[1, 2, 3])?, 1001);
    assert_eq!(total(&shop, 1001)?, 537 + 574 + 611);
    Ok(())
}

#[cowherd::test(snapshot = "shop")]
fn an_order_of_something_that_is_not_sold_leaves_nothing(mut shop: SqliteCopy) {
    place_order(&mut shop, 17, &[1, 999_999]).expect_err("no such variant");
    assert_eq!(orders(&shop), 1000);
}

// What takes a `Connection` gets one: this reads and writes the same memory.
#[cowherd::test(snapshot = "shop")]
fn everything_is_deleted(shop: Connection) -> rusqlite::Result<()> {
    shop.execute_batch("DELETE FROM payment; DELETE FROM shipment; DELETE FROM orders")?;
    assert_eq!(orders(&shop), 0);
    Ok(())
}

// Several connections need a file. It is the test's own, too.
#[cowherd::test(snapshot = "shop")]
fn two_clerks_see_each_others_orders(mut one: Connection, two: &Connection, file: DatabaseFile) {
    assert_eq!(one.path().map(str::as_ref), Some(&*file));
    place_order(&mut one, 17, &[1]).expect("an order");
    assert_eq!(orders(two), 1001);
}

#[cowherd::test(snapshot = "shop")]
#[should_panic(expected = "CHECK constraint failed")]
fn nothing_is_free(shop: SqliteCopy) {
    shop.execute("UPDATE variant SET price_cents = 0", [])
        .expect("prices");
}

// With rstest: its attribute comes first, and what it leaves to the container is marked.
#[rstest]
#[case::small(&[1], 537)]
#[case::large(&[1, 2, 3], 1722)]
#[cowherd::test(snapshot = "shop")]
fn an_order_has_a_total(#[ignore] shop: SqliteCopy, #[case] of: &[i64], #[case] cents: i64) {
    let mut shop = shop;
    let order = place_order(&mut shop, 17, of).expect("an order");
    assert_eq!(total(&shop, order), Ok(cents));
}

/// A snapshot that is declared here, in place of `cowherd.yaml`. Its layers are the same, but for the last one.
fn empty_shop() -> Result<Cowherd, Error> {
    Cowherd::declare(env!("CARGO_MANIFEST_DIR"), |spec| {
        spec.snapshot("empty", |empty| {
            empty
                .engine("sqlite")
                .migrate("../../fixtures/shop/sqlite/migrations")
        })
    })
}

#[cowherd::test(herd = empty_shop, timeout = "1m")]
fn a_new_shop_has_no_orders(shop: SqliteFile) -> rusqlite::Result<()> {
    let shop = Connection::open(shop.path())?;
    shop.pragma_update(None, "journal_mode", "wal")?;
    assert_eq!(orders(&shop), 0);
    Ok(())
}
