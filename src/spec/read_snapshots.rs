//! Tree → draft: `snapshots:`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::StepKind;
use super::check::is_engine;
use super::draft::{Field, Placed, ServiceDraft, SnapshotDraft, StepDraft};
use super::problem::list;
use super::read::{Fields, Reader, Slot, slot};
use super::read_services::{OF_A_PROGRAM, SERVICE};
use super::yaml::{Entry, Value};

/// What the service is called of a snapshot that names none: of the short form `engine:`.
pub const USUAL_NAME: &str = "db";

/// The keys of a service, which the short form has beside `engine`.
const OF_A_SERVICE: [&str; 3] = ["database", "settings", "bin_dir"];

/// What a step can do.
const KINDS: [&str; 4] = ["migrate", "sql", "redis", "run"];

impl Reader<'_> {
    pub(super) fn snapshots(&mut self, slot: &Slot<'_>) -> Vec<SnapshotDraft> {
        let entries = self.map(slot).unwrap_or_default();
        if entries.is_empty() && matches!(slot.node.value, Value::Map(_)) {
            self.fault(slot.key, "`snapshots` is empty; it needs at least one");
        }
        entries.iter().map(|entry| self.snapshot(entry)).collect()
    }

    fn snapshot(&mut self, entry: &Entry) -> SnapshotDraft {
        let mut draft = SnapshotDraft {
            name: placed_key(entry),
            from: None,
            stored: None,
            services: None,
            steps: Vec::new(),
            limits: super::Limits::default(),
        };
        let own = Slot {
            what: format!("snapshot {}", slot(entry).what),
            ..slot(entry)
        };
        let known = [
            "engine",
            "services",
            "database",
            "settings",
            "bin_dir",
            "from",
            "stored",
            "steps",
            "mem_limit",
            "pids_limit",
            "cpus",
            "copy_up",
        ];
        let Some(fields) = self.fields(&own, &known) else {
            return draft;
        };
        if let Some(from) = fields.get("from") {
            draft.from = self.placed_word(&from);
            let why = "a snapshot with `from` has the services of that snapshot";
            self.forbid(&fields, &["engine", "services"], why);
            self.forbid(&fields, &OF_A_SERVICE, why);
            self.forbid(
                &fields,
                &["stored"],
                "it starts from one snapshot or the other",
            );
        } else {
            draft.services = self.services(&fields, entry);
        }
        if let Some(stored) = fields.get("stored") {
            draft.stored = self.placed_word(&stored);
        }
        if let Some(steps) = fields.get("steps") {
            for step in self.list(&steps).unwrap_or_default() {
                draft.steps.extend(self.step(&step));
            }
        }
        draft.limits = self.limits(&fields);
        draft
    }

    fn services(&mut self, fields: &Fields<'_>, snapshot: &Entry) -> Option<Vec<ServiceDraft>> {
        let Some(services) = fields.get("services") else {
            let engine = fields.get("engine");
            let name = Placed {
                value: USUAL_NAME.into(),
                place: engine.as_ref().map_or(snapshot.place, |engine| engine.key),
            };
            let others = ["engine", "services", "from"];
            if others.iter().all(|key| fields.lacks(key)) {
                let message = format!(
                    "snapshot {} has no `engine`; write one, as in `engine: postgres`, or `from:` with another snapshot",
                    slot(snapshot).what
                );
                self.fault(snapshot.place, message);
            }
            // Without an engine, the rest is read for its own problems.
            let service = self.service(fields, name);
            if let Some(Placed { value, place }) = &service.engine
                && value == SERVICE
            {
                let message = "a server without an adapter needs a name; write `services: { NAME: { engine: service, \
                               command: … } }`";
                self.fault(*place, message);
            }
            return engine.map(|_| vec![service]);
        };
        let why = "`services` is written too, and it belongs to one of them";
        self.forbid(fields, &["engine"], why);
        self.forbid(fields, &OF_A_SERVICE, why);
        let entries = self.map(&services)?;
        if entries.is_empty() {
            let message =
                "`services` is empty; it needs at least one, as in `db: { engine: postgres }`";
            self.fault(services.key, message);
            return None;
        }
        let mut drafts = Vec::new();
        for entry in entries {
            let own = Slot {
                what: format!("service {}", slot(entry).what),
                ..slot(entry)
            };
            let known: Vec<&str> = ["engine", "depends_on"]
                .into_iter()
                .chain(OF_A_SERVICE)
                .chain(OF_A_PROGRAM)
                .collect();
            let name = placed_key(entry);
            let Some(fields) = self.fields(&own, &known) else {
                drafts.push(ServiceDraft {
                    name,
                    engine: None,
                    database: None,
                    settings: BTreeMap::new(),
                    bin_dir: None,
                    depends_on: Vec::new(),
                    program: None,
                });
                continue;
            };
            if fields.lacks("engine") {
                let message = format!(
                    "{} has no `engine`; write one, as in `engine: postgres`",
                    own.what
                );
                self.fault(entry.place, message);
            }
            let mut draft = self.service(&fields, name);
            if let Some(slot) = fields.get("depends_on") {
                draft.depends_on = self.depends_on(&slot);
            }
            match draft.engine.as_ref().map(|engine| engine.value.as_str()) {
                Some(SERVICE) => {
                    let why = "a server without an adapter has no databases that Cowherd knows of";
                    self.forbid(&fields, &OF_A_SERVICE, why);
                    draft.program = Some(self.program(&fields, entry.place));
                }
                Some(known) if is_engine(known) => {
                    let why =
                        format!("the engine `{known}` has its own; it is for `engine: service`");
                    self.forbid(&fields, &OF_A_PROGRAM, &why);
                }
                _ => {}
            }
            drafts.push(draft);
        }
        Some(drafts)
    }

    fn service(&mut self, fields: &Fields<'_>, name: Placed<String>) -> ServiceDraft {
        let engine = fields.get("engine");
        let engine = engine.and_then(|slot| self.placed_word(&slot));
        let database = fields.get("database");
        let database = database.and_then(|slot| self.placed_word(&slot));
        let mut settings = BTreeMap::new();
        if let Some(written) = fields.get("settings") {
            for entry in self.map(&written).unwrap_or_default() {
                if let Some(value) = self.text(&slot(entry)) {
                    settings.insert(entry.key.clone(), value);
                }
                if entry.key.trim().is_empty() || entry.key.contains('\0') {
                    self.fault(entry.place, "a setting needs a name");
                }
            }
        }
        let bin_dir = fields.get("bin_dir").and_then(|slot| self.word(&slot));
        ServiceDraft {
            name,
            engine,
            database,
            settings,
            bin_dir: bin_dir.map(PathBuf::from),
            depends_on: Vec::new(),
            program: None,
        }
    }

    fn step(&mut self, step: &Slot<'_>) -> Option<StepDraft> {
        let step = Slot {
            what: "a step".into(),
            ..*step
        };
        let fields = self.fields(&step, &["migrate", "sql", "redis", "run", "on"])?;
        let on = self.field(&fields, "on", Self::word);
        let mut written = KINDS.iter().filter_map(|kind| fields.get(kind));
        let first = written.next();
        let mut kind = None;
        let mut kind_place = fields.head;
        match first {
            None if !KINDS.iter().all(|kind| fields.lacks(kind)) => {}
            None => {
                let known = list(KINDS);
                self.fault(
                    fields.head,
                    format!("this step does nothing; write one of {known}"),
                );
            }
            Some(first) => {
                kind_place = first.place();
                kind = match first.what.as_str() {
                    "`migrate`" => self.migrate(&first, &mut kind_place),
                    "`sql`" => self.files(&first, "seed/*.sql").map(StepKind::Sql),
                    "`redis`" => self.files(&first, "seed/*.redis").map(StepKind::Redis),
                    _ => self.run(&first),
                };
            }
        }
        for more in written {
            let message = format!(
                "a step does one thing; make {} a step of its own",
                more.what
            );
            self.fault(more.key, message);
        }
        Some(StepDraft {
            place: step.node.place,
            on,
            kind,
            kind_place,
        })
    }

    fn migrate(&mut self, slot: &Slot<'_>, place: &mut super::problem::Place) -> Option<StepKind> {
        if let Value::Text(_) = slot.node.value {
            let dir = self.word(slot)?.into();
            return Some(StepKind::Migrate {
                tool: None,
                dir,
                history: true,
                placeholders: BTreeMap::new(),
            });
        }
        if !matches!(slot.node.value, Value::Map(_)) {
            return self.wrong_shape(slot, "a folder or `{ tool: …, dir: … }`");
        }
        let fields = self.fields(slot, &["tool", "dir", "history", "placeholders"])?;
        let tool = self.field(&fields, "tool", Self::word);
        let history = self.field(&fields, "history", Self::yes_or_no);
        let placeholders = match fields.get("placeholders") {
            Some(slot) => self.environment(&slot),
            None => BTreeMap::new(),
        };
        let dir = self.field(&fields, "dir", Self::word);
        if dir.is_absent() {
            self.fault(
                slot.key,
                "`migrate` has no `dir`; name the folder of the migrations",
            );
        }
        let dir = dir.given()?.value.clone().into();
        let tool = match tool {
            Field::Absent => None,
            Field::Wrong => return None,
            Field::Given(tool) => {
                *place = tool.place;
                Some(tool.value)
            }
        };
        let history = match history {
            Field::Absent => true,
            Field::Wrong => return None,
            Field::Given(history) => history.value,
        };
        Some(StepKind::Migrate {
            tool,
            dir,
            history,
            placeholders,
        })
    }

    fn files(&mut self, slot: &Slot<'_>, example: &str) -> Option<Vec<String>> {
        let files = self.words(slot)?;
        if files.is_empty() {
            let what = &slot.what;
            let key = what.trim_matches('`');
            let message = format!("{what} is empty; name a file, as in `{key}: {example}`");
            self.fault(slot.key, message);
            return None;
        }
        Some(files)
    }

    fn run(&mut self, slot: &Slot<'_>) -> Option<StepKind> {
        const INPUTS: &str = "list the files that the command reads (`[]` for none): their content is part of the step's key, \
             so that the step runs again when they change";
        let Value::Map(_) = slot.node.value else {
            return self.wrong_shape(slot, "a map with `command` and `inputs`");
        };
        let fields = self.fields(slot, &["command", "inputs", "environment"])?;
        let command = self.field(&fields, "command", Self::command);
        if command.is_absent() {
            self.fault(slot.key, "`run` has no `command`");
        }
        let inputs = self.field(&fields, "inputs", Self::words);
        if inputs.is_absent() {
            self.fault(slot.key, format!("`run` has no `inputs`; {INPUTS}"));
        }
        let environment = match fields.get("environment") {
            Some(slot) => self.environment(&slot),
            None => BTreeMap::new(),
        };
        Some(StepKind::Run {
            command: command.given()?.value.clone(),
            inputs: inputs.given()?.value.clone(),
            environment,
        })
    }
}

fn placed_key(entry: &Entry) -> Placed<String> {
    Placed {
        value: entry.key.clone(),
        place: entry.place,
    }
}
