//! A prepared state, ready to be copied.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::digest::Digest;
use crate::engine::{Address, Engine};
use crate::spec::{Dependency, Service};
use crate::store::Layer;

/// A chain of sealed layers with the engines that serve it; while it lives, the layers stay.
#[derive(Debug, Clone)]
pub struct State {
    /// The snapshot's name.
    pub snapshot: String,
    /// The folder that holds the layers.
    pub layers_folder: PathBuf,
    /// The layers, topmost first.
    pub layers: Vec<Layer>,
    /// What serves it, in the order of the spec; the first gives `DATABASE_URL`.
    pub services: Vec<Arc<dyn Engine>>,
    /// What each of them waits for.
    pub depends_on: Vec<Vec<Dependency>>,
    /// What the spec and its files say of the servers without an adapter, where there are any.
    pub programs: Option<Digest>,
}

impl State {
    /// The variables that a program in a container gets: `DATABASE_URL` for the first service,
    /// `<SERVICE>_URL` for each, the engines' own, and `COWHERD_SNAPSHOT`.
    pub fn environment(&self) -> Vec<(String, String)> {
        self.environment_at(&|_| Address::Inside)
    }

    /// The address of the first service for a program in a container; empty where there is no service.
    pub fn url(&self) -> String {
        let first = self.services.first();
        first.map_or_else(String::new, |engine| engine.url(&Address::Inside))
    }

    /// The same variables for a program that reaches each service at the address that `address` gives.
    pub fn environment_at(
        &self,
        address: &dyn Fn(&dyn Engine) -> Address,
    ) -> Vec<(String, String)> {
        let mut variables = vec![("COWHERD_SNAPSHOT".to_owned(), self.snapshot.clone())];
        // From the last to the first, as a later value replaces an earlier one: of two services of
        // one engine the first gives the engine's own variables.
        for engine in self.services.iter().rev() {
            let address = address(engine.as_ref());
            let url = engine.url(&address);
            variables.extend(engine.environment(&address));
            // Nobody can connect to a service without ports.
            if !url.is_empty() {
                variables.push((url_variable(engine.place().service()), url.clone()));
                variables.push(("DATABASE_URL".to_owned(), url));
            }
        }
        variables
    }

    /// What the service at this place of the state waits for: the place of each, and whether it must be healthy.
    pub(super) fn dependencies(&self, index: usize) -> impl Iterator<Item = (usize, bool)> {
        let all = self.depends_on.get(index).into_iter().flatten();
        all.filter_map(|wanted| {
            let mut services = self.services.iter();
            let index = services.position(|it| it.place().service() == wanted.service)?;
            Some((index, wanted.healthy))
        })
    }

    /// The variables with the addresses of what the service at this place waits for.
    pub(super) fn addresses_for(&self, index: usize) -> Vec<(String, String)> {
        let others = self.dependencies(index).map(|(at, _)| &self.services[at]);
        let addresses = others.map(|other| {
            let name = url_variable(other.place().service());
            (name, other.url(&Address::Inside))
        });
        addresses.filter(|(_, url)| !url.is_empty()).collect()
    }

    /// The layers in the order of building, the lowest first.
    pub fn chain(&self) -> Vec<Layer> {
        self.layers.iter().rev().cloned().collect()
    }

    /// The state that a further layer on top makes of it.
    #[must_use]
    pub fn with(&self, layer: Layer) -> Self {
        let mut state = self.clone();
        state.layers.insert(0, layer);
        state
    }

    /// The size in bytes of the largest file of the layers.
    pub fn largest_file(&self) -> u64 {
        self.layers
            .iter()
            .map(Layer::largest_file)
            .max()
            .unwrap_or(0)
    }
}

/// What each of the services waits for, as a state has it.
pub fn dependencies(services: &[Service]) -> Vec<Vec<Dependency>> {
    let services = services.iter();
    services.map(|service| service.depends_on.clone()).collect()
}

/// The variable with the address of the service of this name: `DB_URL`.
fn url_variable(service: &str) -> String {
    format!("{}_URL", service.to_uppercase().replace(['-', '.'], "_"))
}

/// A name for a container's cgroup that no other living process gives: the sweep reads the process
/// id back from it.
pub(super) fn group_name() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    format!(
        "{}-{}",
        std::process::id(),
        NEXT.fetch_add(1, Ordering::Relaxed)
    )
}

/// Whether the process that named a cgroup so still lives (`/proc/PID`, proc(5)).
pub fn group_is_alive(name: &str) -> bool {
    name.split('-')
        .next()
        .is_none_or(|pid| std::path::Path::new("/proc").join(pid).exists())
}
