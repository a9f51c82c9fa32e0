//! Why a folder's migrations can't be told.

use std::io;
use std::path::{Path, PathBuf};

use super::Tool;
use super::foreign::Foreign;
use super::script::ScriptError;

/// Why a folder's migrations can't be told. Names are relative to the folder.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MigrateError {
    /// A file or the folder itself can't be read.
    #[error("can't read `{}`", path.display())]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// A name given to `tool:` that nobody knows.
    #[error("can't tell what migration tool `{0}` is")]
    UnknownTool(String),
    /// A tool that is known by name only.
    #[error("can't apply migrations of {tool} yet{}", evidence.as_ref().map(|name| format!(" (found `{name}`)")).unwrap_or_default())]
    Foreign {
        /// The tool.
        tool: Foreign,
        /// The file that shows it, when it was found and not named.
        evidence: Option<String>,
    },
    /// No migration at all.
    #[error("can't find a migration: the folder has no {}", match tool {
        None => "`.sql` file",
        Some(Tool::Sql) => "`.sql` file (folders below it are not searched)",
        Some(Tool::Flyway) => "`V1__name.sql`, `R__name.sql` or `B1__name.sql`",
        Some(Tool::Sqlx) => "`1_name.sql` or `1_name.up.sql`",
        Some(Tool::Refinery) => "`V1__name.sql` or `U1__name.sql`",
        Some(Tool::Diesel) => "folder with an `up.sql`",
        Some(Tool::GolangMigrate) => "`1_name.up.sql`",
        Some(Tool::Dbmate) => "`1_name.sql`",
    })]
    Empty {
        /// The tool whose files were looked for.
        tool: Option<Tool>,
    },
    /// More than one reading is possible.
    #[error("can't tell the order of the migrations: {why}")]
    Ambiguous {
        /// What speaks for one reading and what for another.
        why: String,
        /// The tools that would read the folder, and how.
        remedies: Vec<(Tool, &'static str)>,
    },
    /// Two files with one version.
    #[error("can't order `{first}` and `{second}`: both have the {tool} version {version}")]
    Duplicate {
        /// The tool.
        tool: Tool,
        /// The version, or a repeatable migration's description.
        version: String,
        /// A file.
        first: String,
        /// The other file.
        second: String,
    },
    /// A name that the tool itself would stop at.
    #[error("can't take the version of `{name}`: {tool} wants {wants}")]
    Version {
        /// The tool.
        tool: Tool,
        /// The file.
        name: String,
        /// What should stand there.
        wants: &'static str,
    },
    /// A migration that only takes another one back would be applied.
    #[error("can't apply `{name}`: it takes a migration back")]
    Down {
        /// The file.
        name: String,
    },
    /// A migration with blocks for both directions in a folder of plain files.
    #[error("can't run `{name}` whole: it has blocks for both directions")]
    Marked {
        /// The file.
        name: String,
    },
    /// The blocks of a file of dbmate's don't pair.
    #[error("can't find what to run in `{name}`: {why}")]
    Blocks {
        /// The file.
        name: String,
        /// What is wrong.
        why: &'static str,
    },
    /// A folder that should be a migration of Diesel's.
    #[error("can't apply `{name}`: it has no `up.sql`")]
    NoUp {
        /// The folder.
        name: String,
    },
    /// A file that has nothing in it, at which the tool itself would stop.
    #[error("can't apply `{name}`: it is empty, which {tool} refuses")]
    EmptyFile {
        /// The tool.
        tool: Tool,
        /// The file.
        name: String,
    },
    /// A migration that is a program.
    #[error("can't apply `{name}`: it is a program")]
    Program {
        /// The file.
        name: String,
    },
    /// A Flyway placeholder without a value.
    #[error("can't fill in `{placeholder}` at {name}:{line}: {why}")]
    Placeholder {
        /// The file.
        name: String,
        /// The line, from 1.
        line: usize,
        /// As it stands there.
        placeholder: String,
        /// Why not.
        why: &'static str,
    },
    /// Values for placeholders, and a tool that has none.
    #[error("can't fill in placeholders for {0}: only flyway has them")]
    NoPlaceholders(Tool),
    /// A callback of Flyway's that is not run.
    #[error("can't run `{name}`: this callback of Flyway is not supported")]
    Callback {
        /// The file.
        name: String,
    },
    /// A tool's setting that changes which files are applied, or how.
    #[error("can't follow `{key}={value}` of `{}`: this setting is not supported", file.display())]
    Setting {
        /// The configuration file.
        file: PathBuf,
        /// The setting.
        key: String,
        /// Its value.
        value: String,
    },
    /// A migration that is no SQL text.
    #[error("can't read `{name}` as SQL")]
    Script {
        /// The file.
        name: String,
        /// The cause.
        #[source]
        source: ScriptError,
    },
}

impl MigrateError {
    /// What to do about it, where the folder is called `DIR`.
    pub fn hint(&self) -> Option<String> {
        self.hint_for(Path::new("DIR"))
    }

    /// What to do about it; `dir` is the folder as the user calls it.
    pub fn hint_for(&self, dir: &Path) -> Option<String> {
        let dir = dir.display();
        let step = |tool: Tool| format!("`migrate: {{ tool: {tool}, dir: {dir} }}`");
        match self {
            Self::Read { source, .. } if source.kind() == io::ErrorKind::NotFound => {
                Some("the folder is taken relative to the spec's own folder".into())
            }
            Self::Read { .. } => None,
            Self::UnknownTool(_) => {
                let names = Tool::ALL.map(|tool| format!("`{tool}`")).join(", ");
                Some(format!(
                    "the tools are {names}; `sql` is a plain folder of SQL files"
                ))
            }
            Self::Foreign { tool, .. } => Some(tool.remedy(&dir.to_string())),
            Self::Empty { .. } => Some(format!(
                "name the files instead: `sql: {dir}/**/*.sql`, or another folder after `migrate:`"
            )),
            Self::Ambiguous { remedies, .. } => {
                let choices = remedies
                    .iter()
                    .map(|(tool, how)| format!("{} {how}", step(*tool)));
                Some(format!(
                    "name the tool: {}",
                    choices.collect::<Vec<_>>().join(", or ")
                ))
            }
            Self::Duplicate {
                tool: Tool::Sqlx, ..
            } => Some(format!(
                "sqlx itself fails on them; rename one, or write {} to run every file in natural order",
                step(Tool::Sql)
            )),
            Self::Duplicate { tool, .. } => {
                Some(format!("{tool} itself fails on them; rename one of them"))
            }
            Self::Marked { .. } => Some(format!("write {}", step(Tool::Dbmate))),
            Self::Blocks { .. } => Some("dbmate itself fails on it: each `-- migrate:up` needs a `-- migrate:down` after it".into()),
            Self::NoUp { .. } => Some("Diesel itself fails on it: move it elsewhere, or write its `up.sql`".into()),
            Self::EmptyFile { .. } => Some("write a statement into it, `SELECT 1;` for instance".into()),
            Self::Program { .. } => Some(format!(
                "let the application migrate: `{}`",
                Foreign::command_step("cargo run -- migrate", &dir.to_string())
            )),
            Self::Version { .. } => Some(format!(
                "rename or move it, or write {} to run every file in natural order",
                step(Tool::Sql)
            )),
            Self::Down { .. } => Some(format!(
                "write {} to run the `.up.sql` files only, or name files: `sql: {dir}/*.up.sql`",
                step(Tool::Sqlx)
            )),
            Self::Placeholder {
                name, placeholder, ..
            } => Some(format!(
                "give its value in `flyway.toml`, or as `migrate: {{ tool: flyway, dir: {dir}, placeholders: {{ {}: … }} }}`; if it is \
                 no placeholder, write `placeholderReplacement=false` into `{dir}/{name}.conf`",
                placeholder.trim_start_matches("${").trim_end_matches('}')
            )),
            Self::NoPlaceholders(_) => Some("leave `placeholders` out".into()),
            Self::Setting { file, .. } if file.ends_with("sqlx.toml") => Some(format!(
                "do without the history table: `migrate: {{ tool: sqlx, dir: {dir}, history: false }}`"
            )),
            Self::Callback { .. } | Self::Setting { .. } => Some(format!(
                "let Flyway migrate: `{}`",
                Foreign::command_step("flyway migrate", &dir.to_string())
            )),
            Self::Script { source, .. } => source.hint(),
        }
    }
}
