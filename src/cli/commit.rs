//! `cowherd commit`: a state that was reached by hand becomes a snapshot.

use std::process::ExitCode;

use cowherd::attended::{self, commit_live};
use cowherd::container::Order;
use cowherd::project::{Project, open_store};
use cowherd::schedule::{self, Stop};
use cowherd::store::KeptRecord;
use cowherd::units::format_size;

use super::failure::Refusal;
use super::output::say;
use super::{args, meant};

pub(super) fn commit(args: &args::Commit) -> anyhow::Result<ExitCode> {
    let store = open_store()?;
    let (all_live, all_kept) = (attended::containers(&store)?, store.kept()?);
    let begins = |id: &str| id.starts_with(args.container.as_str());
    let ids = all_live.iter().map(|(id, _)| id.as_str());
    let live: Vec<&str> = ids.filter(|id| begins(id)).collect();
    let kept: Vec<&KeptRecord> = all_kept.iter().filter(|kept| begins(&kept.id)).collect();
    let bytes = match (live.as_slice(), kept.as_slice()) {
        ([id], []) => attended::commit(&store, id, &args.name, args.replace)?,
        ([], [kept]) => of_kept(kept, args)?,
        ([], []) => return Err(unknown(&args.container, &all_live, &all_kept).into()),
        _ => {
            return Err(Refusal {
                code: 2,
                message: format!(
                    "can't tell which container `{}` is: several begin so",
                    args.container
                ),
                hint: "write more of its name".to_owned(),
            }
            .into());
        }
    };
    let size = format_size(bytes);
    say(&format!(
        "committed {} ({size}): cowherd shell -s {}\n",
        args.name, args.name
    ))?;
    Ok(ExitCode::SUCCESS)
}

/// Commits what a test left: a container over it, frozen as a build freezes.
fn of_kept(kept: &KeptRecord, args: &args::Commit) -> anyhow::Result<u64> {
    let project = Project::open(Some(&kept.spec))?;
    let state = project.kept_state(kept)?;
    let stop = Stop::new()?;
    let watch = schedule::watch(&stop)?;
    let order = Order::unseen(project.on(), &state);
    let mut container = order.start(Some(stop.killed()))?;
    let services = meant::services(&project, &state);
    let name = (args.name.as_str(), args.replace);
    let bytes = commit_live(&mut container, &order, &services, name, &stop)?;
    drop(watch);
    Ok(bytes + kept.bytes)
}

fn unknown(id: &str, live: &[(String, String)], kept: &[KeptRecord]) -> Refusal {
    let live = live.iter().map(|(id, about)| format!("{id} ({about})"));
    let mut known: Vec<String> = live.collect();
    let kept = kept.iter();
    known.extend(kept.map(|kept| format!("{} (what {} left)", kept.id, kept.test)));
    Refusal {
        code: 2,
        message: format!("can't find a container `{id}`"),
        hint: match known.is_empty() {
            true => {
                "none is live: start one with `cowherd shell`, and commit it from another terminal"
                    .to_owned()
            }
            false => format!("there are {}", known.join(", ")),
        },
    }
}
