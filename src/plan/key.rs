//! The steps of the spec, and their keys.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::error::{InputError, Problem};
use super::files::{self, Folders, name_of, normal};
use super::sources::{Reads, Sources};
use super::{EngineIdentity, PlannedStep, Script, StoredChain, Work};
use crate::digest::{Digest, Labelled};
use crate::migrate::script::Dialect;
use crate::migrate::{self, Asked};
use crate::spec::{
    CommandLine, Service, Snapshot, Step, StepKind, USUAL_NAME, needed_by, run_beside,
};

/// Raised when the meaning of a key changes: no older layer fits any more.
const FORMAT: &[u8] = b"1";

/// Makes steps, and collects what is wrong with them.
pub(super) struct Keys<'a> {
    pub(super) folder: &'a Path,
    identities: &'a dyn Fn(&Service) -> EngineIdentity,
    known: Vec<(Service, EngineIdentity)>,
    pub(super) sources: Sources,
    pub(super) problems: Vec<Problem>,
}

impl<'a> Keys<'a> {
    pub(super) fn new(
        folder: &'a Path,
        identities: &'a dyn Fn(&Service) -> EngineIdentity,
    ) -> Self {
        let sources = Sources::new(folder);
        Self {
            folder,
            identities,
            known: Vec::new(),
            sources,
            problems: Vec::new(),
        }
    }

    pub(super) fn into_problems(self) -> Vec<Problem> {
        self.problems
    }

    /// The steps that the engines take before those of the spec.
    pub(super) fn base(&mut self, services: &[Service]) -> Vec<PlannedStep> {
        let mut chain: Vec<PlannedStep> = Vec::new();
        for service in services {
            let identity = self.identity(service);
            for (index, step) in identity.base.iter().enumerate() {
                let parent = chain.last().map(|step| step.key);
                let key = |name: &str, parent| {
                    let mut key = start("base", &identity, name, parent)
                        .field("index", index.to_string().as_bytes());
                    if step.settings {
                        key = with_settings(key, service);
                    }
                    for (name, value) in &step.fields {
                        key = key.field("field", name.as_bytes()).field("value", value);
                    }
                    key
                };
                let program = service.program.as_deref().filter(|it| it.keeps_data());
                let own = key(&service.name, parent);
                let own = match program {
                    Some(program) => self.with_program(own, service, program),
                    None => own,
                };
                // What the commands of a program write, may have the service's name in it.
                let first = index == 0 && service.program.is_none();
                chain.push(PlannedStep {
                    key: own.finish(),
                    parent,
                    prefixes: Vec::new(),
                    alike: first.then(|| key(USUAL_NAME, None).finish()),
                    service: service.name.clone(),
                    beside: Vec::new(),
                    label: step.label.clone(),
                    work: Work::Base(index),
                    position: service.position,
                });
            }
        }
        chain
    }

    /// The step that a stored snapshot is, with its own keys.
    pub(super) fn stored(
        &mut self,
        name: &str,
        stored: Option<StoredChain>,
        snapshot: &Snapshot,
    ) -> Vec<PlannedStep> {
        let mut fault = |error| {
            self.problems.push(Problem {
                position: snapshot.position,
                error,
            });
            Vec::new()
        };
        let name = name.to_owned();
        let Some(mut stored) = stored else {
            return fault(InputError::NotStored { name });
        };
        let services = snapshot.services.iter();
        let services = services
            .map(|service| [&service.name, &service.engine, &service.database].map(String::clone));
        if stored.services != services.collect::<Vec<_>>() {
            let there = stored.services;
            return fault(InputError::OtherServices { name, there });
        }
        let (Some(key), Some(service)) = (stored.keys.pop(), snapshot.services.first()) else {
            return fault(InputError::NotStored { name });
        };
        vec![PlannedStep {
            key,
            parent: None,
            prefixes: stored.keys,
            alike: None,
            service: service.name.clone(),
            beside: Vec::new(),
            label: format!("stored {name}"),
            work: Work::Stored,
            position: snapshot.position,
        }]
    }

    /// Adds a step of the spec to the chain. After a problem its key means nothing; no plan comes
    /// of it then.
    pub(super) fn push(&mut self, chain: &mut Vec<PlannedStep>, services: &[Service], step: &Step) {
        // The spec's checks see to it that the service exists.
        let Some(service) = services.iter().find(|service| service.name == step.on) else {
            return;
        };
        let parent = chain.last().map(|step| step.key);
        let identity = self.identity(service);
        let running = match &step.kind {
            StepKind::Run { .. } => run_beside(services, &service.name),
            StepKind::Migrate { .. } | StepKind::Sql(_) | StepKind::Redis(_) => {
                needed_by(services, &service.name)
            }
        };
        let runs = |it: &&Service| running.contains(&it.name.as_str());
        let programs = self.programs(services.iter().filter(runs));
        let beside = running.iter().filter(|name| **name != service.name);
        let beside = beside.map(|name| (*name).to_owned()).collect();
        let key = |parent| {
            let mut key = start(kind(&step.kind), &identity, &service.name, parent)
                .field("database", service.database.as_bytes());
            if let Some(programs) = programs {
                key = key.field("programs", programs.to_string().as_bytes());
            }
            with_settings(key, service)
        };
        let dialect = Dialect::of_engine(&service.engine);
        let mut made = match &step.kind {
            StepKind::Migrate {
                tool,
                dir,
                history,
                placeholders,
            } => {
                let asked = Asked {
                    tool: tool.as_deref(),
                    dialect: dialect.unwrap_or(Dialect::Postgres),
                    history: *history,
                    database: &service.database,
                    placeholders,
                };
                self.migrate(&key, parent, dir, &asked)
            }
            StepKind::Sql(patterns) => self.files("sql", key(parent), patterns, dialect),
            StepKind::Redis(patterns) => self.files("redis", key(parent), patterns, None),
            StepKind::Run {
                command,
                inputs,
                environment,
            } => self.run(key(parent), command, inputs, environment),
        };
        let errors = std::mem::take(&mut made.errors).into_iter();
        self.problems.extend(errors.map(|error| Problem {
            position: step.position,
            error,
        }));
        chain.push(PlannedStep {
            key: made.key,
            parent,
            prefixes: made.prefixes,
            alike: None,
            service: service.name.clone(),
            beside,
            label: made.label,
            work: made.work,
            position: step.position,
        });
    }

    pub(super) fn identity(&mut self, service: &Service) -> EngineIdentity {
        if let Some((_, identity)) = self.known.iter().find(|(known, _)| known == service) {
            return identity.clone();
        }
        let identity = (self.identities)(service);
        self.known.push((service.clone(), identity.clone()));
        identity
    }

    /// Each migration's key goes on from that of the one before it.
    fn migrate(
        &mut self,
        start: &dyn Fn(Option<Digest>) -> Labelled,
        parent: Option<Digest>,
        dir: &Path,
        asked: &Asked<'_>,
    ) -> Made {
        let mut made = Made {
            key: start(parent).finish(),
            prefixes: Vec::new(),
            label: format!("migrate {}", dir.display()),
            work: Work::Scripts(Vec::new()),
            errors: Vec::new(),
        };
        let path = normal(&self.folder.join(dir));
        let set = match migrate::discover_as(&path, asked) {
            Ok(set) => set,
            Err(source) => {
                let dir = dir.to_owned();
                made.errors.push(InputError::Migrate { dir, source });
                return made;
            }
        };
        let (mut scripts, mut keys, mut last) = (Vec::new(), Vec::new(), parent);
        let mut before = set.history;
        for migration in set.migrations {
            let mut reads = Reads::default();
            let mut key = start(last)
                .field("tool", set.tool.name().as_bytes())
                .field("transaction", &[u8::from(migration.transaction)]);
            let mut script = self.script(&migration.path, Some(asked.dialect), &mut reads);
            script.transaction = migration.transaction;
            script.text = migration.text;
            script.before = before.take();
            script.after = migration.note;
            for (label, text) in [
                ("text", script.text.as_deref()),
                ("before", script.before.as_deref()),
                ("after", script.after.as_deref()),
            ] {
                if let Some(text) = text {
                    key = key.field(label, text.as_bytes());
                }
            }
            scripts.push(script);
            made.errors.append(&mut reads.errors);
            let key = reads.into_fields(key).finish();
            keys.push(key);
            last = Some(key);
        }
        made.key = keys.pop().unwrap_or(made.key);
        made.prefixes = keys;
        made.work = Work::Scripts(scripts);
        made
    }

    fn files(
        &mut self,
        kind: &'static str,
        key: Labelled,
        patterns: &[String],
        dialect: Option<Dialect>,
    ) -> Made {
        let (paths, errors) = files::expand(self.folder, patterns, Folders::Refused(kind));
        let mut reads = Reads::after(errors);
        // The client runs a file as it stands: statements that refuse a transaction work.
        let scripts = paths
            .iter()
            .map(|path| self.script(path, dialect, &mut reads))
            .collect();
        let label = format!("{kind} {}", patterns.join(" "));
        Made::whole(key, label, Work::Scripts(scripts), reads)
    }

    fn script(&mut self, path: &Path, dialect: Option<Dialect>, reads: &mut Reads) -> Script {
        self.sources.add_script("script", path, dialect, reads);
        Script {
            path: path.to_owned(),
            name: name_of(self.folder, path),
            transaction: false,
            text: None,
            before: None,
            after: None,
        }
    }

    fn run(
        &mut self,
        mut key: Labelled,
        command: &CommandLine,
        inputs: &[String],
        environment: &BTreeMap<String, String>,
    ) -> Made {
        let argv = command.argv();
        for argument in &argv {
            key = key.field("argument", argument.as_bytes());
        }
        for (name, value) in environment {
            key = key
                .field("variable", name.as_bytes())
                .field("value", value.as_bytes());
        }
        let (paths, errors) = files::expand(self.folder, inputs, Folders::Walked);
        let mut reads = Reads::after(errors);
        for path in self.named_in(command) {
            self.sources.add_data("program", &path, &mut reads);
        }
        for path in paths {
            self.sources.add_data("input", &path, &mut reads);
        }
        let line = match command {
            CommandLine::Shell(line) => line.clone(),
            CommandLine::Argv(argv) => argv.join(" "),
        };
        let line = line.split_whitespace().collect::<Vec<_>>().join(" ");
        let mut label: String = format!("run {line}").chars().take(LABEL).collect();
        if label.chars().count() == LABEL {
            label.push('…');
        }
        let work = Work::Command {
            argv,
            environment: environment.clone(),
        };
        Made::whole(key, label, work, reads)
    }

    /// The files below the spec's folder that a command line names, such as its own script: they
    /// belong to the step's content although nobody lists them under `inputs`.
    pub(super) fn named_in(&self, command: &CommandLine) -> Vec<PathBuf> {
        let words: Vec<&str> = match command {
            CommandLine::Argv(argv) => argv.iter().map(String::as_str).collect(),
            CommandLine::Shell(line) => line
                .split(|c: char| {
                    c.is_whitespace() || matches!(c, ';' | '&' | '|' | '(' | ')' | '<')
                })
                .filter(|word| !word.is_empty())
                .collect(),
        };
        let mut found = Vec::new();
        for (index, word) in words.iter().enumerate() {
            // What the command writes is no input.
            if word.contains('>') || (index > 0 && words[index - 1].ends_with('>')) {
                continue;
            }
            let word = word.trim_matches(['"', '\'']);
            let path = normal(&self.folder.join(word));
            let inside = path.starts_with(self.folder);
            if !word.is_empty() && inside && path.is_file() && !found.contains(&path) {
                found.push(path);
            }
        }
        found
    }
}

/// How much of a command a label shows.
const LABEL: usize = 60;

/// What a step is, but for its place in the chain.
struct Made {
    key: Digest,
    prefixes: Vec<Digest>,
    label: String,
    work: Work,
    errors: Vec<InputError>,
}

impl Made {
    /// A step that is done as a whole.
    fn whole(key: Labelled, label: String, work: Work, mut reads: Reads) -> Self {
        Self {
            errors: std::mem::take(&mut reads.errors),
            key: reads.into_fields(key).finish(),
            prefixes: Vec::new(),
            label,
            work,
        }
    }
}

fn kind(kind: &StepKind) -> &'static str {
    match kind {
        StepKind::Migrate { .. } => "migrate",
        StepKind::Sql(_) => "sql",
        StepKind::Redis(_) => "redis",
        StepKind::Run { .. } => "run",
    }
}

/// The fields that every key has.
fn start(kind: &str, identity: &EngineIdentity, service: &str, parent: Option<Digest>) -> Labelled {
    let parent = parent.map(|parent| parent.to_string()).unwrap_or_default();
    Labelled::new("step")
        .field("format", FORMAT)
        .field("engine", identity.name.as_bytes())
        .field("version", identity.version.as_bytes())
        .field("parent", parent.as_bytes())
        .field("service", service.as_bytes())
        .field("step", kind.as_bytes())
}

fn with_settings(key: Labelled, service: &Service) -> Labelled {
    service.settings.iter().fold(key, |key, (name, value)| {
        key.field("setting", name.as_bytes())
            .field("value", value.as_bytes())
    })
}
