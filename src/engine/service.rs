//! A server without an adapter: the spec says how it is started, asked and stopped.
//!
//! What is known of it is a data folder and a process, so what a layer holds is the folder after a clean stop.

use std::path::{Path, PathBuf};

use super::service_find::{in_place_of_the_shell, program_of, search_path, version_of};
use super::{
    Action, Address, Base, Check, Endpoint, Engine, EngineError, Exec, Place, Probe, Ready,
    ScriptFile, Server, Shutdown,
};
use crate::disk::{self, DiskError, Kind, Reach};
use crate::migrate::script::Dialect;
use crate::spec::{CommandLine, DATA, HealthTest, Service, ServiceProgram};

pub(super) const KEY: &str = "service";

/// The longest a file with a process's number is.
const PID_FILE: u64 = 32;

#[derive(Debug)]
pub(super) struct CustomServer {
    place: Place,
    described: ServiceProgram,
    /// Where its commands run.
    folder: PathBuf,
    program: PathBuf,
    version: String,
    /// Whether it can't run alone.
    waits: bool,
}

impl CustomServer {
    pub(super) fn new(service: &Service) -> Result<Self, EngineError> {
        let Some(described) = service.program.as_deref() else {
            return Err(EngineError::Command {
                doing: format!("set up the service `{}`", service.name),
                message: "it has no command".to_owned(),
            });
        };
        let folder = std::path::absolute(&described.folder)
            .map_err(|source| EngineError::file("find", &described.folder, source))?;
        let program = program_of(&described.command, &folder)?;
        Ok(Self {
            place: Place::new(&service.name),
            described: described.clone(),
            version: version_of(&program)?,
            program,
            folder,
            waits: !service.depends_on.is_empty(),
        })
    }

    /// A command of the spec's with all that it needs.
    fn exec(&self, line: &CommandLine) -> Exec {
        let filled = |text: &String| text.replace(DATA, &self.place.data().to_string_lossy());
        let argv: Vec<String> = line.argv().iter().map(filled).collect();
        let mut exec = Exec::new(argv.first().map_or("", String::as_str));
        exec = exec.args(argv.iter().skip(1));
        exec = exec.env("PATH", &search_path().to_string_lossy());
        for (name, value) in &self.described.environment {
            exec = exec.env(name, &filled(value));
        }
        exec.folder = Some(self.folder.clone());
        exec
    }

    /// The server itself.
    fn server_exec(&self) -> Exec {
        match &self.described.command {
            CommandLine::Shell(line) => {
                let line = in_place_of_the_shell(line, &self.folder);
                self.exec(&CommandLine::Shell(line))
            }
            line @ CommandLine::Argv(_) => Exec {
                program: self.program.clone(),
                ..self.exec(line)
            },
        }
    }

    fn ready(&self) -> Ready {
        let health = &self.described.health;
        let probe = match &health.test {
            HealthTest::Started => return Ready::Started,
            HealthTest::Log(text) => return Ready::Line(text.clone().into()),
            HealthTest::Tcp(port) => Probe::Tcp(*port),
            HealthTest::Http { port, path } => Probe::Http {
                port: *port,
                path: path.clone(),
            },
            HealthTest::Command(line) => Probe::Command(self.exec(line)),
        };
        Ready::Check(Check {
            probe,
            timeout: health.timeout,
            start_period: health.start_period,
            start_interval: health.start_interval,
            interval: health.interval,
        })
    }

    /// The steps of its own, each with what is run, and whether the server runs meanwhile.
    fn steps(&self) -> Vec<(String, Vec<Action>, bool)> {
        let (described, name) = (&self.described, self.place.service());
        let mut steps = Vec::new();
        if let Some(init) = &described.init {
            let action = Action::Exec(self.exec(init));
            steps.push((format!("init of {name}"), vec![action], false));
        }
        // What it makes of an empty folder is made once, and shown to work once. One that waits for others may want
        // to find in them what later steps put there; and of one that nobody asks, nobody knows when it has made it.
        let is_asked = described.health.test != HealthTest::Started;
        if described.keeps_data() && is_asked && !self.waits {
            steps.push((format!("first start of {name}"), Vec::new(), true));
        }
        if steps.is_empty() {
            let label = match described.keeps_data() {
                true => format!("no data of {name} yet"),
                false => format!("{name} keeps no data"),
            };
            steps.push((label, Vec::new(), false));
        }
        steps
    }
}

impl Engine for CustomServer {
    fn name(&self) -> &'static str {
        "service"
    }

    fn dialect(&self) -> Option<Dialect> {
        None
    }

    fn version(&self) -> &str {
        &self.version
    }

    fn machine(&self) -> Vec<(String, String)> {
        let architecture = std::env::consts::ARCH.to_owned();
        vec![("architecture".to_owned(), architecture)]
    }

    fn place(&self) -> &Place {
        &self.place
    }

    fn data_dir(&self) -> Option<&Path> {
        self.described.data_dir.as_deref()
    }

    fn has_low_ports(&self) -> bool {
        self.described.ports.iter().any(|port| *port < 1024)
    }

    fn reads_project(&self) -> bool {
        true
    }

    fn base(&self) -> Vec<Base> {
        let steps = self.steps().into_iter();
        steps
            .map(|(label, _, with_server)| Base {
                label,
                // What the spec and its files say is the plan's to know.
                fields: Vec::new(),
                with_server,
            })
            .collect()
    }

    fn base_actions(&self, index: usize) -> Vec<Action> {
        let step = self.steps().into_iter().nth(index);
        step.map_or_else(Vec::new, |(_, actions, _)| actions)
    }

    fn server(&self, _building: bool) -> Option<Server> {
        let described = &self.described;
        Some(Server {
            exec: self.server_exec(),
            ready: self.ready(),
            endpoint: described.ports.first().copied().map(Endpoint::Port),
            stop: Shutdown {
                command: described.stop.as_ref().map(|stop| self.exec(stop)),
                signal: described.stop_signal,
                within: described.stop_grace_period,
            },
            ready_within: described.health.within(),
        })
    }

    fn script(&self, script: &ScriptFile) -> Result<Vec<Action>, EngineError> {
        Err(EngineError::Command {
            doing: format!("run {}", script.name),
            message: format!("the service `{}` takes no scripts", self.place.service()),
        })
    }

    fn remark(&self, _script: &ScriptFile) -> Option<String> {
        None
    }

    fn freeze(&self) -> Vec<Action> {
        Vec::new()
    }

    fn seal(&self, data: &Path) -> Result<(), EngineError> {
        let failed = |source: DiskError| EngineError::Command {
            doing: format!(
                "remove what belongs to one run of `{}` only",
                self.place.service()
            ),
            message: crate::cause::in_words(&source),
        };
        let mut found = Vec::new();
        disk::walk::<DiskError>(data, Reach::AsIs, &mut |entry| {
            if entry.kind() == Kind::Socket || is_pid_file(&entry.path) {
                found.push(entry.path.clone());
            }
            Ok(())
        })
        .map_err(failed)?;
        for path in found {
            std::fs::remove_file(&path).map_err(|e| EngineError::file("remove", &path, e))?;
        }
        Ok(())
    }

    fn client(&self) -> Exec {
        match &self.described.client {
            Some(client) => self.exec(client),
            None => self.exec(&CommandLine::Argv(vec!["/bin/sh".to_owned()])),
        }
    }

    fn client_script(&self, script: &Path) -> Exec {
        Exec::new("/bin/sh").arg("-e").arg(script)
    }

    fn environment(&self, _address: &Address) -> Vec<(String, String)> {
        Vec::new()
    }

    fn url(&self, address: &Address) -> String {
        let port = match address {
            Address::Port(port) => Some(*port),
            Address::Inside | Address::Socket(_) | Address::File(_) => None,
        };
        let url = self.described.url_at(port).unwrap_or_default();
        url.replace(DATA, &self.place.data().to_string_lossy())
    }

    fn database_file(&self) -> Option<PathBuf> {
        None
    }

    fn explain(&self, _script: Option<&ScriptFile>, stderr: &str) -> EngineError {
        EngineError::Command {
            doing: format!("prepare the data of `{}`", self.place.service()),
            message: match stderr.trim() {
                "" => "its command failed and said nothing".to_owned(),
                said => said.to_owned(),
            },
        }
    }
}

/// Whether a file holds the number of a process, which means another one in the next container: a server that finds
/// it would take itself to be running.
fn is_pid_file(path: &Path) -> bool {
    let named = path.extension().is_some_and(|end| end == "pid");
    let short =
        || std::fs::symlink_metadata(path).is_ok_and(|it| it.is_file() && it.len() <= PID_FILE);
    let number =
        || std::fs::read_to_string(path).is_ok_and(|text| text.trim().parse::<u32>().is_ok());
    named && short() && number()
}
