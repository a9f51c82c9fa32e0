//! What this host allows, found out by doing it, and the remedy for what it does not.
//!
//! [`examine`] starts real containers, step by step as `run` does, works in them, and looks at the
//! store, the limits and the engines. What the host refuses is known by the step that failed and by
//! what the system said; [`explain`] turns that, with the [`Facts`] of the host, into a cause and
//! into commands to paste. It is pure, so that every host can be told about on any other.
//!
//! # As JSON
//!
//! An [`Examination`] is serialised as one object. `version` is 1: fields may be added in version 1, none
//! is removed or changes its meaning. Sizes are numbers of bytes, durations numbers of seconds; a
//! field that is *optional* is left out when it does not apply.
//!
//! | field | meaning |
//! |---|---|
//! | `version`, `cowherd` | the version of this format, and of the program |
//! | `works` | whether everything that `cowherd run` needs works here |
//! | `checks` | in the order of reading: `area`, `name`, `status` (`ok`, `advisory`, `missing`, `untried`), `finding`, and, optional, `remedy` |
//! | `remedy` | `cause`, and `ways`, any of which helps: `text`, and `paste`, commands, perhaps empty |
//! | `container_seconds` | optional: what a bare container took, the median of five |
//! | `facts` | what was read about the host, see [`Facts`] |

mod cause;
mod container;
mod distribution;
mod engines;
mod facts;
mod host;
mod kernel;
mod limits;
mod mount_cause;
mod options;
mod overlay;
mod refused;
mod remedy;
mod shortage;
mod storage;

use std::ffi::OsString;

use serde::Serialize;

use crate::sandbox::Identity;

pub use cause::explain;
pub use distribution::Distribution;
pub use facts::{ContainerHost, Facts, StoreFacts};
pub use kernel::Kernel;
pub use refused::{Changes, Part, Refused};
pub use remedy::{Remedy, Way};

/// The version of the JSON format.
const VERSION: u32 = 1;

/// How a check came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// It works.
    Ok,
    /// It works, but slower or with less than could be had.
    Advisory,
    /// `cowherd run` needs it, and it doesn't work.
    Missing,
    /// Something before it failed.
    Untried,
}

/// What a check is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Area {
    /// The kernel and the user.
    Host,
    /// The parts of a container.
    Container,
    /// The store.
    Store,
    /// How much there may be of everything.
    Limits,
    /// The databases' programs.
    Engines,
}

/// One check and what it found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Check {
    /// What it is about.
    pub area: Area,
    /// Its name, a few words.
    pub name: &'static str,
    /// How it came out.
    pub status: Status,
    /// What was found, in one line.
    pub finding: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remedy: Option<Remedy>,
}

impl Check {
    fn new(area: Area, name: &'static str, status: Status, finding: impl Into<String>) -> Self {
        Self {
            area,
            name,
            status,
            finding: finding.into(),
            remedy: None,
        }
    }

    fn remedy(mut self, remedy: Remedy) -> Self {
        self.remedy = Some(remedy);
        self
    }
}

/// What was found out about a host.
#[derive(Debug, Clone, Serialize)]
pub struct Examination {
    version: u32,
    cowherd: &'static str,
    /// Whether everything that `cowherd run` needs works.
    pub works: bool,
    /// The checks, in the order of reading.
    pub checks: Vec<Check>,
    /// What a bare container took from its start to its end, in seconds: the median of five.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub container_seconds: Option<f64>,
    /// What was read about the host.
    pub facts: Facts,
}

impl Examination {
    /// The remedies, each with the names of the checks that it is for.
    pub fn remedies(&self) -> Vec<(Vec<&'static str>, &Remedy)> {
        let mut remedies: Vec<(Vec<&'static str>, &Remedy)> = Vec::new();
        for check in &self.checks {
            let Some(remedy) = &check.remedy else {
                continue;
            };
            match remedies.iter_mut().find(|(_, known)| *known == remedy) {
                Some((names, _)) => names.push(check.name),
                None => remedies.push((vec![check.name], remedy)),
            }
        }
        remedies
    }
}

/// Examines this host, with the store that the variables name: it is made where there is none yet,
/// as any other command does. Its limits are held against `jobs` tests at once, one on each core where nobody says
/// how many.
pub fn examine(jobs: Option<usize>, variable: &dyn Fn(&str) -> Option<OsString>) -> Examination {
    let identity = Identity::of_caller();
    let mut facts = Facts::of_this_host(identity.as_ref().ok(), variable);
    let (store, storage) = storage::examine(variable, &mut facts);
    let engines = engines::find();
    let mut checks = host::examine(&facts, &identity);
    let mut inside = engines::Inside::default();
    let mut container_seconds = None;
    if let Ok(identity) = identity
        && facts.has_proc()
    {
        let (parts, executed) = container::examine(identity, &facts, &engines);
        inside = executed;
        checks.extend(parts);
        checks.extend(overlay::examine(identity, &facts, store.as_ref()));
        if let Some(took) = container::duration(identity) {
            container_seconds = Some(took.as_secs_f64());
            let millis = took.as_secs_f64() * 1000.0;
            let finding = format!("a bare container takes {millis:.1} ms (median of five)");
            checks.push(Check::new(Area::Container, "speed", Status::Ok, finding));
        }
    }
    checks.extend(storage);
    if facts.has_proc() {
        checks.extend(limits::examine(&facts, jobs));
    }
    checks.extend(engines::examine(&engines, &inside, &facts));
    Examination {
        version: VERSION,
        cowherd: env!("CARGO_PKG_VERSION"),
        works: checks
            .iter()
            .all(|check| matches!(check.status, Status::Ok | Status::Advisory)),
        checks,
        container_seconds,
        facts,
    }
}
