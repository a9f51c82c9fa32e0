//! The clients that a test can ask for, each behind its feature.

use std::process::ExitCode;

use cowherd::FromContainer;
use cowherd::testing::{Failed, Flavor, Test};

use super::served;
use crate::support::postgres;

const SERVED: Test = Test::new("it::a_test").herd(served).arguments(1);

#[track_caller]
fn assert_passed(outcome: Result<ExitCode, Failed>) {
    assert_eq!(outcome.expect("fixtures"), ExitCode::SUCCESS);
}

/// Asserts that a test gets a `T` which counts two rows.
#[track_caller]
fn assert_counts<T: FromContainer>(count: impl FnOnce(T) -> i64) {
    if postgres() {
        let body = |client| assert_eq!(count(client), 2);
        assert_passed(SERVED.run(cowherd::testing::Given::get::<T>, body));
    }
}

/// As [`assert_counts`], for an async test.
#[track_caller]
#[allow(dead_code, reason = "each of its callers needs a feature")]
fn assert_counts_async<T: cowherd::FromContainerAsync>(count: impl AsyncFnOnce(T) -> i64) {
    if postgres() {
        assert_passed(SERVED.run_async(
            Flavor::default(),
            async |given| given.get_async::<T>().await,
            async |client| assert_eq!(count(client).await, 2),
        ));
    }
}

#[test]
fn a_fixture_of_ones_own_is_made_from_the_container() {
    struct Client(postgres::Client);
    impl FromContainer for Client {
        fn from_container(container: &cowherd::Container) -> Result<Self, cowherd::Error> {
            postgres::Client::connect(&container.url(), postgres::NoTls)
                .map(Self)
                .map_err(cowherd::Error::other)
        }
    }
    assert_counts(|mut client: Client| {
        let row = client.0.query_one("SELECT count(*) FROM t", &[]);
        row.expect("a row").get(0)
    });
}

#[cfg(feature = "postgres")]
#[test]
fn a_client_of_postgres() {
    assert_counts(|mut client: cowherd::postgres::Client| {
        let row = client.query_one("SELECT count(*) FROM t", &[]);
        row.expect("a row").get(0)
    });
}

#[cfg(feature = "postgres")]
#[test]
fn a_client_of_postgres_is_refused_to_an_async_test() {
    if !postgres() {
        return;
    }
    let outcome = SERVED.run_async(
        Flavor::default(),
        async |given| given.get_async::<cowherd::postgres::Client>().await,
        async |_| (),
    );
    let told = format!("{:?}", outcome.expect_err("no client"));
    assert!(
        told.contains("ask for a `tokio_postgres::Client`"),
        "{told}"
    );
}

#[cfg(feature = "tokio-postgres-0_7")]
#[test]
fn a_client_of_tokio_postgres() {
    assert_counts_async(async |client: cowherd::tokio_postgres::Client| {
        let row = client.query_one("SELECT count(*) FROM t", &[]).await;
        row.expect("a row").get(0)
    });
}

#[cfg(feature = "sqlx-0_8")]
#[test]
fn a_pool_of_sqlx_0_8() {
    use cowherd::sqlx_0_8::{PgPool, query_scalar};
    assert_counts_async(async |pool: PgPool| {
        let count = query_scalar("SELECT count(*) FROM t").fetch_one(&pool);
        count.await.expect("a row")
    });
}

#[cfg(feature = "sqlx-0_9")]
#[test]
fn a_pool_of_sqlx_0_9() {
    use cowherd::sqlx_0_9::{PgPool, query_scalar};
    assert_counts_async(async |pool: PgPool| {
        let count = query_scalar("SELECT count(*) FROM t").fetch_one(&pool);
        count.await.expect("a row")
    });
}

#[cfg(feature = "sqlx-0_9-sqlite")]
#[cowherd::test(herd = super::shop)]
async fn a_pool_of_sqlx_on_sqlite(
    pool: cowherd::sqlx_0_9::SqlitePool,
    file: cowherd::DatabaseFile,
) {
    use cowherd::sqlx_0_9::query_scalar;
    let other = cowherd::rusqlite::Connection::open(&file).expect("a connection");
    other
        .execute("INSERT INTO t VALUES (3)", [])
        .expect("a row");
    let count = query_scalar::<_, i64>("SELECT count(*) FROM t").fetch_one(&pool);
    assert_eq!(count.await.expect("a row"), 3);
}

#[cfg(feature = "diesel-2")]
#[test]
fn a_connection_of_diesel() {
    use cowherd::diesel_2::dsl::sql;
    use cowherd::diesel_2::sql_types::BigInt;
    use cowherd::diesel_2::{PgConnection, RunQueryDsl as _};
    assert_counts(|mut connection: PgConnection| {
        let count = sql::<BigInt>("SELECT count(*) FROM t");
        count.get_result(&mut connection).expect("a row")
    });
}
