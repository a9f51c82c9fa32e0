//! Draft → model: what is written must also mean something. Everything wrong is reported, and what depends on
//! something wrong isn't reported as well.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;

use super::check_services::check_services;
use super::check_tests::check_test;
use super::draft::{Draft, Field, Placed, ServiceDraft, SnapshotDraft, StepDraft};
use super::problem::{Faults, Place, list, nearest, quoted, unknown};
use super::{Limits, ScratchPlace, Service, Snapshot, Step, StepKind, Test};

/// The engines by every name that a spec may use, each with the name that the model uses.
const ENGINES: [(&str, &str); 9] = [
    ("postgres", "postgres"),
    ("sqlite", "sqlite"),
    ("mariadb", "mariadb"),
    ("mysql", "mysql"),
    ("redis", "redis"),
    ("service", "service"),
    ("postgresql", "postgres"),
    ("sqlite3", "sqlite"),
    ("valkey", "valkey"),
];

/// How many of them are told to who writes none of them.
const TOLD: usize = 6;

/// The engines that hold keys with values, and know no SQL.
const KEY_VALUE: [&str; 2] = ["redis", "valkey"];

/// The migration tools whose naming rules are known.
const TOOLS: [&str; 7] = [
    "sql",
    "flyway",
    "sqlx",
    "refinery",
    "diesel",
    "golang-migrate",
    "dbmate",
];

/// The longest name of a snapshot or service.
const NAME: usize = 64;

/// The longest identifier of `PostgreSQL` (`NAMEDATALEN - 1`), in bytes; `MariaDB`'s has a character more
/// (documentation, "Identifier Names").
const fn longest_database(engine: Option<&str>) -> usize {
    match engine {
        Some(engine) if matches!(engine.as_bytes(), b"mariadb" | b"mysql") => 64,
        _ => 63,
    }
}

/// What the draft means.
pub(super) struct Checked {
    pub(super) snapshots: Vec<Snapshot>,
    pub(super) tests: Vec<Test>,
    pub(super) packages: BTreeMap<String, String>,
    pub(super) scratch: ScratchPlace,
}

impl Checked {
    /// With the folder of the spec, which the commands of services run in.
    pub(super) fn in_folder(mut self, folder: &Path) -> Self {
        let snapshots = self.snapshots.iter_mut();
        let services = snapshots.flat_map(|snapshot| &mut snapshot.services);
        for program in services.filter_map(|service| service.program.as_mut()) {
            folder.clone_into(&mut program.folder);
        }
        self
    }
}

/// Checks the draft. The result is complete only when nothing was added to `faults`.
pub(super) fn check(draft: Draft, faults: &mut Faults) -> Checked {
    let names: Vec<String> = draft
        .snapshots
        .iter()
        .map(|snapshot| snapshot.name.value.clone())
        .collect();
    let origins = origins(&draft.snapshots, faults);
    let services: Vec<Vec<Service>> = draft
        .snapshots
        .iter()
        .map(|snapshot| services(snapshot, faults))
        .collect();
    let mut snapshots = Vec::new();
    for (snapshot, origin) in draft.snapshots.into_iter().zip(origins) {
        check_name(&snapshot.name, "snapshot", faults);
        let services = match origin.services {
            Some(owner) => services[owner].clone(),
            None => Vec::new(),
        };
        let steps = snapshot.steps.into_iter();
        let steps = steps.filter_map(|draft| step(draft, &services, faults));
        snapshots.push(Snapshot {
            steps: steps.collect(),
            name: snapshot.name.value,
            from: snapshot.from.map(|from| from.value),
            stored: snapshot.stored.map(|stored| stored.value),
            services,
            limits: origin.limits,
            position: snapshot.name.place.position,
        });
    }
    let mut seen = HashMap::new();
    let tests = draft.tests.into_iter();
    let tests = tests.filter_map(|draft| check_test(draft, &names, &mut seen, faults));
    let tests = tests.collect();
    for (_, snapshot) in &draft.packages {
        if !names.contains(&snapshot.value) {
            unknown_snapshot(snapshot, names.iter().map(String::as_str), faults);
        }
    }
    let packages = draft.packages.into_iter();
    Checked {
        snapshots,
        tests,
        packages: packages
            .map(|(name, snapshot)| (name, snapshot.value))
            .collect(),
        scratch: draft.scratch,
    }
}

/// What a snapshot has from those that it starts from.
#[derive(Clone, Copy, Default)]
struct Origin {
    /// The index of the snapshot whose services it has; `None` when that can't be told.
    services: Option<usize>,
    /// Its own limits, completed with those of its ancestors.
    limits: Limits,
}

/// Follows every `from:`, each once, however long the chains are.
fn origins(snapshots: &[SnapshotDraft], faults: &mut Faults) -> Vec<Origin> {
    let index: HashMap<&str, usize> = snapshots
        .iter()
        .enumerate()
        .map(|(at, snapshot)| (snapshot.name.value.as_str(), at))
        .collect();
    let mut origins: Vec<Option<Origin>> = vec![None; snapshots.len()];
    for first in 0..snapshots.len() {
        let mut path = Vec::new();
        let mut on_path = HashSet::new();
        let mut next = Some(first);
        let mut origin = Origin::default();
        while let Some(at) = next {
            if let Some(known) = origins[at] {
                origin = known;
                break;
            }
            if !on_path.insert(at) {
                let start = path.iter().position(|other| *other == at).unwrap_or(0);
                cycle(snapshots, &path[start..], faults);
                break;
            }
            path.push(at);
            let snapshot = &snapshots[at];
            let Some(from) = &snapshot.from else {
                origin.services = snapshot.services.is_some().then_some(at);
                break;
            };
            next = index.get(from.value.as_str()).copied();
            if next.is_none() {
                let others = snapshots.iter().map(|other| other.name.value.as_str());
                let others = others.filter(|name| *name != snapshot.name.value);
                unknown_snapshot(from, others, faults);
            }
        }
        for at in path.into_iter().rev() {
            origin.limits = snapshots[at].limits.or(origin.limits);
            origins[at] = Some(origin);
        }
    }
    origins.into_iter().map(Option::unwrap_or_default).collect()
}

/// Reports a cycle once, at the snapshot of it that comes first in the file.
fn cycle(snapshots: &[SnapshotDraft], members: &[usize], faults: &mut Faults) {
    let first = (0..members.len())
        .min_by_key(|at| members[*at])
        .unwrap_or(0);
    let around = members[first..].iter().chain(&members[..=first]);
    let names: Vec<String> = around
        .map(|at| quoted(&snapshots[*at].name.value))
        .collect();
    let shown = match names.len() {
        0..=10 => names.join(" → "),
        many => format!("{} → … → {}", names[..5].join(" → "), names[many - 1]),
    };
    let snapshot = &snapshots[members[first]];
    if let Some(from) = &snapshot.from {
        let message = format!("snapshot {} starts from itself: {shown}", names[0]);
        faults.add(from.place, message);
    }
}

pub(super) fn unknown_snapshot<'a>(
    written: &Placed<String>,
    known: impl Iterator<Item = &'a str>,
    faults: &mut Faults,
) {
    faults.add(written.place, unknown("snapshot", &written.value, known));
}

/// The services that a snapshot names itself.
fn services(snapshot: &SnapshotDraft, faults: &mut Faults) -> Vec<Service> {
    let drafts = snapshot.services.as_deref().unwrap_or_default();
    let mut variables: HashMap<String, &str> = HashMap::new();
    // `DATABASE_URL` is the first service's, whatever its name.
    if let Some(first) = drafts.first() {
        variables.insert("DATABASE_URL".into(), &first.name.value);
    }
    let mut services = Vec::new();
    for (number, draft) in drafts.iter().enumerate() {
        check_name(&draft.name, "service", faults);
        let variable = draft
            .name
            .value
            .to_ascii_uppercase()
            .replace(['-', '.'], "_")
            + "_URL";
        let own = number == 0 && variable == "DATABASE_URL";
        if let Some(other) = variables.insert(variable.clone(), &draft.name.value)
            && !own
        {
            let message = format!(
                "services {} and {} would both have the variable `{variable}`",
                quoted(other),
                quoted(&draft.name.value)
            );
            faults.add(draft.name.place, message);
        }
        services.push(service(draft, &snapshot.name.value, faults));
    }
    check_services(drafts, faults);
    services
}

fn service(draft: &ServiceDraft, snapshot: &str, faults: &mut Faults) -> Service {
    let written = draft.engine.as_ref();
    let engine = written.and_then(|written| engine(written, faults));
    let longest = longest_database(engine);
    if let Some(Placed { value, place }) = &draft.database
        && (value.len() > longest || value.contains('/') || value.contains(char::is_control))
    {
        let message = format!(
            "{} can't be the name of a database; at most {longest} bytes, no `/`, no control characters",
            quoted(value)
        );
        faults.add(*place, message);
    }
    let numbered = engine.is_some_and(|engine| KEY_VALUE.contains(&engine));
    let database = draft.database.as_ref();
    if let Some(Placed { value, place }) = database
        && numbered
        && value.parse::<u32>().is_err()
    {
        let message = format!(
            "{} can't be a database of Redis; its databases are numbers, as in `database: 0`",
            quoted(value)
        );
        faults.add(*place, message);
    }
    let usual = if numbered { "0" } else { snapshot };
    Service {
        name: draft.name.value.clone(),
        engine: engine.unwrap_or_default().to_owned(),
        database: match (database, &draft.program) {
            (Some(written), _) => written.value.clone(),
            (None, None) => usual.to_owned(),
            (None, Some(_)) => String::new(),
        },
        settings: draft.settings.clone(),
        bin_dir: draft.bin_dir.clone(),
        depends_on: draft
            .depends_on
            .iter()
            .map(|wanted| wanted.dependency.clone())
            .collect(),
        program: draft
            .program
            .as_ref()
            .map(|written| Box::new(written.program.clone())),
        position: draft.name.place.position,
    }
}

/// Whether an engine has this name.
pub(super) fn is_engine(name: &str) -> bool {
    ENGINES.iter().any(|(known, _)| *known == name)
}

/// The model's name of an engine.
fn engine(written: &Placed<String>, faults: &mut Faults) -> Option<&'static str> {
    let known = ENGINES.iter().find(|(name, _)| *name == written.value);
    if known.is_none() {
        let names = ENGINES[..TOLD].iter().map(|(name, _)| *name);
        faults.add(written.place, unknown_kind("engine", &written.value, names));
    }
    known.map(|(_, name)| *name)
}

fn step(draft: StepDraft, services: &[Service], faults: &mut Faults) -> Option<Step> {
    let names = || services.iter().map(|service| service.name.as_str());
    let mut on = None;
    match &draft.on {
        Field::Wrong => {}
        // Without services something is wrong above, and any name may be right.
        _ if services.is_empty() => {}
        Field::Given(written) => {
            on = names().find(|name| *name == written.value);
            if on.is_none() {
                faults.add(written.place, unknown("service", &written.value, names()));
            }
        }
        Field::Absent if services.len() == 1 => on = names().next(),
        Field::Absent => {
            let message = format!(
                "this step doesn't say which service it is for; add `on:` with one of {}",
                list(names())
            );
            faults.add(draft.kind_place, message);
        }
    }
    if let Some(StepKind::Migrate {
        tool: Some(tool), ..
    }) = &draft.kind
        && !TOOLS.contains(&tool.as_str())
    {
        let message = unknown_kind("migration tool", tool, TOOLS.into_iter());
        faults.add(draft.kind_place, message);
    }
    if let (Some(service), Some(kind)) =
        (services.iter().find(|s| Some(&*s.name) == on), &draft.kind)
    {
        check_fit(service, kind, draft.kind_place, faults);
    }
    Some(Step {
        on: on?.to_owned(),
        kind: draft.kind?,
        position: draft.place.position,
    })
}

/// Reports a step that the service's engine knows nothing of.
fn check_fit(service: &Service, kind: &StepKind, place: Place, faults: &mut Faults) {
    let key_value = KEY_VALUE.contains(&service.engine.as_str());
    let (key, remedy) = match kind {
        StepKind::Run { .. } => return,
        kind if service.program.is_some() => {
            let key = match kind {
                StepKind::Migrate { .. } => "migrate",
                StepKind::Redis(_) => "redis",
                _ => "sql",
            };
            (key, "say with `run:` what is to be done to it")
        }
        StepKind::Migrate { .. } if key_value => {
            ("migrate", "give it commands, as in `redis: seed.redis`")
        }
        StepKind::Sql(_) if key_value => ("sql", "give it commands, as in `redis: seed.redis`"),
        StepKind::Redis(_) if !key_value => (
            "redis",
            "fill it with `sql:`, or say `on:` with a service of `engine: redis`",
        ),
        _ => return,
    };
    // What is wrong with the engine's name was reported.
    if !service.engine.is_empty() {
        let name = quoted(&service.name);
        let engine = &service.engine;
        faults.add(
            place,
            format!(
                "`{key}` is nothing for the service {name}, which is `engine: {engine}`; {remedy}"
            ),
        );
    }
}

/// Says that a word is none of a few known ones, which are all told.
fn unknown_kind<'a>(
    what: &str,
    word: &str,
    known: impl Iterator<Item = &'a str> + Clone,
) -> String {
    let message = unknown(what, word, known.clone());
    match nearest(word, known.clone()) {
        None => message,
        Some(_) => format!("{message} (known: {})", list(known)),
    }
}

/// Names of snapshots and services become folders, variables and arguments.
fn check_name(name: &Placed<String>, what: &str, faults: &mut Faults) {
    let ordinary = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    let good = name
        .value
        .starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_')
        && name.value.chars().all(ordinary)
        && name.value.len() <= NAME;
    if !good {
        let message = format!(
            "{} can't be the name of a {what}; a name has letters, digits, `_`, `-` and `.`, \
             begins with none of the last two, and has at most {NAME} characters",
            quoted(&name.value)
        );
        faults.add(name.place, message);
    }
}
