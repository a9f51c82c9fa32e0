//! Migration tools that are recognised, so that their files are not taken for plain SQL, but whose
//! rules are not built in.

use std::fmt;

/// A tool that is known by name only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Foreign {
    /// Python, for SQLAlchemy.
    Alembic,
    /// `-- migrate:up` and `-- migrate:down` in one file.
    Dbmate,
    /// Rust: folders with `up.sql`.
    Diesel,
    /// Python modules.
    Django,
    /// Go: `1_name.up.sql`.
    GolangMigrate,
    /// Go: `-- +goose Up` and `-- +goose Down` in one file.
    Goose,
    /// Change logs in XML, YAML or SQL.
    Liquibase,
    /// Folders with `migration.sql`.
    Prisma,
    /// Ruby files.
    Rails,
    /// Rust: `V1__name.sql` or `.rs`.
    Refinery,
    /// Go: `-- +migrate Up` and `-- +migrate Down` in one file.
    SqlMigrate,
    /// A `sqitch.plan`.
    Sqitch,
}

impl Foreign {
    const ALL: [(Self, &'static str); 12] = [
        (Self::Alembic, "alembic"),
        (Self::Dbmate, "dbmate"),
        (Self::Diesel, "diesel"),
        (Self::Django, "django"),
        (Self::GolangMigrate, "golang-migrate"),
        (Self::Goose, "goose"),
        (Self::Liquibase, "liquibase"),
        (Self::Prisma, "prisma"),
        (Self::Rails, "rails"),
        (Self::Refinery, "refinery"),
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
    /// assert_eq!(Foreign::Diesel.step("migrations"), "sql: migrations/*/up.sql");
    /// ```
    pub fn step(self, dir: &str) -> String {
        let run = |command: &str| Self::command_step(command, dir);
        match self {
            Self::Diesel => format!("sql: {dir}/*/up.sql"),
            Self::Prisma => format!("sql: {dir}/*/migration.sql"),
            Self::GolangMigrate => format!("sql: {dir}/*.up.sql"),
            Self::Refinery => format!("migrate: {{ tool: flyway, dir: {dir} }}"),
            Self::Alembic => run("alembic upgrade head"),
            Self::Dbmate => run("dbmate --no-dump-schema migrate"),
            Self::Django => run("python manage.py migrate"),
            Self::Goose => run("goose up"),
            Self::Liquibase => run("liquibase update"),
            Self::Rails => run("bin/rails db:migrate"),
            Self::SqlMigrate => run("sql-migrate up"),
            Self::Sqitch => run("sqitch deploy"),
        }
    }

    /// What to write instead of `migrate:` over the folder `dir`.
    pub(super) fn remedy(self, dir: &str) -> String {
        let step = self.step(dir);
        match self {
            Self::Diesel | Self::Prisma | Self::GolangMigrate => {
                format!("apply its files as they are: `{step}`")
            }
            Self::Refinery => {
                format!("files named `V1__name.sql` are applied in the same order by `{step}`")
            }
            Self::Rails => format!("run the tool as a step: `{step}`, or `sql: db/structure.sql`"),
            _ => format!("run the tool as a step: `{step}`"),
        }
    }
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

/// The tool whose blocks for both directions stand in one file that begins with `head`: run as
/// plain SQL, the file would take back what it has done.
pub(super) fn marked(head: &[u8]) -> Option<Foreign> {
    let marks: [(&str, Foreign); 4] = [
        ("migrate:up", Foreign::Dbmate),
        ("+goose up", Foreign::Goose),
        ("+migrate up", Foreign::SqlMigrate),
        ("liquibase formatted sql", Foreign::Liquibase),
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
