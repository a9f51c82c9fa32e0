//! Real migrators over snapshots on PostgreSQL: they apply nothing.

use cowherd::DatabaseUrl;
use cowherd::postgres::Client;
use sqlx::migrate::Migrator;
use sqlx::{Connection as _, PgConnection};

type Result = std::result::Result<(), Box<dyn std::error::Error + Send + Sync>>;

static SQLX: Migrator = sqlx::migrate!("./sqlx");

mod embedded {
    refinery::embed_migrations!("refinery");
}

/// What the tool has noted, and the tables that there are.
const NOTED: &str = "SELECT row_to_json(noted)::text FROM TABLE_NAME AS noted \
     UNION ALL SELECT relname::text FROM pg_class WHERE relnamespace = 'public'::regnamespace ORDER BY 1";

#[cowherd::test(snapshot = "sqlx-pg")]
async fn sqlx_applies_nothing(url: DatabaseUrl) -> Result {
    let noted = NOTED.replace("TABLE_NAME", "_sqlx_migrations");
    let mut connection = PgConnection::connect(&url).await?;
    let before: Vec<String> = sqlx::query_scalar(sqlx::AssertSqlSafe(noted.clone()))
        .fetch_all(&mut connection)
        .await?;
    assert_eq!(
        before.iter().filter(|line| line.starts_with('{')).count(),
        2
    );
    SQLX.run(&mut connection).await?;
    let after: Vec<String> = sqlx::query_scalar(sqlx::AssertSqlSafe(noted))
        .fetch_all(&mut connection)
        .await?;
    assert_eq!(after, before);
    Ok(())
}

#[cowherd::test(snapshot = "refinery-pg")]
fn refinery_applies_nothing(mut client: Client) -> Result {
    let noted = NOTED.replace("TABLE_NAME", "refinery_schema_history");
    let read = |client: &mut Client| -> std::result::Result<Vec<String>, cowherd::postgres::Error> {
        let rows = client.query(&noted, &[])?;
        Ok(rows.iter().map(|row| row.get(0)).collect())
    };
    let before = read(&mut client)?;
    let runner = embedded::migrations::runner();
    assert_eq!(runner.get_applied_migrations(&mut client)?.len(), 3);
    let report = runner.run(&mut client)?;
    assert!(report.applied_migrations().is_empty(), "{report:?}");
    assert_eq!(read(&mut client)?, before);
    Ok(())
}
