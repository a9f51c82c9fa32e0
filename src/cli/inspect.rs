//! `cowherd inspect`: the steps of one snapshot of a spec, what is built of them and what is not.

use std::process::ExitCode;

use cowherd::digest::Digest;
use cowherd::engine::Engine;
use cowherd::plan::{Cut, PlannedSnapshot};
use cowherd::project::{self, Project, ProjectError};
use cowherd::spec::SpecError;
use cowherd::store::{LayerFacts, SnapshotRecord};
use cowherd::units::format_size;
use serde_json::{Value, json};

use super::lineage::Lineage;
use super::output::{Table, ago, say, say_json, seen_from_here, timestamp};
use super::{args, inspect_stored, meant};

pub(super) fn inspect(args: &args::Inspect) -> anyhow::Result<ExitCode> {
    let opened = Project::open(args.spec.file.as_deref());
    if let Some(name) = args.snapshot.as_deref() {
        let store = match &opened {
            Ok(project) if !meant::is_of_spec(project, name) => Some(project.store().clone()),
            Err(ProjectError::Spec(SpecError::NotFound { .. })) => Some(project::open_store()?),
            _ => None,
        };
        if let Some(store) = store
            && let Some(record) = store.stored(name)?
        {
            return inspect_stored::inspect(&store, &record, args.json);
        }
    }
    let project = opened?;
    let name = meant::one_name(&project, args.snapshot.as_deref())?;
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
    let keys: Vec<Digest> = planned.cuts().iter().map(|cut| cut.key).collect();
    let inspected = Inspected {
        project: &project,
        planned,
        cuts: planned.cuts(),
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
    let lineage = match &inspected.record {
        Some(record) => Some(Lineage::of(project.store(), record)?),
        None => None,
    };
    if args.json {
        let mut json = inspected.json();
        json["lineage"] = lineage.map_or_else(|| json!([]), |lineage| lineage.json());
        say_json(&json)?;
    } else {
        let lineage = lineage.map_or_else(String::new, |lineage| lineage.text());
        say(&(inspected.text() + &lineage))?;
    }
    Ok(ExitCode::SUCCESS)
}

struct Inspected<'a> {
    project: &'a Project,
    planned: &'a PlannedSnapshot,
    cuts: Vec<Cut>,
    from: Option<&'a str>,
    layers: Vec<LayerFacts>,
    record: Option<SnapshotRecord>,
    engines: Vec<&'a dyn Engine>,
}

impl Inspected<'_> {
    fn bytes(&self) -> u64 {
        self.layers.iter().map(|layer| layer.bytes).sum()
    }

    /// How many steps are built to their end.
    fn steps_done(&self) -> usize {
        self.planned
            .steps_in(self.layers.last().map_or(0, |l| l.through))
    }

    /// The layers that end in the step, the lowest first.
    fn layers_of(&self, step: usize) -> Vec<&LayerFacts> {
        self.layers
            .iter()
            .filter(|layer| self.cuts[layer.through - 1].step == step)
            .collect()
    }

    fn state(&self, step: usize) -> String {
        let planned = &self.planned.chain[step];
        let last = self.layers_of(step).last().map(|layer| layer.through - 1);
        match last.map(|last| self.cuts[last]) {
            _ if step < self.steps_done() => "cached".to_owned(),
            Some(cut) => format!("{} of {}", cut.scripts, planned.scripts().len()),
            None => "missing".to_owned(),
        }
    }

    fn text(&self) -> String {
        let (there, of) = (self.steps_done(), self.planned.chain.len());
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
            let layers = self.layers_of(index);
            let label = match self.planned.services.len() {
                1 => step.label.clone(),
                _ => format!("{}: {}", step.service, step.label),
            };
            let sizes = layers.iter().map(|layer| layer.bytes);
            steps.row([
                (index + 1).to_string(),
                self.state(index),
                match layers.is_empty() {
                    true => "-".to_owned(),
                    false => format_size(sizes.sum()),
                },
                match layers.as_slice() {
                    [] => "-".to_owned(),
                    [layer] => layer.digest.short(),
                    [.., last] => format!("{} on {} more", last.digest.short(), layers.len() - 1),
                },
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
            let layers = self.layers_of(index);
            let last = layers.last().filter(|_| index < self.steps_done());
            let bytes = layers.iter().map(|layer| layer.bytes).sum::<u64>();
            json!({
                "label": step.label,
                "service": step.service,
                "line": step.position.line,
                "key": step.key.to_string(),
                "cached": index < self.steps_done(),
                "layer": last.map(|layer| layer.digest.to_string()),
                "layers": layers.iter().map(|layer| layer_json(layer)).collect::<Vec<_>>(),
                "bytes": last.map(|_| bytes),
                "last_used": last.and_then(|layer| layer.last_used).map(timestamp),
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
            "built": self.steps_done() == self.planned.chain.len(),
            "bytes": self.bytes(),
            "last_used": self.record.as_ref().map(|record| timestamp(record.last_used)),
            "steps": steps.collect::<Vec<_>>(),
            "next": self.planned.chain.get(self.steps_done()).map(|step| &step.label),
        })
    }
}

fn layer_json(layer: &LayerFacts) -> Value {
    json!({
        "digest": layer.digest.to_string(),
        "label": layer.label,
        "bytes": layer.bytes,
    })
}
