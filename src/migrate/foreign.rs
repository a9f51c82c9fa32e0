//! Migration tools that are recognised, so that their files are not taken for plain SQL, but whose
//! rules are not built in.

use std::fmt;
use std::path::Path;

/// A tool that is known by name only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Foreign {
    /// Python, for SQLAlchemy.
    Alembic,
    /// Python modules.
    Django,
    /// Go: `-- +goose Up` and `-- +goose Down` in one file.
    Goose,
    /// Change logs in XML, YAML or SQL.
    Liquibase,
    /// Folders with `migration.sql`.
    Prisma,
    /// Ruby files.
    Rails,
    /// Go: `-- +migrate Up` and `-- +migrate Down` in one file.
    SqlMigrate,
    /// A `sqitch.plan`.
    Sqitch,
}

impl Foreign {
    const ALL: [(Self, &'static str); 8] = [
        (Self::Alembic, "alembic"),
        (Self::Django, "django"),
        (Self::Goose, "goose"),
        (Self::Liquibase, "liquibase"),
        (Self::Prisma, "prisma"),
        (Self::Rails, "rails"),
        (Self::SqlMigrate, "sql-migrate"),
        (Self::Sqitch, "sqitch"),
    ];

    /// The tool that users call `name`.
    pub(super) fn named(name: &str) -> Option<Self> {
        Self::ALL
            .iter()
            .find(|(_, known)| *known == name)
            .map(|(tool, _)| *tool)
    }

    /// A build step that runs a command over the folder's files.
    pub(super) fn command_step(command: &str, dir: &str) -> String {
        format!("run: {{ command: {command}, inputs: [{dir}] }}")
    }

    /// The build step to write instead of `migrate:` over the folder `dir`, as YAML.
    ///
    /// ```
    /// use cowherd::migrate::Foreign;
    /// assert_eq!(Foreign::Prisma.step("migrations"), "sql: migrations/*/migration.sql");
    /// ```
    pub fn step(self, dir: &str) -> String {
        let run = |command: &str| Self::command_step(command, dir);
        match self {
            Self::Prisma => format!("sql: {dir}/*/migration.sql"),
            Self::Alembic => run("alembic upgrade head"),
            Self::Django => run("python manage.py migrate"),
            Self::Goose => run("goose up"),
            Self::Liquibase => run("liquibase update"),
            Self::Rails => rails(dir),
            Self::SqlMigrate => run("sql-migrate up"),
            Self::Sqitch => run("sqitch deploy"),
        }
    }

    /// What to write instead of `migrate:` over the folder `dir`.
    pub(super) fn remedy(self, dir: &str) -> String {
        let step = self.step(dir);
        match self {
            Self::Prisma => format!("apply its files as they are: `{step}`"),
            Self::Rails => format!("run the tool as a step: `{step}`, or `sql: db/structure.sql`"),
            _ => format!("run the tool as a step: `{step}`"),
        }
    }
}

/// A test database of Rails is loaded from the schema and the seeds beside the folder of migrations; the migrations
/// themselves belong to it where the schema is behind them.
fn rails(dir: &str) -> String {
    let beside = Path::new(dir).parent().unwrap_or(Path::new(""));
    let schema = beside.join("s*").display().to_string();
    format!("run: {{ command: bin/rails db:prepare, inputs: [{dir}, {schema}] }}")
}

impl fmt::Display for Foreign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = Self::ALL
            .iter()
            .find(|(tool, _)| tool == self)
            .map_or("", |(_, name)| name);
        f.write_str(name)
    }
}

/// What the blocks of a file are marked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Marked {
    /// The one tool of this kind whose rules are built in.
    Dbmate,
    /// A tool that is known by name only.
    Foreign(Foreign),
}

/// The tool whose blocks for both directions stand in one file that begins with `head`: run as
/// plain SQL, the file would take back what it has done.
pub(super) fn marked(head: &[u8]) -> Option<Marked> {
    let marks: [(&str, Marked); 4] = [
        ("migrate:up", Marked::Dbmate),
        ("+goose up", Marked::Foreign(Foreign::Goose)),
        ("+migrate up", Marked::Foreign(Foreign::SqlMigrate)),
        (
            "liquibase formatted sql",
            Marked::Foreign(Foreign::Liquibase),
        ),
    ];
    String::from_utf8_lossy(head).lines().find_map(|line| {
        let line = line
            .trim_start_matches('\u{feff}')
            .trim_start()
            .strip_prefix("--")?;
        let line = line.trim().to_ascii_lowercase();
        marks
            .iter()
            .find(|(mark, _)| line.starts_with(mark))
            .map(|(_, tool)| *tool)
    })
}
