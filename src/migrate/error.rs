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
    /// A Flyway placeholder.
    #[error(
        "can't fill in `{placeholder}` at {name}:{line}: placeholders of Flyway are not supported yet"
    )]
    Placeholder {
        /// The file.
        name: String,
        /// The line, from 1.
        line: usize,
        /// As it stands there.
        placeholder: String,
    },
    /// A Flyway callback.
    #[error("can't run `{name}`: callbacks of Flyway are not supported yet")]
    Callback {
        /// The file.
        name: String,
    },
    /// A Flyway setting that changes which files are applied, or how.
    #[error("can't follow `{key}={value}` of `{}`: this setting of Flyway is not supported yet", file.display())]
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
            Self::Duplicate { .. } => Some("rename one of them".into()),
            Self::Version { .. } => Some(format!(
                "rename or move it, or write {} to run every file in natural order",
                step(Tool::Sql)
            )),
            Self::Down { .. } => Some(format!(
                "write {} to run the `.up.sql` files only, or name files: `sql: {dir}/*.up.sql`",
                step(Tool::Sqlx)
            )),
            Self::Placeholder { name, .. } => Some(format!(
                "if it is no placeholder, write `placeholderReplacement=false` into `{dir}/{name}.conf`; else let Flyway migrate: `{}`",
                Foreign::command_step("flyway migrate", &dir.to_string())
            )),
            Self::Callback { .. } | Self::Setting { .. } => Some(format!(
                "let Flyway migrate: `{}`",
                Foreign::command_step("flyway migrate", &dir.to_string())
            )),
            Self::Script { source, .. } => source.hint(),
        }
    }
}
