//! The parts of Flyway's configuration that change which files are applied and how: `X.sql.conf`
//! beside a migration, `flyway.toml` and `flyway.conf` of the project.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::MigrateError;
use super::folder::{self, Entry, settings};

/// Settings with the only value that is followed, in the order of Flyway's documentation.
const FIXED: [(&str, &str); 11] = [
    ("baselineMigrationPrefix", "B"),
    ("callbackLocations", ""),
    ("defaultSchema", "public"),
    ("encoding", "UTF-8"),
    ("initSql", ""),
    ("repeatableSqlMigrationPrefix", "R"),
    ("sqlMigrationPrefix", "V"),
    ("sqlMigrationSeparator", "__"),
    ("sqlMigrationSuffixes", ".sql"),
    ("target", "latest"),
    ("undoSqlMigrationPrefix", "U"),
];

/// What the project's configuration says.
#[derive(Debug)]
pub(super) struct Project {
    transaction: Option<bool>,
    replacement: Option<bool>,
    /// Values as they are written.
    pub(super) placeholders: BTreeMap<String, String>,
    /// What a placeholder begins with.
    pub(super) prefix: String,
    /// What it ends with.
    pub(super) suffix: String,
    /// The history table.
    pub(super) table: String,
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
        let mut project = Self {
            transaction: None,
            replacement: None,
            placeholders: BTreeMap::new(),
            prefix: "${".to_owned(),
            suffix: "}".to_owned(),
            table: "flyway_schema_history".to_owned(),
        };
        let Some(file) = file else { return Ok(project) };
        for (key, value) in settings(&file)? {
            let Some(key) = key.strip_prefix("flyway.") else {
                continue;
            };
            if let Some(name) = key.strip_prefix("placeholders.") {
                let name = name.trim_matches(['"', '\'']).to_owned();
                project.placeholders.insert(name, value);
                continue;
            }
            match key.to_ascii_lowercase().as_str() {
                "placeholderreplacement" => project.replacement = Some(value == "true"),
                "executeintransaction" => project.transaction = Some(value == "true"),
                "placeholderprefix" if !value.is_empty() => project.prefix = value,
                "placeholdersuffix" if !value.is_empty() => project.suffix = value,
                "table" if !value.is_empty() => project.table = value,
                "schemas" if !["", "public"].contains(&value.as_str()) => {
                    let key = key.to_owned();
                    return Err(MigrateError::Setting { file, key, value });
                }
                _ => check_fixed(&file, key, &value)?,
            }
        }
        Ok(project)
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
