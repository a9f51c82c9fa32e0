//! Which two states are compared.

use std::sync::Arc;

use clap::ColorChoice;
use cowherd::container::State;
use cowherd::project::Project;
use cowherd::schedule::Stop;
use cowherd::store::Layer;

use crate::cli::failure::Refusal;
use crate::cli::{args, meant};

/// A state with the name that the user has for it.
pub(super) struct Named {
    pub(super) name: String,
    pub(super) state: Arc<State>,
}

/// The two, built as far as the store lacks them, and the project of the first.
pub(super) fn both(
    args: &args::Diff,
    color: ColorChoice,
    stop: &Stop,
) -> anyhow::Result<(Project, [Named; 2])> {
    let named = |name: &str| -> anyhow::Result<(Project, Named)> {
        let (project, state) = meant::or_kept(args.spec.file.as_deref(), name, color, stop)?;
        let name = name.to_owned();
        Ok((project, Named { name, state }))
    };
    let (project, one) = named(&args.before)?;
    let both = match &args.after {
        Some(after) => [one, named(after)?.1],
        None => [below(&project, &one)?, one],
    };
    Ok((project, both))
}

/// What a test started from that left this state: all but its own layer, whatever the spec says by now.
fn below(project: &Project, left: &Named) -> anyhow::Result<Named> {
    let own = left.state.layers.first().map(Layer::digest);
    let kept = project.store().kept()?;
    if own.is_none() || !kept.iter().any(|kept| kept.layers.last().copied() == own) {
        return Err(Refusal {
            code: 2,
            message: format!("can't tell what to compare `{}` with", left.name),
            hint:
                "name a second snapshot; a kept state is compared with what its test started from"
                    .to_owned(),
        }
        .into());
    }
    let mut state = State::clone(&left.state);
    state.layers.remove(0);
    Ok(Named {
        name: state.snapshot.clone(),
        state: Arc::new(state),
    })
}
