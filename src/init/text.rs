//! The words of a first spec.

use std::fmt::Write as _;
use std::path::PathBuf;

use super::Starter;
use super::engine::{Guess, REDIS};
use super::runners::Runner;
use super::sources::{Sources, Step};

/// What was found.
#[derive(Debug)]
pub(super) struct Project {
    /// The snapshot's name.
    pub(super) name: String,
    pub(super) engine: Guess,
    pub(super) sources: Sources,
    pub(super) runners: Vec<Runner>,
    pub(super) is_cargo: bool,
}

impl Project {
    /// The ending of the files that its database's client runs.
    fn ending(&self) -> &'static str {
        match self.engine.name.as_str() {
            REDIS => "redis",
            _ => "sql",
        }
    }
}

const HEAD: &str = "\
# Cowherd gives each test below its own copy of a prepared database.
#   cowherd run       build what is missing, then run every test
#   cowherd shell     look around in a copy; what you change there is gone afterwards
version: 1

snapshots:
";

/// Where comments begin.
const COLUMN: usize = 34;

/// A spec for what the project has, with a first test where it has none in SQL.
pub(super) fn starter(project: &Project) -> Starter {
    let checks = project.sources.checks.as_deref();
    let (checks, files) = match checks {
        Some(pattern) => (pattern.to_owned(), Vec::new()),
        None => (
            format!("checks/*.{}", project.ending()),
            vec![(
                PathBuf::from(format!("checks/first.{}", project.ending())),
                first_check(project),
            )],
        ),
    };
    Starter {
        spec: spec(project, &checks),
        files,
    }
}

/// A spec for an empty folder, with a schema and two tests that could not share one database.
pub(super) fn example(project: &Project) -> Starter {
    let project = Project {
        name: project.name.clone(),
        engine: Guess {
            name: project.engine.name.clone(),
            evidence: None,
            redis: None,
        },
        sources: Sources {
            steps: vec![Step {
                text: "sql: schema.sql".to_owned(),
                why: "tables and the data that tests begin with".to_owned(),
                comment: false,
            }],
            checks: None,
        },
        runners: Vec::new(),
        is_cargo: false,
    };
    let files = [
        ("schema.sql", SCHEMA),
        ("checks/sells_every_cow.sql", SELLS),
        ("checks/counts_the_cows.sql", COUNTS),
    ];
    Starter {
        spec: spec(&project, "checks/*.sql"),
        files: files
            .map(|(path, text)| (PathBuf::from(path), text.to_owned()))
            .to_vec(),
    }
}

fn spec(project: &Project, checks: &str) -> String {
    let mut text = HEAD.to_owned();
    let name = &project.name;
    line(
        &mut text,
        &format!("  {name}:"),
        "a prepared state; tests name it",
    );
    let engine = &project.engine;
    let why = match (&engine.evidence, engine.name.as_str()) {
        (Some(evidence), _) => evidence.clone(),
        (None, "sqlite") => "nothing to install; or postgres".to_owned(),
        (None, _) => "or sqlite, which needs nothing installed".to_owned(),
    };
    match &engine.redis {
        None => line(&mut text, &format!("    engine: {}", engine.name), &why),
        Some(redis) => {
            text += "    services:\n";
            let service =
                |name: &str, engine: &str| format!("      {name}: {{ engine: {engine} }}");
            line(&mut text, &service("db", &engine.name), &why);
            line(&mut text, &service("cache", REDIS), redis);
        }
    }
    steps(&mut text, project);
    text += "\ntests:\n  - name: checks\n";
    let _ = writeln!(text, "    snapshot: {name}");
    let why = match project.ending() {
        "redis" => "one test per file; it passes when no command answers with an error",
        _ => "one test per file; it passes when no statement fails",
    };
    line(&mut text, &format!("    each: {checks}"), why);
    for runner in &project.runners {
        let _ = writeln!(text, "  # - name: {}\n  #   snapshot: {name}", runner.name);
        for key in &runner.lines {
            let why = match key.split_once(':') {
                Some(("discover", _)) => "prints one test per line",
                _ => "",
            };
            line(&mut text, &format!("  #   {key}"), why);
        }
    }
    if project.runners.is_empty() && !project.is_cargo {
        let _ = writeln!(text, "  # - name: api\n  #   snapshot: {name}");
        line(
            &mut text,
            "  #   command: ./test-api.sh",
            "finds the database by DATABASE_URL",
        );
    }
    if project.is_cargo {
        let _ = write!(
            text,
            "\n# In a Rust test, with cowherd as a dev-dependency:\n\
             #   let container = cowherd::Cowherd::open()?.snapshot(\"{name}\")?.container()?;\n\
             #   // container.url() is the address of a copy that only this test has\n"
        );
    }
    text
}

fn steps(text: &mut String, project: &Project) {
    let steps = &project.sources.steps;
    let active = steps.iter().any(|step| !step.comment);
    let mark = if active { "" } else { "# " };
    let why = "each is a layer, built again only when its files change";
    line(text, &format!("    {mark}steps:"), why);
    for step in steps {
        let mark = if step.comment { "# " } else { "" };
        line(text, &format!("      {mark}- {}", step.text), &step.why);
    }
    let has = |key: &str| steps.iter().any(|step| step.text.contains(key));
    let redis = ("redis:", "redis: seed.redis", "commands, one a line");
    let further = [
        ("migrate:", "migrate: migrations", "a folder of migrations"),
        (
            "sql:",
            "sql: seed/*.sql",
            "files, in the order of their names",
        ),
        (
            "run:",
            "run: { command: ./load.sh, inputs: [load.sh, data/*.csv] }",
            "",
        ),
    ];
    let alone = project.engine.name == REDIS;
    let further = further.iter().filter(|(key, ..)| !alone || *key == "run:");
    let redis = (alone || project.engine.redis.is_some()).then_some(&redis);
    let further = redis
        .into_iter()
        .chain(further)
        .filter(|(key, ..)| !has(key));
    for (key, step, why) in further {
        let service = if *key == "redis:" { "cache" } else { "db" };
        let step = match project.engine.redis {
            Some(_) => format!("{{ on: {service}, {step} }}"),
            None => (*step).to_owned(),
        };
        line(
            text,
            &format!("    {}# - {step}", if active { "  " } else { "" }),
            why,
        );
    }
}

/// A line with a comment behind it, where there is something to say.
fn line(text: &mut String, code: &str, why: &str) {
    let why = why.split_whitespace().collect::<Vec<_>>().join(" ");
    let _ = match why.as_str() {
        "" => writeln!(text, "{code}"),
        _ => writeln!(text, "{code:COLUMN$} # {why}"),
    };
}

fn first_check(project: &Project) -> String {
    if project.ending() == "redis" {
        return FIRST_COMMANDS.to_owned();
    }
    let tables = match project.engine.name.as_str() {
        "sqlite" => "SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name;",
        "mariadb" | "mysql" => "SHOW FULL TABLES;",
        _ => {
            "SELECT table_schema, table_name FROM information_schema.tables\n\
             WHERE table_schema NOT IN ('pg_catalog', 'information_schema')\n\
             ORDER BY 1, 2;"
        }
    };
    format!(
        "-- A test: it passes when no statement fails. `cowherd shell < checks/first.sql` shows what it prints.\n\
         {tables}\n\n\
         -- A table with a check tells what must hold:\n\
         -- CREATE TABLE must (hold boolean CHECK (hold));\n\
         -- INSERT INTO must SELECT count(*) > 0 FROM some_table;\n"
    )
}

const FIRST_COMMANDS: &str = "\
# A test: it passes when no command answers with an error. `cowherd shell` lets you try them out.
DBSIZE

# What must hold is said in Lua:
# EVAL \"assert(redis.call('EXISTS', KEYS[1]) == 1, 'there is no ' .. KEYS[1])\" 1 some-key
";

const SCHEMA: &str = "\
CREATE TABLE cow (
    id integer PRIMARY KEY,
    name text NOT NULL
);

INSERT INTO cow VALUES (1, 'Daisy'), (2, 'Bella'), (3, 'Rosie');
";

const SELLS: &str = "\
-- This test sells every cow, in its own copy of the database.
DELETE FROM cow;

-- A table with a check tells what must hold.
CREATE TABLE must (hold boolean CHECK (hold));
INSERT INTO must SELECT count(*) = 0 FROM cow;
";

const COUNTS: &str = "\
-- This test runs at the same time, and all cows are there. Make it fail: say that there are 4.
CREATE TABLE must (hold boolean CHECK (hold));
INSERT INTO must SELECT count(*) = 3 FROM cow;
";
