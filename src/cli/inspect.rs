//! `cowherd inspect`: the steps of one snapshot, what is built of them and what is not.

use std::process::ExitCode;

use cowherd::digest::Digest;
use cowherd::engine::Engine;
use cowherd::plan::PlannedSnapshot;
use cowherd::project::Project;
use cowherd::store::{LayerFacts, SnapshotRecord};
use cowherd::units::format_size;
use serde_json::{Value, json};

use super::output::{Table, ago, say, say_json, seen_from_here, timestamp};
use super::{args, exec};

pub(super) fn inspect(args: &args::Inspect) -> anyhow::Result<ExitCode> {
    let project = Project::open(args.spec.file.as_deref())?;
    let name = exec::one_name(&project, args.snapshot.as_deref())?;
    let (plan, engines) = project.plan(&[name])?;
    let (Some(planned), Some(snapshot)) = (
        plan.snapshot(name),
        project
            .spec()
            .snapshots
            .iter()
            .find(|snapshot| snapshot.name == name),
    ) else {
        // A plan has what was asked for.
        return Ok(ExitCode::SUCCESS);
    };
    let keys: Vec<Digest> = planned.chain.iter().map(|step| step.key).collect();
    let inspected = Inspected {
        project: &project,
        planned,
        from: snapshot.from.as_deref(),
        layers: project.store().look(&keys)?,
        record: project.store().snapshot(name, &project.spec().file)?,
        engines: engines
            .of(&planned.services)
            .unwrap_or_default()
            .iter()
            .map(AsRef::as_ref)
            .collect(),
    };
    match args.json {
        true => say_json(&inspected.json())?,
        false => say(&inspected.text())?,
    }
    Ok(ExitCode::SUCCESS)
}

struct Inspected<'a> {
    project: &'a Project,
    planned: &'a PlannedSnapshot,
    from: Option<&'a str>,
    layers: Vec<LayerFacts>,
    record: Option<SnapshotRecord>,
    engines: Vec<&'a dyn Engine>,
}

impl Inspected<'_> {
    fn bytes(&self) -> u64 {
        self.layers.iter().map(|layer| layer.bytes).sum()
    }

    fn text(&self) -> String {
        let (there, of) = (self.layers.len(), self.planned.chain.len());
        let mut facts = Table::default();
        facts.row(["snapshot", &self.planned.name]);
        facts.row(["spec", &seen_from_here(&self.project.spec().file)]);
        if let Some(from) = self.from {
            facts.row(["from", from]);
        }
        for engine in &self.engines {
            let engine = format!("{} {}", engine.name(), engine.version());
            facts.row(["engine", &engine]);
        }
        let used = self
            .record
            .as_ref()
            .map_or("never".to_owned(), |record| ago(record.last_used));
        facts.row(["last used", &used]);
        let mut steps =
            Table::new(&["STEP", "STATE", "SIZE", "LAYER", "KEY", "WHAT"]).right(&[0, 2]);
        for (index, step) in self.planned.chain.iter().enumerate() {
            let layer = self.layers.get(index);
            let label = match self.planned.services.len() {
                1 => step.label.clone(),
                _ => format!("{}: {}", step.service, step.label),
            };
            steps.row([
                (index + 1).to_string(),
                (if layer.is_some() { "cached" } else { "missing" }).to_owned(),
                layer.map_or("-".to_owned(), |layer| format_size(layer.bytes)),
                layer.map_or("-".to_owned(), |layer| layer.digest.short()),
                step.key.short(),
                label,
            ]);
        }
        let last = match self.planned.chain.get(there) {
            None => format!(
                "{of} of {of} steps are built, {} in all\n",
                format_size(self.bytes())
            ),
            Some(next) => format!(
                "{there} of {of} steps are built, {} so far; next: {}\n\
                 `cowherd build {}` builds it, as does every command that needs it\n",
                format_size(self.bytes()),
                next.label,
                self.planned.name
            ),
        };
        format!("{facts}\n{steps}\n{last}")
    }

    fn json(&self) -> Value {
        let steps = self.planned.chain.iter().enumerate().map(|(index, step)| {
            let layer = self.layers.get(index);
            json!({
                "label": step.label,
                "service": step.service,
                "line": step.position.line,
                "key": step.key.to_string(),
                "cached": layer.is_some(),
                "layer": layer.map(|layer| layer.digest.to_string()),
                "bytes": layer.map(|layer| layer.bytes),
                "last_used": layer.and_then(|layer| layer.last_used).map(timestamp),
            })
        });
        let engines = self.engines.iter().map(|engine| {
            json!({
                "service": engine.place().service(),
                "name": engine.name(),
                "version": engine.version(),
            })
        });
        json!({
            "version": 1,
            "name": self.planned.name,
            "spec": self.project.spec().file.to_string_lossy(),
            "from": self.from,
            "engines": engines.collect::<Vec<_>>(),
            "built": self.layers.len() == self.planned.chain.len(),
            "bytes": self.bytes(),
            "last_used": self.record.as_ref().map(|record| timestamp(record.last_used)),
            "steps": steps.collect::<Vec<_>>(),
            "next": self.planned.chain.get(self.layers.len()).map(|step| &step.label),
        })
    }
}
