//! `cowherd list`: the snapshots of the spec and those that the store knows.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::SystemTime;

use cowherd::digest::Digest;
use cowherd::plan::PlannedSnapshot;
use cowherd::project::{self, Engines, Project, ProjectError};
use cowherd::spec::SpecError;
use cowherd::store::{LayerFacts, SnapshotRecord, Store};
use cowherd::units::format_size;
use serde_json::{Value, json};

use super::args;
use super::output::{Table, ago, is_gone, origin, say, say_json, seen_from_here, timestamp};

/// A snapshot as a line of the list.
struct Row {
    name: String,
    spec: PathBuf,
    /// Whether the spec of this folder names it.
    wanted: bool,
    /// The engines with their versions; empty when nobody could say.
    engines: Vec<String>,
    /// Its steps; `None` when they can't be told.
    steps: Option<usize>,
    /// How many of them are built.
    built: usize,
    layers: Vec<LayerFacts>,
    last_used: Option<SystemTime>,
    /// Where it comes from, when the store has it by itself.
    origin: Option<&'static str>,
}

pub(super) fn list(args: &args::List) -> anyhow::Result<ExitCode> {
    let project = match Project::open(args.spec.file.as_deref()) {
        Ok(project) => Some(project),
        Err(ProjectError::Spec(SpecError::NotFound { .. })) => None,
        Err(error) => return Err(error.into()),
    };
    let store = match &project {
        Some(project) => project.store().clone(),
        None => project::open_store()?,
    };
    let mut records = store.snapshots()?;
    let mut rows = Vec::new();
    if let Some(project) = &project {
        for snapshot in &project.spec().snapshots {
            let own = |record: &SnapshotRecord| {
                record.name == snapshot.name && record.spec == project.spec().file
            };
            let record = records.iter().position(own).map(|at| records.remove(at));
            rows.push(of_spec(project, &snapshot.name, record)?);
        }
    }
    for record in records {
        rows.push(of_store(&store, record)?);
    }
    let chains: Vec<Vec<Digest>> = rows.iter().map(Row::chain).collect();
    if args.json {
        let snapshots = rows.iter().map(|row| row.json(&chains)).collect::<Vec<_>>();
        say_json(
            &json!({ "version": 1, "store": store.path().to_string_lossy(), "snapshots": snapshots }),
        )?;
    } else if rows.is_empty() {
        say(&format!("no snapshots in {}\n", store.path().display()))?;
    } else {
        say(&table(&rows, &chains))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// A snapshot of the spec. Whether it is built can be told only where its files and its engine are
/// there; where they aren't, the rest of the list is still worth having.
fn of_spec(project: &Project, name: &str, record: Option<SnapshotRecord>) -> anyhow::Result<Row> {
    let mut row = Row {
        name: name.to_owned(),
        spec: project.spec().file.clone(),
        wanted: true,
        engines: Vec::new(),
        steps: None,
        built: 0,
        layers: Vec::new(),
        last_used: record.map(|record| record.last_used),
        origin: None,
    };
    match project.plan(&[name]) {
        Ok((plan, engines)) => {
            if let Some(planned) = plan.snapshot(name) {
                let keys: Vec<Digest> = planned.cuts().iter().map(|cut| cut.key).collect();
                row.engines = served(planned, &engines);
                row.steps = Some(planned.chain.len());
                row.layers = project.store().look(&keys)?;
                row.built = planned.steps_in(row.layers.last().map_or(0, |l| l.through));
            }
        }
        Err(error) => {
            tracing::warn!(
                "can't tell whether `{name}` is built: {}",
                cowherd::event::in_words(&error)
            );
        }
    }
    Ok(row)
}

fn served(planned: &PlannedSnapshot, engines: &Engines) -> Vec<String> {
    let engines = engines.of(&planned.services).unwrap_or_default();
    let name = |name: &str, version: &str| format!("{name} {version}");
    engines
        .iter()
        .map(|engine| name(engine.name(), engine.version()))
        .collect()
}

/// A snapshot of another spec, or of a former state of this one.
fn of_store(store: &Store, record: SnapshotRecord) -> anyhow::Result<Row> {
    let layers = store.look(&record.keys)?;
    Ok(Row {
        origin: origin(&record),
        name: record.name,
        spec: record.spec,
        wanted: false,
        engines: engines(&layers),
        steps: Some(record.keys.len()),
        built: layers.last().map_or(0, |layer| layer.through),
        layers,
        last_used: Some(record.last_used),
    })
}

/// What the layers were made with, each engine once.
pub(super) fn engines(layers: &[LayerFacts]) -> Vec<String> {
    let mut engines: Vec<String> = Vec::new();
    for layer in layers {
        let engine = format!("{} {}", layer.engine, layer.engine_version);
        if !engines.contains(&engine) {
            engines.push(engine);
        }
    }
    engines
}

impl Row {
    fn chain(&self) -> Vec<Digest> {
        self.layers.iter().map(|layer| layer.digest).collect()
    }

    fn is_built(&self) -> bool {
        self.steps == Some(self.built)
    }

    fn bytes(&self) -> u64 {
        self.layers.iter().map(|layer| layer.bytes).sum()
    }

    /// What it adds to the largest other snapshot of the list that it lies on.
    fn own_bytes(&self, chains: &[Vec<Digest>]) -> u64 {
        let chain = self.chain();
        let below = chains
            .iter()
            .filter(|other| other.len() < chain.len() && chain.starts_with(other))
            .map(Vec::len)
            .max();
        let own = self.layers.iter().skip(below.unwrap_or(0));
        own.map(|layer| layer.bytes).sum()
    }

    fn spec_in_words(&self) -> String {
        if let Some(origin) = self.origin {
            return origin.to_owned();
        }
        let gone = if is_gone(&self.spec) { " (gone)" } else { "" };
        format!("{}{gone}", seen_from_here(&self.spec))
    }

    fn json(&self, chains: &[Vec<Digest>]) -> Value {
        json!({
            "name": self.name,
            "spec": self.spec.to_string_lossy(),
            "spec_exists": self.origin.is_none() && !is_gone(&self.spec),
            "origin": self.origin.unwrap_or("spec"),
            "in_this_spec": self.wanted,
            "engines": self.engines,
            "steps": self.steps,
            "built": self.is_built(),
            "layers": self.chain().iter().map(ToString::to_string).collect::<Vec<_>>(),
            "own_bytes": self.own_bytes(chains),
            "bytes": self.bytes(),
            "last_used": self.last_used.map(timestamp),
        })
    }
}

fn table(rows: &[Row], chains: &[Vec<Digest>]) -> String {
    let mut table = Table::new(&[
        "SNAPSHOT",
        "BUILT",
        "ENGINE",
        "LAYERS",
        "OWN SIZE",
        "SIZE",
        "LAST USED",
        "SPEC",
    ])
    .right(&[3, 4, 5]);
    for row in rows {
        let (there, known) = (row.built, !row.layers.is_empty());
        table.row([
            row.name.clone(),
            match row.steps {
                None => "?",
                Some(steps) if steps == there => "yes",
                Some(_) if known => "partly",
                Some(_) => "no",
            }
            .to_owned(),
            if row.engines.is_empty() {
                "?".to_owned()
            } else {
                // What the packager calls the version is for `inspect`.
                let plain =
                    |engine: &String| engine.split(" (").next().unwrap_or_default().to_owned();
                row.engines.iter().map(plain).collect::<Vec<_>>().join(", ")
            },
            match row.steps {
                None => "?".to_owned(),
                Some(steps) if steps == there => row.layers.len().to_string(),
                Some(steps) => format!("{there} of {steps}"),
            },
            if known {
                format_size(row.own_bytes(chains))
            } else {
                "-".to_owned()
            },
            if known {
                format_size(row.bytes())
            } else {
                "-".to_owned()
            },
            row.last_used.map_or("never".to_owned(), ago),
            row.spec_in_words(),
        ]);
    }
    table.to_string()
}
