//! `cowherd inspect` of a snapshot that was imported or committed: its layers. The steps that led to them are for a spec
//! to know.

use std::process::ExitCode;

use cowherd::store::{LayerFacts, SnapshotRecord, Store};
use cowherd::units::format_size;
use serde_json::{Value, json};

use super::lineage::Lineage;
use super::list;
use super::output::{Table, ago, origin, say, say_json, timestamp};

pub(super) fn inspect(
    store: &Store,
    record: &SnapshotRecord,
    as_json: bool,
) -> anyhow::Result<ExitCode> {
    let layers = store.look(&record.keys)?;
    let lineage = Lineage::of(store, record)?;
    if as_json {
        let mut json = json(record, &layers);
        json["lineage"] = lineage.json();
        say_json(&json)?;
    } else {
        say(&(text(record, &layers) + &lineage.text()))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn text(record: &SnapshotRecord, layers: &[LayerFacts]) -> String {
    let mut facts = Table::default();
    facts.row(["snapshot", &record.name]);
    facts.row(["from", origin(record).unwrap_or_default()]);
    for engine in list::engines(layers) {
        facts.row(["engine", &engine]);
    }
    facts.row(["last used", &ago(record.last_used)]);
    let mut table = Table::new(&["LAYER", "SIZE", "WHAT"]).right(&[1]);
    for layer in layers {
        let (digest, size) = (layer.digest.short(), format_size(layer.bytes));
        table.row([&digest, &size, &layer.label]);
    }
    let (there, of) = (layers.len(), record.layers.len());
    let last = match there == of {
        true => format!("{of} layers, {} in all\n", format_size(bytes(layers))),
        false => format!(
            "{there} of {of} layers are there: import or commit `{}` again\n",
            record.name
        ),
    };
    format!("{facts}\n{table}\n{last}")
}

fn json(record: &SnapshotRecord, layers: &[LayerFacts]) -> Value {
    let services = record.services.iter().flatten();
    let steps = layers.iter().map(|layer| {
        json!({
            "label": layer.label,
            "layer": layer.digest.to_string(),
            "bytes": layer.bytes,
            "last_used": layer.last_used.map(timestamp),
        })
    });
    json!({
        "version": 1,
        "name": record.name,
        "origin": origin(record),
        "services": services.map(|service| &service.name).collect::<Vec<_>>(),
        "engines": list::engines(layers),
        "built": layers.len() == record.layers.len(),
        "bytes": bytes(layers),
        "last_used": timestamp(record.last_used),
        "steps": steps.collect::<Vec<_>>(),
    })
}

fn bytes(layers: &[LayerFacts]) -> u64 {
    layers.iter().map(|layer| layer.bytes).sum()
}
