//! Real migrators over snapshots on SQLite: they apply nothing.

use cowherd::SqliteFile;
use cowherd::rusqlite::Connection;
use diesel::{Connection as _, SqliteConnection};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness as _, embed_migrations};
use sqlx::Connection as _;
use sqlx::migrate::Migrator;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection as SqlxConnection};

type Result = std::result::Result<(), Box<dyn std::error::Error + Send + Sync>>;

static SQLX: Migrator = sqlx::migrate!("./sqlx");
const DIESEL: EmbeddedMigrations = embed_migrations!("diesel");

mod embedded {
    refinery::embed_migrations!("refinery");
}

/// Everything that is in the database, history and schema included.
fn dump(file: &SqliteFile) -> std::result::Result<Vec<String>, cowherd::rusqlite::Error> {
    let connection = Connection::open(file.path())?;
    let mut query = connection.prepare("SELECT name, sql FROM sqlite_schema ORDER BY name")?;
    let text = |row: &cowherd::rusqlite::Row<'_>| {
        Ok((row.get::<_, String>(0)?, row.get::<_, Option<String>>(1)?))
    };
    let tables: Vec<_> = query
        .query_map([], text)?
        .collect::<std::result::Result<_, _>>()?;
    let mut all = Vec::new();
    for (name, sql) in tables {
        all.push(format!("{name}: {}", sql.clone().unwrap_or_default()));
        if sql.is_some_and(|sql| sql.starts_with("CREATE TABLE")) {
            let mut rows = connection.prepare(&format!("SELECT * FROM \"{name}\""))?;
            let columns = rows.column_count();
            let mut rows = rows.query([])?;
            while let Some(row) = rows.next()? {
                let values = (0..columns).map(|column| row.get_ref(column));
                let values: Vec<_> = values.collect::<std::result::Result<_, _>>()?;
                all.push(format!("{name}: {values:?}"));
            }
        }
    }
    Ok(all)
}

#[cowherd::test(snapshot = "sqlx")]
async fn sqlx_applies_nothing(file: SqliteFile) -> Result {
    let before = dump(&file)?;
    assert_eq!(
        before
            .iter()
            .filter(|line| line.starts_with("_sqlx_migrations: ["))
            .count(),
        2
    );
    let options = SqliteConnectOptions::new().filename(file.path());
    let mut connection = SqlxConnection::connect_with(&options).await?;
    SQLX.run(&mut connection).await?;
    connection.close().await?;
    assert_eq!(dump(&file)?, before);
    Ok(())
}

#[cowherd::test(snapshot = "untold")]
async fn without_its_table_sqlx_applies_everything_again(file: SqliteFile) -> Result {
    let options = SqliteConnectOptions::new().filename(file.path());
    let mut connection = SqlxConnection::connect_with(&options).await?;
    let error = SQLX
        .run(&mut connection)
        .await
        .expect_err("a table that is there");
    assert!(error.to_string().contains("already exists"), "{error}");
    Ok(())
}

#[cowherd::test(snapshot = "refinery")]
fn refinery_applies_nothing(file: SqliteFile) -> Result {
    let before = dump(&file)?;
    let mut connection = Connection::open(file.path())?;
    let runner = embedded::migrations::runner();
    let known = runner.get_applied_migrations(&mut connection)?;
    assert_eq!(known.len(), 3);
    let report = runner.run(&mut connection)?;
    assert!(report.applied_migrations().is_empty(), "{report:?}");
    drop(connection);
    assert_eq!(dump(&file)?, before);
    Ok(())
}

#[cowherd::test(snapshot = "diesel")]
fn diesel_applies_nothing(file: SqliteFile) -> Result {
    let before = dump(&file)?;
    let path = file.path().to_str().ok_or("a path that is no text")?;
    let mut connection = SqliteConnection::establish(path)?;
    let pending = connection.pending_migrations(DIESEL)?;
    assert!(pending.is_empty(), "{}", pending.len());
    let applied = connection.run_pending_migrations(DIESEL)?;
    assert!(applied.is_empty(), "{applied:?}");
    assert_eq!(connection.applied_migrations()?.len(), 2);
    drop(connection);
    assert_eq!(dump(&file)?, before);
    Ok(())
}
