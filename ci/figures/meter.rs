//! Processor time of everything that was started here. What is killed with its container, nobody waits for, so no
//! process has its time; the control group that it was started in has.

use std::fs;
use std::path::{Path, PathBuf};
use std::process;

use anyhow::Context as _;
use cowherd::sandbox::cgroup::hierarchy::{Version, mounted};
use nix::unistd::{SysconfVar, sysconf};

/// Counts the processor time of this process and of all that are started while it lives.
pub(crate) struct Meter(Option<Group>);

/// A group of our own, in which this process is, and the one that it came from.
struct Group {
    folder: PathBuf,
    home: PathBuf,
}

impl Meter {
    /// One that counts in a control group where this host lets us make one, and else the whole machine.
    pub(crate) fn new() -> Self {
        Self(Group::enter())
    }

    /// The processor time so far, in milliseconds: differences count.
    pub(crate) fn used(&self) -> anyhow::Result<f64> {
        match &self.0 {
            Some(group) => group.used(),
            None => of_the_machine(),
        }
    }

    /// What is counted.
    pub(crate) fn describe(&self) -> &'static str {
        match self.0 {
            Some(_) => {
                "processor time by a control group: what was killed included, the kernel's own threads not"
            }
            None => {
                "processor time of the whole machine, as no control group can be made: right only while nothing else runs"
            }
        }
    }
}

impl Group {
    /// cgroup v2 counts in each group, whatever controllers it has (`cgroup-v2.rst`, *cpu.stat*).
    fn enter() -> Option<Self> {
        let memberships = fs::read_to_string("/proc/self/cgroup").ok()?;
        let unified = memberships.lines().find(|line| line.starts_with("0::"))?;
        let mounts = fs::read_to_string("/proc/self/mountinfo").ok()?;
        let found = mounted(unified, &mounts).into_iter();
        let home = found
            .filter(|found| found.version == Version::V2)
            .map(|found| found.own)
            .next()?;
        let folder = home.join(format!("cowherd-bench-{}", process::id()));
        fs::create_dir(&folder).ok()?;
        let group = Self { folder, home };
        // Dropped, it is removed again.
        join(&group.folder).ok()?;
        group.used().ok()?;
        Some(group)
    }

    fn used(&self) -> anyhow::Result<f64> {
        let text = fs::read_to_string(self.folder.join("cpu.stat"))?;
        let used = text
            .lines()
            .find_map(|line| line.strip_prefix("usage_usec "));
        let used = used.context("the control group doesn't count processor time")?;
        Ok(used.parse::<u64>()? as f64 / 1e3)
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // What can't be removed is empty, and harms nobody.
        let _ = join(&self.home);
        let _ = fs::remove_dir(&self.folder);
    }
}

/// Moves this process into a group (cgroups(7), `cgroup.procs`).
fn join(group: &Path) -> std::io::Result<()> {
    fs::write(group.join("cgroup.procs"), "0")
}

/// The processor time so far of the whole machine, in milliseconds (proc(5), `/proc/stat`).
fn of_the_machine() -> anyhow::Result<f64> {
    let tick = sysconf(SysconfVar::CLK_TCK)?.context("the kernel has no clock tick")? as f64;
    let text = fs::read_to_string("/proc/stat")?;
    let line = text.lines().next().unwrap_or_default();
    let ticks = line.split_whitespace().skip(1).enumerate();
    // All but what is idle, waits for a disk, or is counted a second time as a guest's.
    let busy = ticks.filter(|(field, _)| ![3, 4, 8, 9].contains(field));
    let busy = busy.filter_map(|(_, ticks)| ticks.parse::<u64>().ok());
    Ok(busy.sum::<u64>() as f64 * 1e3 / tick)
}
