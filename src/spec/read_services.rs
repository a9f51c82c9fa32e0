//! Tree → draft: what a service waits for, and what one is that has no adapter.

use std::path::PathBuf;
use std::time::Duration;

use super::draft::{DependencyDraft, Field, Placed, ProgramDraft};
use super::problem::{Place, quoted, unknown};
use super::read::{Fields, Reader, Slot, items};
use super::yaml::Value;
use super::{CommandLine, Dependency, Health, HealthTest, ServiceProgram};
use crate::units::parse_duration;

/// The engine that is none: a server without an adapter.
pub(super) const SERVICE: &str = "service";

/// The keys of such a server.
pub(super) const OF_A_PROGRAM: [&str; 12] = [
    "command",
    "init",
    "stop",
    "client",
    "environment",
    "inputs",
    "data_dir",
    "ports",
    "url",
    "healthcheck",
    "stop_signal",
    "stop_grace_period",
];

/// What of a service can be asked for its health.
const TESTS: [&str; 4] = ["test", "tcp", "http", "log"];

/// The signals that stop a server cleanly, by their numbers on every Linux but MIPS and SPARC (signal(7)).
const SIGNALS: [(&str, i32); 7] = [
    ("TERM", 15),
    ("INT", 2),
    ("QUIT", 3),
    ("HUP", 1),
    ("USR1", 10),
    ("USR2", 12),
    ("WINCH", 28),
];

impl Reader<'_> {
    pub(super) fn depends_on(&mut self, slot: &Slot<'_>) -> Vec<DependencyDraft> {
        let Value::Map(entries) = &slot.node.value else {
            let Value::List(nodes) = &slot.node.value else {
                let expected =
                    "a list of services, or a map as in `{ db: { condition: service_started } }`";
                self.wrong_shape::<()>(slot, expected);
                return Vec::new();
            };
            let names = items(slot, nodes);
            let names = names.iter().filter_map(|name| self.placed_word(name));
            return names
                .map(|Placed { value, place }| DependencyDraft {
                    place,
                    dependency: Dependency {
                        service: value,
                        healthy: true,
                    },
                })
                .collect();
        };
        let mut drafts = Vec::new();
        for entry in entries {
            let own = super::read::slot(entry);
            let condition = self.fields(&own, &["condition"]);
            let condition = condition.and_then(|fields| fields.get("condition"));
            let healthy = match condition.and_then(|slot| self.placed_word(&slot)) {
                Some(Placed { value, place }) => {
                    let known = ["service_healthy", "service_started"];
                    if !known.contains(&value.as_str()) {
                        self.fault(place, unknown("condition", &value, known));
                    }
                    value != known[1]
                }
                None => true,
            };
            drafts.push(DependencyDraft {
                place: entry.place,
                dependency: Dependency {
                    service: entry.key.clone(),
                    healthy,
                },
            });
        }
        drafts
    }

    pub(super) fn program(&mut self, fields: &Fields<'_>, place: Place) -> ProgramDraft {
        let command = self.field(fields, "command", Self::command);
        if command.is_absent() {
            self.fault(
                place,
                "a service has a `command` that starts its server, as in `command: [nginx, -g, \"daemon off;\"]`",
            );
        }
        let command = command.given().map(|command| command.value.clone());
        let (ports, url) = (self.ports(fields), fields.get("url"));
        let url = url.and_then(|slot| self.placed_word(&slot));
        let data_dir = fields.get("data_dir");
        let data_dir = data_dir.and_then(|slot| self.placed_word(&slot));
        let mut health = self.health(fields.get("healthcheck").as_ref());
        if let (None, Some(port)) = (&health.1, ports.first()) {
            health.0.test = HealthTest::Tcp(port.value);
        }
        let other = |reader: &mut Self, key: &str| {
            let slot = fields.get(key)?;
            reader.command(&slot)
        };
        ProgramDraft {
            program: ServiceProgram {
                command: command.unwrap_or(CommandLine::Argv(Vec::new())),
                init: other(self, "init"),
                stop: other(self, "stop"),
                client: other(self, "client"),
                environment: fields
                    .get("environment")
                    .map(|slot| self.environment(&slot))
                    .unwrap_or_default(),
                inputs: fields
                    .get("inputs")
                    .and_then(|slot| self.words(&slot))
                    .unwrap_or_default(),
                data_dir: data_dir.as_ref().map(|dir| PathBuf::from(&dir.value)),
                ports: ports.iter().map(|port| port.value).collect(),
                url: url.as_ref().map(|url| url.value.clone()),
                health: health.0,
                stop_signal: self.signal(fields).unwrap_or(SIGNALS[0].1),
                stop_grace_period: self
                    .duration(fields, "stop_grace_period")
                    .unwrap_or(Duration::from_secs(10)),
                folder: PathBuf::new(),
            },
            ports,
            url: url.map(|url| url.place),
            data_dir: data_dir.map(|dir| dir.place),
        }
    }

    fn ports(&mut self, fields: &Fields<'_>) -> Vec<Placed<u16>> {
        let Some(slot) = fields.get("ports") else {
            return Vec::new();
        };
        let list = self.list(&slot).unwrap_or_default();
        let ports = list.iter().filter_map(|item| {
            let Placed { value, place } = self.placed_word(item)?;
            let value = self.port(&value, place)?;
            Some(Placed { value, place })
        });
        ports.collect()
    }

    fn port(&mut self, text: &str, place: Place) -> Option<u16> {
        let number = text.strip_suffix("/tcp").unwrap_or(text);
        let port = number.parse().ok().filter(|port: &u16| *port > 0);
        if port.is_none() {
            let advice = match number.rsplit_once(':') {
                Some((_, inner)) => format!("nothing is published: write `{inner}` alone"),
                None => "write a number from 1 to 65535".to_owned(),
            };
            self.fault(place, format!("{} is no port; {advice}", quoted(text)));
        }
        port
    }

    /// How health is found out, and what is asked where the spec says so.
    fn health(&mut self, slot: Option<&Slot<'_>>) -> (Health, Option<Place>) {
        let mut health = Health::default();
        let known = [
            TESTS[0],
            TESTS[1],
            TESTS[2],
            TESTS[3],
            "disable",
            "start_interval",
            "interval",
            "timeout",
            "retries",
            "start_period",
        ];
        let Some(fields) = slot.and_then(|slot| self.fields(slot, &known)) else {
            return (health, None);
        };
        let written: Vec<Slot<'_>> = TESTS.iter().filter_map(|key| fields.get(key)).collect();
        let mut asked = written.first().map(|first| first.key);
        if let Some(test) = written.first().and_then(|first| self.health_test(first)) {
            health.test = test;
        }
        for more in written.iter().skip(1) {
            let message = format!(
                "a service is asked in one way; {} stands here too",
                written[0].what
            );
            self.fault(more.key, message);
        }
        if let Field::Given(off) = self.field(&fields, "disable", Self::yes_or_no)
            && off.value
        {
            health.test = HealthTest::Started;
            asked = Some(off.place);
        }
        for (key, value) in [
            ("start_interval", &mut health.start_interval),
            ("interval", &mut health.interval),
            ("timeout", &mut health.timeout),
            ("start_period", &mut health.start_period),
        ] {
            if let Some(given) = self.duration(&fields, key) {
                *value = given;
            }
        }
        if let Some(slot) = fields.get("retries")
            && let Some(Placed { value, place }) = self.placed_word(&slot)
        {
            if let Ok(retries) = value.trim().parse() {
                health.retries = retries;
            } else {
                let written = quoted(&value);
                let message =
                    format!("`retries` must be a whole number of at least 0, not {written}");
                self.fault(place, message);
            }
        }
        (health, asked)
    }

    fn health_test(&mut self, slot: &Slot<'_>) -> Option<HealthTest> {
        match slot.what.as_str() {
            "`test`" => match self.command(slot)? {
                CommandLine::Argv(mut words) => match words.remove(0).as_str() {
                    "NONE" if words.is_empty() => Some(HealthTest::Started),
                    "CMD" if !words.is_empty() => {
                        Some(HealthTest::Command(CommandLine::Argv(words)))
                    }
                    "CMD-SHELL" if words.len() == 1 => {
                        Some(HealthTest::Command(CommandLine::Shell(words.remove(0))))
                    }
                    _ => {
                        let expected = "a list that begins with `CMD` and a program, with `CMD-SHELL` and a line, or is `[NONE]`";
                        self.fault(slot.place(), format!("`test` must be {expected}"));
                        None
                    }
                },
                line @ CommandLine::Shell(_) => Some(HealthTest::Command(line)),
            },
            "`tcp`" => {
                let Placed { value, place } = self.placed_word(slot)?;
                self.port(&value, place).map(HealthTest::Tcp)
            }
            "`log`" => self.word(slot).map(HealthTest::Log),
            _ => {
                let Placed { value, place } = self.placed_word(slot)?;
                let page = page(&value);
                if page.is_none() {
                    let message = format!(
                        "{} can't be asked; write `http://127.0.0.1:PORT/PATH`",
                        quoted(&value)
                    );
                    self.fault(place, message);
                }
                page
            }
        }
    }

    fn signal(&mut self, fields: &Fields<'_>) -> Option<i32> {
        let Placed { value, place } = fields
            .get("stop_signal")
            .and_then(|slot| self.placed_word(&slot))?;
        let name = value.strip_prefix("SIG").unwrap_or(&value);
        let known = SIGNALS
            .iter()
            .find(|(known, number)| *known == name || number.to_string() == name);
        if known.is_none() {
            let names = SIGNALS.map(|(name, _)| format!("SIG{name}"));
            let names = names.iter().map(String::as_str);
            self.fault(place, unknown("signal for a clean stop", &value, names));
        }
        known.map(|(_, number)| *number)
    }

    fn duration(&mut self, fields: &Fields<'_>, key: &str) -> Option<Duration> {
        let Placed { value, place } = fields.get(key).and_then(|slot| self.placed_word(&slot))?;
        match parse_duration(&value) {
            Ok(duration) => Some(duration),
            Err(error) => {
                self.fault(place, format!("`{key}`: {error}"));
                None
            }
        }
    }
}

/// The page of the container that a URL names.
fn page(url: &str) -> Option<HealthTest> {
    let rest = url.strip_prefix("http://")?;
    let (host, path) = match rest.find(['/', '?']) {
        Some(at) => rest.split_at(at),
        None => (rest, "/"),
    };
    let (name, port) = host.split_once(':').unwrap_or((host, "80"));
    let path = match path.starts_with('/') {
        true => path.to_owned(),
        false => format!("/{path}"),
    };
    let plain = !path.contains(|c: char| c.is_whitespace() || c.is_control());
    let port = port.parse().ok().filter(|port: &u16| *port > 0)?;
    let here = ["127.0.0.1", "localhost"].contains(&name);
    (here && plain).then_some(HealthTest::Http { port, path })
}
