// etcd as an engine: the whole of it.
use std::fs;
use std::path::Path;
use std::time::Duration;

use cowherd::engine::{
    Action, Address, Base, Endpoint, Engine, EngineError, Exec, Place, Ready, ScriptFile, Server,
    Shutdown,
};

/// What the containers execute; see `postgres_find` and `redis_find` for how programs are found.
const ETCD: &str = "/usr/bin/etcd";
const CURL: &str = "/usr/bin/curl";
const PORT: u16 = 2379;
const SIGTERM: i32 = 15;

#[derive(Debug)]
pub(crate) struct Etcd {
    place: Place,
    version: String,
}

impl Etcd {
    /// The service of this name.
    pub(crate) fn new(service: &str) -> Result<Self, EngineError> {
        let asked = std::process::Command::new(ETCD).arg("--version").output();
        let printed = asked.map_err(|source| EngineError::Run {
            program: ETCD.into(),
            source,
        })?;
        let printed = String::from_utf8_lossy(&printed.stdout).into_owned();
        Ok(Self {
            place: Place::new(service),
            // All that tells builds apart: it is part of every key.
            version: printed.lines().take(2).collect::<Vec<_>>().join(", "),
        })
    }

    /// Gives the server a transaction, `{"success": [{"request_put": …}]}`, from a file or from standard input.
    fn transaction(&self, file: &Path) -> Exec {
        let url = format!("{}/v3/kv/txn", self.url(&Address::Inside));
        Exec::new(CURL)
            .args(["--silent", "--show-error", "--fail-with-body", "--data"])
            .arg(format!("@{}", file.display()))
            .arg(url)
    }
}

impl Engine for Etcd {
    fn name(&self) -> &'static str {
        "etcd"
    }

    fn version(&self) -> &str {
        &self.version
    }

    fn place(&self) -> &Place {
        &self.place
    }

    fn base(&self) -> Vec<Base> {
        // Its folder is made when it is started for the first time.
        vec![Base {
            label: "empty store".to_owned(),
            fields: Vec::new(),
            with_server: true,
        }]
    }

    fn base_actions(&self, _index: usize) -> Vec<Action> {
        Vec::new()
    }

    fn server(&self, _building: bool) -> Option<Server> {
        let url = self.url(&Address::Inside);
        let exec = Exec::new(ETCD)
            .args([
                "--name",
                "only",
                "--log-outputs",
                "stderr",
                "--unsafe-no-fsync",
            ])
            // One member elects itself: it need not wait long for others.
            .args(["--heartbeat-interval", "10", "--election-timeout", "50"])
            .args([
                "--listen-client-urls",
                &url,
                "--advertise-client-urls",
                &url,
            ])
            .arg("--data-dir")
            .arg(self.place.data());
        Some(Server {
            exec,
            ready: Ready::Line("ready to serve".into()),
            endpoint: Some(Endpoint::Port(PORT)),
            stop: Shutdown::by(SIGTERM),
            ready_within: Duration::from_secs(60),
        })
    }

    fn script(&self, script: &ScriptFile) -> Result<Vec<Action>, EngineError> {
        Ok(vec![Action::Exec(self.transaction(&script.path))])
    }

    fn seal(&self, data: &Path) -> Result<(), EngineError> {
        let unclean = |why: String| EngineError::Unclean {
            path: data.to_owned(),
            why,
        };
        // It has flushed what it has answered for, and reads its log at each start: there is nothing to recover.
        let log = fs::read_dir(data.join("member/wal"));
        let log = log.map_err(|error| unclean(format!("it has no log: {error}")))?;
        // Room that was made ahead.
        for file in log.flatten().map(|entry| entry.path()) {
            if file.extension().is_some_and(|ending| ending == "tmp") {
                fs::remove_file(&file).map_err(|error| unclean(error.to_string()))?;
            }
        }
        Ok(())
    }

    fn client(&self) -> Exec {
        Exec::new("/usr/bin/etcdctl").args(["--endpoints", &self.url(&Address::Inside)])
    }

    fn client_script(&self, script: &Path) -> Exec {
        self.transaction(script)
    }

    fn environment(&self, address: &Address) -> Vec<(String, String)> {
        vec![("ETCDCTL_ENDPOINTS".to_owned(), self.url(address))]
    }

    fn url(&self, address: &Address) -> String {
        match address {
            Address::Port(port) => format!("http://127.0.0.1:{port}"),
            _ => format!("http://127.0.0.1:{PORT}"),
        }
    }
}
