//! Processes as `/proc` and getrusage(2) show them.

use std::fs;
use std::thread;
use std::time::Duration;

use anyhow::Context as _;
use nix::sys::resource::{Usage, UsageWho, getrusage};
use nix::sys::time::TimeValLike as _;
use nix::unistd::{SysconfVar, sysconf};

/// The processor time so far of this process and of all its descendants that were waited for, in milliseconds.
pub(crate) fn cpu() -> anyhow::Result<f64> {
    let of = |usage: Usage| {
        let (user, system) = (usage.user_time(), usage.system_time());
        (user.num_microseconds() + system.num_microseconds()) as f64 / 1e3
    };
    let (own, children) = (UsageWho::RUSAGE_SELF, UsageWho::RUSAGE_CHILDREN);
    Ok(of(getrusage(own)?) + of(getrusage(children)?))
}

/// The processor time so far of the whole machine, in milliseconds (proc(5), `/proc/stat`): what is killed with its
/// container, nobody waits for, so no process has its time. Right only while nothing else runs.
pub(crate) fn machine_cpu() -> anyhow::Result<f64> {
    let tick = sysconf(SysconfVar::CLK_TCK)?.context("the kernel has no clock tick")? as f64;
    let text = fs::read_to_string("/proc/stat")?;
    let line = text.lines().next().unwrap_or_default();
    let ticks = line.split_whitespace().skip(1).enumerate();
    // All but what is idle, waits for a disk, or is counted a second time as a guest's.
    let busy = ticks.filter(|(field, _)| ![3, 4, 8, 9].contains(field));
    let busy = busy.filter_map(|(_, ticks)| ticks.parse::<u64>().ok());
    Ok(busy.sum::<u64>() as f64 * 1e3 / tick)
}

/// The children of a process with one thread (proc(5), `/proc/PID/task/TID/children`).
pub(crate) fn children(pid: i32) -> anyhow::Result<Vec<i32>> {
    let text = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"))?;
    Ok(text
        .split_whitespace()
        .filter_map(|pid| pid.parse().ok())
        .collect())
}

/// Waits until a process has reaped all its children.
pub(crate) fn until_childless(pid: i32) -> anyhow::Result<()> {
    while !children(pid)?.is_empty() {
        thread::sleep(Duration::from_millis(1));
    }
    Ok(())
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
fn field(path: &str, name: &str) -> anyhow::Result<f64> {
    let text = fs::read_to_string(path)?;
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let number = line.and_then(|line| line.split_whitespace().next());
    let number: f64 = number.unwrap_or_default().parse()?;
    Ok(number / 1024.0)
}
