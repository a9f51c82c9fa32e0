//! SQLite: no server, one file, worked on in this process by the bundled library.

use std::path::{Path, PathBuf};

use rusqlite::Connection;

use super::sqlite_freeze::{freeze, seal};
use super::sqlite_script::{library, load};
use super::{Action, Address, Base, Engine, EngineError, Exec, Place, ScriptFile, Server};
use crate::migrate::script::Dialect;
use crate::spec::Service;

pub(super) const KEY: &str = "sqlite";

/// 3.51.3 is the first release without the WAL-reset bug, which can corrupt a database
/// (<https://sqlite.org/wal.html>, "The WAL-Reset Bug").
const OLDEST: (i32, &str) = (3_051_003, "3.51.3");

/// The settings that a file keeps, in the order in which they have to be made.
const KEPT: [&str; 6] = [
    "page_size",
    "encoding",
    "auto_vacuum",
    "journal_mode",
    "user_version",
    "application_id",
];

/// Settings that hold for one connection only and are often asked for.
const OF_CONNECTIONS: &str = "automatic_index busy_timeout cache_size case_sensitive_like cell_size_check \
     defer_foreign_keys foreign_keys journal_size_limit legacy_alter_table locking_mode mmap_size query_only \
     recursive_triggers reverse_unordered_selects secure_delete synchronous temp_store threads trusted_schema \
     wal_autocheckpoint";

#[derive(Debug)]
pub(super) struct Sqlite {
    place: Place,
    file: String,
    settings: Vec<(&'static str, String)>,
}

impl Sqlite {
    pub(super) fn new(service: &Service) -> Result<Self, EngineError> {
        if rusqlite::version_number() < OLDEST.0 {
            return Err(EngineError::TooOld {
                program: "SQLite",
                version: rusqlite::version().to_owned(),
                place: "this program".into(),
                oldest: OLDEST.1,
            });
        }
        let name = &service.database;
        let why = match name.as_str() {
            "" => Some("it has no name"),
            _ if name.starts_with('.') || name.contains(['/', '\0']) => {
                Some("its name can't be that of a file")
            }
            _ => None,
        };
        if let Some(why) = why {
            return Err(EngineError::Database {
                database: name.clone(),
                why,
            });
        }
        for setting in service.settings.keys() {
            if !KEPT.contains(&setting.as_str()) {
                return Err(impossible(setting, not_kept(setting)));
            }
        }
        let settings = KEPT
            .into_iter()
            .filter_map(|name| Some((name, service.settings.get(name)?.clone())))
            .collect();
        // Users may write the name with or without the file's ending.
        let ending = Path::new(name)
            .extension()
            .and_then(|ending| ending.to_str());
        let file = match ending {
            Some("db" | "sqlite" | "sqlite3") => name.clone(),
            _ => format!("{name}.db"),
        };
        Ok(Self {
            place: Place::new(&service.name),
            file,
            settings,
        })
    }

    fn path(&self) -> PathBuf {
        self.place.data().join(&self.file)
    }

    fn reached(&self, address: &Address) -> PathBuf {
        match address {
            Address::File(path) => path.clone(),
            Address::Inside | Address::Socket(_) | Address::Port(_) => self.path(),
        }
    }
}

impl Engine for Sqlite {
    fn name(&self) -> &'static str {
        "SQLite"
    }

    fn dialect(&self) -> Option<Dialect> {
        Some(Dialect::Sqlite)
    }

    fn version(&self) -> &str {
        rusqlite::version()
    }

    fn place(&self) -> &Place {
        &self.place
    }

    fn base(&self) -> Vec<Base> {
        let mut fields = vec![("file".to_owned(), self.file.clone().into_bytes())];
        fields.extend(
            self.settings
                .iter()
                .map(|(name, value)| ((*name).to_owned(), value.clone().into())),
        );
        vec![Base {
            label: format!("empty {}", self.file),
            fields,
            with_server: false,
        }]
    }

    fn base_actions(&self, index: usize) -> Vec<Action> {
        if index > 0 {
            return Vec::new();
        }
        let (file, settings) = (self.file.clone(), self.settings.clone());
        vec![Action::InProcess(Box::new(move |data| {
            create(&data.join(file), &settings)
        }))]
    }

    fn server(&self, _building: bool) -> Option<Server> {
        None
    }

    fn script(&self, script: &ScriptFile) -> Result<Vec<Action>, EngineError> {
        let (file, script) = (self.file.clone(), script.clone());
        Ok(vec![Action::InProcess(Box::new(move |data| {
            load(&data.join(file), &script)
        }))])
    }

    fn remark(&self, _script: &ScriptFile) -> Option<String> {
        None
    }

    fn freeze(&self) -> Vec<Action> {
        vec![Action::InProcess(Box::new(freeze))]
    }

    fn seal(&self, data: &Path) -> Result<(), EngineError> {
        seal(data)
    }

    fn client(&self) -> Exec {
        let path = std::env::var_os("PATH").unwrap_or_default();
        match std::env::split_paths(&path)
            .map(|folder| folder.join("sqlite3"))
            .find(|program| program.is_file())
        {
            Some(program) => Exec::new(program).arg(self.path()),
            None => own_client().arg(self.path()),
        }
    }

    fn client_script(&self, script: &Path) -> Exec {
        own_client().arg(self.path()).arg("--script").arg(script)
    }

    fn environment(&self, address: &Address) -> Vec<(String, String)> {
        let path = self.reached(address).display().to_string();
        vec![("SQLITE_FILE".to_owned(), path)]
    }

    fn url(&self, address: &Address) -> String {
        let path = self.reached(address).display().to_string();
        format!("sqlite://{}", super::percent(&path, "/"))
    }

    fn database_file(&self) -> Option<PathBuf> {
        Some(self.file.clone().into())
    }

    fn explain(&self, script: Option<&ScriptFile>, stderr: &str) -> EngineError {
        EngineError::Command {
            doing: script.map_or_else(
                || "prepare the database".to_owned(),
                |s| format!("run {}", s.name),
            ),
            message: stderr.trim().to_owned(),
        }
    }
}

/// This program's own client: the hidden subcommand `sqlite-client`.
fn own_client() -> Exec {
    // Where the path of this program can't be told, PATH is asked for it.
    Exec::new(std::env::current_exe().unwrap_or_else(|_| "cowherd".into())).arg("sqlite-client")
}

fn impossible(setting: &str, why: String) -> EngineError {
    EngineError::Setting {
        engine: "SQLite",
        setting: setting.to_owned(),
        why,
    }
}

fn not_kept(setting: &str) -> String {
    if OF_CONNECTIONS.split(' ').any(|name| name == setting) {
        "it holds for one connection and is not kept in the file; set it where the application connects".to_owned()
    } else {
        format!("it is none of {}", KEPT.join(", "))
    }
}

/// Creates an empty database that keeps `settings`.
fn create(path: &Path, settings: &[(&'static str, String)]) -> Result<(), EngineError> {
    let connection = Connection::open(path).map_err(|e| library("create", path, e))?;
    let failed = |e| library("create", path, e);
    for &(name, ref value) in settings.iter().filter(|(name, _)| *name != "journal_mode") {
        set(&connection, name, value)?;
    }
    // The first page is written with the first table.
    connection
        .execute_batch(
            "PRAGMA synchronous = OFF; CREATE TABLE first (page); DROP TABLE first; VACUUM",
        )
        .map_err(failed)?;
    if let Some((name, value)) = settings.iter().find(|(name, _)| *name == "journal_mode") {
        if !["wal", "delete"].contains(&value.to_ascii_lowercase().as_str()) {
            return Err(impossible(
                name,
                format!("a file keeps only `wal` and `delete`, not `{value}`"),
            ));
        }
        set(&connection, name, value)?;
    }
    connection.close().map_err(|(_, e)| failed(e))
}

/// Makes one setting, and reads it back: SQLite ignores values that it does not know.
fn set(connection: &Connection, name: &str, value: &str) -> Result<(), EngineError> {
    let failed = |e: rusqlite::Error| impossible(name, e.to_string());
    let quoted = value.replace('\'', "''");
    connection
        .execute_batch(&format!("PRAGMA {name} = '{quoted}'"))
        .map_err(failed)?;
    let kept: rusqlite::types::Value = connection
        .pragma_query_value(None, name, |row| row.get(0))
        .map_err(failed)?;
    let (kept, same) = match kept {
        rusqlite::types::Value::Integer(kept) => {
            (kept.to_string(), Some(kept) == number(name, value))
        }
        rusqlite::types::Value::Text(kept) => {
            let plain = |text: &str| text.to_ascii_lowercase().replace('-', "");
            // `UTF-16` stands for the byte order of the machine.
            let same = plain(&kept).starts_with(&plain(value)) && !value.is_empty();
            (kept, same)
        }
        other => (format!("{other:?}"), false),
    };
    if same {
        Ok(())
    } else {
        Err(impossible(
            name,
            format!("SQLite made `{kept}` of `{value}`"),
        ))
    }
}

fn number(name: &str, value: &str) -> Option<i64> {
    let lower = value.to_ascii_lowercase();
    match (name, lower.as_str()) {
        ("auto_vacuum", "none") => Some(0),
        ("auto_vacuum", "full") => Some(1),
        ("auto_vacuum", "incremental") => Some(2),
        (_, text) => match text.strip_prefix("0x") {
            // Both settings are 32 bits with a sign.
            Some(digits) => u32::from_str_radix(digits, 16)
                .ok()
                .map(|n| i64::from(n.cast_signed())),
            None => text.parse().ok(),
        },
    }
}
