//! `cowherd df`: what takes how much room, and what could be had back.

use std::process::ExitCode;

use cowherd::project;
use cowherd::store::{SnapshotUsage, Usage};
use cowherd::units::format_size;
use serde_json::{Value, json};

use super::args;
use super::output::{Table, ago, count, origin, say, say_json, seen_from_here, timestamp};

pub(super) fn df(args: &args::Df) -> anyhow::Result<ExitCode> {
    let store = project::open_store()?;
    let usage = store.usage()?;
    match args.json {
        true => say_json(&json(&usage, store.path()))?,
        false => say(&text(&usage))?,
    }
    Ok(ExitCode::SUCCESS)
}

fn text(usage: &Usage) -> String {
    let header = ["SNAPSHOT", "OWN", "SHARED", "LAST USED", "SPEC"];
    let mut table = Table::new(&header).right(&[1, 2]);
    for snapshot in &usage.snapshots {
        table.row([
            snapshot.record.name.clone(),
            format_size(snapshot.own),
            format_size(snapshot.bytes - snapshot.own),
            ago(snapshot.record.last_used),
            spec(snapshot),
        ]);
    }
    let mut text = match usage.snapshots.is_empty() {
        true => String::new(),
        false => format!("{table}\n"),
    };
    let mut table = Table::default().right(&[1]);
    let layers = format!("in {}", count(usage.layers as u64, "layer"));
    table.row(["layers", &format_size(usage.bytes), &layers]);
    table.row([
        "reclaimable",
        &format_size(usage.reclaimable),
        "by `cowherd gc`: no snapshot needs it",
    ]);
    if usage.kept > 0 {
        let kept = format_size(usage.kept);
        table.row(["kept", &kept, "what failed tests left: `cowherd kept`"]);
    }
    table.row([
        "scratch",
        &format_size(usage.scratch),
        "of running and of killed commands",
    ]);
    if usage.quarantine > 0 {
        table.row([
            "quarantine",
            &format_size(usage.quarantine),
            "put aside by `cowherd fsck`",
        ]);
    }
    let of = format!("of {} on this file system", format_size(usage.total));
    table.row(["free", &format_size(usage.free), &of]);
    text += &table.to_string();
    text
}

fn spec(snapshot: &SnapshotUsage) -> String {
    match (origin(&snapshot.record), snapshot.kept) {
        (Some(origin), _) => origin.to_owned(),
        (None, true) => seen_from_here(&snapshot.record.spec),
        (None, false) => format!("{} (gone)", seen_from_here(&snapshot.record.spec)),
    }
}

fn json(usage: &Usage, store: &std::path::Path) -> Value {
    let snapshots = usage.snapshots.iter().map(|snapshot| {
        json!({
            "name": snapshot.record.name,
            "spec": snapshot.record.spec.to_string_lossy(),
            "origin": origin(&snapshot.record).unwrap_or("spec"),
            "kept": snapshot.kept,
            "bytes": snapshot.bytes,
            "own_bytes": snapshot.own,
            "shared_bytes": snapshot.bytes - snapshot.own,
            "missing_layers": snapshot.missing,
            "last_used": timestamp(snapshot.record.last_used),
        })
    });
    json!({
        "version": 1,
        "store": store.to_string_lossy(),
        "snapshots": snapshots.collect::<Vec<_>>(),
        "layers": usage.layers,
        "bytes": usage.bytes,
        "reclaimable_bytes": usage.reclaimable,
        "kept_bytes": usage.kept,
        "scratch_bytes": usage.scratch,
        "quarantine_bytes": usage.quarantine,
        "free_bytes": usage.free,
        "total_bytes": usage.total,
    })
}
