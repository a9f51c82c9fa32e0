//! The parts of Flyway's configuration that change which files are applied and how: `X.sql.conf`
//! beside a migration, `flyway.toml` and `flyway.conf` of the project.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::MigrateError;
use super::folder::{self, Entry};

/// Settings with the only value that is followed, in the order of Flyway's documentation.
const FIXED: [(&str, &str); 12] = [
    ("baselineMigrationPrefix", "B"),
    ("callbackLocations", ""),
    ("encoding", "UTF-8"),
    ("initSql", ""),
    ("placeholderPrefix", "${"),
    ("placeholderSuffix", "}"),
    ("repeatableSqlMigrationPrefix", "R"),
    ("sqlMigrationPrefix", "V"),
    ("sqlMigrationSeparator", "__"),
    ("sqlMigrationSuffixes", ".sql"),
    ("target", "latest"),
    ("undoSqlMigrationPrefix", "U"),
];

/// Placeholders that Flyway defines itself start with this.
const BUILT_IN: &str = "flyway:";

/// What the project's configuration says.
#[derive(Debug, Default)]
pub(super) struct Project {
    transaction: Option<bool>,
    replacement: Option<bool>,
    placeholders: Vec<String>,
}

impl Project {
    /// Reads the nearest `flyway.toml` or `flyway.conf` in the folder or above it.
    pub(super) fn find(dir: &Path) -> Result<Self, MigrateError> {
        let file = folder::find_above(dir, |folder| {
            let names = ["flyway.toml", "flyway.conf", "conf/flyway.conf"];
            names
                .map(|name| folder.join(name))
                .into_iter()
                .find(|path| path.is_file())
        });
        let mut project = Self::default();
        let Some(file) = file else { return Ok(project) };
        for (key, value) in settings(&file)? {
            let Some(key) = key.strip_prefix("flyway.") else {
                continue;
            };
            if let Some(name) = key.strip_prefix("placeholders.") {
                project.placeholders.push(name.to_owned());
            } else if key.eq_ignore_ascii_case("placeholderReplacement") {
                project.replacement = Some(value == "true");
            } else if key.eq_ignore_ascii_case("executeInTransaction") {
                project.transaction = Some(value == "true");
            } else {
                check_fixed(&file, key, &value)?;
            }
        }
        Ok(project)
    }

    /// Whether `${name}` certainly is a placeholder.
    pub(super) fn defines(&self, name: &str) -> bool {
        let built_in = name
            .get(..BUILT_IN.len())
            .is_some_and(|p| p.eq_ignore_ascii_case(BUILT_IN));
        built_in
            || self
                .placeholders
                .iter()
                .any(|known| known.eq_ignore_ascii_case(name))
    }
}

/// What holds for one migration.
#[derive(Debug)]
pub(super) struct ScriptConfig {
    /// `executeInTransaction`, when somebody has set it.
    pub(super) transaction: Option<bool>,
    /// `placeholderReplacement`.
    pub(super) placeholders: bool,
    /// `shouldExecute`.
    pub(super) execute: bool,
}

impl ScriptConfig {
    /// Reads the `.conf` file beside `script`, if there is one.
    pub(super) fn of(script: &Entry, project: &Project) -> Result<Self, MigrateError> {
        let mut config = Self {
            transaction: project.transaction,
            placeholders: project.replacement.unwrap_or(true),
            execute: true,
        };
        let mut file = script.path.clone().into_os_string();
        file.push(".conf");
        let file = PathBuf::from(file);
        if !file.is_file() {
            return Ok(config);
        }
        for (key, value) in settings(&file)? {
            match key.to_ascii_lowercase().as_str() {
                "executeintransaction" => config.transaction = Some(value == "true"),
                "placeholderreplacement" => config.placeholders = value == "true",
                "shouldexecute" if value == "false" => config.execute = false,
                "shouldexecute" if value == "true" => {}
                "shouldexecute" => {
                    return Err(MigrateError::Setting { file, key, value });
                }
                _ => check_fixed(&file, &key, &value)?,
            }
        }
        Ok(config)
    }
}

fn check_fixed(file: &Path, key: &str, value: &str) -> Result<(), MigrateError> {
    let Some((key, usual)) = FIXED
        .iter()
        .find(|(known, _)| known.eq_ignore_ascii_case(key))
    else {
        return Ok(());
    };
    if value.eq_ignore_ascii_case(usual) {
        return Ok(());
    }
    Err(MigrateError::Setting {
        file: file.to_owned(),
        key: (*key).to_owned(),
        value: value.to_owned(),
    })
}

/// The `key = value` lines of a properties or TOML file; keys carry their TOML table.
fn settings(file: &Path) -> Result<Vec<(String, String)>, MigrateError> {
    let text = fs::read(file)
        .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
        .map_err(|source: io::Error| MigrateError::Read {
            path: file.to_owned(),
            source,
        })?;
    let mut table = String::new();
    let mut found = Vec::new();
    for line in text.lines() {
        let line = line.trim();
        if line.is_empty() || line.starts_with(['#', '!']) {
            continue;
        }
        if let Some(name) = line
            .strip_prefix('[')
            .and_then(|rest| rest.split(']').next())
        {
            table = format!("{}.", name.trim());
            continue;
        }
        let Some((key, value)) = line.split_once('=') else {
            continue;
        };
        let (key, value) = (key.trim().trim_matches(['"', '\'']), plain(value.trim()));
        found.push((format!("{table}{key}"), value.to_owned()));
    }
    Ok(found)
}

/// A value without the quotes of TOML, and the item of a list of one.
fn plain(value: &str) -> &str {
    let value = value
        .strip_prefix('[')
        .map_or(value, |v| v.trim_end_matches(']'))
        .trim();
    match value.chars().next() {
        Some(quote @ ('"' | '\'')) if value.matches(quote).count() == 2 => {
            value[1..].split(quote).next().unwrap_or_default()
        }
        _ => value,
    }
}
