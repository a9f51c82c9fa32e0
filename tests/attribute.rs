//! `#[cowherd::test]`: these tests are written with it.

mod clients;
mod driven;
mod fixtures;

use cowherd::rusqlite::{self, Connection};
use cowherd::{Container, Cowherd, DatabaseFile, DatabaseUrl, Error, SqliteCopy, SqliteFile};

use crate::support::Project;

const SHOP: &str = "\
version: 1
snapshots:
  shop: { engine: sqlite, steps: [ { sql: seed.sql } ] }
";

/// The same, on a server.
const SERVED: &str = "\
version: 1
snapshots:
  shop: { engine: postgres, steps: [ { sql: seed.sql } ] }
";

fn project(spec: &str) -> Project {
    let seed = "CREATE TABLE t (x INT); INSERT INTO t VALUES (1), (2);";
    Project::new(spec).file("seed.sql", seed)
}

// One for each test, as each has its own thread; gone with that.
thread_local! {
    static PROJECT: Project = project(SHOP);
    static WITH_A_SERVER: Project = project(SERVED);
}

fn open(project: &Project) -> Result<Cowherd, Error> {
    Cowherd::open_in(&project.folder().join("cowherd.yaml"), &project.store())
}

fn shop() -> Result<Cowherd, Error> {
    PROJECT.with(open)
}

fn served() -> Result<Cowherd, Error> {
    WITH_A_SERVER.with(open)
}

fn count(connection: &Connection) -> i64 {
    connection
        .query_row("SELECT count(*) FROM t", [], |row| row.get(0))
        .expect("a count")
}

#[cowherd::test(herd = shop)]
fn a_copy_in_the_process_is_a_connection(copy: SqliteCopy) {
    copy.execute("DELETE FROM t", []).expect("a deletion");
    assert_eq!(count(&copy), 0);
}

#[cowherd::test(herd = shop, snapshot = "shop")]
fn a_connection_alone_is_a_copy_in_the_process(mut connection: Connection) -> rusqlite::Result<()> {
    let transaction = connection.transaction()?;
    transaction.execute("INSERT INTO t VALUES (3)", [])?;
    transaction.commit()?;
    assert_eq!(count(&connection), 3);
    // Memory has no name.
    assert_eq!(connection.path(), Some(""));
    Ok(())
}

#[cowherd::test(herd = shop)]
fn all_arguments_lead_to_one_container(
    first: &Connection,
    second: &mut Connection,
    DatabaseUrlOf(url): DatabaseUrlOf,
    file: DatabaseFile,
    container: &Container,
) -> Result<(), Box<dyn std::error::Error>> {
    first.execute("INSERT INTO t VALUES (3)", [])?;
    let transaction = second.transaction()?;
    assert_eq!(count(&transaction), 3);
    drop(transaction);
    assert_eq!(url, format!("sqlite://{}", file.display()));
    assert_eq!(url, container.url());
    assert_eq!(count(&Connection::open(&file)?), 3);
    Ok(())
}

/// A fixture of one's own.
struct DatabaseUrlOf(String);

impl cowherd::FromContainer for DatabaseUrlOf {
    fn from_container(container: &Container) -> Result<Self, Error> {
        Ok(Self(DatabaseUrl::from_container(container)?.into()))
    }
}

#[cowherd::test(herd = shop)]
fn a_file_alone_is_a_file_without_a_container(file: SqliteFile) {
    let connection = Connection::open(file.path()).expect("a connection");
    assert_eq!(count(&connection), 2);
}

#[cowherd::test]
fn a_test_without_arguments_opens_nothing() {}

#[cowherd::test(herd = shop)]
#[should_panic(expected = "no such table: nowhere")]
fn a_panic_is_expected_as_ever(connection: Connection) {
    connection
        .execute("INSERT INTO nowhere VALUES (1)", [])
        .expect("a table");
}

#[cowherd::test(herd = shop, timeout = "10m")]
fn a_test_with_a_limit_has_the_thread_name_of_the_test(copy: SqliteCopy) {
    assert_eq!(count(&copy), 2);
    let name = std::thread::current().name().map(str::to_owned);
    let own = "attribute::a_test_with_a_limit_has_the_thread_name_of_the_test";
    assert!(matches!(name.as_deref(), Some(name) if name == own || name == "main"));
}

#[cowherd::test(herd = shop)]
async fn an_async_test_awaits(copy: SqliteCopy) -> Result<(), Box<dyn std::error::Error>> {
    tokio::task::yield_now().await;
    assert_eq!(count(&copy), 2);
    assert_eq!(
        tokio::runtime::Handle::current().runtime_flavor(),
        tokio::runtime::RuntimeFlavor::CurrentThread
    );
    Ok(())
}

#[cowherd::test(herd = shop, flavor = "multi_thread", worker_threads = 3, timeout = "10m")]
async fn an_async_test_has_the_threads_that_it_asks_for(url: DatabaseUrl, file: &DatabaseFile) {
    let handle = tokio::runtime::Handle::current();
    assert_eq!(handle.metrics().num_workers(), 3);
    let there = tokio::spawn(async move { url.starts_with("sqlite:///") });
    assert!(there.await.expect("a task"));
    assert!(file.exists());
}

#[cowherd::test(herd = shop, flavor = "current_thread")]
async fn an_async_test_may_have_no_arguments() {
    tokio::time::sleep(std::time::Duration::ZERO).await;
}
