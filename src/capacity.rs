//! How many containers this host has room for at once, and which of its limits ends that first.
//!
//! One place for `cowherd doctor`, which says it, and for `cowherd run`, which holds to it before it starts. Limits
//! are read, not tried: what they allow is counted against what one container takes ([`Need`]). Memory is looked at
//! here only once, ahead of time; while containers run, the pool goes by what they were measured to take.

mod host;

use std::fmt;
use std::path::PathBuf;

use crate::container::{Order, State};
use crate::engine::Load;
use crate::units::format_size;

pub use host::raise_open_files;

/// What is left to everybody else of the memory, in bytes: 256 MiB.
pub const RESERVE: u64 = 256 << 20;

/// What one container takes, with a test in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Need {
    /// Open files of this process.
    pub files: u64,
    /// Processes and threads: the container's, and those of this process that wait for it.
    pub tasks: u64,
    /// Bytes of memory that the idle container takes, kernel included. What a test takes nobody knows.
    pub memory: u64,
}

impl Need {
    /// What a copy of `state` takes.
    pub fn of(state: &State) -> Self {
        let services = state.services.iter();
        let servers = services.filter(|engine| engine.server(false).is_some());
        servers.fold(Self::BARE, |need, engine| {
            let load = engine.load();
            Self {
                files: need.files + FILES_OF_A_SERVER,
                tasks: need.tasks + load.tasks,
                memory: need.memory + load.memory,
            }
        })
    }

    /// What the greediest of these takes, one thing by another; without any, what a PostgreSQL takes.
    pub fn of_any<'o>(orders: impl IntoIterator<Item = &'o Order>) -> Self {
        let needs = orders.into_iter().map(|order| Self::of(&order.state));
        needs.reduce(Self::or).unwrap_or(Self::POSTGRES)
    }

    fn or(self, other: Self) -> Self {
        Self {
            files: self.files.max(other.files),
            tasks: self.tasks.max(other.tasks),
            memory: self.memory.max(other.memory),
        }
    }

    /// A container without a server: its control socket, what the test prints and the file that keeps it, and what is
    /// open for an instant while it starts; init, a shell with two commands, a thread that waits for them.
    const BARE: Self = Self {
        files: 8,
        tasks: 5,
        memory: 3 << 20,
    };

    /// A container with PostgreSQL, by which a host is judged where nobody says what for.
    pub const POSTGRES: Self = Self {
        files: Self::BARE.files + FILES_OF_A_SERVER,
        tasks: Self::BARE.tasks + Load::POSTGRES.tasks,
        memory: Self::BARE.memory + Load::POSTGRES.memory,
    };

    /// The same for a client in another process: beside it the connection, and three descriptors of what runs inside.
    pub const SERVED: Self = Self {
        files: Self::POSTGRES.files + 4,
        ..Self::POSTGRES
    };
}

/// A server's log, and the socket by which it is asked whether it is ready.
const FILES_OF_A_SERVER: u64 = 2;

/// A limit of this host on how many containers there may be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Limit {
    /// `RLIMIT_NOFILE`, the hard one (getrlimit(2)).
    OpenFiles,
    /// `RLIMIT_NPROC`: processes and threads of the user.
    Processes,
    /// `pids.max` of this cgroup (cgroups(7)).
    Group(PathBuf),
    /// A parameter of the kernel: `kernel.pid_max`, `kernel.threads-max`, `user.max_net_namespaces`.
    Parameter(String),
    /// Memory.
    Memory,
}

/// A limit, and how many containers it has room for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Room {
    /// The limit.
    pub limit: Limit,
    /// How much it allows.
    pub most: u64,
    /// How much of that is in use, as far as it can be told.
    pub used: u64,
    /// How much one container takes.
    pub each: u64,
}

impl Room {
    /// How many containers there is room for.
    pub fn containers(&self) -> usize {
        let containers = self.most.saturating_sub(self.used) / self.each.max(1);
        usize::try_from(containers).unwrap_or(usize::MAX)
    }

    /// What the limit has to be for so many containers: a round number.
    pub fn enough_for(&self, containers: usize) -> u64 {
        let enough = self.used + self.each * containers as u64;
        enough.next_power_of_two().max(4096)
    }

    /// What to do to have room for so many containers.
    pub fn remedy(&self, containers: usize) -> String {
        let enough = self.enough_for(containers);
        match &self.limit {
            Limit::OpenFiles => {
                format!("raise it as root for this shell: `prlimit --pid $$ --nofile={enough}`")
            }
            Limit::Processes => format!("raise it in this shell: `ulimit -u {enough}`"),
            Limit::Group(group) => format!(
                "raise pids.max of {}: `--pids-limit -1` for a container that this runs in, `TasksMax=infinity` for a unit",
                group.display()
            ),
            Limit::Parameter(name) => format!("raise it as root: `sysctl -w {name}={enough}`"),
            Limit::Memory => {
                "end other programs, or give this machine or container more memory".to_owned()
            }
        }
    }
}

impl fmt::Display for Room {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.limit {
            Limit::OpenFiles => write!(
                f,
                "the hard limit on open files (ulimit -Hn, {})",
                self.most
            ),
            Limit::Processes => write!(f, "the limit on processes (ulimit -u, {})", self.most),
            Limit::Group(_) => write!(
                f,
                "the cgroup's limit on processes (pids.max, {})",
                self.most
            ),
            Limit::Parameter(name) => write!(f, "{name} ({})", self.most),
            Limit::Memory => {
                let free = format_size(self.most.saturating_sub(self.used));
                write!(
                    f,
                    "memory ({free} to be had, at least {} each)",
                    format_size(self.each)
                )
            }
        }
    }
}

/// Every limit of this host, with its room for containers that take `need`; what can't be read limits nothing.
/// `wanted` says how many there are to be: where a limit is far from that, what is in use is not counted.
pub fn rooms(need: &Need, wanted: usize) -> Vec<Room> {
    host::rooms(need, wanted)
}

/// The limit with the least room for containers that take `need`, of which there are to be as many as `wanted`.
pub fn tightest(need: &Need, wanted: usize) -> Option<Room> {
    rooms(need, wanted).into_iter().min_by_key(Room::containers)
}
