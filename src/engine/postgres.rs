//! PostgreSQL, version 13 and later.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::postgres_explain::{explain, message};
use super::postgres_find::{Places, Programs};
use super::postgres_script::{Facts, facts};
use super::{Action, Base, Engine, EngineError, Exec, Place, ScriptFile, Server};
use crate::spec::Service;

pub(super) const KEY: &str = "postgres";
pub(super) const PORT: u16 = 5432;

/// The superuser that `initdb` makes; every container trusts it.
const USER: &str = "postgres";

/// Settings that a container depends on.
const OWN: [&str; 11] = [
    "config_file",
    "data_directory",
    "event_source",
    "external_pid_file",
    "hba_file",
    "ident_file",
    "listen_addresses",
    "log_destination",
    "logging_collector",
    "unix_socket_directories",
    "unix_socket_permissions",
];

/// Settings of the database that are made when it is created.
const OF_DATABASE: [&str; 3] = ["encoding", "icu_locale", "locale"];

/// What makes a start cheap and is not seen by a test. None of these may be one that `pg_control` records
/// (`wal_level`, `max_connections`, `max_worker_processes` …): a server that starts with another value writes WAL at once.
const FAST: [(&str, &str); 10] = [
    // Nothing that a container writes has to survive a power cut.
    ("fsync", "off"),
    ("full_page_writes", "off"),
    ("synchronous_commit", "off"),
    // Memory that is touched is memory per container.
    ("shared_buffers", "16MB"),
    ("huge_pages", "off"),
    // The server tries out that many descriptors with dup() when it starts.
    ("max_files_per_process", "256"),
    // On a copy-on-write file system a new segment costs less than an old one renamed and overwritten.
    ("wal_recycle", "off"),
    ("wal_init_zero", "off"),
    ("log_destination", "stderr"),
    ("logging_collector", "off"),
];

/// For a server that builds a layer: no checkpoint and no worker in between, since the freeze does what they would.
const BUILDING: [(&str, &str); 3] = [
    ("autovacuum", "off"),
    ("checkpoint_timeout", "1h"),
    ("max_wal_size", "4GB"),
];

#[derive(Debug)]
pub(super) struct Postgres {
    place: Place,
    programs: Programs,
    database: String,
    port: u16,
    settings: BTreeMap<String, String>,
    /// Those of [`OF_DATABASE`].
    options: BTreeMap<String, String>,
    locale: Locale,
}

/// The locale of the cluster. Every choice sorts by code point, so results are the same on every machine; the
/// UTF-8 ones also know upper and lower case beyond ASCII.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Locale {
    /// PostgreSQL's own C.UTF-8, since 17: no part of it comes from the host.
    Builtin,
    /// The C library's C.UTF-8.
    Utf8,
    /// Where the C library has none.
    Plain,
}

impl Locale {
    fn of_this_host(major: u32) -> Self {
        if major >= 17 {
            return Self::Builtin;
        }
        // musl takes any name; glibc wants the file.
        let there = [
            "/usr/lib/locale/C.utf8",
            "/usr/lib/locale/C.UTF-8",
            "/lib/ld-musl-x86_64.so.1",
        ];
        let there = there.iter().any(|path| Path::new(path).exists());
        if there || Path::new("/lib/ld-musl-aarch64.so.1").exists() {
            Self::Utf8
        } else {
            Self::Plain
        }
    }

    fn args(self) -> &'static [&'static str] {
        match self {
            Self::Builtin => &[
                "--locale=C",
                "--locale-provider=builtin",
                "--builtin-locale=C.UTF-8",
            ],
            Self::Utf8 => &["--locale=C.UTF-8", "--lc-messages=C"],
            Self::Plain => &["--locale=C"],
        }
    }
}

impl Postgres {
    pub(super) fn new(service: &Service, port: u16) -> Result<Self, EngineError> {
        let refuse = |setting: &str, why: &str| EngineError::Setting {
            engine: "PostgreSQL",
            setting: setting.to_owned(),
            why: why.to_owned(),
        };
        check_database(&service.database)?;
        let (mut settings, mut options, mut port) = (BTreeMap::new(), BTreeMap::new(), port);
        for (name, value) in &service.settings {
            let lower = name.to_ascii_lowercase();
            let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '.';
            if lower.is_empty() || !lower.chars().all(plain) || value.contains('\0') {
                return Err(refuse(name, "this is no name or value of a parameter"));
            } else if OWN.contains(&lower.as_str()) {
                return Err(refuse(name, "containers depend on Cowherd's own value"));
            } else if lower == "port" {
                port = value.parse().map_err(|_| refuse(name, "this is no port"))?;
            } else if OF_DATABASE.contains(&lower.as_str()) {
                options.insert(lower, value.clone());
            } else {
                settings.insert(lower, value.clone());
            }
        }
        let programs = Places::of_this_host().find(service.bin_dir.as_deref())?;
        if options.contains_key("icu_locale") && programs.major < 15 {
            return Err(refuse("icu_locale", "it needs PostgreSQL 15"));
        }
        Ok(Self {
            place: Place::new(&service.name),
            locale: Locale::of_this_host(programs.major),
            programs,
            database: service.database.clone(),
            port,
            settings,
            options,
        })
    }

    /// `psql` on a database, stopping at the first error.
    fn psql(&self, database: &str) -> Exec {
        let mut exec = Exec::new(&self.programs.psql)
            .args([
                "--no-psqlrc",
                "--quiet",
                "--no-password",
                "--set=ON_ERROR_STOP=1",
            ])
            .env("PGCLIENTENCODING", "UTF8")
            .env("LC_ALL", "C");
        exec.environment.extend(self.variables(database));
        exec
    }

    fn variables(&self, database: &str) -> Vec<(String, String)> {
        let pairs = [
            ("PGHOST", self.place.sockets().display().to_string()),
            ("PGPORT", self.port.to_string()),
            ("PGUSER", USER.to_owned()),
            // Not --dbname, which would take a name with `=` in it for a connection string.
            ("PGDATABASE", database.to_owned()),
        ];
        pairs.map(|(name, value)| (name.to_owned(), value)).to_vec()
    }

    /// A database to be connected to while the snapshot's own is dropped or created.
    fn other_database(&self) -> &'static str {
        if self.database == "postgres" {
            "template1"
        } else {
            "postgres"
        }
    }

    fn create_database(&self) -> String {
        let mut sql = format!("CREATE DATABASE {}", identifier(&self.database));
        if !self.options.is_empty() {
            // Only template0 may be copied with another encoding or locale.
            sql.push_str(" TEMPLATE template0");
        }
        for (name, value) in &self.options {
            let value = value.replace('\'', "''");
            let _ = match name.as_str() {
                "encoding" => write!(sql, " ENCODING '{value}'"),
                "icu_locale" => write!(sql, " LOCALE_PROVIDER icu ICU_LOCALE '{value}'"),
                _ => write!(sql, " LOCALE '{value}'"),
            };
        }
        if self.programs.major >= 15 {
            // The default writes the whole template to the WAL.
            sql.push_str(" STRATEGY file_copy");
        }
        sql
    }

    fn facts(&self, script: &ScriptFile) -> Result<Facts, EngineError> {
        facts(&script.host, &script.folder).map_err(|e| EngineError::file("read", &script.host, e))
    }
}

impl Engine for Postgres {
    fn name(&self) -> &'static str {
        "PostgreSQL"
    }

    fn version(&self) -> &str {
        &self.programs.version
    }

    fn place(&self) -> &Place {
        &self.place
    }

    fn base(&self) -> Vec<Base> {
        let field = |name: &str, value: &str| (name.to_owned(), value.as_bytes().to_vec());
        let initdb = vec![
            field("arguments", &initdb_args(self.locale).join(" ")),
            // Data files have the machine's byte order and alignment.
            field("architecture", std::env::consts::ARCH),
        ];
        let mut create = vec![field("database", &self.create_database())];
        create.extend(self.settings.iter().map(|(name, value)| field(name, value)));
        vec![
            Base {
                label: "initdb".to_owned(),
                fields: initdb,
                with_server: false,
            },
            Base {
                label: format!("create database {}", self.database),
                fields: create,
                with_server: true,
            },
        ]
    }

    fn base_actions(&self, index: usize) -> Vec<Action> {
        match index {
            0 => vec![Action::Exec(
                Exec::new(&self.programs.initdb)
                    .arg("--pgdata")
                    .arg(self.place.data())
                    .args(initdb_args(self.locale))
                    .env("LC_ALL", "C")
                    // Written to postgresql.conf; the host's zone would make layers differ.
                    .env("TZ", "UTC"),
            )],
            1 if self.database == "postgres" => Vec::new(),
            1 => vec![Action::Exec(
                self.psql("postgres")
                    .arg("--command")
                    .arg(self.create_database()),
            )],
            _ => Vec::new(),
        }
    }

    fn server(&self, building: bool) -> Option<Server> {
        let sockets = self.place.sockets();
        let mut exec = Exec::new(&self.programs.postgres)
            .arg("-D")
            .arg(self.place.data())
            .env("LC_ALL", "C");
        let mut set = |name: &str, value: &str| {
            exec.args.push("-c".into());
            exec.args.push(format!("{name}={value}").into());
        };
        set("listen_addresses", "127.0.0.1");
        set("port", &self.port.to_string());
        set("unix_socket_directories", &sockets.display().to_string());
        for (name, value) in FAST {
            set(name, value);
        }
        if self.programs.major >= 14 {
            set("recovery_init_sync_method", "syncfs");
        }
        // Its launcher only waits for subscriptions, and takes 7 % of a start. Who uses them says so by
        // setting one of these.
        if !["max_logical_replication_workers", "wal_level"]
            .iter()
            .any(|name| self.settings.contains_key(*name))
        {
            set("max_logical_replication_workers", "0");
        }
        for (name, value) in &self.settings {
            set(name, value);
        }
        if building {
            for (name, value) in BUILDING {
                set(name, value);
            }
        }
        Some(Server {
            exec,
            ready_line: "database system is ready to accept connections",
            socket: sockets.join(format!(".s.PGSQL.{}", self.port)),
            // "Fast shutdown" (postgres(1)): clients are disconnected, a checkpoint is made.
            stop_signal: nix::sys::signal::Signal::SIGINT as i32,
            ready_within: Duration::from_secs(60),
        })
    }

    fn reads(&self, script: &ScriptFile) -> Result<Vec<PathBuf>, EngineError> {
        let mut files = Vec::new();
        for read in self.facts(script)?.reads {
            let Some(path) = read.path else {
                return Err(EngineError::Script {
                    name: script.name.clone(),
                    line: Some(read.line),
                    statement: Some(read.text),
                    message: "which file this reads is known only when it runs".to_owned(),
                    hint: Some(
                        "name the file itself, or use a `run:` step with `inputs:`".to_owned(),
                    ),
                });
            };
            if path.is_file() && !files.contains(&path) {
                files.push(path);
            }
        }
        Ok(files)
    }

    fn script(&self, script: &ScriptFile) -> Result<Vec<Action>, EngineError> {
        let facts = self.facts(script)?;
        let creates = facts.creates.contains(&self.database);
        let drops = facts.drops.contains(&self.database);
        let mut actions = Vec::new();
        if creates && !drops {
            // As pg_dump --create writes it: the script expects that there is no such database.
            let empty = self.psql(&self.database).arg("--command").arg(STILL_EMPTY);
            let drop = format!("DROP DATABASE {}", identifier(&self.database));
            let drop = self.psql(self.other_database()).arg("--command").arg(drop);
            actions.extend([empty, drop].map(Action::Exec));
        }
        let at = if creates || drops {
            self.other_database()
        } else {
            &self.database
        };
        let mut exec = self.psql(at);
        if script.transaction && !facts.own_transactions {
            exec = exec.arg("--single-transaction");
        }
        exec.folder = Some(script.folder.clone());
        actions.push(Action::Exec(exec.arg("--file").arg(&script.path)));
        Ok(actions)
    }

    fn remark(&self, script: &ScriptFile) -> Option<String> {
        let facts = self.facts(script).ok()?;
        let (name, ours) = (&script.name, &self.database);
        if facts.connects.contains(ours) {
            return None;
        }
        if let Some(other) = facts.connects.last() {
            return Some(format!(
                "{name} connects to the database `{other}`, while tests get `{ours}`: if it fills the database that \
                 tests need, set `database: {other}`"
            ));
        }
        facts.creates.contains(ours).then(|| {
            format!("{name} creates the database `{ours}` without connecting to it: what follows is not in `{ours}`")
        })
    }

    fn freeze(&self) -> Vec<Action> {
        let list = self.place.sockets().join("freeze.psql");
        let list = list.display();
        let script = format!(
            "\\pset format unaligned\n\\pset tuples_only on\n{EACH_DATABASE} \\g '{list}'\n\\i '{list}'\nCHECKPOINT;\n"
        );
        let mut exec = self.psql("postgres").arg("--file").arg("-");
        exec.stdin = Some(script.into_bytes());
        vec![Action::Exec(exec)]
    }

    fn seal(&self, data: &Path) -> Result<(), EngineError> {
        let state = cluster_state(&self.programs.controldata, data)?;
        if state != "shut down" {
            return Err(EngineError::Unclean {
                path: data.to_owned(),
                why: format!("PostgreSQL's state is `{state}`, not `shut down`"),
            });
        }
        strip(data)
    }

    fn client(&self) -> Exec {
        let mut exec = Exec::new(&self.programs.psql);
        exec.environment = self.environment();
        exec
    }

    fn client_script(&self, script: &Path) -> Exec {
        self.psql(&self.database).arg("--file").arg(script)
    }

    fn environment(&self) -> Vec<(String, String)> {
        self.variables(&self.database)
    }

    fn url(&self) -> String {
        format!(
            "postgres://{USER}@127.0.0.1:{}/{}",
            self.port,
            super::percent(&self.database, "")
        )
    }

    fn database_file(&self) -> Option<PathBuf> {
        None
    }

    fn explain(&self, script: Option<&ScriptFile>, stderr: &str) -> EngineError {
        match script {
            Some(script) => explain(script, stderr),
            None => EngineError::Command {
                doing: format!(
                    "prepare PostgreSQL {} for `{}`",
                    self.programs.major, self.database
                ),
                message: message(stderr),
            },
        }
    }
}

/// Fails where a script that creates the database would destroy what earlier steps put there.
const STILL_EMPTY: &str = "DO $$BEGIN
IF EXISTS (SELECT FROM pg_class WHERE relnamespace NOT IN
  (SELECT oid FROM pg_namespace WHERE nspname ~ '^pg_' OR nspname = 'information_schema'))
THEN RAISE EXCEPTION 'this script creates the database anew, and earlier steps have filled it';
END IF; END$$";

/// Writes a script that freezes one database after the other. A row that is not frozen makes its first reader
/// set hint bits, which copies the file up. ANALYZE itself writes rows: the second pass freezes those, and
/// skips every page that the first one finished.
const EACH_DATABASE: &str = r"SELECT '\connect ' || quote_ident(datname)
 || E'\nVACUUM (FREEZE, ANALYZE);\nVACUUM (FREEZE);' FROM pg_database WHERE datallowconn AND datname <> 'template0' ORDER BY oid";

fn initdb_args(locale: Locale) -> Vec<&'static str> {
    // The first write to the WAL copies a segment up: 1 MB instead of 16.
    let mut args = vec![
        "--wal-segsize=1",
        "--auth=trust",
        "--username=postgres",
        "--encoding=UTF8",
        "--no-sync",
    ];
    args.extend(locale.args());
    args
}

fn check_database(name: &str) -> Result<(), EngineError> {
    let why = match name {
        "" => "it has no name",
        "template0" | "template1" => "PostgreSQL keeps this name for itself",
        _ if name.len() > 63 => "PostgreSQL cuts names after 63 bytes",
        _ if name.contains(['\0', '\n']) => "its name has a character that is not possible",
        _ => return Ok(()),
    };
    Err(EngineError::Database {
        database: name.to_owned(),
        why,
    })
}

fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// The state of the cluster in `data`, as `pg_controldata` says it: it also checks the file's checksum.
fn cluster_state(program: &Path, data: &Path) -> Result<String, EngineError> {
    let output = Command::new(program)
        .arg("-D")
        .arg(data)
        .env("LC_ALL", "C")
        .output()
        .map_err(|source| EngineError::Run {
            program: program.to_owned(),
            source,
        })?;
    let text = String::from_utf8_lossy(&output.stdout);
    let state = text
        .lines()
        .find_map(|line| line.strip_prefix("Database cluster state:"));
    match state {
        Some(state) if output.status.success() && !text.contains("WARNING:") => {
            Ok(state.trim().to_owned())
        }
        _ => Err(EngineError::Command {
            doing: format!("read the state of {}", data.display()),
            message: format!("{}{text}", String::from_utf8_lossy(&output.stderr))
                .trim()
                .to_owned(),
        }),
    }
}

/// Removes what belongs to one run of a server: its process number (which a container would take for a live
/// server), and the caches of the catalog, which every start removes: from a layer that takes a whiteout.
fn strip(data: &Path) -> Result<(), EngineError> {
    for name in [
        "postmaster.pid",
        "postmaster.opts",
        "current_logfiles",
        "global/pg_internal.init",
    ] {
        remove(&data.join(name))?;
    }
    for database in entries(&data.join("base"))? {
        if database.file_name().is_some_and(|name| name == "pgsql_tmp") {
            entries(&database)?
                .iter()
                .try_for_each(|file| remove(file))?;
        } else {
            remove(&database.join("pg_internal.init"))?;
        }
    }
    entries(&data.join("pg_stat_tmp"))?
        .iter()
        .try_for_each(|file| remove(file))
}

/// The entries of a folder; none if there is no such folder, as in an upper folder.
fn entries(folder: &Path) -> Result<Vec<PathBuf>, EngineError> {
    let failed = |e| EngineError::file("read", folder, e);
    match fs::read_dir(folder) {
        Ok(entries) => entries
            .map(|entry| Ok(entry.map_err(failed)?.path()))
            .collect(),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(e) => Err(failed(e)),
    }
}

fn remove(path: &Path) -> Result<(), EngineError> {
    match fs::remove_file(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(EngineError::file("remove", path, e)),
        _ => Ok(()),
    }
}
