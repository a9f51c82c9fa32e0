//! What is written into the files of a group to limit it, and what is read back. Pure: values in, files' names and text out.

use super::hierarchy::Version;
use super::{CgroupError, Limits, Resource};

/// The stretch over which processor time is averaged, in microseconds: the kernel's default.
const PERIOD: u32 = 100_000;
/// The least quota that the kernel takes, in microseconds.
const LEAST_QUOTA: u64 = 1_000;

/// What a refusal of the kernel to take a value means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// The limit does not bind without it.
    Must,
    /// The kernel may be built or started without the file, and then there is nothing to set.
    IfPresent,
    /// v1 takes no more processor time than a group above has; that one's limit, which is tighter, binds already.
    UnlessTighterAbove,
}

/// One file of a group, and what to write into it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// The file's name.
    pub file: &'static str,
    /// Its text.
    pub value: String,
    /// Whether it must succeed.
    pub need: Need,
}

/// The files to write, in order, so that `limits` bind a group.
///
/// ```
/// use cowherd::sandbox::cgroup::{Limits, hierarchy::Version, settings::settings};
/// let limits = Limits { cpus: Some(1.5), ..Limits::default() };
/// assert_eq!(settings(Version::V2, &limits)?[0].value, "150000 100000");
/// # Ok::<(), cowherd::sandbox::cgroup::CgroupError>(())
/// ```
///
/// # Errors
///
/// The number of processors is not a number above 0.
pub fn settings(version: Version, limits: &Limits) -> Result<Vec<Setting>, CgroupError> {
    let mut all = Vec::new();
    let mut set = |file, value: String, need| all.push(Setting { file, value, need });
    if let Some(bytes) = limits.memory {
        match version {
            Version::V1 => {
                set("memory.limit_in_bytes", bytes.to_string(), Need::Must);
                // Memory and swap together, so it can only be set once the first is. Without it (`swapaccount=0`) the
                // kernel is at least asked not to swap.
                set(
                    "memory.memsw.limit_in_bytes",
                    bytes.to_string(),
                    Need::IfPresent,
                );
                set("memory.swappiness", "0".to_owned(), Need::IfPresent);
            }
            Version::V2 => {
                set("memory.max", bytes.to_string(), Need::Must);
                set("memory.swap.max", "0".to_owned(), Need::IfPresent);
                // A database without one of its processes is no fair test: all or none.
                set("memory.oom.group", "1".to_owned(), Need::IfPresent);
            }
        }
    }
    if let Some(count) = limits.pids {
        set("pids.max", count.to_string(), Need::Must);
    }
    if let Some(cpus) = limits.cpus {
        let quota = quota(cpus)?;
        match version {
            Version::V1 => {
                set("cpu.cfs_period_us", PERIOD.to_string(), Need::Must);
                set(
                    "cpu.cfs_quota_us",
                    quota.to_string(),
                    Need::UnlessTighterAbove,
                );
            }
            Version::V2 => set("cpu.max", format!("{quota} {PERIOD}"), Need::Must),
        }
    }
    Ok(all)
}

/// Microseconds of processor time in each period.
fn quota(cpus: f64) -> Result<u64, CgroupError> {
    if !cpus.is_finite() || cpus <= 0.0 {
        return Err(CgroupError::Cpus { cpus });
    }
    // A float to integer cast saturates, and a quota beyond any machine is one that never binds.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let quota = (cpus * f64::from(PERIOD)).round() as u64;
    Ok(quota.max(LEAST_QUOTA))
}

/// The file with the count of out-of-memory kills.
pub(super) fn kills_file(version: Version) -> &'static str {
    match version {
        Version::V1 => "memory.oom_control",
        Version::V2 => "memory.events",
    }
}

/// The file with the most memory ever used.
pub(super) fn peak_file(version: Version) -> &'static str {
    match version {
        Version::V1 => "memory.max_usage_in_bytes",
        Version::V2 => "memory.peak",
    }
}

/// The number of out-of-memory kills in the text of `memory.events` (v2) or `memory.oom_control` (v1).
///
/// ```
/// use cowherd::sandbox::cgroup::settings::kills;
/// assert_eq!(kills("oom_kill_disable 0\nunder_oom 0\noom_kill 3\n"), 3);
/// ```
pub fn kills(text: &str) -> u64 {
    text.lines()
        .find_map(|line| line.strip_prefix("oom_kill ")?.trim().parse().ok())
        .unwrap_or(0)
}

/// The resources whose controllers a v2 file (`cgroup.controllers`, `cgroup.subtree_control`) lists.
pub(super) fn listed(text: &str) -> Vec<Resource> {
    text.split_whitespace()
        .filter_map(Resource::of_controller)
        .collect()
}
