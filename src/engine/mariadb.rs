//! MariaDB, version 10.11 and later, and MySQL's own server, version 8.0 and later.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::mariadb_explain::{FILLED, explain, message};
use super::mariadb_find::{Places, Product, Programs};
use super::mariadb_freeze::FREEZE;
use super::mariadb_script::{NOTES, facts};
use super::mariadb_seal::{LOG, SYSTEM, prove_clean, strip};
use super::mariadb_settings::{PID_FILE, Settings};
use super::mariadb_warm::converse;
use super::script_facts::read_script;
use super::{
    Action, Address, Base, Endpoint, Engine, EngineError, Exec, Place, Ready, ScriptFile, Server,
    Shutdown,
};
use crate::migrate::script::Dialect;
use crate::spec::Service;

pub(super) const KEYS: [(&str, Product); 2] =
    [("mariadb", Product::MariaDb), ("mysql", Product::Mysql)];
pub(super) const PORT: u16 = 3306;

/// The same number on every Linux (signal(7)).
const SIGTERM: i32 = 15;

/// The account that both servers make for everything, here without a password: by the socket and, as the server takes
/// the loopback address for `localhost`, by TCP.
const USER: &str = "root";

/// Its Unix socket, in the service's folder.
const SOCKET: &str = "mysqld.sock";

#[derive(Debug)]
pub(super) struct MariaDb {
    place: Place,
    programs: Programs,
    database: String,
    settings: Settings,
}

impl MariaDb {
    pub(super) fn new(service: &Service, product: Product, port: u16) -> Result<Self, EngineError> {
        let settings = Settings::of(service, product, port)?;
        Ok(Self {
            place: Place::new(&service.name),
            programs: Places::of_this_host().find(product, service.bin_dir.as_deref())?,
            database: service.database.clone(),
            settings,
        })
    }

    /// The client, which stops at the first error of what it reads.
    fn client_at(&self, database: Option<&str>) -> Exec {
        let socket = self.place.sockets().join(SOCKET);
        let exec = Exec::new(&self.programs.client)
            // The first argument it has to be.
            .arg("--no-defaults")
            .arg(format!("--user={USER}"))
            .arg(format!("--socket={}", socket.display()))
            .args(["--host=localhost", "--default-character-set=utf8mb4"])
            .arg("--max-allowed-packet=1G")
            .env("MYSQL_PWD", "")
            .env("LC_ALL", "C");
        match database {
            Some(database) => exec.arg(format!("--database={database}")),
            None => exec,
        }
    }

    fn execute(&self, database: Option<&str>, sql: &str) -> Action {
        let exec = self.client_at(database).arg(format!("--execute={sql}"));
        Action::Exec(exec)
    }

    /// The client with a file for its input. With `--execute="source FILE"` it would go on after an error.
    fn client_on(&self, file: &Path, includes: bool) -> Exec {
        let client = self.client_at(Some(&self.database));
        let shell = if includes {
            INCLUDING
        } else {
            "exec \"$@\" <\"$0\""
        };
        let mut exec = Exec::new("/bin/sh").arg("-c").arg(shell).arg(file);
        exec.args.push(client.program.into());
        exec.args.extend(client.args);
        exec.environment = client.environment;
        exec
    }

    fn create_database(&self) -> String {
        format!("CREATE DATABASE {}", identifier(&self.database))
    }

    fn is_ours(&self, name: &str) -> bool {
        // The reader of scripts does not keep the case of a name without quotes.
        self.database.eq_ignore_ascii_case(name)
    }
}

impl Engine for MariaDb {
    fn name(&self) -> &'static str {
        self.programs.product.name()
    }

    fn dialect(&self) -> Option<Dialect> {
        Some(Dialect::Mysql)
    }

    fn version(&self) -> &str {
        &self.programs.version
    }

    fn place(&self) -> &Place {
        &self.place
    }

    fn always_written(&self) -> Vec<PathBuf> {
        match self.programs.product {
            Product::MariaDb => [SYSTEM, LOG].map(PathBuf::from).to_vec(),
            Product::Mysql => vec![SYSTEM.into()],
        }
    }

    fn base(&self) -> Vec<Base> {
        let field = |name: &str, value: &str| (name.to_owned(), value.as_bytes().to_vec());
        let options = self.settings.options.iter();
        let options = options.map(|(name, value)| field(name, value));
        let create = field("database", &self.create_database());
        vec![
            Base {
                label: match self.programs.product {
                    Product::MariaDb => "mariadb-install-db".to_owned(),
                    Product::Mysql => "mysqld --initialize".to_owned(),
                },
                fields: vec![field("arguments", &self.settings.initial().join(" "))],
                with_server: false,
            },
            Base {
                label: format!("create database {}", self.database),
                fields: [create].into_iter().chain(options).collect(),
                with_server: true,
            },
        ]
    }

    fn base_actions(&self, index: usize) -> Vec<Action> {
        let programs = &self.programs;
        match index {
            0 => {
                let exec = match &programs.install {
                    // Nothing of the host is to be among the accounts: neither its name nor a user of its.
                    Some(install) => Exec::new(install).args([
                        "--no-defaults",
                        "--auth-root-authentication-method=normal",
                        "--cross-bootstrap",
                        "--skip-test-db",
                    ]),
                    None => {
                        Exec::new(&programs.server).args(["--no-defaults", "--initialize-insecure"])
                    }
                };
                let exec = exec
                    .arg(format!("--basedir={}", programs.base.display()))
                    .arg(format!("--datadir={}", self.place.data().display()))
                    .args(self.settings.initial());
                vec![Action::Exec(exec.env("LC_ALL", "C"))]
            }
            1 => vec![self.execute(None, &self.create_database())],
            _ => Vec::new(),
        }
    }

    fn server(&self, building: bool) -> Option<Server> {
        let sockets = self.place.sockets();
        let socket = sockets.join(SOCKET);
        let exec = Exec::new(&self.programs.server)
            .arg("--no-defaults")
            .arg(format!("--basedir={}", self.programs.base.display()))
            .arg(format!("--datadir={}", self.place.data().display()))
            .arg(format!("--socket={}", socket.display()))
            .arg(format!("--port={}", self.settings.port))
            .arg("--bind-address=127.0.0.1")
            .arg(format!("--pid-file={PID_FILE}"))
            .args(self.settings.all(building))
            .env("LC_ALL", "C");
        Some(Server {
            exec,
            ready: Ready::Line(": ready for connections.".into()),
            endpoint: Some(Endpoint::Socket(socket)),
            stop: Shutdown::by(SIGTERM),
            ready_within: Duration::from_secs(60),
        })
    }

    /// Statements that define something commit what stands before them, in every transaction
    /// (documentation, "SQL Statements That Cause an Implicit Commit"): none is put around a script.
    fn script(&self, script: &ScriptFile) -> Result<Vec<Action>, EngineError> {
        let facts = read_script(&NOTES, script)?;
        let ours = Some(self.database.as_str());
        let any = |names: &[String]| names.iter().any(|name| self.is_ours(name));
        let mut actions = Vec::new();
        if any(&facts.creates) && !any(&facts.drops) {
            // The script expects that there is no such database.
            actions.push(self.execute(ours, &still_empty()));
            let drop = format!("DROP DATABASE {}", identifier(&self.database));
            actions.push(self.execute(None, &drop));
        }
        if let Some(before) = &script.before {
            actions.push(self.execute(ours, before));
        }
        let mut exec = match &script.text {
            None => self.client_on(&script.path, facts.includes),
            Some(text) => {
                let mut exec = self.client_at(ours);
                exec.stdin = Some(text.as_bytes().to_vec());
                exec
            }
        };
        // The script makes it.
        if any(&facts.creates) && !any(&facts.drops) {
            exec.args
                .retain(|arg| arg != format!("--database={}", self.database).as_str());
        }
        exec.folder = Some(script.folder.clone());
        actions.push(Action::Exec(exec));
        if let Some(after) = &script.after {
            actions.push(self.execute(ours, after));
        }
        Ok(actions)
    }

    fn remark(&self, script: &ScriptFile) -> Option<String> {
        let facts = read_script(&NOTES, script).ok()?;
        let (name, ours) = (&script.name, &self.database);
        if facts.uses.iter().any(|name| self.is_ours(name)) {
            return None;
        }
        if let Some(other) = facts.uses.last() {
            return Some(format!(
                "{name} uses the database `{other}`, while tests get `{ours}`: if it fills the database that tests \
                 need, set `database: {other}`"
            ));
        }
        facts.creates.iter().any(|name| self.is_ours(name)).then(|| {
            format!("{name} creates the database `{ours}` without using it: what follows is not in `{ours}`")
        })
    }

    fn freeze(&self) -> Vec<Action> {
        vec![self.execute(None, FREEZE)]
    }

    fn seal(&self, data: &Path) -> Result<(), EngineError> {
        prove_clean(self.programs.product, data)?;
        strip(data)
    }

    fn client(&self) -> Exec {
        self.client_at(Some(&self.database))
    }

    fn client_script(&self, script: &Path) -> Exec {
        if script == Path::new("-") {
            return self.client_at(Some(&self.database));
        }
        let folder = script.parent().unwrap_or(script);
        let includes = facts(script, folder).is_ok_and(|facts| facts.includes);
        self.client_on(script, includes)
    }

    fn environment(&self, address: &Address) -> Vec<(String, String)> {
        let own = self.settings.port.to_string();
        let local = || "127.0.0.1".to_owned();
        let (host, port, socket) = match address {
            // What the clients take for: by the socket.
            Address::Socket(folder) => ("localhost".to_owned(), own, Some(folder.clone())),
            Address::Port(port) => (local(), port.to_string(), None),
            Address::Inside | Address::File(_) => (local(), own, Some(self.place.sockets())),
        };
        let socket = socket.map(|folder| folder.join(SOCKET).display().to_string());
        let pairs = [
            ("MYSQL_HOST", Some(host)),
            ("MYSQL_TCP_PORT", Some(port)),
            ("MYSQL_UNIX_PORT", socket),
        ];
        let pairs = pairs.into_iter();
        pairs
            .filter_map(|(name, value)| Some((name.to_owned(), value?)))
            .collect()
    }

    fn url(&self, address: &Address) -> String {
        let database = super::percent(&self.database, "");
        match address {
            Address::Socket(folder) => {
                let socket: PathBuf = folder.join(SOCKET);
                let socket = super::percent(&socket.to_string_lossy(), "/");
                format!("mysql://{USER}@localhost/{database}?socket={socket}")
            }
            Address::Port(port) => format!("mysql://{USER}@127.0.0.1:{port}/{database}"),
            Address::Inside | Address::File(_) => {
                format!("mysql://{USER}@127.0.0.1:{}/{database}", self.settings.port)
            }
        }
    }

    fn warm(&self, address: &Address) {
        let Address::Socket(folder) = address else {
            return;
        };
        if let Err(error) = converse(&folder.join(SOCKET), USER, &self.database) {
            tracing::debug!(%error, "can't warm a server that waits");
        }
    }

    fn explain(&self, script: Option<&ScriptFile>, stderr: &str) -> EngineError {
        match script {
            Some(script) => explain(script, stderr),
            None => EngineError::Command {
                doing: format!("prepare {} for `{}`", self.name(), self.database),
                message: message(stderr),
            },
        }
    }
}

/// Runs the client on a file that reads others. The client says of an error in one of those, but goes on with the next
/// statement, and ends as if all had gone well.
const INCLUDING: &str = r#"{ { "$@" <"$0" || echo "ERROR: the client has failed ($?)" >&2; } 2>&1 >&3 3>&- | {
failed=0
while IFS= read -r line; do
  printf '%s\n' "$line" >&2
  case $line in ERROR*) failed=1 ;; esac
done
exit "$failed"
} } 3>&1"#;

/// Fails where a script that creates the database would destroy what earlier steps put there. Neither server can
/// raise an error outside of a routine: a column that is not there says why.
fn still_empty() -> String {
    format!(
        "SET @filled = EXISTS (SELECT 1 FROM information_schema.tables WHERE table_schema = DATABASE()) \
         OR EXISTS (SELECT 1 FROM information_schema.routines WHERE routine_schema = DATABASE()); \
         SET @say = IF(@filled, 'SELECT `{FILLED}`', 'DO 0'); PREPARE say FROM @say; EXECUTE say"
    )
}

fn identifier(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}
