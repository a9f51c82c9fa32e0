//! What a user's own configuration of Cargo says about runners and targets
//! (<https://doc.rust-lang.org/cargo/reference/config.html>).

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::Deserialize;

/// The part of Cargo's configuration that decides how programs are run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CargoConfig {
    /// Runners by the triple of their target, as words.
    pub runners: BTreeMap<String, Vec<String>>,
    /// Runners that are given for a `cfg(…)`: which of them count only rustc knows.
    pub conditional: Vec<Conditional>,
    /// The targets that are built for where the command line names none; empty for the host's own.
    pub targets: Vec<String>,
}

/// A runner that counts under a condition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conditional {
    /// The condition: `cfg(unix)`.
    pub condition: String,
    /// The runner.
    pub runner: String,
    /// Where it stands.
    pub file: PathBuf,
}

/// Why the configuration is not known.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// A file can't be read.
    #[error("can't read {}", file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A file is no TOML.
    #[error("can't understand {}", file.display())]
    Wrong {
        /// The file.
        file: PathBuf,
        /// What is wrong, with the line.
        #[source]
        source: toml::de::Error,
    },
}

#[derive(Deserialize)]
struct File {
    build: Option<Build>,
    #[serde(default)]
    target: BTreeMap<String, toml::Value>,
}

#[derive(Deserialize)]
struct Build {
    target: Option<Words>,
}

#[derive(Deserialize)]
struct Target {
    runner: Option<Words>,
}

/// A text of several words, or a list.
#[derive(Deserialize)]
#[serde(untagged)]
enum Words {
    Text(String),
    List(Vec<String>),
}

impl Words {
    fn into_list(self) -> Vec<String> {
        match self {
            Self::Text(text) => text.split_whitespace().map(str::to_owned).collect(),
            Self::List(words) => words,
        }
    }
}

impl CargoConfig {
    /// Reads the files that Cargo reads when it is started in `folder`: those in it and in its parents, then the
    /// one in Cargo's own folder `home`. What a nearer one says goes before.
    ///
    /// ```
    /// use cowherd::cargo::CargoConfig;
    /// # let folder = tempfile::tempdir()?;
    /// # let folder = folder.path();
    /// std::fs::create_dir(folder.join(".cargo"))?;
    /// let text = "[target.armv7-unknown-linux-gnueabihf]\nrunner = 'tools/emulate -v'";
    /// std::fs::write(folder.join(".cargo/config.toml"), text)?;
    /// let config = CargoConfig::read(folder, None)?;
    /// let emulate = folder.join("tools/emulate").display().to_string();
    /// assert_eq!(config.runners["armv7-unknown-linux-gnueabihf"], [emulate, "-v".to_owned()]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// A file that can't be read or understood.
    pub fn read(folder: &Path, home: Option<&Path>) -> Result<Self, ConfigError> {
        let mut config = Self::default();
        let nearer = folder.ancestors().map(|folder| folder.join(".cargo"));
        for folder in nearer.chain(home.map(Path::to_owned)) {
            // The name without an ending is the older one, and goes before where both are there.
            let names = ["config", "config.toml"].map(|name| folder.join(name));
            if let Some(file) = names.into_iter().find(|file| file.is_file()) {
                config.take_in(&file)?;
            }
        }
        Ok(config)
    }

    fn take_in(&mut self, file: &Path) -> Result<(), ConfigError> {
        let text = fs::read_to_string(file).map_err(|source| ConfigError::Unreadable {
            file: file.to_owned(),
            source,
        })?;
        let wrong = |source| ConfigError::Wrong {
            file: file.to_owned(),
            source,
        };
        let read: File = toml::from_str(&text).map_err(wrong)?;
        if let Some(target) = read.build.and_then(|build| build.target)
            && self.targets.is_empty()
        {
            self.targets = target.into_list();
        }
        for (name, table) in read.target {
            let target: Target = table.try_into().map_err(wrong)?;
            let Some(runner) = target.runner.map(Words::into_list) else {
                continue;
            };
            if name.starts_with("cfg(") {
                self.conditional.push(Conditional {
                    condition: name,
                    runner: runner.join(" "),
                    file: file.to_owned(),
                });
            } else {
                self.runners
                    .entry(name)
                    .or_insert_with(|| from_its_folder(runner, file));
            }
        }
        Ok(())
    }
}

/// A program that is named by a path is looked for from the folder that holds `.cargo`.
fn from_its_folder(mut words: Vec<String>, file: &Path) -> Vec<String> {
    if let Some(program) = words.first_mut()
        && program.contains('/')
        && let Some(folder) = file.parent().and_then(Path::parent)
    {
        *program = folder.join(&*program).display().to_string();
    }
    words
}

/// Cargo's own folder: `CARGO_HOME`, else `.cargo` of the user's home.
pub fn cargo_home(variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let own = variable("CARGO_HOME").map(PathBuf::from);
    own.or_else(|| Some(PathBuf::from(variable("HOME")?).join(".cargo")))
}
