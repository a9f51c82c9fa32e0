//! Keeps the state that a test leaves: its writable layer, what it printed, what its services logged.

use std::io::{self, Read};
use std::path::PathBuf;
use std::time::SystemTime;

use super::{Case, Stop};
use crate::builder::{AtRest, Builder, StepError};
use crate::container::{Container, State};
use crate::event::{self, Attempt, KeptState, Outcome, Output};
use crate::pool::Handed;
use crate::store::{KeptLimits, KeptRecord, Layer};

/// Which states are kept, and what is noted of them.
#[derive(Debug, Clone, Default)]
pub struct Keep {
    /// Those of which tests.
    pub when: KeepWhen,
    /// The test's full name.
    pub test: String,
    /// The spec's file.
    pub spec: PathBuf,
    /// The variables that the test has on top of the user's own.
    pub environment: Vec<(String, String)>,
    /// What is kept at most, of all runs.
    pub limits: KeptLimits,
}

/// The states of which tests are kept.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum KeepWhen {
    /// Of none.
    #[default]
    None,
    /// Of those that fail or run too long.
    Failed,
    /// Of all that come to an end.
    All,
}

impl Keep {
    /// Whether the state of a test that ended so is kept.
    pub fn wants(&self, outcome: &Outcome) -> bool {
        match self.when {
            KeepWhen::None => false,
            KeepWhen::All => outcome.passed() || outcome.failed(),
            KeepWhen::Failed => outcome.failed(),
        }
    }
}

/// Keeps the state of an attempt that is over, and says what it changed. The error is in words.
pub(super) fn keep(
    mut container: Handed,
    case: &Case,
    attempt: &Attempt,
    stop: &Stop,
) -> Result<KeptState, String> {
    let kept = kept(&mut container, case, attempt, stop);
    // What is started to compare takes its place.
    drop(container);
    let (record, left) = kept.map_err(|error| event::in_words(&error))?;
    Ok(KeptState {
        id: record.id,
        bytes: record.bytes,
        changes: changes(case, left, stop),
    })
}

#[cfg(feature = "sqlite")]
fn changes(case: &Case, left: State, stop: &Stop) -> Vec<String> {
    let changes = super::changes::changes(case, left, stop);
    changes.unwrap_or_else(|error| vec![format!("can't tell: {}", event::in_words(&error))])
}

#[cfg(not(feature = "sqlite"))]
fn changes(_case: &Case, _left: State, _stop: &Stop) -> Vec<String> {
    Vec::new()
}

fn kept(
    container: &mut Container,
    case: &Case,
    attempt: &Attempt,
    stop: &Stop,
) -> Result<(KeptRecord, State), StepError> {
    let (host, keep) = (&case.order.host, &case.keep);
    let stopped = || stop.asked().is_some();
    let builder = Builder::on(host, stop.killed(), &stopped);
    let state = &case.order.state;
    let logs = container.logs();
    let (id, key) = KeptRecord::name(&keep.test, &keep.spec);
    let label = format!("what {} left", keep.test);
    let left = builder.capture(container, state, AtRest::Stopped, (&key, &label))?;
    let chain = left.chain();
    let record = KeptRecord {
        id,
        test: keep.test.clone(),
        spec: keep.spec.clone(),
        snapshot: state.snapshot.clone(),
        outcome: attempt.outcome.to_string(),
        keys: chain.iter().map(Layer::key).collect(),
        layers: chain.iter().map(Layer::digest).collect(),
        bytes: chain.last().map_or(0, Layer::bytes),
        environment: keep.environment.clone(),
        kept_at: SystemTime::now(),
        folder: PathBuf::new(),
    };
    let mut output = Printed(&attempt.output, 0);
    host.store.keep(&record, &mut output, &logs)?;
    host.store.limit_kept(&keep.limits)?;
    Ok((record, left))
}

/// A test's output from its beginning.
struct Printed<'a>(&'a Output, u64);

impl Read for Printed<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.0.read_at(buffer, self.1)?;
        self.1 += read as u64;
        Ok(read)
    }
}
