//! What a project makes its database of: migrations, a schema, seeds, dumps, and SQL that tests it.

use super::engine::REDIS;
use super::tree::{Tree, has_ending, split};
use crate::migrate::script::Dialect;
use crate::migrate::{self, MigrateError, Tool};

/// A build step as the spec has it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Step {
    /// What follows the dash: `migrate: migrations`.
    pub(super) text: String,
    /// Why it stands there.
    pub(super) why: String,
    /// Whether it is only shown, in a comment.
    pub(super) comment: bool,
}

#[derive(Debug)]
pub(super) struct Sources {
    pub(super) steps: Vec<Step>,
    /// A pattern that matches SQL files which are tests.
    pub(super) checks: Option<String>,
}

/// Folders that hold nothing but migrations.
const MIGRATIONS: [&str; 5] = ["migrations", "migration", "migrate", "alembic", "flyway"];

/// Files that hold a whole schema, the more telling first.
const SCHEMAS: [&str; 6] = [
    "schema.sql",
    "structure.sql",
    "init.sql",
    "tables.sql",
    "create.sql",
    "ddl.sql",
];

/// Folders of SQL that builds a database, when they hold no files of another kind.
const SCRIPTS: [&str; 4] = ["sql", "db", "database", "schema"];

/// Finds the steps for a database of `engine`, in their order, and the tests.
pub(super) fn find(tree: &Tree, engine: &str) -> Sources {
    if engine == REDIS {
        return Sources {
            steps: commands(tree),
            checks: None,
        };
    }
    let mut steps = migrations(tree, engine);
    let migrated = !steps.is_empty();
    if !migrated {
        steps.extend(schema(tree));
    }
    let dumps = tree.files().filter(|file| has_ending(file, "dump"));
    for dump in dumps
        .filter(|file| engine == "postgres" && is_plain(file))
        .take(1)
    {
        let restore = format!("pg_restore --no-owner -d \\\"$DATABASE_URL\\\" {dump}");
        steps.push(Step {
            comment: !steps.is_empty(),
            text: format!("run: {{ command: \"{restore}\", inputs: [{dump}] }}"),
            why: String::new(),
        });
    }
    steps.extend(seeds(tree));
    Sources {
        steps,
        checks: checks(tree),
    }
}

/// Files of Redis commands that fill it.
pub(super) fn commands(tree: &Tree) -> Vec<Step> {
    let files = tree.files().filter(|file| has_ending(file, REDIS));
    let own = files.filter(|file| is_plain(file) && !is_test(split(file).0));
    own.map(|file| Step {
        text: format!("redis: {file}"),
        why: "the keys that tests begin with".to_owned(),
        comment: false,
    })
    .collect()
}

/// The migrations nearest to the top; those of other parts of the project are only shown.
fn migrations(tree: &Tree, engine: &str) -> Vec<Step> {
    let dialect = Dialect::of_engine(engine).unwrap_or(Dialect::Postgres);
    let mut steps: Vec<Step> = Vec::new();
    let mut taken: Vec<&str> = Vec::new();
    for folder in tree.folders() {
        let below = |taken: &&str| {
            folder
                .strip_prefix(*taken)
                .is_some_and(|rest| rest.starts_with('/'))
        };
        if !is_plain(folder) || taken.iter().any(below) || !holds_migrations(tree, folder) {
            continue;
        }
        let Some((text, why)) = migrate_step(tree, folder, dialect) else {
            continue;
        };
        taken.push(folder);
        steps.push(Step {
            text,
            why,
            comment: !steps.is_empty(),
        });
        if steps.len() == 4 {
            break;
        }
    }
    steps
}

fn holds_migrations(tree: &Tree, folder: &str) -> bool {
    let (_, name) = split(folder);
    let versioned = |file: &str| {
        let version = file
            .strip_prefix('V')
            .and_then(|rest| rest.split_once("__"));
        has_ending(file, "sql")
            && version.is_some_and(|(version, _)| version.starts_with(|c: char| c.is_ascii_digit()))
    };
    MIGRATIONS.contains(&name) || tree.names_in(folder).any(versioned)
}

/// How the folder is to be applied; `None` when it holds no migrations after all.
fn migrate_step(tree: &Tree, folder: &str, dialect: Dialect) -> Option<(String, String)> {
    let named = |tool: Tool| format!("migrate: {{ tool: {tool}, dir: {folder} }}");
    // The top of a project has other files too, which a tool has to be told about.
    let dir = if folder.is_empty() { "." } else { folder };
    Some(match migrate::discover(&tree.path(folder), None, dialect) {
        Ok(set) => {
            let files = match set.migrations.len() {
                1 => "1 file".to_owned(),
                files => format!("{files} files"),
            };
            let as_tool = match set.tool {
                Tool::Sql => "in the order of their names".to_owned(),
                tool => format!("as {tool} applies them"),
            };
            (format!("migrate: {dir}"), format!("{files}, {as_tool}"))
        }
        Err(MigrateError::Empty { .. } | MigrateError::Read { .. }) => return None,
        Err(MigrateError::Foreign { tool, .. }) => {
            (tool.step(dir), format!("the migrations of {tool}"))
        }
        Err(MigrateError::Ambiguous { why, remedies }) => {
            let (tool, _) = remedies.first()?;
            (named(*tool), why)
        }
        // The first build says what is wrong, and where.
        Err(error) => (format!("migrate: {dir}"), error.to_string()),
    })
}

fn is_seed(name: &str) -> bool {
    has_ending(name, "sql")
        && ["seed", "data.sql", "fixtures.sql", "sample"]
            .iter()
            .any(|prefix| name.starts_with(prefix))
}

/// A file that holds the schema, or a folder of files that do.
fn schema(tree: &Tree) -> Option<Step> {
    let named = |name: &str| {
        let mut files = tree.files().filter(|file| is_plain(file));
        files.find(|file| split(file).1 == name)
    };
    let plain_folder = |folder: &&&str| {
        let mut names = tree.names_in(folder);
        names.all(|name| has_ending(name, "sql") && !is_seed(name))
            && tree.names_in(folder).next().is_some()
    };
    let step = |text: String, why: &str| Step {
        text,
        why: why.to_owned(),
        comment: false,
    };
    if let Some(file) = SCHEMAS.iter().find_map(|name| named(name)) {
        return Some(step(format!("sql: {file}"), "the schema"));
    }
    if let Some(folder) = SCRIPTS.iter().find(plain_folder) {
        let text = format!("migrate: {{ tool: sql, dir: {folder} }}");
        return Some(step(text, "its files, in the order of their names"));
    }
    let mut scripts = tree.names_in("").filter(|name| has_ending(name, "sql"));
    if scripts.clone().nth(1).is_some()
        && scripts.all(|name| name.starts_with(|c: char| c.is_ascii_digit()))
    {
        let text = "migrate: { tool: sql, dir: . }".to_owned();
        return Some(step(text, "the files here, in the order of their names"));
    }
    // The only script of a project is what its database is made of.
    let mut scripts = tree
        .files()
        .filter(|file| has_ending(file, "sql") && !is_seed(split(file).1));
    match (scripts.next(), scripts.next()) {
        (Some(file), None) if is_plain(file) && !is_test(split(file).0) => {
            Some(step(format!("sql: {file}"), "the only SQL file"))
        }
        _ => None,
    }
}

/// Files that fill the tables.
fn seeds(tree: &Tree) -> Vec<Step> {
    let step = |text: String| Step {
        text,
        why: "the data that tests begin with".to_owned(),
        comment: false,
    };
    let folder = tree.folders().into_iter().find(|folder| {
        let (_, name) = split(folder);
        ["seeds", "seed"].contains(&name)
            && is_plain(folder)
            && tree.names_in(folder).any(|name| has_ending(name, "sql"))
    });
    if let Some(folder) = folder {
        return vec![step(format!("sql: {folder}/*.sql"))];
    }
    let seeds = tree
        .files()
        .filter(|file| is_plain(file) && is_seed(split(file).1));
    // Those beside each other belong together; one deeper down belongs to something else.
    let own = |folder: &str| !is_test(folder) && !MIGRATIONS.contains(&split(folder).1);
    let mut seeds = seeds.filter(|file| own(split(file).0)).peekable();
    let folder = seeds.peek().map(|file| split(file).0);
    seeds
        .filter(|file| Some(split(file).0) == folder)
        .map(|file| step(format!("sql: {file}")))
        .collect()
}

fn is_test(folder: &str) -> bool {
    ["checks", "tests", "test"].contains(&split(folder).1)
}

/// A folder of SQL files that are tests, and nothing that tests begin with.
fn checks(tree: &Tree) -> Option<String> {
    let folder = tree.folders().into_iter().find(|folder| {
        let script = |name: &&str| has_ending(name, "sql");
        let mut scripts = tree.names_in(folder).filter(script).peekable();
        is_test(folder)
            && is_plain(folder)
            && scripts.peek().is_some()
            && scripts.all(|name| !is_seed(name) && !SCHEMAS.contains(&name))
    });
    folder.map(|folder| format!("{folder}/*.sql"))
}

/// Whether a path means itself in YAML, in a pattern and in a shell.
fn is_plain(path: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '/');
    !path.starts_with('-') && path.chars().all(plain)
}
