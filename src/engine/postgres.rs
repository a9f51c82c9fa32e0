//! PostgreSQL, version 13 and later.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::postgres_explain::{explain, message};
use super::postgres_find::{Places, Programs};
use super::postgres_freeze::freeze;
use super::postgres_machine::machine;
use super::postgres_script::NOTES;
use super::postgres_seal::{prove_clean, strip};
use super::postgres_settings::{BUILDING, FAST, Locale, Settings, initdb_args, refuse};
use super::postgres_warm::converse;
use super::script_facts::read_script;
use super::{
    Action, Address, Base, Endpoint, Engine, EngineError, Exec, Load, Place, Ready, ScriptFile,
    Server, Shutdown, Talk,
};
use crate::migrate::script::Dialect;
use crate::spec::Service;

pub(super) const KEY: &str = "postgres";
pub(super) const PORT: u16 = 5432;

/// The same number on every Linux (signal(7)).
const SIGINT: i32 = 2;

/// The superuser that `initdb` makes; every container trusts it.
const USER: &str = "postgres";

#[derive(Debug)]
pub(super) struct Postgres {
    place: Place,
    programs: Programs,
    database: String,
    settings: Settings,
    locale: Locale,
}

impl Postgres {
    pub(super) fn new(service: &Service, port: u16) -> Result<Self, EngineError> {
        let settings = Settings::of(service, port)?;
        let programs = Places::of_this_host().find(service.bin_dir.as_deref())?;
        if let Some(option) = settings.database.keys().next()
            && service.database == "postgres"
        {
            return Err(refuse(
                option,
                "the database `postgres` is there from the start; name another",
            ));
        }
        if settings.database.contains_key("icu_locale") && programs.major < 15 {
            return Err(refuse("icu_locale", "it needs PostgreSQL 15"));
        }
        Ok(Self {
            place: Place::new(&service.name),
            locale: Locale::of_this_host(programs.major),
            programs,
            database: service.database.clone(),
            settings,
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
        exec.environment
            .extend(self.variables(database, &Address::Inside));
        exec
    }

    /// Its Unix socket, where it makes it in this folder.
    fn socket_in(&self, folder: &Path) -> PathBuf {
        folder.join(format!(".s.PGSQL.{}", self.settings.port))
    }

    fn variables(&self, database: &str, address: &Address) -> Vec<(String, String)> {
        let own = self.settings.port;
        let (host, port) = match address {
            Address::Socket(folder) => (folder.display().to_string(), own),
            Address::Port(port) => ("127.0.0.1".to_owned(), *port),
            Address::Inside | Address::File(_) => (self.place.sockets().display().to_string(), own),
        };
        let pairs = [
            ("PGHOST", host),
            ("PGPORT", port.to_string()),
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
        if !self.settings.database.is_empty() {
            // Only template0 may be copied with another encoding or locale.
            sql.push_str(" TEMPLATE template0");
        }
        for (name, value) in &self.settings.database {
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
}

impl Engine for Postgres {
    fn name(&self) -> &'static str {
        "PostgreSQL"
    }

    fn dialect(&self) -> Option<Dialect> {
        Some(Dialect::Postgres)
    }

    fn version(&self) -> &str {
        &self.programs.version
    }

    fn machine(&self) -> Vec<(String, String)> {
        machine(&self.programs.postgres)
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
        create.extend(
            self.settings
                .server
                .iter()
                .map(|(name, value)| field(name, value)),
        );
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

    fn load(&self) -> Load {
        Load::POSTGRES
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
        set("port", &self.settings.port.to_string());
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
            .any(|name| self.settings.server.contains_key(*name))
        {
            set("max_logical_replication_workers", "0");
        }
        for (name, value) in &self.settings.server {
            set(name, value);
        }
        if building {
            for (name, value) in BUILDING {
                set(name, value);
            }
        }
        Some(Server {
            exec,
            ready: Ready::Line("database system is ready to accept connections".into()),
            endpoint: Some(Endpoint::Socket(self.socket_in(&sockets))),
            // "Fast shutdown" (postgres(1)): clients are disconnected, a checkpoint is made.
            stop: Shutdown::by(SIGINT),
            ready_within: Duration::from_secs(60),
        })
    }

    fn script(&self, script: &ScriptFile) -> Result<Vec<Action>, EngineError> {
        let facts = read_script(&NOTES, script)?;
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
        if let Some(before) = &script.before {
            exec = exec.arg("--command").arg(before);
        }
        exec = match &script.text {
            None => exec.arg("--file").arg(&script.path),
            Some(text) => {
                exec.stdin = Some(text.as_bytes().to_vec());
                exec.arg("--file").arg("-")
            }
        };
        if let Some(after) = &script.after {
            exec = exec.arg("--command").arg(format!("{AS_AT_FIRST}\n{after}"));
        }
        actions.push(Action::Exec(exec));
        Ok(actions)
    }

    fn remark(&self, script: &ScriptFile) -> Option<String> {
        let facts = read_script(&NOTES, script).ok()?;
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
        let (own, other) = (self.database.clone(), self.other_database());
        let talk: Talk = Box::new(move |live| freeze(live, USER, [&own, other]));
        vec![Action::Talk(talk)]
    }

    fn seal(&self, data: &Path) -> Result<(), EngineError> {
        prove_clean(&self.programs.controldata, data)?;
        strip(data)
    }

    fn client(&self) -> Exec {
        let mut exec = Exec::new(&self.programs.psql);
        exec.environment = self.environment(&Address::Inside);
        exec
    }

    fn client_script(&self, script: &Path) -> Exec {
        self.psql(&self.database).arg("--file").arg(script)
    }

    fn environment(&self, address: &Address) -> Vec<(String, String)> {
        self.variables(&self.database, address)
    }

    fn url(&self, address: &Address) -> String {
        let local = "127.0.0.1".to_owned();
        let (host, port) = match address {
            Address::Socket(folder) => (
                super::percent(&folder.to_string_lossy(), ""),
                self.settings.port,
            ),
            Address::Port(port) => (local, *port),
            Address::Inside | Address::File(_) => (local, self.settings.port),
        };
        let database = super::percent(&self.database, "");
        format!("postgres://{USER}@{host}:{port}/{database}")
    }

    fn warm(&self, address: &Address) {
        let Address::Socket(folder) = address else {
            return;
        };
        if let Err(error) = converse(&self.socket_in(folder), USER, &self.database) {
            tracing::debug!(%error, "can't warm a server that waits");
        }
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

/// Takes back what a script may have set for its session: its role, its search path.
const AS_AT_FIRST: &str = "RESET SESSION AUTHORIZATION; RESET ALL;";

/// Fails where a script that creates the database would destroy what earlier steps put there.
const STILL_EMPTY: &str = "DO $$BEGIN
IF EXISTS (SELECT FROM pg_class WHERE relnamespace NOT IN
  (SELECT oid FROM pg_namespace WHERE nspname ~ '^pg_' OR nspname = 'information_schema'))
THEN RAISE EXCEPTION 'this script creates the database anew, and earlier steps have filled it';
END IF; END$$";

fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
