//! What all containers of a machine share, and what one is asked for.

use std::ops::{Deref, DerefMut};
use std::os::fd::BorrowedFd;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use super::{Container, ContainerError, Services, Setup, State, Writable, group_is_alive};
use crate::disk;
use crate::sandbox::Identity;
use crate::sandbox::cgroup::{Cgroups, Limits};
use crate::spec::ScratchPlace;
use crate::store::{Scratch, Store};
use crate::units;

/// What all containers on this machine share.
#[derive(Debug, Clone)]
pub struct Host {
    /// Where layers and scratch folders are.
    pub store: Store,
    /// Who runs tests and services.
    pub identity: Identity,
    /// What this host lets us limit, once somebody asked: finding out moves a process about.
    pub cgroups: Arc<OnceLock<Cgroups>>,
    /// The spec's folder.
    pub project: PathBuf,
    /// What else containers see of the host wherever it lies: the repository around the project.
    pub shown: Vec<PathBuf>,
    /// Whether the store's file system can share blocks, once somebody asked.
    pub reflink: Arc<OnceLock<bool>>,
    /// Where what containers write lies.
    pub scratch: ScratchPlace,
}

/// What a container is asked for. It holds nothing of the test that it will be for, so that a container can be
/// started before anybody asks for it; equal orders are served alike.
#[derive(Debug, Clone)]
pub struct Order {
    /// The machine, and the project on it.
    pub host: Arc<Host>,
    /// The state that it is a copy of.
    pub state: Arc<State>,
    /// What it sees of the project's folder.
    pub project: ProjectFiles,
    /// Further folders of the host that it sees, read-only.
    pub shown: Vec<PathBuf>,
    /// Further folders of the host that it can write to, as far as its user may.
    pub shared: Vec<PathBuf>,
    /// Its limits.
    pub limits: Limits,
}

/// What a container sees of the project's folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProjectFiles {
    /// As much as of any folder of the host: it is there to be talked to from outside.
    Unseen,
    /// A copy-on-write view; changes are gone with the container.
    Copy,
    /// The host's own files.
    Host,
}

impl PartialEq for Order {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.state, &other.state)
            && self.project == other.project
            && self.shown == other.shown
            && self.shared == other.shared
            && self.limits == other.limits
    }
}

impl Order {
    /// A container that is there to be talked to from outside: it sees nothing of the project, unless its servers read
    /// that, and has no limits.
    pub fn unseen(host: &Arc<Host>, state: &Arc<State>) -> Self {
        let reads = state.services.iter().any(|engine| engine.reads_project());
        Self {
            host: Arc::clone(host),
            state: Arc::clone(state),
            project: match reads {
                true => ProjectFiles::Copy,
                false => ProjectFiles::Unseen,
            },
            shown: Vec::new(),
            shared: Vec::new(),
            limits: Limits::default(),
        }
    }

    /// Starts a container and waits until its services are ready. A readable `stop` ends the wait.
    ///
    /// # Errors
    /// As [`Container::start`], and when there is no scratch folder to be had.
    pub fn start(&self, stop: Option<BorrowedFd<'_>>) -> Result<Live, ContainerError> {
        let host = &self.host;
        let scratch = host.scratch_for(&self.state)?;
        let setup = Setup {
            identity: host.identity,
            project: match self.project {
                ProjectFiles::Unseen => None,
                files => Some((&host.project, files == ProjectFiles::Host)),
            },
            shown: &self.shown,
            shared: &self.shared,
            writable: scratch.as_ref().map_or(Writable::Memory, Writable::Scratch),
            limits: (!self.limits.is_empty()).then(|| (host.cgroups(), self.limits)),
            services: Services::All,
            stop,
        };
        Ok(Live {
            container: Box::new(Container::start(&self.state, &setup)?),
            _scratch: scratch,
        })
    }

    /// What one container takes at most, in bytes, before one was measured: its limit, else what the servers, the
    /// files and the programs of small suites were seen to take.
    pub fn memory(&self) -> u64 {
        const SERVER: u64 = 32 << 20;
        const FILES: u64 = 8 << 20;
        const PROGRAMS: u64 = 56 << 20;
        let services = self.state.services.iter();
        let servers = services.filter(|engine| engine.server(false).is_some());
        let usual = FILES + PROGRAMS + SERVER * servers.count() as u64;
        self.limits.memory.unwrap_or(usual)
    }
}

/// A container that was started for an order, with the folder that it writes to.
#[derive(Debug)]
pub struct Live {
    // In this order: the folder outlives what writes to it.
    // On the heap, as it is large and passed from hand to hand.
    container: Box<Container>,
    _scratch: Option<Scratch>,
}

impl Deref for Live {
    type Target = Container;

    fn deref(&self) -> &Container {
        &self.container
    }
}

impl DerefMut for Live {
    fn deref_mut(&mut self) -> &mut Container {
        &mut self.container
    }
}

impl Host {
    /// What this host lets us limit. Groups that a killed run left are swept the first time.
    pub fn cgroups(&self) -> &Cgroups {
        self.cgroups.get_or_init(|| {
            let cgroups = Cgroups::detect();
            cgroups.sweep(&group_is_alive);
            cgroups
        })
    }

    /// A scratch folder for the writable layer of a copy of `state`, where it doesn't belong in memory: where the spec
    /// says so, and without its word when the kernel's tmpfs can't carry it, or when a file is so large that copying
    /// it up costs more than memory is worth and the store's file system can share blocks instead.
    ///
    /// # Errors
    /// When the folder can't be made, and when the spec wants memory and the kernel's tmpfs can't carry it.
    pub fn scratch_for(&self, state: &State) -> Result<Option<Scratch>, ContainerError> {
        let large = || state.largest_file() > LARGE_FILE && self.can_reflink();
        let can = disk::memory_takes_user_xattrs();
        let in_memory = match self.scratch {
            ScratchPlace::Auto => can && !large(),
            ScratchPlace::Memory if !can => return Err(ContainerError::NotInMemory),
            ScratchPlace::Memory => true,
            ScratchPlace::Store => false,
        };
        match in_memory {
            true => Ok(None),
            false => self
                .store
                .scratch()
                .map(Some)
                .map_err(ContainerError::Store),
        }
    }

    /// What the user should know of a state whose files are large, where the store's file system can't
    /// share blocks; nothing where the spec wants them in memory.
    pub fn remark(&self, state: &State) -> Option<String> {
        let wanted = self.scratch == ScratchPlace::Memory;
        (!wanted && state.largest_file() > LARGE_FILE && !self.can_reflink()).then(|| {
            format!(
                "the largest file of `{}` has {}: each test that writes to it, or opens it for writing as \
                 PostgreSQL does with every table, copies it; `sudo cowherd store init`, once, makes a store that \
                 shares the blocks instead",
                state.snapshot,
                units::format_size(state.largest_file())
            )
        })
    }

    fn can_reflink(&self) -> bool {
        *self
            .reflink
            .get_or_init(|| disk::can_reflink(self.store.path()).unwrap_or(false))
    }
}

/// Beyond this size, in bytes, a file is better shared than copied.
pub const LARGE_FILE: u64 = 64 << 20;
