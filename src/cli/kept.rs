//! `cowherd kept` and `cowherd drop`: the states that were kept.

use std::process::ExitCode;

use cowherd::project;
use cowherd::store::{KeptRecord, Store};
use cowherd::units::format_size;
use serde_json::json;

use super::args;
use super::failure::Refusal;
use super::output::{Table, ago, say, say_json, seen_from_here, timestamp};

pub(super) fn kept(args: &args::Kept) -> anyhow::Result<ExitCode> {
    let kept = project::open_store()?.kept()?;
    if args.json {
        let list: Vec<_> = kept.iter().map(to_json).collect();
        say_json(&json!({ "version": 1, "kept": list }))?;
    } else if kept.is_empty() {
        say("nothing is kept; `cowherd run --keep failed` keeps what failing tests leave\n")?;
    } else {
        let mut table = Table::new(&["ID", "TEST", "OUTCOME", "SNAPSHOT", "SIZE", "KEPT", "SPEC"]);
        table = table.right(&[4]);
        for kept in kept.iter().rev() {
            table.row([
                kept.id.clone(),
                kept.test.clone(),
                kept.outcome.clone(),
                kept.snapshot.clone(),
                format_size(kept.bytes),
                ago(kept.kept_at),
                seen_from_here(&kept.spec),
            ]);
        }
        say(&table.to_string())?;
    }
    Ok(ExitCode::SUCCESS)
}

pub(super) fn drop(args: &args::Drop) -> anyhow::Result<ExitCode> {
    let store = project::open_store()?;
    let gone = if args.all {
        store.kept()?
    } else {
        let named = args.ids.iter().map(|id| one(&store, id));
        named.collect::<anyhow::Result<_>>()?
    };
    for kept in &gone {
        store.drop_kept(kept)?;
        let size = format_size(kept.bytes);
        say(&format!("dropped {}: {}, {size}\n", kept.id, kept.test))?;
    }
    if gone.is_empty() {
        say("nothing is kept\n")?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The one state whose name begins so.
pub(super) fn one(store: &Store, id: &str) -> anyhow::Result<KeptRecord> {
    let all = store.kept()?;
    let named = |kept: &&KeptRecord| kept.id.starts_with(id);
    let mut found: Vec<&KeptRecord> = all.iter().filter(named).collect();
    match (found.pop(), found.is_empty()) {
        (Some(one), true) => Ok(one.clone()),
        (Some(_), false) => Err(Refusal {
            code: 2,
            message: format!("can't tell which kept state `{id}` is: several begin so"),
            hint: "write more of its name; `cowherd kept` lists them".to_owned(),
        }
        .into()),
        (None, _) => Err(Refusal {
            code: 2,
            message: format!("can't find a kept state `{id}`"),
            hint: match all.is_empty() {
                true => "nothing is kept; `cowherd run --keep failed` does that",
                false => "`cowherd kept` lists those that there are",
            }
            .to_owned(),
        }
        .into()),
    }
}

fn to_json(kept: &KeptRecord) -> serde_json::Value {
    json!({
        "id": kept.id,
        "test": kept.test,
        "outcome": kept.outcome,
        "snapshot": kept.snapshot,
        "spec": kept.spec.to_string_lossy(),
        "bytes": kept.bytes,
        "kept_at": timestamp(kept.kept_at),
        "output": kept.output().to_string_lossy(),
        "logs": kept.logs().to_string_lossy(),
    })
}
