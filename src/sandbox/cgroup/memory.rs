//! How much memory there is to be had.

use std::fs;
use std::path::Path;

use super::Resource;
use super::hierarchy::{Version, mounted};

/// What may still be taken, in bytes: of the machine's memory (`MemAvailable`, proc(5)), and of what the
/// groups that this process is in allow. `None` where neither is told.
///
/// ```
/// assert!(cowherd::sandbox::cgroup::available_memory().is_none_or(|bytes| bytes > 0));
/// ```
pub fn available_memory() -> Option<u64> {
    let text = |path| fs::read_to_string(path).unwrap_or_default();
    let machine = entry(&text("/proc/meminfo"), "MemAvailable:").map(|kib| kib * 1024);
    let groups = mounted(&text("/proc/self/cgroup"), &text("/proc/self/mountinfo"));
    let of_groups = groups
        .iter()
        .filter(|hierarchy| hierarchy.resources.contains(&Resource::Memory))
        .filter_map(|hierarchy| {
            hierarchy
                .own
                .ancestors()
                .take_while(|folder| folder.starts_with(&hierarchy.mount))
                .filter_map(|folder| left(folder, hierarchy.version))
                .min()
        });
    machine.into_iter().chain(of_groups).min()
}

/// What a group has left; `None` where it has no limit. Cached files that nobody uses count as left: the kernel
/// takes them first.
fn left(group: &Path, version: Version) -> Option<u64> {
    let (limit, usage, cached) = match version {
        Version::V1 => (
            "memory.limit_in_bytes",
            "memory.usage_in_bytes",
            "total_inactive_file",
        ),
        Version::V2 => ("memory.max", "memory.current", "inactive_file"),
    };
    let text = |file| fs::read_to_string(group.join(file)).ok();
    let limit: u64 = text(limit)?.trim().parse().ok()?;
    let usage: u64 = text(usage).and_then(|text| text.trim().parse().ok())?;
    let cached = text("memory.stat").and_then(|stat| entry(&stat, cached));
    Some(limit.saturating_sub(usage.saturating_sub(cached.unwrap_or(0))))
}

/// The number after a name in a file of one entry a line.
fn entry(text: &str, name: &str) -> Option<u64> {
    text.lines().find_map(|line| {
        let mut words = line.split_whitespace();
        (words.next() == Some(name)).then(|| words.next()?.parse().ok())?
    })
}
