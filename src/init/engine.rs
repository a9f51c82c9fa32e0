//! Which database a project uses, by what its files say.

use std::path::Path;

use super::InitError;
use super::tree::{Tree, has_ending, split};
use crate::spec;

/// An engine, and what speaks for it.
#[derive(Debug)]
pub(super) struct Guess {
    /// The name that a spec takes.
    pub(super) name: String,
    /// What says so; `None` for the one that needs nothing installed.
    pub(super) evidence: Option<String>,
    /// What says that the project uses Redis beside it.
    pub(super) redis: Option<String>,
}

pub(super) const REDIS: &str = "redis";

/// Engines that a project may use, each with words that stand for it: in addresses, in the names of
/// images, packages and drivers.
const WORDS: [(&str, &[&str]); 4] = [
    (
        "postgres",
        &[
            "postgres",
            "postgresql",
            "postgis",
            "timescaledb",
            "pgvector",
            "tokio-postgres",
            "psycopg",
            "psycopg2",
            "psycopg2-binary",
            "asyncpg",
            "pg8000",
            "pg",
            "pq",
            "pgx",
            "postgrex",
            "npgsql",
        ],
    ),
    (
        "sqlite",
        &[
            "sqlite",
            "sqlite3",
            "rusqlite",
            "better-sqlite3",
            "go-sqlite3",
            "aiosqlite",
            "sqlite-jdbc",
        ],
    ),
    (
        "mariadb",
        &[
            "mariadb",
            "mysql",
            "mysql2",
            "mysqlclient",
            "pymysql",
            "go-sql-driver",
            "mysql-connector-j",
        ],
    ),
    (
        REDIS,
        &[
            "redis",
            "redis-stack",
            "redis-stack-server",
            "valkey",
            "ioredis",
            "go-redis",
            "hiredis",
            "jedis",
            "predis",
            "redix",
            "deadpool-redis",
        ],
    ),
];

/// Files that name drivers, the more telling first.
const MANIFESTS: [&str; 17] = [
    "diesel.toml",
    "prisma/schema.prisma",
    "config/database.yml",
    "Cargo.toml",
    "package.json",
    "pyproject.toml",
    "requirements.txt",
    "requirements-dev.txt",
    "go.mod",
    "Gemfile",
    "mix.exs",
    "composer.json",
    "pom.xml",
    "build.gradle",
    "build.gradle.kts",
    "knexfile.js",
    "drizzle.config.ts",
];

/// What stands in one database's SQL and not in another's.
const DIALECTS: [(&str, &[&str]); 3] = [
    (
        "postgres",
        &[
            "bigserial",
            "serial primary key",
            "jsonb",
            "timestamptz",
            "$$",
            "plpgsql",
            "create extension",
            "as identity",
            "gen_random_uuid",
            "text[]",
        ],
    ),
    (
        "sqlite",
        &[
            "autoincrement",
            "pragma ",
            "without rowid",
            ") strict",
            "datetime('now')",
            "strftime(",
        ],
    ),
    (
        "mariadb",
        &["auto_increment", "engine=innodb", "unsigned", "charset="],
    ),
];

/// The engine that was asked for, or the one that the files speak for.
pub(super) fn choose(tree: &Tree, asked: Option<&str>) -> Result<Guess, InitError> {
    let guess = match asked {
        Some(name) => Guess {
            name: name.to_owned(),
            evidence: None,
            redis: None,
        },
        None => guess(tree),
    };
    match known(&guess.name) {
        Some(name) => Ok(Guess { name, ..guess }),
        None => Err(InitError::Engine {
            engine: guess.name,
            evidence: guess.evidence,
        }),
    }
}

/// The engines that specs can name.
pub(super) fn supported() -> Vec<String> {
    WORDS.iter().filter_map(|(name, _)| known(name)).collect()
}

/// The model's name of an engine; what a spec may say is the spec's own business.
fn known(engine: &str) -> Option<String> {
    let word = engine.chars().all(|c| c.is_ascii_alphanumeric());
    let text = format!("version: 1\nsnapshots: {{ a: {{ engine: {engine} }} }}\n");
    let spec = spec::parse(Path::new("cowherd.yaml"), text.as_bytes(), &|_| None).ok();
    let spec = spec.filter(|_| word)?;
    Some(spec.snapshots.first()?.services.first()?.engine.clone())
}

fn guess(tree: &Tree) -> Guess {
    let named = |among: Among| {
        environment(tree, among)
            .or_else(|| compose(tree, among))
            .or_else(|| manifests(tree, among))
    };
    let database = named(Among::Databases)
        .or_else(|| dialect(tree))
        .or_else(|| database_file(tree));
    let redis = named(Among::Redis);
    match (database, redis) {
        (Some((name, evidence)), redis) => Guess {
            name: name.to_owned(),
            evidence: Some(evidence),
            redis: redis.map(|(_, evidence)| evidence),
        },
        (None, Some((name, evidence))) => Guess {
            name: name.to_owned(),
            evidence: Some(evidence),
            redis: None,
        },
        (None, None) => Guess {
            name: "sqlite".to_owned(),
            evidence: None,
            redis: None,
        },
    }
}

/// Which engines are looked for: a project may use a database and Redis beside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Among {
    Databases,
    Redis,
}

type Found = (&'static str, String);

fn engine_of(word: &str, among: Among) -> Option<&'static str> {
    let among = |engine: &str| (engine == REDIS) == (among == Among::Redis);
    let mut known = WORDS.iter().filter(|(engine, _)| among(engine));
    known
        .find(|(_, words)| words.contains(&word))
        .map(|(engine, _)| *engine)
}

/// `…_URL=postgres://…` in a file of variables.
fn environment(tree: &Tree, among: Among) -> Option<Found> {
    let files = tree
        .files()
        .filter(|file| file.starts_with(".env") && !file.contains('/'));
    for file in files {
        for line in tree.text(file).lines() {
            let line = line.trim().trim_start_matches("export ");
            let Some((name, value)) = line.split_once('=') else {
                continue;
            };
            let scheme = value.trim_start_matches(['"', '\'']).split(':').next();
            // `postgresql+psycopg://` and `jdbc:…` are spellings of drivers.
            let scheme = scheme.and_then(|scheme| scheme.split('+').next());
            if name.ends_with("URL")
                && !name.starts_with('#')
                && let Some(engine) = scheme.and_then(|scheme| engine_of(scheme, among))
            {
                return Some((engine, format!("{file} has {name}")));
            }
        }
    }
    None
}

/// `image: postgres:17` in a Compose file.
fn compose(tree: &Tree, among: Among) -> Option<Found> {
    let file = tree.first_of(&[
        "compose.yaml",
        "compose.yml",
        "docker-compose.yaml",
        "docker-compose.yml",
    ])?;
    tree.text(file).lines().find_map(|line| {
        let image = line.trim().strip_prefix("image:")?;
        let image = image.trim().trim_matches(['"', '\'']);
        let (_, name) = split(image);
        let name = name.split([':', '@']).next()?;
        // Of drivers there is one for both; an image is of the one server or of the other.
        let engine = match engine_of(name, among)? {
            "mariadb" if name == "mysql" => "mysql",
            engine => engine,
        };
        Some((engine, format!("{file} has the image {image}")))
    })
}

/// The first driver that a list of dependencies names.
fn manifests(tree: &Tree, among: Among) -> Option<Found> {
    MANIFESTS.iter().find_map(|file| {
        tree.text(file).lines().find_map(|line| {
            let line = line.trim();
            let prose = ["#", "//", "name", "description", "keywords", "categories"];
            let unquoted = line.trim_start_matches('"');
            if prose.iter().any(|prefix| unquoted.starts_with(prefix)) {
                return None;
            }
            let is_word = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
            let word = line
                .split(|c: char| !is_word(c))
                .find(|word| engine_of(word, among).is_some())?;
            Some((engine_of(word, among)?, format!("{file} names {word}")))
        })
    })
}

/// What the SQL itself looks like.
fn dialect(tree: &Tree) -> Option<Found> {
    let scripts = tree
        .files()
        .filter(|file| has_ending(file, "sql"))
        .take(100);
    scripts.into_iter().find_map(|file| {
        let text = tree.text(file).to_lowercase();
        DIALECTS.iter().find_map(|(engine, marks)| {
            let mark = marks.iter().find(|mark| text.contains(*mark))?;
            Some((*engine, format!("{file} has `{}`", mark.trim())))
        })
    })
}

fn database_file(tree: &Tree) -> Option<Found> {
    let endings = ["db", "sqlite", "sqlite3"];
    let file = tree
        .files()
        .find(|file| endings.iter().any(|ending| has_ending(file, ending)))?;
    Some(("sqlite", format!("{file} is there")))
}
