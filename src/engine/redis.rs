//! Redis and Valkey, version 7.0 and later.
//!
//! The state is one dump (RDB), which a server reads when it starts and writes when it stops. No file is written in
//! between. A dump isn't the same to the byte when the same commands are given again: it has the time in it, and its keys are
//! in the order of a hash table with a random seed. Keys of steps say what is in a layer, so nothing rests on that.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::redis_client::greet;
use super::redis_commands::commands;
use super::redis_find::{Places, Product, Programs};
use super::redis_keys::Keys;
use super::redis_rdb::{DUMP, prove_whole, strip};
use super::redis_resp::Connection;
use super::redis_script::{AHEAD, must, remark, run};
use super::{
    Action, Address, Base, Endpoint, Engine, EngineError, Exec, Place, Ready, ScriptFile, Server,
    Shutdown, Socket, Talk, percent,
};
use crate::spec::Service;

pub(super) const KEY: &str = "redis";
/// Which of the two is meant; everything else is the same.
pub(super) const VALKEY: &str = "valkey";
pub(super) const PORT: u16 = 6379;

/// The same number on every Linux (signal(7)).
const SIGTERM: i32 = 15;

/// How long a server that is up may take for an answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// How many databases a server has unless it is told otherwise (redis.conf, `databases`).
const DATABASES: u32 = 16;

/// Directives that a container depends on, each with the reason.
const OWN: [(&str, &str); 15] = [
    ("appenddirname", LOG),
    ("appendfilename", LOG),
    ("appendonly", LOG),
    ("bind", PLACE),
    ("daemonize", PLACE),
    ("dbfilename", PLACE),
    ("dir", PLACE),
    ("include", "the spec is all that says how the server runs"),
    ("logfile", PLACE),
    ("loglevel", PLACE),
    ("pidfile", PLACE),
    ("supervised", PLACE),
    ("syslog-enabled", PLACE),
    ("unixsocket", PLACE),
    ("unixsocketperm", PLACE),
];
const LOG: &str = "the state is a dump, and a copy that is thrown away needs no log of changes";
const PLACE: &str = "containers depend on Cowherd's own value";

#[derive(Debug)]
pub(super) struct Redis {
    place: Place,
    programs: Programs,
    database: String,
    /// Directives with their arguments.
    settings: Vec<(String, Vec<String>)>,
    port: u16,
}

impl Redis {
    pub(super) fn new(service: &Service, port: u16) -> Result<Self, EngineError> {
        let (mut settings, mut port, mut databases) = (Vec::new(), port, DATABASES);
        for (name, value) in &service.settings {
            let lower = name.to_ascii_lowercase();
            let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_' || c == '.';
            if lower.is_empty() || lower.starts_with('-') || !lower.chars().all(plain) {
                return Err(refuse(name, "this is no name of a directive"));
            }
            if let Some((_, why)) = OWN.iter().find(|(own, _)| *own == lower) {
                return Err(refuse(name, why));
            }
            let arguments = arguments(name, value)?;
            match lower.as_str() {
                "port" => {
                    port = value.parse().map_err(|_| refuse(name, "this is no port"))?;
                    continue;
                }
                // Without a point in time for it, a server that is stopped saves nothing.
                "save" if value.trim().is_empty() => continue,
                "databases" => databases = value.parse().unwrap_or(databases),
                _ => {}
            }
            settings.push((lower, arguments));
        }
        let number = service.database.parse::<u32>();
        if number.is_err() || number.is_ok_and(|number| number >= databases) {
            return Err(EngineError::Database {
                database: service.database.clone(),
                why: "a database of Redis is a number, from 0 to one less than the setting `databases` (16)",
            });
        }
        let wanted = (service.engine == VALKEY).then_some(Product::Valkey);
        Ok(Self {
            place: Place::new(&service.name),
            programs: Places::of_this_host().find(service.bin_dir.as_deref(), wanted)?,
            database: service.database.clone(),
            settings,
            port,
        })
    }

    fn setting(&self, name: &str) -> Option<&str> {
        let mut settings = self.settings.iter();
        let (_, arguments) = settings.find(|(known, _)| known == name)?;
        arguments.first().map(String::as_str)
    }

    fn password(&self) -> Option<&str> {
        self.setting("requirepass")
            .filter(|password| !password.is_empty())
    }

    /// Its Unix socket, where it makes it in this folder.
    fn socket_in(folder: &Path) -> PathBuf {
        folder.join("redis.sock")
    }

    /// What greets a server in a closure that outlives this engine.
    fn greeting(&self) -> impl Fn(Socket) -> Result<Connection, EngineError> + Send + 'static {
        let (database, password) = (self.database.clone(), self.password().map(str::to_owned));
        move |socket| {
            let mut connection = Connection::over(socket);
            greet(&mut connection, &database, password.as_deref())?;
            Ok(connection)
        }
    }
}

impl Engine for Redis {
    fn name(&self) -> &'static str {
        self.programs.product.name()
    }

    fn version(&self) -> &str {
        &self.programs.version
    }

    fn place(&self) -> &Place {
        &self.place
    }

    fn base(&self) -> Vec<Base> {
        let settings = self
            .settings
            .iter()
            .map(|(name, arguments)| (name.clone(), arguments.join("\0").into_bytes()));
        vec![Base {
            label: "empty database".to_owned(),
            fields: settings.collect(),
            with_server: true,
        }]
    }

    fn base_actions(&self, _index: usize) -> Vec<Action> {
        // It starts with nothing; that it is stopped makes the first dump.
        Vec::new()
    }

    fn server(&self, building: bool) -> Option<Server> {
        let sockets = self.place.sockets();
        let mut exec = Exec::new(&self.programs.server);
        let mut set = |name: &str, arguments: &[&str]| {
            exec.args.push(format!("--{name}").into());
            exec.args.extend(arguments.iter().map(Into::into));
        };
        set("bind", &["127.0.0.1"]);
        set("port", &[&self.port.to_string()]);
        set(
            "unixsocket",
            &[&Self::socket_in(&sockets).display().to_string()],
        );
        // As other servers have it: who can reach the folder may connect.
        set("unixsocketperm", &["777"]);
        set("dir", &[&self.place.data().display().to_string()]);
        set("dbfilename", &[DUMP]);
        set("daemonize", &["no"]);
        set("logfile", &[""]);
        if self.setting("save").is_none() {
            // A point in time that never comes: the server saves when SIGTERM stops it and not before
            // (`prepareForShutdown`, Redis' `server.c`).
            set("save", &["2147483647", "2147483647"]);
        }
        if building {
            // A signal is looked at that often in a second, and each step ends with one.
            set("hz", &["500"]);
        }
        for (name, arguments) in &self.settings {
            let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
            set(name, &arguments);
        }
        Some(Server {
            exec,
            // `Ready to accept connections` of one version, `The server is now ready to …` of another.
            ready: Ready::Line("eady to accept connections".into()),
            endpoint: Some(Endpoint::Socket(Self::socket_in(&sockets))),
            stop: Shutdown::by(SIGTERM),
            ready_within: Duration::from_secs(60),
        })
    }

    fn script(&self, script: &ScriptFile) -> Result<Vec<Action>, EngineError> {
        let text = read(script)?;
        let (name, greeted) = (script.name.clone(), self.greeting());
        let talk: Talk = Box::new(move |live| {
            let mut connection = greeted(live.connect()?)?;
            run(&name, &text, &mut connection, AHEAD, &mut |_| Ok(()))
        });
        Ok(vec![Action::Talk(talk)])
    }

    fn remark(&self, script: &ScriptFile) -> Option<String> {
        remark(&read(script).ok()?)
    }

    fn freeze(&self) -> Vec<Action> {
        // A server that can't save goes on when it is told to end, and says why to nobody who waits for it. So it is
        // asked first; what is written until it ends, it saves then.
        let greeted = self.greeting();
        let save: Talk = Box::new(move |live| {
            let mut connection = greeted(live.connect()?)?;
            must(&mut connection, "save the database", &["SAVE"])
        });
        vec![Action::Talk(save)]
    }

    fn seal(&self, data: &Path) -> Result<(), EngineError> {
        prove_whole(data)?;
        strip(data)
    }

    fn client(&self) -> Exec {
        let socket = Self::socket_in(&self.place.sockets());
        let exec = Exec::new(&self.programs.client);
        let mut exec = exec.arg("-s").arg(socket).args(["-n", &self.database]);
        exec.environment = self.environment(&Address::Inside);
        // An argument is there for all to see, and redis-cli warns of it.
        let password = self
            .password()
            .map(|text| ("REDISCLI_AUTH".to_owned(), text.to_owned()));
        exec.environment.extend(password);
        exec
    }

    fn client_script(&self, script: &Path) -> Exec {
        // The hidden subcommand `redis-client` of this program.
        let own = std::env::current_exe().unwrap_or_else(|_| "cowherd".into());
        let exec = Exec::new(own)
            .arg("redis-client")
            .arg(Self::socket_in(&self.place.sockets()));
        let exec = exec
            .args(["--database", &self.database])
            .arg("--script")
            .arg(script);
        match self.password() {
            Some(password) => exec.env("REDISCLI_AUTH", password),
            None => exec,
        }
    }

    fn script_ending(&self) -> &'static str {
        "redis"
    }

    fn environment(&self, address: &Address) -> Vec<(String, String)> {
        vec![("REDIS_URL".to_owned(), self.url(address))]
    }

    fn url(&self, address: &Address) -> String {
        let user = self.password();
        let user = user.map_or_else(String::new, |password| {
            format!("default:{}@", percent(password, ""))
        });
        let database = &self.database;
        let port = match address {
            Address::Socket(folder) => {
                let socket = Self::socket_in(folder).display().to_string();
                return format!("unix://{user}{}?db={database}", percent(&socket, "/"));
            }
            Address::Port(port) => *port,
            Address::Inside | Address::File(_) => self.port,
        };
        format!("redis://{user}127.0.0.1:{port}/{database}")
    }

    fn warm(&self, address: &Address) {
        if let Address::Socket(folder) = address {
            // A server that can't be used shows it to the test.
            let socket = Socket::patient(&Self::socket_in(folder), PATIENCE);
            let _ = socket.map(|socket| self.greeting()(socket));
        }
    }

    fn keys(&self, connect: &dyn Fn() -> io::Result<Socket>) -> Option<io::Result<Keys>> {
        let greeted = self.greeting();
        let connection = || greeted(connect()?).map_err(io::Error::other);
        let keys = || Ok(Keys::over(connection()?, connection()?));
        Some(keys())
    }
}

fn read(script: &ScriptFile) -> Result<Vec<u8>, EngineError> {
    match &script.text {
        Some(text) => Ok(text.as_bytes().to_vec()),
        None => fs::read(&script.host).map_err(|e| EngineError::file("read", &script.host, e)),
    }
}

/// The arguments of a directive, which redis.conf divides as redis-cli does a line.
fn arguments(name: &str, value: &str) -> Result<Vec<String>, EngineError> {
    let wrong = |why: &str| refuse(name, why);
    // Anything in front keeps a number from being taken for how often.
    let line = format!("{name} {value}");
    let words = match commands(line.as_bytes()).collect::<Vec<_>>().as_slice() {
        [Ok(command)] => command.words[1..].to_vec(),
        [Err(misread)] => return Err(wrong(misread.why)),
        _ => return Err(wrong("a value is one line")),
    };
    let words = words.into_iter().map(String::from_utf8);
    let words: Result<Vec<String>, _> = words.collect();
    let words = words.map_err(|_| wrong("its value is no text"))?;
    match words
        .iter()
        .any(|word| word.starts_with("--") || word.contains('\0'))
    {
        true => Err(wrong(
            "the server would take its value for another directive",
        )),
        false => Ok(words),
    }
}

fn refuse(setting: &str, why: &str) -> EngineError {
    EngineError::Setting {
        engine: "Redis",
        setting: setting.to_owned(),
        why: why.to_owned(),
    }
}
