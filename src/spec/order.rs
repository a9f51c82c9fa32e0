//! Which services need which: the order of their starts, and which run together.

use super::Service;

/// Those of the services that `names` need to run, and they themselves.
///
/// ```
/// use cowherd::spec::{Dependency, Service, needed_by};
///
/// let service = |name: &str, on: &[&str]| Service {
///     name: name.to_owned(),
///     depends_on: on.iter().map(|on| Dependency { service: (*on).to_owned(), healthy: true }).collect(),
///     ..Service::default()
/// };
/// let services = [service("db", &[]), service("cache", &[]), service("api", &["db"]), service("web", &["api"])];
/// assert_eq!(needed_by(&services, "api"), ["db", "api"]);
/// ```
pub fn needed_by<'a>(services: &'a [Service], name: &str) -> Vec<&'a str> {
    let mut needed = vec![name];
    let mut next = 0;
    while let Some(name) = needed.get(next).copied() {
        next += 1;
        let service = services.iter().find(|service| service.name == name);
        for on in service.iter().flat_map(|service| &service.depends_on) {
            if !needed.contains(&on.service.as_str()) {
                needed.push(&on.service);
            }
        }
    }
    names_of(services, |name| needed.contains(&name))
}

/// The services that run while something is done to the one of this name: all but those that need it, which may not
/// be able to run yet.
pub fn run_beside<'a>(services: &'a [Service], name: &str) -> Vec<&'a str> {
    names_of(services, |other| {
        other == name || !needed_by(services, other).contains(&name)
    })
}

fn names_of(services: &[Service], wanted: impl Fn(&str) -> bool) -> Vec<&str> {
    let names = services.iter().map(|service| service.name.as_str());
    names.filter(|name| wanted(name)).collect()
}
