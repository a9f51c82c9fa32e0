//! `cowherd fsck`: whether the store is as it was sealed.

use std::process::ExitCode;

use cowherd::project;
use cowherd::store::Checked;
use cowherd::units::format_size;
use serde_json::{Value, json};

use super::args;
use super::output::{count, say, say_json};

/// What a check ends with that found damage.
const DAMAGED: u8 = 1;

pub(super) fn fsck(args: &args::Fsck) -> anyhow::Result<ExitCode> {
    let store = project::open_store()?;
    let checked = store.fsck(&mut |step| tracing::info!("reading {step}"))?;
    match args.json {
        true => say_json(&json(&checked))?,
        false => say(&text(&checked))?,
    }
    Ok(match checked.damage.is_empty() {
        true => ExitCode::SUCCESS,
        false => ExitCode::from(DAMAGED),
    })
}

fn text(checked: &Checked) -> String {
    let mut text = String::new();
    for damage in &checked.damage {
        let label = match damage.label.as_str() {
            "" => String::new(),
            label => format!(" ({label})"),
        };
        text += &format!("damaged: {}{label}\n", damage.path.display());
        // Of a file system that went bad, the first few tell enough.
        for fault in damage.faults.iter().take(20) {
            text += &format!("  {fault}\n");
        }
        if let Some(more) = damage.faults.len().checked_sub(20).filter(|more| *more > 0) {
            text += &format!("  and {more} more\n");
        }
        if let Some(moved) = &damage.moved {
            text += &format!("  moved to {}\n", moved.display());
        }
    }
    for name in &checked.incomplete {
        text += &format!("not complete: the snapshot {name}; it is built again when it is used\n");
    }
    if checked.unnamed > 0 {
        let layers = count(checked.unnamed as u64, "layer");
        text += &format!(
            "no step leads to {layers} any more: `cowherd gc` removes what nothing needs\n"
        );
    }
    text += &format!(
        "read {}, {}: {}\n",
        count(checked.layers as u64, "layer"),
        format_size(checked.bytes),
        match checked.damage.len() {
            0 => "all as it was sealed".to_owned(),
            number => format!("{number} damaged"),
        }
    );
    text
}

fn json(checked: &Checked) -> Value {
    let damage = checked.damage.iter().map(|damage| {
        json!({
            "path": damage.path.to_string_lossy(),
            "label": damage.label,
            "faults": damage.faults,
            "moved": damage.moved.as_ref().map(|path| path.to_string_lossy()),
        })
    });
    json!({
        "version": 1,
        "layers": checked.layers,
        "bytes": checked.bytes,
        "damage": damage.collect::<Vec<_>>(),
        "incomplete": checked.incomplete,
        "unnamed": checked.unnamed,
    })
}
