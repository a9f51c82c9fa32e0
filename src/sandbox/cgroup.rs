//! Limits on the memory, processes and processor time of one container, through control groups.
//!
//! [`Cgroups::detect`] finds out what this host lets us limit, by doing it once: it makes a group, sets limits on it,
//! moves a process into it and removes it. What can't be limited is *advisory*, with the reason in
//! [`Cgroups::describe`] and the remedy in [`Cgroups::hint`].
//!
//! Where the groups are made differs with the version, because the kernel's rules do:
//!
//! - cgroup v1: each controller has a hierarchy of its own, and a group may hold both processes and groups. Ours are made
//!   below the group that we are in, so what limits us goes on limiting them.
//! - cgroup v2: a group that hands controllers to its children may hold no processes ("no internal processes"), so ours
//!   are made *beside* the group that we are in: below its nearest ancestor which we may write to and which hands the
//!   controllers down. Nobody's processes are moved. A limit that only our own group has does not bind them.
//!
//! Entering a group costs an RCU grace period of the kernel when no process of the host has moved lately (10 to 15 ms on
//! a machine at rest, next to nothing in a row of moves), so a [`Group`] consists only of what its limits ask for, and
//! one without limits costs nothing.
//!
//! Sources: cgroups(7), and `cgroup-v1/` and `cgroup-v2.rst` in the kernel's `Documentation/admin-guide/`.

mod group;
pub mod hierarchy;
mod memory;
mod place;
pub mod settings;

use std::collections::BTreeSet;
use std::fmt;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

pub use self::group::Group;
use self::hierarchy::{Hierarchy, Version};
pub use self::memory::available_memory;
use self::place::{Place, Refusal, Why};

/// What the names of all our groups start with, so that a sweep knows them.
pub(crate) const PREFIX: &str = "cowherd-";

/// One kind of limit, and the controller of the kernel that enforces it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Resource {
    /// Bytes of memory.
    Memory,
    /// Processes and threads.
    Pids,
    /// Processor time.
    Cpu,
}

impl Resource {
    /// Every resource, in the order in which they are listed to the user.
    pub const ALL: [Self; 3] = [Self::Memory, Self::Pids, Self::Cpu];

    /// The kernel's name of the controller.
    ///
    /// ```
    /// use cowherd::sandbox::cgroup::Resource;
    /// assert_eq!(Resource::Memory.controller(), "memory");
    /// ```
    pub fn controller(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Pids => "pids",
            Self::Cpu => "cpu",
        }
    }

    /// The resource that a controller limits, if it is one of ours.
    pub fn of_controller(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|resource| resource.controller() == name)
    }
}

impl fmt::Display for Resource {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.controller())
    }
}

/// What one container may use. `None` is no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Limits {
    /// Bytes of memory, without swap. What the container writes to a tmpfs (its `/tmp`, `/dev/shm`, a writable layer kept
    /// there) counts until it is deleted, and killing processes does not give it back. Cached pages of files count too,
    /// but are dropped before anything is killed. When the limit is hit, v2 kills every process of the container, v1 one
    /// process at a time; [`Group::out_of_memory`] counts them.
    pub memory: Option<u64>,
    /// Processes and threads together. At the limit `fork` fails with `EAGAIN`; nothing is killed.
    pub pids: Option<u64>,
    /// Processors' worth of time, averaged over 100 ms: 1.5 is 150 ms of processor time in each 100 ms. At the limit the
    /// container waits for the next 100 ms. Less than 0.01 counts as 0.01, which is the least that the kernel takes.
    pub cpus: Option<f64>,
}

impl Limits {
    /// Whether this resource is limited.
    pub fn limits(&self, resource: Resource) -> bool {
        match resource {
            Resource::Memory => self.memory.is_some(),
            Resource::Pids => self.pids.is_some(),
            Resource::Cpu => self.cpus.is_some(),
        }
    }

    /// Whether nothing is limited.
    pub fn is_empty(&self) -> bool {
        !Resource::ALL
            .into_iter()
            .any(|resource| self.limits(resource))
    }

    /// These limits, but only on the resources for which `keep` holds.
    fn only(&self, keep: impl Fn(Resource) -> bool) -> Self {
        Self {
            memory: self.memory.filter(|_| keep(Resource::Memory)),
            pids: self.pids.filter(|_| keep(Resource::Pids)),
            cpus: self.cpus.filter(|_| keep(Resource::Cpu)),
        }
    }
}

/// What this host lets us limit, and where. Plain data: detect once in a process and share it.
#[derive(Debug)]
pub struct Cgroups {
    places: Vec<Place>,
    refusals: Vec<Refusal>,
}

impl Cgroups {
    /// Finds out what can be limited here, by making, entering and removing a group. It costs up to 15 ms for each
    /// hierarchy, nearly all of them for a process to move (see above): call it once, and only when there is a limit to
    /// set. On a cgroup v2 group that directly holds no processes, and no groups but ours and the one on our own path, it
    /// also switches on the controllers that are missing.
    ///
    /// It never fails: a host without cgroups enforces nothing and says why.
    pub fn detect() -> Self {
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let hierarchies =
            hierarchy::mounted(&read("/proc/self/cgroup"), &read("/proc/self/mountinfo"));
        let mut found = Self {
            places: Vec::new(),
            refusals: Vec::new(),
        };
        for hierarchy in &hierarchies {
            match place::find(hierarchy) {
                Ok(place) => found.add(place, hierarchy),
                Err(refusal) => found.refusals.push(refusal),
            }
        }
        found
    }

    /// Takes a place, and notes what its hierarchy could limit but the place does not.
    fn add(&mut self, place: Place, hierarchy: &Hierarchy) {
        let missing: Vec<_> = hierarchy
            .resources
            .iter()
            .copied()
            .filter(|resource| !place.resources.contains(resource))
            .collect();
        if !missing.is_empty() {
            self.refusals.push(Refusal::not_handed_down(
                hierarchy.version,
                missing,
                &place.parent,
            ));
        }
        self.places.push(place);
    }

    /// Whether a limit on this resource binds, rather than being advice.
    pub fn enforces(&self, resource: Resource) -> bool {
        self.places
            .iter()
            .any(|place| place.resources.contains(&resource))
    }

    /// One line that says which of these limits bind and, for the others, why they do not, such as
    /// `enforced (cgroup v1: memory, pids, cpu)` or `advisory: no cgroup is delegated to uid 1000 (…)`.
    pub fn describe(&self, limits: &Limits) -> String {
        let mut enforced = Vec::new();
        for version in [Version::V1, Version::V2] {
            let names: Vec<_> = Resource::ALL
                .into_iter()
                .filter(|&resource| limits.limits(resource))
                .filter(|resource| {
                    self.places
                        .iter()
                        .any(|place| place.version == version && place.resources.contains(resource))
                })
                .map(Resource::controller)
                .collect();
            if !names.is_empty() {
                enforced.push(format!("{version}: {}", names.join(", ")));
            }
        }
        let advisory = self.advisory(limits);
        let mut parts = Vec::new();
        if !enforced.is_empty() {
            parts.push(format!("enforced ({})", enforced.join("; ")));
        }
        let single = parts.is_empty() && advisory.len() == 1;
        for (resources, why) in advisory {
            if single {
                parts.push(format!("advisory: {why}"));
            } else {
                let names: Vec<_> = resources.into_iter().map(Resource::controller).collect();
                parts.push(format!("advisory ({}): {why}", names.join(", ")));
            }
        }
        if parts.is_empty() {
            "no limits".to_owned()
        } else {
            parts.join("; ")
        }
    }

    /// The limits that do not bind, grouped by the reason.
    fn advisory(&self, limits: &Limits) -> Vec<(Vec<Resource>, String)> {
        let mut grouped: Vec<(Why, Vec<Resource>, String)> = Vec::new();
        for resource in Resource::ALL {
            if !limits.limits(resource) || self.enforces(resource) {
                continue;
            }
            let (why, text) = match self.refusal(resource) {
                Some(refusal) => (refusal.why, refusal.to_string()),
                None => (
                    Why::NotMounted,
                    "no cgroup hierarchy with its controller is mounted".to_owned(),
                ),
            };
            match grouped.iter_mut().find(|(known, ..)| *known == why) {
                Some((_, resources, _)) => resources.push(resource),
                None => grouped.push((why, vec![resource], text)),
            }
        }
        grouped
            .into_iter()
            .map(|(_, resources, text)| (resources, text))
            .collect()
    }

    fn refusal(&self, resource: Resource) -> Option<&Refusal> {
        self.refusals
            .iter()
            .find(|refusal| refusal.resources.contains(&resource))
    }

    /// What to do so that these limits bind. `None` when they all do.
    pub fn hint(&self, limits: &Limits) -> Option<String> {
        let resource = Resource::ALL
            .into_iter()
            .find(|&resource| limits.limits(resource) && !self.enforces(resource))?;
        Some(match self.refusal(resource) {
            Some(refusal) => refusal.remedy(),
            None => place::remedy_not_mounted(resource),
        })
    }

    /// Makes a group with those of the limits that bind here; the others are left out, not an error. `name` must be unique
    /// on the host; the group is called `cowherd-NAME` in each hierarchy that it needs. Without a limit that binds it is
    /// an empty shell: no folder, nothing to join.
    ///
    /// # Errors
    ///
    /// The name or the number of processors makes no sense, or the kernel refuses what [`Cgroups::detect`] could do: a
    /// group of this name exists, or the host has no room for another (`cgroup.max.descendants`).
    pub fn create(&self, name: &str, limits: &Limits) -> Result<Group, CgroupError> {
        Group::create(&self.places, name, limits)
    }

    /// Removes the groups that a killed run left, and returns how many. A group stays when a process is in it, when a
    /// living process holds its [`Group`], or when `alive` says so of its name (as it was given to [`Cgroups::create`]).
    /// Groups that were made from elsewhere in the hierarchy are not seen.
    pub fn sweep(&self, alive: &dyn Fn(&str) -> bool) -> usize {
        let mut removed = BTreeSet::new();
        for place in &self.places {
            let Ok(entries) = fs::read_dir(&place.parent) else {
                continue;
            };
            for entry in entries.flatten() {
                let name = entry.file_name();
                let Some(name) = name.to_str().and_then(|name| name.strip_prefix(PREFIX)) else {
                    continue;
                };
                if !alive(name) && remove_abandoned(&entry.path()) {
                    removed.insert(name.to_owned());
                }
            }
        }
        removed.len()
    }
}

/// Removes a group of which no living process holds the lock. The kernel refuses while a process is in it.
fn remove_abandoned(folder: &Path) -> bool {
    let Ok(procs) = File::open(folder.join("cgroup.procs")) else {
        return false;
    };
    procs.try_lock().is_ok() && fs::remove_dir(folder).is_ok()
}

/// Why a group could not be made, entered or removed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CgroupError {
    /// The name can't be that of a folder.
    #[error("can't name a cgroup {name:?}")]
    Name {
        /// The name as given.
        name: String,
    },
    /// The number of processors is not one.
    #[error("can't limit a container to {cpus} processors")]
    Cpus {
        /// The number as given.
        cpus: f64,
    },
    /// The kernel did not make the group.
    #[error("can't make the cgroup {}", path.display())]
    Create {
        /// The group's folder.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// The kernel did not take a limit.
    #[error("can't set {} to {value}", path.display())]
    Limit {
        /// The file of the limit.
        path: PathBuf,
        /// The value written.
        value: String,
        /// What the kernel said.
        source: io::Error,
    },
    /// A file of the group can't be opened.
    #[error("can't open {}", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// A process can't enter the group.
    #[error("can't move process {pid} into the cgroup {}", path.display())]
    Join {
        /// The process.
        pid: u32,
        /// The group's folder.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// The group can't be removed.
    #[error("can't remove the cgroup {}", path.display())]
    Remove {
        /// The group's folder.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
}

impl CgroupError {
    /// What to do next, where there is something.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Name { .. } => {
                Some("use at most 200 letters, digits, `-`, `_` and `.`".to_owned())
            }
            Self::Cpus { .. } => Some("ask for a number above 0, such as 1.5".to_owned()),
            Self::Create { source, .. } => match source.kind() {
                io::ErrorKind::AlreadyExists => {
                    Some("another container has this name; use a new one".to_owned())
                }
                io::ErrorKind::WouldBlock => Some(
                    "raise cgroup.max.descendants or cgroup.max.depth of the groups above"
                        .to_owned(),
                ),
                _ => None,
            },
            Self::Remove { path, .. } => Some(format!(
                "end the processes that `cat {}/cgroup.procs` lists; the next command removes it",
                path.display()
            )),
            Self::Limit { .. } | Self::Open { .. } | Self::Join { .. } => None,
        }
    }

    /// What the kernel said, if it was asked.
    pub(crate) fn io(&self) -> Option<&io::Error> {
        match self {
            Self::Name { .. } | Self::Cpus { .. } => None,
            Self::Create { source, .. }
            | Self::Limit { source, .. }
            | Self::Open { source, .. }
            | Self::Join { source, .. }
            | Self::Remove { source, .. } => Some(source),
        }
    }
}
