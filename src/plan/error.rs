//! Why no plan can be made.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use crate::cause::in_words;
use crate::migrate::MigrateError;
use crate::migrate::script::ScriptError;
use crate::spec::{self, Position};

/// Why no plan can be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PlanError {
    /// A snapshot was asked for that the spec doesn't have.
    #[error("can't find a snapshot named `{name}` in {}", file.display())]
    UnknownSnapshot {
        /// The name asked for.
        name: String,
        /// The spec.
        file: PathBuf,
        /// The names that there are.
        known: Vec<String>,
    },
    /// A chain of `from:` that never ends.
    #[error("can't build snapshot `{name}`: its `from` leads back to itself")]
    Cycle {
        /// A snapshot of the circle.
        name: String,
    },
    /// The spec names files that are not there or can't be used; all of them at once.
    #[error("{}", Listed { file, problems })]
    Problems {
        /// The spec.
        file: PathBuf,
        /// In the order of the steps; never empty.
        problems: Vec<Problem>,
    },
}

impl PlanError {
    /// What to do about it. Each problem of [`PlanError::Problems`] has a hint of its own.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::UnknownSnapshot { known, .. } if known.is_empty() => {
                Some("the spec has no snapshots".into())
            }
            Self::UnknownSnapshot { known, .. } => {
                Some(format!("the snapshots are {}", known.join(", ")))
            }
            Self::Cycle { .. } => Some("start one of them from no other snapshot".into()),
            Self::Problems { .. } => None,
        }
    }
}

/// Something wrong with what a step or test names.
#[derive(Debug)]
pub struct Problem {
    /// Where the step or test stands in the spec.
    pub position: Position,
    /// What is wrong.
    pub error: InputError,
}

/// Problems as `FILE:LINE:COLUMN: message`, each with its causes, the line of the spec, and a hint.
struct Listed<'a> {
    file: &'a Path,
    problems: &'a [Problem],
}

impl fmt::Display for Listed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, Problem { position, error }) in self.problems.iter().enumerate() {
            if index > 0 {
                writeln!(f)?;
            }
            let file = spec::seen_from_here(self.file).display();
            let Position { line, column } = position;
            write!(f, "{file}:{line}:{column}: {}", in_words(error))?;
            if let Some(excerpt) = spec::excerpt(self.file, *position) {
                write!(f, "\n{excerpt}")?;
            }
            if let Some(hint) = error.hint() {
                write!(f, "\n  hint: {hint}")?;
            }
        }
        Ok(())
    }
}

/// Why a file that the spec names can't be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InputError {
    /// A path that names nothing.
    #[error("can't find `{written}`")]
    Missing {
        /// As the user wrote it.
        written: String,
        /// What the folder holds instead.
        neighbours: Vec<String>,
    },
    /// A pattern that matches nothing.
    #[error("can't find a file that matches `{written}`")]
    NoMatch {
        /// As the user wrote it.
        written: String,
        /// What the folder holds instead.
        neighbours: Vec<String>,
    },
    /// A stored snapshot that isn't there.
    #[error("can't find a stored snapshot named `{name}`")]
    NotStored {
        /// Its name.
        name: String,
    },
    /// A stored snapshot that is served otherwise than the spec says.
    #[error("can't start from the stored snapshot `{name}`: its services are others")]
    OtherServices {
        /// Its name.
        name: String,
        /// The name, engine and database of each of its services.
        there: Vec<[String; 3]>,
    },
    /// A pattern that means nothing.
    #[error("can't understand the pattern `{written}`: {reason} (character {at})")]
    Pattern {
        /// As the user wrote it.
        written: String,
        /// What is wrong with it.
        reason: &'static str,
        /// Where, in characters from 1.
        at: usize,
    },
    /// A folder where a file is needed.
    #[error("can't use `{written}`: it is a folder")]
    Folder {
        /// As the user wrote it.
        written: String,
        /// The ending of the files that are meant.
        ending: &'static str,
    },
    /// A file that is a test, of a snapshot that has nothing to run it.
    #[error("can't run `{name}`: no service of the snapshot `{snapshot}` takes `.{ending}` files")]
    NoClient {
        /// The file's name in the plan.
        name: String,
        /// The snapshot.
        snapshot: String,
        /// The file's ending.
        ending: &'static str,
    },
    /// A device, pipe or socket.
    #[error("can't use `{name}`: it is not a regular file")]
    NotRegular {
        /// The file's name in the plan.
        name: String,
    },
    /// A file that can't be read.
    #[error("can't read `{name}`")]
    Read {
        /// The file's name in the plan.
        name: String,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// A script that is no SQL text.
    #[error("can't run `{name}`")]
    Script {
        /// The file's name in the plan.
        name: String,
        /// The cause.
        #[source]
        source: ScriptError,
    },
    /// A script that reads a file which is not there.
    #[error("can't find `{file}`, which {script}:{line} reads with `{command}`")]
    Include {
        /// The script's name in the plan.
        script: String,
        /// The line in it.
        line: usize,
        /// The command there.
        command: String,
        /// The file as the script names it.
        file: String,
        /// Whether the name is taken relative to the script itself.
        beside_script: bool,
    },
    /// A script that reads something which only its client can know.
    #[error("can't tell what {script}:{line} reads with `{command}`")]
    Computed {
        /// The script's name in the plan.
        script: String,
        /// The line in it.
        line: usize,
        /// The command there.
        command: String,
    },
    /// A folder of migrations that can't be used.
    #[error("can't use the migrations in `{}`", dir.display())]
    Migrate {
        /// The folder as the user wrote it.
        dir: PathBuf,
        /// The cause.
        #[source]
        source: MigrateError,
    },
}

impl InputError {
    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NotStored { name } => Some(format!(
                "`cowherd import FILE` brings one here, `cowherd commit CONTAINER {name}` makes one; `cowherd list` \
                 shows them"
            )),
            Self::OtherServices { there, .. } => Some(format!(
                "write `services: {{ {} }}`",
                there
                    .iter()
                    .map(|[name, engine, database]| {
                        format!("{name}: {{ engine: {engine}, database: {database} }}")
                    })
                    .collect::<Vec<_>>()
                    .join(", ")
            )),
            Self::Missing { neighbours, .. } | Self::NoMatch { neighbours, .. } => {
                Some(match neighbours.as_slice() {
                    [] => "paths start in the folder of the spec".into(),
                    names => format!(
                        "paths start in the folder of the spec; that folder has {}",
                        names.join(", ")
                    ),
                })
            }
            Self::Pattern { .. } => {
                Some("`*`, `?`, `[…]` and, as a whole part of the path, `**` are special".into())
            }
            Self::Folder { written, ending } => {
                let folder = written.trim_end_matches('/');
                let migrate = match *ending {
                    "sql" => format!(", or apply it with `migrate: {folder}`"),
                    _ => String::new(),
                };
                Some(format!("name its files: `{folder}/*.{ending}`{migrate}"))
            }
            Self::NoClient { ending, .. } => Some(match *ending {
                "redis" => "a service of `engine: redis` does".into(),
                _ => "a database that knows SQL does".into(),
            }),
            Self::NotRegular { .. } | Self::Read { .. } => None,
            Self::Script { source, .. } => source.hint(),
            Self::Include {
                beside_script: true,
                ..
            } => Some("the name is taken relative to the script's own folder".into()),
            Self::Include { command, .. } => Some(if command.starts_with("\\i") {
                "the name is taken relative to the folder of the spec; `\\ir` takes it relative to the script".into()
            } else {
                "the name is taken relative to the folder of the spec".into()
            }),
            Self::Computed { script, .. } => Some(format!(
                "write the file's name out, or run the script as a step that names what it reads: `run: {{ command: …, inputs: [{script}, …] }}`"
            )),
            Self::Migrate { dir, source } => source.hint_for(dir),
        }
    }
}
