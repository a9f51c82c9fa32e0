//! `cowherd gc`: removes layers that nothing needs any more, and says why the others stay.

use std::process::ExitCode;

use cowherd::digest::Digest;
use cowherd::project;
use cowherd::store::{GcOutcome, GcPolicy, KeptRecord, SnapshotRecord, Swept};
use cowherd::units::format_size;

use super::args;
use super::output::{Table, count, origin, say, seen_from_here};

pub(super) fn gc(args: &args::Gc) -> anyhow::Result<ExitCode> {
    let store = project::open_store()?;
    let swept = match args.dry_run {
        true => Swept::default(),
        false => store.sweep()?,
    };
    let outcome = store.gc(&GcPolicy {
        dry_run: args.dry_run,
        older_than: args.older_than,
        max_bytes: args.max_size,
        all: args.all,
    })?;
    let (snapshots, kept) = (store.snapshots()?, store.kept()?);
    say(&text(&outcome, &swept, &snapshots, &kept, args.dry_run))?;
    for error in &swept.failed {
        tracing::warn!("{}", cowherd::event::in_words(error));
    }
    Ok(ExitCode::SUCCESS)
}

fn text(
    outcome: &GcOutcome,
    swept: &Swept,
    snapshots: &[SnapshotRecord],
    kept: &[KeptRecord],
    dry_run: bool,
) -> String {
    let removed = if dry_run { "would remove" } else { "removed" };
    let mut text = String::new();
    let mut table = Table::default().right(&[1]);
    for layer in &outcome.removed {
        let label = match layer.label.as_str() {
            "" => "a layer that can't be read",
            label => label,
        };
        table.row([
            removed,
            &format_size(layer.bytes),
            &layer.digest.short(),
            label,
        ]);
    }
    text += &table.to_string();
    for name in &outcome.forgotten {
        let forgotten = if dry_run { "would forget" } else { "forgot" };
        text += &format!(
            "{forgotten} the snapshot {name}: its spec file or one of its layers is gone\n"
        );
    }
    for test in &outcome.dropped {
        let dropped = if dry_run { "would drop" } else { "dropped" };
        text += &format!("{dropped} the state that {test} left: its layers are gone\n");
    }
    let mut table = Table::default().right(&[1]);
    let goes = |snapshot: &SnapshotRecord| {
        let removed = |layer: &Digest| outcome.removed.iter().any(|gone| gone.digest == *layer);
        !snapshot.is_wanted() || snapshot.layers.iter().any(removed)
    };
    for snapshot in snapshots.iter().filter(|snapshot| !goes(snapshot)) {
        let layers = count(snapshot.layers.len() as u64, "layer");
        let spec = match origin(snapshot) {
            Some(origin) => origin.to_owned(),
            None => seen_from_here(&snapshot.spec),
        };
        table.row([
            "kept",
            &format_size(snapshot.bytes),
            &format!("{layers} of {} ({spec})", snapshot.name),
        ]);
    }
    let stays = |kept: &&KeptRecord| !outcome.dropped.contains(&kept.test);
    for kept in kept.iter().filter(stays) {
        let what = format!("what {} left (cowherd drop {})", kept.test, kept.id);
        table.row(["kept", &format_size(kept.bytes), &what]);
    }
    text += &table.to_string();
    if outcome.in_use > 0 {
        let layers = count(outcome.in_use as u64, "layer");
        text += &format!("kept {layers} only because they are in use now\n");
    }
    if swept.folders > 0 {
        text += &format!(
            "swept {} of commands that were killed, {}\n",
            count(swept.folders, "scratch folder"),
            format_size(swept.bytes)
        );
    }
    let bytes = outcome.removed.iter().map(|layer| layer.bytes).sum();
    text += &format!(
        "{removed} {}, {}; {} stay\n",
        count(outcome.removed.len() as u64, "layer"),
        format_size(bytes),
        outcome.kept + outcome.in_use,
    );
    text
}
