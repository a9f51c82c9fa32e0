//! Every test gets a server of its own, over the same frozen files. They run at the same time.

use cowherd::{Container, DatabaseUrl};
use rstest::rstest;
use shop_attribute::postgres::{cancel_orders, count};
use tokio_postgres::{Client, NoTls};

type Result = std::result::Result<(), Box<dyn std::error::Error>>;

#[cowherd::test(snapshot = "shop-pg")]
async fn orders_are_cancelled(shop: Client) -> Result {
    let placed = count(&shop, "placed").await? + count(&shop, "paid").await?;
    let cancelled = cancel_orders(&shop, 17).await?;
    let left = count(&shop, "placed").await? + count(&shop, "paid").await?;
    assert_eq!(left, placed - i64::try_from(cancelled)?);
    Ok(())
}

#[cowherd::test(snapshot = "shop-pg", flavor = "multi_thread", worker_threads = 2)]
async fn two_clerks_lock_each_other_out(one: Client, url: DatabaseUrl) -> Result {
    let (two, connection) = tokio_postgres::connect(&url, NoTls).await?;
    tokio::spawn(connection);
    one.batch_execute("BEGIN; LOCK TABLE orders").await?;
    two.batch_execute("SET lock_timeout = '1ms'").await?;
    cancel_orders(&two, 17).await.expect_err("a lock");
    one.batch_execute("COMMIT").await?;
    cancel_orders(&two, 17).await?;
    Ok(())
}

// Other databases, roles, settings of the server: a test owns all of it.
#[cowherd::test(snapshot = "shop-pg")]
fn the_server_is_ours(mut shop: cowherd::postgres::Client, container: &Container) -> Result {
    shop.batch_execute("CREATE DATABASE other")?;
    shop.batch_execute("CREATE ROLE clerk")?;
    shop.batch_execute("DROP SCHEMA public CASCADE")?;
    let folder = container.socket_folder().ok_or("no socket")?;
    assert!(folder.is_dir());
    Ok(())
}

#[rstest]
#[case::first(17)]
#[case::last(200)]
#[cowherd::test(snapshot = "shop-pg")]
async fn nobody_cancels_twice(#[ignore] shop: Client, #[case] customer: i64) -> Result {
    cancel_orders(&shop, customer).await?;
    assert_eq!(cancel_orders(&shop, customer).await?, 0);
    Ok(())
}
