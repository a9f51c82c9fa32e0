//! Which processes have to do with a folder, and what they would leave behind.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// A living process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Process {
    pub(crate) pid: i32,
    /// As `ps` shows it.
    pub(crate) name: String,
}

/// Every process but this one that names `folder` in its command line, works in it, or sees a mount of
/// it at its own path. Zombies count: somebody had to wait for them.
pub(crate) fn touching(folder: &Path) -> Vec<Process> {
    let needle = folder.to_str().expect("a plain path");
    let touches = |process: &Path| {
        let names = |file: &str| {
            let text = fs::read(process.join(file)).unwrap_or_default();
            String::from_utf8_lossy(&text).contains(needle)
        };
        let works = || fs::read_link(process.join("cwd")).is_ok_and(|cwd| cwd.starts_with(folder));
        names("cmdline") || names("environ") || works() || foreign_mount(process, needle)
    };
    all()
        .into_iter()
        .filter(|pid| *pid != own())
        .filter(|pid| touches(&path_of(*pid)))
        .map(|pid| Process {
            pid,
            name: name(pid),
        })
        .collect()
}

/// Whether the process has a mount namespace of its own in which `needle` is mounted.
fn foreign_mount(process: &Path, needle: &str) -> bool {
    let mounts = fs::read(process.join("mountinfo")).unwrap_or_default();
    String::from_utf8_lossy(&mounts).contains(needle)
}

/// The children of `pid`, zombies among them.
pub(crate) fn children(pid: i32) -> Vec<Process> {
    all()
        .into_iter()
        .filter(|child| parent(*child) == Some(pid))
        .map(|pid| Process {
            pid,
            name: name(pid),
        })
        .collect()
}

/// Waits until this process has no children, as after what is taken apart behind the caller's back.
#[track_caller]
pub(crate) fn wait_until_childless() {
    let deadline = Instant::now() + Duration::from_secs(120);
    loop {
        let left = children(own());
        if left.is_empty() {
            return;
        }
        assert!(Instant::now() < deadline, "{left:?} should have ended");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// The descendants of `pid`.
pub(crate) fn descendants(pid: i32) -> Vec<Process> {
    let mut found = children(pid);
    let mut next = 0;
    while let Some(process) = found.get(next) {
        let below = children(process.pid);
        found.extend(below);
        next += 1;
    }
    found
}

/// The network namespaces of these processes, as far as they live.
pub(crate) fn networks<'p>(processes: impl IntoIterator<Item = &'p Process>) -> BTreeSet<PathBuf> {
    processes
        .into_iter()
        .filter_map(|process| fs::read_link(path_of(process.pid).join("ns/net")).ok())
        .collect()
}

/// All processes of this host whose network namespace is among `networks`.
pub(crate) fn in_networks(networks: &BTreeSet<PathBuf>) -> Vec<i32> {
    let inside = |pid: &i32| {
        fs::read_link(path_of(*pid).join("ns/net")).is_ok_and(|net| networks.contains(&net))
    };
    all().into_iter().filter(inside).collect()
}

/// The mounts of this process that have to do with `folder`.
pub(crate) fn mounts(folder: &Path) -> Vec<String> {
    let table = fs::read_to_string("/proc/self/mountinfo").expect("a mount table");
    let needle = folder.to_str().expect("a plain path");
    table
        .lines()
        .filter(|line| line.contains(needle))
        .map(str::to_owned)
        .collect()
}

/// The System V IPC objects of this process's IPC namespace: memory, semaphores, queues.
pub(crate) fn ipc_objects() -> usize {
    ["shm", "sem", "msg"]
        .iter()
        .map(|kind| fs::read_to_string(Path::new("/proc/sysvipc").join(kind)).unwrap_or_default())
        .map(|table| table.lines().count().saturating_sub(1))
        .sum()
}

/// Looks at `what` until it is empty, at most 20 seconds; returns what is left then.
pub(crate) fn until_none<T>(mut what: impl FnMut() -> Vec<T>) -> Vec<T> {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let left = what();
        if left.is_empty() || Instant::now() > deadline {
            return left;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn all() -> Vec<i32> {
    fs::read_dir("/proc")
        .expect("/proc")
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .collect()
}

/// This process.
pub(crate) fn own() -> i32 {
    i32::try_from(std::process::id()).expect("a pid")
}

fn path_of(pid: i32) -> PathBuf {
    PathBuf::from(format!("/proc/{pid}"))
}

fn name(pid: i32) -> String {
    let name = fs::read_to_string(path_of(pid).join("comm")).unwrap_or_default();
    name.trim().to_owned()
}

/// The parent of a process (`proc_pid_stat(5)`): the second field after the name in parentheses.
fn parent(pid: i32) -> Option<i32> {
    let stat = fs::read_to_string(path_of(pid).join("stat")).ok()?;
    let rest = stat.rsplit_once(')')?.1;
    rest.split_whitespace().nth(1)?.parse().ok()
}
