//! Processes and memory as `/proc` shows them.

use std::fs;

/// The children of a process with one thread (proc(5), `/proc/PID/task/TID/children`).
fn children(pid: i32) -> anyhow::Result<Vec<i32>> {
    let text = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"))?;
    Ok(text
        .split_whitespace()
        .filter_map(|pid| pid.parse().ok())
        .collect())
}

/// The children of this process, of whichever thread.
pub(crate) fn own_children() -> anyhow::Result<Vec<i32>> {
    let mut all = Vec::new();
    for thread in fs::read_dir("/proc/self/task")? {
        // It may have ended meanwhile.
        let text = fs::read_to_string(thread?.path().join("children")).unwrap_or_default();
        all.extend(
            text.split_whitespace()
                .filter_map(|pid| pid.parse::<i32>().ok()),
        );
    }
    Ok(all)
}

/// All processes of this machine.
pub(crate) fn all() -> anyhow::Result<Vec<i32>> {
    let entries = fs::read_dir("/proc")?.flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    Ok(names.filter_map(|name| name.parse().ok()).collect())
}

/// A process and all its descendants.
pub(crate) fn family(pid: i32) -> Vec<i32> {
    let mut family = vec![pid];
    let mut next = 0;
    while let Some(member) = family.get(next) {
        // It may have ended meanwhile.
        family.extend(children(*member).unwrap_or_default());
        next += 1;
    }
    family
}

/// The process's share of the memory that it maps, in MB: what several map is divided among them (proc(5),
/// `smaps_rollup`).
pub(crate) fn proportional_memory(pid: i32) -> anyhow::Result<f64> {
    field(&format!("/proc/{pid}/smaps_rollup"), "Pss:")
}

/// What could be given to new programs, in MB.
pub(crate) fn available_memory() -> anyhow::Result<f64> {
    field("/proc/meminfo", "MemAvailable:")
}

/// A field in kB of a file of `/proc`, in MB.
pub(crate) fn field(path: &str, name: &str) -> anyhow::Result<f64> {
    let text = fs::read_to_string(path)?;
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let number = line.and_then(|line| line.split_whitespace().next());
    let number: f64 = number.unwrap_or_default().parse()?;
    Ok(number / 1024.0)
}
