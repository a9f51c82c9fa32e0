//! Which hierarchies are mounted, and where in each of them we are: `/proc/self/cgroup` read together with
//! `/proc/self/mountinfo`. Pure: text in, paths out.

use std::ffi::OsString;
use std::fmt;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use super::Resource;

/// The two interfaces that the kernel has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Version {
    /// One hierarchy for each controller or set of them.
    V1,
    /// One hierarchy for all controllers.
    V2,
}

impl fmt::Display for Version {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::V1 => "cgroup v1",
            Self::V2 => "cgroup v2",
        })
    }
}

/// A mounted hierarchy as this process sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hierarchy {
    /// Which interface it speaks.
    pub version: Version,
    /// The folder it is mounted on.
    pub mount: PathBuf,
    /// The folder of the group that we are in: `mount` or something below it.
    pub own: PathBuf,
    /// What can be limited in it at most. v1: the controllers bound to it. v2: those that no v1 hierarchy has.
    pub resources: Vec<Resource>,
}

impl Hierarchy {
    /// The folders that a group could be made in, best first. v1: only the group that we are in, since a group made
    /// higher up would escape its limits. v2: that group and its ancestors, since a group that has processes can't hand
    /// controllers down.
    pub fn parents(&self) -> Vec<&Path> {
        match self.version {
            Version::V1 => vec![&self.own],
            Version::V2 => self
                .own
                .ancestors()
                .take_while(|folder| folder.starts_with(&self.mount))
                .collect(),
        }
    }
}

/// A line of mountinfo that is about cgroups; see `proc_pid_mountinfo(5)`.
struct Mount<'a> {
    root: PathBuf,
    point: PathBuf,
    version: Version,
    options: &'a str,
}

/// The hierarchies in which this process is and which it can reach through a mount, each resource in at most one of them.
///
/// ```
/// use cowherd::sandbox::cgroup::hierarchy::mounted;
/// let found = mounted(
///     "0::/user.slice/user-1000.slice/session-1.scope\n",
///     "26 23 0:24 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n",
/// );
/// assert_eq!(found[0].own.to_str(), Some("/sys/fs/cgroup/user.slice/user-1000.slice/session-1.scope"));
/// ```
pub fn mounted(proc_cgroup: &str, mountinfo: &str) -> Vec<Hierarchy> {
    let mounts: Vec<_> = mountinfo.lines().filter_map(parse_mount).collect();
    let lines: Vec<_> = proc_cgroup.lines().filter_map(parse_membership).collect();
    let mut unbound = Resource::ALL.to_vec();
    let mut found = Vec::new();
    for &(controllers, path) in lines
        .iter()
        .filter(|(controllers, _)| !controllers.is_empty())
    {
        let resources: Vec<_> = controllers
            .split(',')
            .filter_map(Resource::of_controller)
            .collect();
        let Some(first) = resources.first() else {
            continue;
        };
        unbound.retain(|resource| !resources.contains(resource));
        let holds = |mount: &Mount<'_>| {
            mount.version == Version::V1
                && mount
                    .options
                    .split(',')
                    .any(|option| option == first.controller())
        };
        found.extend(reach(&mounts, holds, path).map(|(mount, own)| Hierarchy {
            version: Version::V1,
            mount,
            own,
            resources,
        }));
    }
    if !unbound.is_empty() {
        for &(_, path) in lines
            .iter()
            .filter(|(controllers, _)| controllers.is_empty())
        {
            let holds = |mount: &Mount<'_>| mount.version == Version::V2;
            found.extend(reach(&mounts, holds, path).map(|(mount, own)| Hierarchy {
                version: Version::V2,
                mount,
                own,
                resources: unbound.clone(),
            }));
        }
    }
    found
}

/// `4:memory:/some/group` as (`memory`, `/some/group`); v2 has no controllers there.
fn parse_membership(line: &str) -> Option<(&str, &str)> {
    let mut fields = line.splitn(3, ':').skip(1);
    Some((fields.next()?, fields.next()?))
}

fn parse_mount(line: &str) -> Option<Mount<'_>> {
    let (before, after) = line.split_once(" - ")?;
    let mut before = before.split(' ').skip(3);
    let (root, point) = (unescape(before.next()?), unescape(before.next()?));
    let mut after = after.split(' ');
    let version = match after.next()? {
        "cgroup" => Version::V1,
        "cgroup2" => Version::V2,
        _ => return None,
    };
    Some(Mount {
        root,
        point,
        version,
        options: after.nth(1).unwrap_or_default(),
    })
}

/// The mount point, and the folder of the group `path`, of the last mount (it hides earlier ones) that shows the group. A
/// path with `..` is outside of our cgroup namespace, so no folder shows it.
fn reach(
    mounts: &[Mount<'_>],
    holds: impl Fn(&Mount<'_>) -> bool,
    path: &str,
) -> Option<(PathBuf, PathBuf)> {
    if path.split('/').any(|part| part == "..") {
        return None;
    }
    mounts
        .iter()
        .rev()
        .filter(|mount| holds(mount))
        .find_map(|mount| {
            let below = Path::new(path).strip_prefix(&mount.root).ok()?;
            let own = mount.point.components().chain(below.components()).collect();
            Some((mount.point.clone(), own))
        })
}

/// Undoes the octal escapes (`\040`) that the kernel writes for blanks, tabs, newlines and backslashes.
fn unescape(field: &str) -> PathBuf {
    let bytes = field.as_bytes();
    let mut plain = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let octal = (bytes[at] == b'\\')
            .then(|| {
                field
                    .get(at + 1..at + 4)
                    .and_then(|digits| u8::from_str_radix(digits, 8).ok())
            })
            .flatten();
        if let Some(byte) = octal {
            plain.push(byte);
            at += 4;
        } else {
            plain.push(bytes[at]);
            at += 1;
        }
    }
    PathBuf::from(OsString::from_vec(plain))
}
