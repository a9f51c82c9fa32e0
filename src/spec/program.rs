//! A server without an adapter, as a spec describes it: `engine: service`.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::CommandLine;

/// What stands for the folder of a service's data in its commands and variables.
pub const DATA: &str = "{data}";

/// A server without an adapter. In its commands and the values of its variables, `{data}` is the folder of its data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceProgram {
    /// The server; it stays in the foreground.
    pub command: CommandLine,
    /// What is run once, before the server is started on an empty data folder.
    pub init: Option<CommandLine>,
    /// What is run to stop the server, where a signal isn't enough.
    pub stop: Option<CommandLine>,
    /// What `cowherd shell` runs; a shell where the spec is silent.
    pub client: Option<CommandLine>,
    /// Further variables of all these commands.
    pub environment: BTreeMap<String, String>,
    /// Paths or globs of the project's files that the commands read; part of the keys.
    pub inputs: Vec<String>,
    /// A folder of this machine at whose place the data are, too.
    pub data_dir: Option<PathBuf>,
    /// The ports that it listens on; the URL names the first.
    pub ports: Vec<u16>,
    /// The form of its URL, with the first port in it.
    pub url: Option<String>,
    /// How it is known to be healthy.
    pub health: Health,
    /// The signal that stops it.
    pub stop_signal: i32,
    /// How long it may take to stop.
    pub stop_grace_period: Duration,
    /// The folder that its commands run in: the spec's.
    #[serde(skip)]
    pub folder: PathBuf,
}

/// How a service is known to be healthy. It is asked at once, and then after 1, 2, 4 … milliseconds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    /// What is asked.
    pub test: HealthTest,
    /// The longest time between two checks during the start period.
    pub start_interval: Duration,
    /// The time between two checks after it.
    pub interval: Duration,
    /// How long one check may take.
    pub timeout: Duration,
    /// How many checks may fail after the start period.
    pub retries: u32,
    /// How long the service may take before failures count.
    pub start_period: Duration,
}

impl Default for Health {
    /// The timeout and the retries are Compose's. Its other values are for a service that is asked for as long as it
    /// runs, on a machine with better things to do; here somebody waits.
    fn default() -> Self {
        Self {
            test: HealthTest::Started,
            start_interval: Duration::from_millis(20),
            interval: Duration::from_secs(1),
            timeout: Duration::from_secs(30),
            retries: 3,
            start_period: Duration::from_secs(60),
        }
    }
}

impl Health {
    /// How long the service has to become healthy.
    ///
    /// ```
    /// use cowherd::spec::Health;
    /// assert_eq!(Health::default().within().as_secs(), 63);
    /// ```
    pub fn within(&self) -> Duration {
        let checks = self.interval.saturating_mul(self.retries);
        self.start_period.saturating_add(checks)
    }
}

/// What a service is asked to know that it is healthy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HealthTest {
    /// Nothing: it runs.
    Started,
    /// A command, which exits with 0.
    Command(CommandLine),
    /// A port, which takes a connection.
    Tcp(u16),
    /// A page of a port, which is answered with a status of 200 to 299.
    Http {
        /// The port.
        port: u16,
        /// The path, from `/` on.
        path: String,
    },
    /// Its log, which has a line with this text in it.
    Log(String),
}

/// What a service waits for before it is started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dependency {
    /// The other service.
    pub service: String,
    /// Whether it must be healthy by then, and not only started.
    pub healthy: bool,
}

impl ServiceProgram {
    /// Whether the service keeps something that is to be frozen: it is told a folder for its data.
    pub fn keeps_data(&self) -> bool {
        self.init.is_some()
            || self.data_dir.is_some()
            || self.texts().any(|text| text.contains(DATA))
    }

    /// Its URL, with `port` in place of its first port where that leads to it; `None` where it has neither.
    ///
    /// ```
    /// # use cowherd::spec;
    /// # let text = b"version: 1
    /// # snapshots: { a: { services: { mq: { engine: service, command: mq, ports: [5672], url: 'amqp://me@localhost:5672/a' } } } }";
    /// # let spec = spec::parse("cowherd.yaml".as_ref(), text, &|_| None).unwrap();
    /// # let program = spec.snapshots[0].services[0].program.as_ref().unwrap();
    /// assert_eq!(program.url_at(Some(40123)).as_deref(), Some("amqp://me@localhost:40123/a"));
    /// ```
    pub fn url_at(&self, port: Option<u16>) -> Option<String> {
        let own = self.ports.first();
        let Some(mut url) = self.url.clone() else {
            return Some(format!("tcp://127.0.0.1:{}", port.unwrap_or(*own?)));
        };
        if let (Some(_), Some(port), Some(place)) = (own, port, port_of(&url)) {
            url.replace_range(place, &port.to_string());
        }
        Some(url)
    }

    fn texts(&self) -> impl Iterator<Item = &str> {
        let command = match &self.command {
            CommandLine::Shell(line) => std::slice::from_ref(line),
            CommandLine::Argv(words) => words,
        };
        let values = self.environment.values();
        command.iter().chain(values).map(String::as_str)
    }
}

/// Where the port stands in a URL: `scheme://user@host:PORT/…` (RFC 3986, 3.2).
pub(super) fn port_of(url: &str) -> Option<Range<usize>> {
    let start = url.find("://")? + 3;
    let end = url[start..].find(['/', '?', '#']);
    let end = end.map_or(url.len(), |at| start + at);
    let colon = start + url[start..end].rfind(':')?;
    Some(colon + 1..end)
}
