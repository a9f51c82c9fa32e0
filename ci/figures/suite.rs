//! A suite of Rust tests that use PostgreSQL: `#[cowherd::test]`, `#[sqlx::test]` and a template database written by
//! hand, each for the same tests.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use crate::bare::{self, Bare, PEER};
use crate::cargo::{cargo, run};
use crate::fixture::Fixture;
use crate::meter::Meter;
use crate::table::{Samples, Table, Target};

const TESTS: usize = 300;
const MIGRATIONS: usize = 60;

/// The ways, as the names of their files, with what people call them. Ours is the second.
const WAYS: [(&str, &str); 4] = [
    ("shared", "one database for all tests: no copies"),
    ("copies", "#[cowherd::test]"),
    ("template", "CREATE DATABASE … TEMPLATE by hand"),
    ("migrated", "#[sqlx::test]"),
];

/// What all ways have in common: the test itself, some 5 ms in a server that is warm.
const LIBRARY: &str = r#"
use sqlx::PgConnection;

/// Writes orders and reads them back; gives how many there are.
pub async fn orders(client: &mut PgConnection) -> Result<i64, sqlx::Error> {
    for number in 0..20_i64 {
        let name = format!("customer {number}");
        sqlx::query("INSERT INTO t_0 (name, amount) VALUES ($1, $2)").bind(name).bind(number).execute(&mut *client).await?;
    }
    sqlx::query("UPDATE t_0 SET amount = amount + 1 WHERE name LIKE 'customer 1%'").execute(&mut *client).await?;
    sqlx::query("INSERT INTO t_1 (name, amount) SELECT name, amount FROM t_0").execute(&mut *client).await?;
    let joined = "SELECT count(*) FROM t_0 JOIN t_1 USING (name) JOIN t_2 ON t_2.id <= 3";
    let _: i64 = sqlx::query_scalar(joined).fetch_one(&mut *client).await?;
    sqlx::query_scalar("SELECT count(*) FROM t_0").fetch_one(&mut *client).await
}
"#;

/// Runs on a database that all tests have in common, in a transaction that is taken back.
const SHARED: &str = r#"
use suite::orders;

static RUNTIME: std::sync::LazyLock<tokio::runtime::Runtime> =
    std::sync::LazyLock::new(|| tokio::runtime::Runtime::new().unwrap());
static POOL: tokio::sync::OnceCell<sqlx::PgPool> = tokio::sync::OnceCell::const_new();

async fn pool() -> &'static sqlx::PgPool {
    POOL.get_or_init(|| async {
        let pool = sqlx::PgPool::connect(&std::env::var("DATABASE_URL").unwrap()).await.unwrap();
        sqlx::migrate!().run(&pool).await.unwrap();
        pool
    })
    .await
}

async fn taken_back() {
    let mut transaction = pool().await.begin().await.unwrap();
    assert_eq!(orders(&mut transaction).await.unwrap(), 20);
    transaction.rollback().await.unwrap();
}
"#;

/// Runs on a pool that leads to a database of the test's own.
const POOLED: &str = r"
use sqlx::PgPool;

async fn with_pool(pool: &PgPool) -> i64 {
    suite::orders(&mut pool.acquire().await.unwrap()).await.unwrap()
}
";

/// The peer at its best: the quicker strategy, connections kept, and each database dropped when its server process
/// has surely gone, as the server waits 100 ms otherwise.
const TEMPLATE: &str = r#"
use std::sync::{LazyLock, Mutex};

use sqlx::{Connection as _, PgPool};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use suite::orders;

static RUNTIME: LazyLock<tokio::runtime::Runtime> = LazyLock::new(|| tokio::runtime::Runtime::new().unwrap());
static ADMIN: tokio::sync::OnceCell<PgPool> = tokio::sync::OnceCell::const_new();
static USED: Mutex<Vec<String>> = Mutex::new(Vec::new());

fn server() -> PgConnectOptions {
    std::env::var("DATABASE_URL").unwrap().parse().unwrap()
}

async fn admin() -> &'static PgPool {
    ADMIN
        .get_or_init(|| async {
            let admin = PgPool::connect_with(server()).await.unwrap();
            sqlx::raw_sql("CREATE DATABASE template_suite").execute(&admin).await.unwrap();
            let mut template = sqlx::PgConnection::connect_with(&server().database("template_suite")).await.unwrap();
            sqlx::migrate!().run(&mut template).await.unwrap();
            template.close().await.unwrap();
            admin
        })
        .await
}

async fn with_copy(number: usize) {
    let admin = admin().await;
    let name = format!("test_{number}");
    let create = format!("CREATE DATABASE {name} TEMPLATE template_suite STRATEGY file_copy");
    sqlx::raw_sql(&create).execute(admin).await.unwrap();
    let pool = PgPoolOptions::new().connect_with(server().database(&name)).await.unwrap();
    assert_eq!(orders(&mut pool.acquire().await.unwrap()).await.unwrap(), 20);
    pool.close().await;
    let earlier = {
        let mut used = USED.lock().unwrap();
        used.push(name);
        if used.len() > 8 { Some(used.remove(0)) } else { None }
    };
    if let Some(earlier) = earlier {
        sqlx::raw_sql(&format!("DROP DATABASE {earlier}")).execute(admin).await.unwrap();
    }
}
"#;

/// One test of a way.
fn test(way: &str, number: usize) -> String {
    let name = format!("test_{number}");
    let copy = |attribute: &str| {
        format!(
            "#[{attribute}]\nasync fn {name}(pool: PgPool) {{ assert_eq!(with_pool(&pool).await, 20); }}\n"
        )
    };
    match way {
        "shared" => format!("#[test]\nfn {name}() {{ RUNTIME.block_on(taken_back()); }}\n"),
        "template" => {
            format!("#[test]\nfn {name}() {{ RUNTIME.block_on(with_copy({number})); }}\n")
        }
        "copies" => copy("cowherd::test(snapshot = \"suite\")"),
        _ => copy("sqlx::test"),
    }
}

/// The package, built.
fn package(fixture: &Fixture) -> anyhow::Result<PathBuf> {
    let folder = fixture.dir.join("suite");
    for part in ["src", "tests", "migrations"] {
        fs::create_dir_all(folder.join(part))?;
    }
    let cowherd = env!("CARGO_MANIFEST_DIR");
    let manifest = format!(
        "[package]\nname = \"suite\"\nversion = \"0.0.0\"\nedition = \"2024\"\n
[dependencies]\nsqlx = {{ version = \"0.8\", default-features = false, features = [\"macros\", \"migrate\", \"postgres\", \"runtime-tokio\"] }}
tokio = {{ version = \"1\", features = [\"rt-multi-thread\", \"sync\"] }}
cowherd = {{ path = {cowherd:?}, default-features = false, features = [\"macros\", \"sqlx-0_8\"] }}\n
[workspace]\n"
    );
    fs::write(folder.join("Cargo.toml"), manifest)?;
    fs::copy(
        Path::new(cowherd).join("Cargo.lock"),
        folder.join("Cargo.lock"),
    )?;
    fs::write(folder.join("src/lib.rs"), LIBRARY)?;
    let spec = "version: 1\nsnapshots:\n  suite: { engine: postgres, steps: [ { migrate: { tool: sqlx, dir: migrations } } ] }\n";
    fs::write(folder.join("cowherd.yaml"), spec)?;
    for number in 0..MIGRATIONS {
        let name = format!("{:04}_change.sql", number + 1);
        fs::write(folder.join("migrations").join(name), migration(number))?;
    }
    for (way, _) in WAYS {
        let mut text = match way {
            "shared" => SHARED.to_owned(),
            "template" => TEMPLATE.to_owned(),
            _ => POOLED.to_owned(),
        };
        (0..TESTS).for_each(|number| text.push_str(&test(way, number)));
        fs::write(folder.join("tests").join(format!("{way}.rs")), text)?;
    }
    run(&mut cargo(&folder, &["test", "--no-run"]))?;
    Ok(folder)
}

/// Every third makes a table, the next two change it.
pub(crate) fn migration(number: usize) -> String {
    let table = format!("t_{}", number / 3);
    let mut text = String::new();
    let _ = match number % 3 {
        0 => write!(
            text,
            "CREATE TABLE {table} (id bigserial PRIMARY KEY, name text NOT NULL, amount bigint NOT NULL DEFAULT 0);"
        ),
        1 => write!(
            text,
            "CREATE INDEX {table}_name ON {table} (name);\nALTER TABLE {table} ADD CHECK (amount >= 0);"
        ),
        _ => write!(
            text,
            "ALTER TABLE {table} ADD created timestamptz NOT NULL DEFAULT now();\n\
             CREATE VIEW {table}_named AS SELECT id, name FROM {table} WHERE name <> '';"
        ),
    };
    text
}

/// What one run of a way takes: in all, and of the processors, in seconds.
#[derive(Default)]
struct Taken {
    wall: Samples,
    cpu: Samples,
}

/// 300 tests, the ways turn by turn.
pub(crate) fn suite(fixture: &Fixture, table: &mut Table) -> anyhow::Result<()> {
    let folder = package(fixture)?;
    let memory = fixture.peers_folder(&fixture.shop)?;
    let mut first = Samples::default();
    let begun = Instant::now();
    run(&mut tests(&folder, "copies", 2))?;
    first.0.push(begun.elapsed().as_secs_f64());
    let meter = Meter::new();
    let jobs: &[usize] = if fixture.quick { &[2] } else { &[2, 4] };
    let mut taken: Vec<[Taken; WAYS.len()]> = jobs.iter().map(|_| Default::default()).collect();
    for round in 0..(if fixture.quick { 1 } else { 3 }) {
        for (jobs, taken) in jobs.iter().zip(&mut taken) {
            for ((way, _), taken) in WAYS.iter().zip(taken) {
                let data = memory.path().join(format!("{way}-{jobs}-{round}"));
                bare::flatten(fixture, &fixture.shop, &data)?;
                let mut server = Bare::start(fixture, &fixture.shop, &data, &PEER)?;
                server.drain();
                let mut command = tests(&folder, way, *jobs);
                command.env("DATABASE_URL", server.url("postgres")?);
                let (begun, before) = (Instant::now(), meter.used()?);
                run(&mut command)?;
                taken.wall.0.push(begun.elapsed().as_secs_f64());
                taken.cpu.0.push((meter.used()? - before) / 1e3);
                server.stop()?;
                fs::remove_dir_all(&data)?;
            }
        }
    }
    table.head(format!(
        "{TESTS} Rust tests on PostgreSQL with {MIGRATIONS} migrations: seconds for all of them"
    ));
    for (jobs, taken) in jobs.iter().zip(&taken) {
        let ours = &taken[1];
        for ((_, what), taken) in WAYS.iter().zip(taken) {
            let against = |other: &Samples| Some(Target::Times(other.clone(), None));
            let own = std::ptr::eq(taken, ours);
            let row = |what: &str, sort: &str| format!("{jobs} threads  {what}{sort}");
            let (wall, cpu) = (row(what, ""), row(what, ", processor time"));
            if own {
                table.row(wall, "s", &taken.wall, None);
                table.row(cpu, "s", &taken.cpu, None);
            } else {
                table.peer(wall, "s", &taken.wall, against(&ours.wall));
                table.peer(cpu, "s", &taken.cpu, against(&ours.cpu));
            }
        }
    }
    let what = "2 threads  #[cowherd::test], the first run, which builds the snapshot";
    table.row(what, "s", &first, None);
    table.note("compared with #[cowherd::test] at as many threads");
    table.note(meter.describe());
    Ok(())
}

fn tests(folder: &Path, way: &str, jobs: usize) -> Command {
    let threads = format!("--test-threads={jobs}");
    cargo(folder, &["test", "--test", way, "--", &threads])
}
