//! A first spec for a project: what its files say about its database, written as a `cowherd.yaml`.
//!
//! Nothing is executed and nothing outside the folder is read. Each guess keeps the file that it
//! came from, which the spec then names in a comment.
//!
//! ```
//! use cowherd::init;
//!
//! let folder = tempfile::tempdir()?;
//! std::fs::write(folder.path().join("schema.sql"), "CREATE TABLE cow (name text);")?;
//! let starter = init::starter(folder.path(), None)?;
//! assert!(starter.spec.contains("- sql: schema.sql"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod engine;
mod runners;
mod sources;
mod text;
mod tree;

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use tree::Tree;

/// Why no spec can be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InitError {
    /// The folder can't be read.
    #[error("can't list {}", folder.display())]
    List {
        /// The folder.
        folder: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// An engine that specs can't name.
    #[error("can't write a spec for the engine `{engine}`{}", evidence.as_ref().map(|evidence| format!(" ({evidence})")).unwrap_or_default())]
    Engine {
        /// The engine.
        engine: String,
        /// What says that it is this one, when nobody named it.
        evidence: Option<String>,
    },
    /// There is a spec already.
    #[error("can't write {}: it is there already", file.display())]
    Exists {
        /// The spec.
        file: PathBuf,
    },
    /// A file can't be written.
    #[error("can't write {}", file.display())]
    Write {
        /// The file.
        file: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
}

impl InitError {
    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Engine { .. } => {
                let engines = engine::supported().join(", ");
                Some(format!(
                    "`--engine` takes the one to write the spec for: {engines}"
                ))
            }
            Self::Exists { .. } => {
                Some("`--force` overwrites it, `--print` only shows what would be written".into())
            }
            Self::List { .. } | Self::Write { .. } => None,
        }
    }
}

/// A first spec, and the files that it needs and the project hasn't got.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Starter {
    /// The text of `cowherd.yaml`.
    pub spec: String,
    /// Further files: paths below the folder, with their content.
    pub files: Vec<(PathBuf, String)>,
}

/// Makes a first spec for the project in `folder`, for `engine` where its files are not to say.
///
/// # Errors
/// When the folder can't be read, or the engine is none that a spec can name.
pub fn starter(folder: &Path, engine: Option<&str>) -> Result<Starter, InitError> {
    let tree = Tree::of(folder).map_err(|source| InitError::List {
        folder: folder.to_owned(),
        source,
    })?;
    let engine = engine::choose(&tree, engine)?;
    let mut sources = sources::find(&tree, &engine.name);
    if engine.redis.is_some() {
        let on = |service: &'static str| {
            move |step: sources::Step| sources::Step {
                text: format!("{{ on: {service}, {} }}", step.text),
                ..step
            }
        };
        let steps = sources.steps.into_iter().map(on("db"));
        let commands = sources::commands(&tree).into_iter().map(on("cache"));
        sources.steps = steps.chain(commands).collect();
    }
    let runners = runners::find(&tree);
    let empty = engine.evidence.is_none()
        && sources.steps.is_empty()
        && sources.checks.is_none()
        && runners.is_empty()
        && !runners::is_cargo(&tree);
    let project = text::Project {
        name: name_of(folder),
        engine,
        sources,
        runners,
        is_cargo: runners::is_cargo(&tree),
    };
    Ok(match empty {
        true => text::example(&project),
        false => text::starter(&project),
    })
}

impl Starter {
    /// Writes the files below `folder`, and returns their paths below it, the spec first. Only a spec is
    /// ever overwritten, and only with `force`.
    ///
    /// # Errors
    /// When there is a spec already, or a file can't be written.
    pub fn write(&self, folder: &Path, force: bool) -> Result<Vec<PathBuf>, InitError> {
        let there = |name: &&str| folder.join(name).symlink_metadata().is_ok();
        let known = ["cowherd.yaml", "cowherd.yml"].into_iter().find(there);
        if let Some(name) = known
            && !force
        {
            return Err(InitError::Exists { file: name.into() });
        }
        let spec = PathBuf::from(known.unwrap_or("cowherd.yaml"));
        let failed = |file: &Path| {
            let file = file.to_owned();
            |source| InitError::Write { file, source }
        };
        let mut written = Vec::new();
        for (file, content) in &self.files {
            let path = folder.join(file);
            let parent = path.parent().unwrap_or(folder);
            let new = fs::create_dir_all(parent).and_then(|()| File::create_new(&path));
            match new.and_then(|mut new| new.write_all(content.as_bytes())) {
                Ok(()) => written.push(file.clone()),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(source) => return Err(failed(file)(source)),
            }
        }
        fs::write(folder.join(&spec), &self.spec).map_err(failed(&spec))?;
        written.insert(0, spec);
        Ok(written)
    }
}

/// A snapshot's name made of the folder's.
fn name_of(folder: &Path) -> String {
    let name = folder.canonicalize().ok();
    let name = name.as_deref().unwrap_or(folder).file_name();
    let name = name.unwrap_or_default().to_string_lossy().to_lowercase();
    let plain = |c: char| match c {
        'a'..='z' | '0'..='9' | '_' | '-' => c,
        _ => '-',
    };
    let name: String = name.chars().map(plain).take(40).collect();
    // What YAML might take for something else than a text is none of these.
    let name = name.trim_start_matches(|c: char| !c.is_ascii_lowercase());
    match name.trim_end_matches('-') {
        "" | "y" | "n" | "yes" | "no" | "on" | "off" | "true" | "false" | "null" => "app".into(),
        name => name.into(),
    }
}
