//! What this host allows, read from `/proc` and the cgroups.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::{Limit, Need, RESERVE, Room};
use crate::sandbox::cgroup::hierarchy::mounted;
use crate::sandbox::cgroup::{Resource, available_memory};
use crate::sandbox::{Identity, set_open_files};

/// The kinds of namespaces of which a container has one each.
const NAMESPACES: [&str; 6] = ["user", "mnt", "pid", "net", "ipc", "uts"];

pub(super) fn rooms(need: &Need, wanted: usize) -> Vec<Room> {
    let limits = text("/proc/self/limits");
    let mut rooms = Vec::new();
    let mut add = |limit, most: u64, used, each| {
        rooms.push(Room {
            limit,
            most,
            used,
            each,
        });
    };
    if let Some(most) = limit(&limits, "Max open files", Kind::Hard) {
        add(Limit::OpenFiles, most, open_files(), need.files);
    }
    let near = |most: u64| most / 16 < need.tasks * wanted as u64;
    if let Some(most) = limit(&limits, "Max processes", Kind::Soft) {
        let used = if near(most) { tasks_of_the_user() } else { 0 };
        add(Limit::Processes, most, used, need.tasks);
    }
    if let Some((group, most, used)) = narrowest_group() {
        add(Limit::Group(group), most, used, need.tasks);
    }
    for name in ["pid_max", "threads-max"] {
        if let Some(most) = number(format!("/proc/sys/kernel/{name}")) {
            let limit = Limit::Parameter(format!("kernel.{name}"));
            add(limit, most, all_tasks(), need.tasks);
        }
    }
    let kinds = NAMESPACES.into_iter().filter_map(|kind| {
        let most = number(format!("/proc/sys/user/max_{kind}_namespaces"))?;
        // Of a kind that there can be none of there is no container, and that is told elsewhere.
        (most > 0).then_some((most, kind))
    });
    if let Some((most, kind)) = kinds.min() {
        let limit = Limit::Parameter(format!("user.max_{kind}_namespaces"));
        add(limit, most, 0, 1);
    }
    if let Some(available) = available_memory() {
        add(Limit::Memory, available, RESERVE, need.memory);
    }
    rooms
}

/// Raises the soft limit on open files as far as `files` more need it, at most to the hard one. Containers get
/// the limit that this process had before: it is what their programs expect, and servers size tables by it.
pub fn raise_open_files(files: u64) {
    let limits = text("/proc/self/limits");
    let [soft, hard] = [Kind::Soft, Kind::Hard].map(|kind| {
        let most = limit(&limits, "Max open files", kind);
        most.unwrap_or(u64::MAX)
    });
    let wanted = (open_files() + files).min(hard);
    if wanted > soft {
        set_open_files(wanted);
    }
}

#[derive(Clone, Copy)]
enum Kind {
    Soft,
    Hard,
}

/// The limit of a line of `/proc/self/limits`; `None` for none (`proc_pid_limits(5)`).
fn limit(limits: &str, name: &str, kind: Kind) -> Option<u64> {
    let line = limits.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().nth(kind as usize)?.parse().ok()
}

/// How many files this process has open.
fn open_files() -> u64 {
    fs::read_dir("/proc/self/fd").map_or(0, |open| open.count() as u64)
}

/// The processes and threads of the user that containers run as.
fn tasks_of_the_user() -> u64 {
    let Ok(identity) = Identity::of_caller() else {
        return 0;
    };
    let (uid, _) = identity.user();
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let own = processes.filter(|process| {
        let number = process.file_name();
        let numbered = number.as_encoded_bytes().iter().all(u8::is_ascii_digit);
        numbered && process.metadata().is_ok_and(|of| of.uid() == uid)
    });
    own.map(|process| {
        fs::read_dir(process.path().join("task")).map_or(0, |tasks| tasks.count() as u64)
    })
    .sum()
}

/// All processes and threads of the machine: the number after the slash (`proc_loadavg(5)`).
fn all_tasks() -> u64 {
    let load = text("/proc/loadavg");
    let tasks = load.split_whitespace().nth(3);
    let all = tasks.and_then(|tasks| tasks.split_once('/')?.1.parse().ok());
    all.unwrap_or(0)
}

/// Of the groups that this process is in, the one that allows fewest more processes: its folder, its limit, and
/// what is in use.
fn narrowest_group() -> Option<(PathBuf, u64, u64)> {
    let hierarchies = mounted(&text("/proc/self/cgroup"), &text("/proc/self/mountinfo"));
    let counting = hierarchies
        .iter()
        .filter(|hierarchy| hierarchy.resources.contains(&Resource::Pids));
    let groups = counting.flat_map(|hierarchy| {
        let folders = hierarchy.own.ancestors();
        folders.take_while(|folder| folder.starts_with(&hierarchy.mount))
    });
    let limited = groups.filter_map(|group| {
        let read = |file: &str| number(group.join(file));
        Some((group.to_owned(), read("pids.max")?, read("pids.current")?))
    });
    limited.min_by_key(|(_, most, used)| most.saturating_sub(*used))
}

fn text(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

fn number(path: impl AsRef<Path>) -> Option<u64> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}
