//! Draft → model: what services want of each other.

use std::collections::HashMap;

use super::draft::ServiceDraft;
use super::problem::{Faults, quoted, unknown};
use super::program::port_of;

/// The ports of the engines, as their own documentation has them; a further service of one gets the next.
const PORTS: [(&str, u16); 5] = [
    ("postgres", 5432),
    ("postgresql", 5432),
    ("mysql", 3306),
    ("redis", 6379),
    ("valkey", 6379),
];

/// Checks the services of one snapshot against each other, and what each says of itself.
pub(super) fn check_services(drafts: &[ServiceDraft], faults: &mut Faults) {
    ports(drafts, faults);
    for draft in drafts {
        for wanted in &draft.depends_on {
            let name = &wanted.dependency.service;
            if !drafts.iter().any(|other| other.name.value == *name) {
                let others = drafts.iter().map(|other| other.name.value.as_str());
                let others = others.filter(|other| *other != draft.name.value);
                faults.add(wanted.place, unknown("service", name, others));
            }
        }
        let Some(written) = &draft.program else {
            continue;
        };
        if let (Some(place), Some(url)) = (written.url, &written.program.url) {
            let first = written.ports.first().map(|port| port.value.to_string());
            let named = port_of(url).map(|place| &url[place]);
            let fits = match &first {
                Some(first) => named == Some(first.as_str()),
                None => url.contains("://"),
            };
            if !fits {
                let form = first.unwrap_or_else(|| "PORT".to_owned());
                let message = format!(
                    "{} can't be the form of the service's URL: that has the first of its `ports` in it, as in \
                     `http://127.0.0.1:{form}`",
                    quoted(url)
                );
                faults.add(place, message);
            }
        }
        if let (Some(place), Some(folder)) = (written.data_dir, &written.program.data_dir)
            && !folder.is_absolute()
        {
            let message =
                "`data_dir` must be an absolute path; a server that can be told takes `{data}`";
            faults.add(place, message);
        }
    }
    circles(drafts, faults);
}

/// The services share one network, so no two can have one port.
fn ports(drafts: &[ServiceDraft], faults: &mut Faults) {
    let mut taken: HashMap<u16, &str> = HashMap::new();
    let mut of_engine: HashMap<u16, u16> = HashMap::new();
    for draft in drafts {
        let engine = draft.engine.as_ref().map(|engine| engine.value.as_str());
        if let Some((_, first)) = PORTS.iter().find(|(name, _)| Some(*name) == engine) {
            let others = of_engine.entry(*first).or_default();
            taken.insert(first.saturating_add(*others), &draft.name.value);
            *others += 1;
        }
    }
    for draft in drafts {
        for port in draft.program.iter().flat_map(|program| &program.ports) {
            if let Some(other) = taken.insert(port.value, &draft.name.value) {
                let message = format!(
                    "service {} listens on port {} already; the services of a snapshot share one network",
                    quoted(other),
                    port.value
                );
                faults.add(port.place, message);
            }
        }
    }
}

/// Reports each circle of services that wait for each other once, at its first service in the file.
fn circles(drafts: &[ServiceDraft], faults: &mut Faults) {
    let index = |name: &str| drafts.iter().position(|draft| draft.name.value == name);
    // Those of which all that follows from them is known.
    let mut done = vec![false; drafts.len()];
    for first in 0..drafts.len() {
        // The way from the first, with the number of the dependency that is looked at next.
        let mut way = vec![(first, 0)];
        while let Some((at, next)) = way.last_mut() {
            let at = *at;
            let Some(wanted) = drafts[at].depends_on.get(*next) else {
                done[at] = true;
                way.pop();
                continue;
            };
            *next += 1;
            let Some(to) = index(&wanted.dependency.service) else {
                continue;
            };
            if let Some(start) = way.iter().position(|(known, _)| *known == to) {
                let names: Vec<String> = way[start..]
                    .iter()
                    .map(|(at, _)| *at)
                    .chain([to])
                    .map(|at| quoted(&drafts[at].name.value))
                    .collect();
                let message = format!("services wait for each other: {}", names.join(" → "));
                faults.add(wanted.place, message);
            } else if !done[to] {
                way.push((to, 0));
            }
        }
    }
}
