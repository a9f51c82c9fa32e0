//! A spec that is written in Rust: one of several services.

use std::panic::Location;
use std::time::Duration;

use super::CommandLine;
use super::declared::{Calls, add_setting, command_node, entry, list, map, text};
use super::problem::Place;
use super::yaml::{Entry, Node};
use crate::units::format_duration;

/// One of several services of a snapshot.
#[derive(Debug)]
#[must_use]
pub struct ServiceDeclaration {
    calls: Calls,
    fields: Vec<Entry>,
    environment: Vec<Entry>,
    ports: Vec<Node>,
    depends_on: Vec<Entry>,
}

impl ServiceDeclaration {
    pub(super) fn new(calls: Calls) -> Self {
        Self {
            calls,
            fields: Vec::new(),
            environment: Vec::new(),
            ports: Vec::new(),
            depends_on: Vec::new(),
        }
    }

    pub(super) fn into_node(mut self, place: Place) -> Node {
        if let Some(first) = self.environment.first() {
            let place = first.place;
            let variables = map(self.environment, place);
            self.fields.push(entry("environment", place, variables));
        }
        if let Some(first) = self.ports.first() {
            let place = first.place;
            self.fields
                .push(entry("ports", place, list(self.ports, place)));
        }
        if let Some(first) = self.depends_on.first() {
            let place = first.place;
            let services = map(self.depends_on, place);
            self.fields.push(entry("depends_on", place, services));
        }
        map(self.fields, place)
    }

    /// As [`SnapshotDeclaration::engine`](super::SnapshotDeclaration::engine).
    #[track_caller]
    pub fn engine(self, name: &str) -> Self {
        self.field(Location::caller(), "engine", name)
    }

    /// As [`SnapshotDeclaration::database`](super::SnapshotDeclaration::database).
    #[track_caller]
    pub fn database(self, name: &str) -> Self {
        self.field(Location::caller(), "database", name)
    }

    /// As [`SnapshotDeclaration::setting`](super::SnapshotDeclaration::setting).
    #[track_caller]
    pub fn setting(mut self, name: &str, value: &str) -> Self {
        let place = self.calls.place(Location::caller(), "setting");
        add_setting(&mut self.fields, name, value, place);
        self
    }

    /// As [`SnapshotDeclaration::bin_dir`](super::SnapshotDeclaration::bin_dir).
    #[track_caller]
    pub fn bin_dir(self, folder: &str) -> Self {
        self.field(Location::caller(), "bin_dir", folder)
    }

    /// Another service, which must be healthy before this one is started.
    #[track_caller]
    pub fn depends_on(self, service: &str) -> Self {
        self.wait(Location::caller(), "depends_on", service, "service_healthy")
    }

    /// Another service, which must be started, and no more than that, before this one is.
    #[track_caller]
    pub fn depends_on_started(self, service: &str) -> Self {
        let call = Location::caller();
        self.wait(call, "depends_on_started", service, "service_started")
    }

    /// For the engine `service`: what starts the server, which stays in the foreground. In this and the other commands,
    /// and in the values of variables, `{data}` is the folder of its data.
    #[track_caller]
    pub fn command(self, line: impl Into<CommandLine>) -> Self {
        self.command_field(Location::caller(), "command", line.into())
    }

    /// What is run once, before the server is started on an empty data folder.
    #[track_caller]
    pub fn init(self, line: impl Into<CommandLine>) -> Self {
        self.command_field(Location::caller(), "init", line.into())
    }

    /// What is run to stop the server, where a signal isn't enough.
    #[track_caller]
    pub fn stop(self, line: impl Into<CommandLine>) -> Self {
        self.command_field(Location::caller(), "stop", line.into())
    }

    /// What `cowherd shell` runs, where it is not a shell.
    #[track_caller]
    pub fn client(self, line: impl Into<CommandLine>) -> Self {
        self.command_field(Location::caller(), "client", line.into())
    }

    /// A further variable of all its commands.
    #[track_caller]
    pub fn environment(mut self, name: &str, value: &str) -> Self {
        let place = self.calls.place(Location::caller(), "environment");
        self.environment
            .push(entry(name, place, text(value, place)));
        self
    }

    /// The project's files that its commands read, as paths or patterns: they are part of the keys.
    #[track_caller]
    pub fn inputs<'i>(mut self, files: impl IntoIterator<Item = &'i str>) -> Self {
        let place = self.calls.place(Location::caller(), "inputs");
        let files = files.into_iter().map(|file| text(file, place));
        let files = list(files.collect(), place);
        self.fields.push(entry("inputs", place, files));
        self
    }

    /// A folder of this machine at whose place its data are, too, for a server that can't be told another.
    #[track_caller]
    pub fn data_dir(self, folder: &str) -> Self {
        self.field(Location::caller(), "data_dir", folder)
    }

    /// A port that it listens on; its URL names the first.
    #[track_caller]
    pub fn port(mut self, number: u16) -> Self {
        let place = self.calls.place(Location::caller(), "port");
        self.ports.push(text(&number.to_string(), place));
        self
    }

    /// The form of its URL, with its first port in it, where it is not `tcp://127.0.0.1:PORT`.
    #[track_caller]
    pub fn url(self, form: &str) -> Self {
        self.field(Location::caller(), "url", form)
    }

    /// How it is known to be healthy, where that is not by a connection to its first port.
    #[track_caller]
    pub fn healthcheck(
        mut self,
        content: impl FnOnce(HealthDeclaration) -> HealthDeclaration,
    ) -> Self {
        let place = self.calls.place(Location::caller(), "healthcheck");
        let calls = self.calls.within(place);
        let fields = Vec::new();
        let health = content(HealthDeclaration { calls, fields });
        let health = map(health.fields, place);
        self.fields.push(entry("healthcheck", place, health));
        self
    }

    /// The signal that stops it, where it is not `SIGTERM`.
    #[track_caller]
    pub fn stop_signal(self, name: &str) -> Self {
        self.field(Location::caller(), "stop_signal", name)
    }

    /// How long it may take to stop; 10 seconds where nothing is said.
    #[track_caller]
    pub fn stop_grace_period(self, time: Duration) -> Self {
        self.field(
            Location::caller(),
            "stop_grace_period",
            &format_duration(time),
        )
    }

    fn wait(
        mut self,
        call: &'static Location<'static>,
        method: &str,
        service: &str,
        condition: &str,
    ) -> Self {
        let place = self.calls.place(call, method);
        let condition = entry("condition", place, text(condition, place));
        let condition = map(vec![condition], place);
        self.depends_on.push(entry(service, place, condition));
        self
    }

    fn command_field(
        mut self,
        call: &'static Location<'static>,
        key: &str,
        line: CommandLine,
    ) -> Self {
        let place = self.calls.place(call, key);
        self.fields
            .push(entry(key, place, command_node(line, place)));
        self
    }

    fn field(mut self, call: &'static Location<'static>, key: &str, value: &str) -> Self {
        let place = self.calls.place(call, key);
        self.fields.push(entry(key, place, text(value, place)));
        self
    }
}

/// How a service is known to be healthy. It is asked at once, and then after 1, 2, 4 … milliseconds.
#[derive(Debug)]
#[must_use]
pub struct HealthDeclaration {
    calls: Calls,
    fields: Vec<Entry>,
}

impl HealthDeclaration {
    /// A command that exits with 0.
    #[track_caller]
    pub fn test(mut self, line: impl Into<CommandLine>) -> Self {
        let place = self.calls.place(Location::caller(), "test");
        let line = match line.into() {
            CommandLine::Argv(mut words) => {
                words.insert(0, "CMD".to_owned());
                CommandLine::Argv(words)
            }
            line @ CommandLine::Shell(_) => line,
        };
        self.fields
            .push(entry("test", place, command_node(line, place)));
        self
    }

    /// A port that takes a connection.
    #[track_caller]
    pub fn tcp(self, port: u16) -> Self {
        self.field(Location::caller(), "tcp", &port.to_string())
    }

    /// A page that is answered with a status of 200 to 299: `http://127.0.0.1:PORT/PATH`.
    #[track_caller]
    pub fn http(self, page: &str) -> Self {
        self.field(Location::caller(), "http", page)
    }

    /// A line of its log with this text in it.
    #[track_caller]
    pub fn log(self, text: &str) -> Self {
        self.field(Location::caller(), "log", text)
    }

    /// Nothing is asked: it is healthy when it runs.
    #[track_caller]
    pub fn disable(self) -> Self {
        self.field(Location::caller(), "disable", "true")
    }

    /// The longest time between two checks during the start period; 20 ms where nothing is said.
    #[track_caller]
    pub fn start_interval(self, time: Duration) -> Self {
        self.field(Location::caller(), "start_interval", &format_duration(time))
    }

    /// The time between two checks after the start period; 1 s where nothing is said.
    #[track_caller]
    pub fn interval(self, time: Duration) -> Self {
        self.field(Location::caller(), "interval", &format_duration(time))
    }

    /// How long one check may take; 30 s where nothing is said.
    #[track_caller]
    pub fn timeout(self, time: Duration) -> Self {
        self.field(Location::caller(), "timeout", &format_duration(time))
    }

    /// How many checks may fail after the start period; 3 where nothing is said.
    #[track_caller]
    pub fn retries(self, number: u32) -> Self {
        self.field(Location::caller(), "retries", &number.to_string())
    }

    /// How long it may take before failures count; 60 s where nothing is said.
    #[track_caller]
    pub fn start_period(self, time: Duration) -> Self {
        self.field(Location::caller(), "start_period", &format_duration(time))
    }

    fn field(mut self, call: &'static Location<'static>, key: &str, value: &str) -> Self {
        let place = self.calls.place(call, key);
        self.fields.push(entry(key, place, text(value, place)));
        self
    }
}
