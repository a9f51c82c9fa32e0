//! Where in a hierarchy groups can be made, found by making one; and what to say where they can't.

use std::fmt;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use nix::errno::Errno;

use super::group::Group;
use super::hierarchy::{Hierarchy, Version};
use super::{CgroupError, Limits, PREFIX, Resource, settings};

/// A group below which ours are made.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) version: Version,
    pub(super) parent: PathBuf,
    /// What its child groups can limit.
    pub(super) resources: Vec<Resource>,
}

/// The kinds of reasons for which a limit does not bind. Limits with the same kind are told of together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Why {
    NotMounted,
    Denied,
    ReadOnly,
    NotHandedDown,
    Failed,
}

/// Why a hierarchy limits nothing for us, or not all that it could.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) version: Version,
    pub(super) resources: Vec<Resource>,
    pub(super) why: Why,
    detail: String,
}

/// The place in a hierarchy whose groups limit the most resources; of several, the nearest to the group that we are in.
pub(super) fn find(hierarchy: &Hierarchy) -> Result<Place, Refusal> {
    let mut best: Option<Place> = None;
    let mut refused: Option<CgroupError> = None;
    for parent in hierarchy.parents() {
        let resources = match hierarchy.version {
            Version::V1 => hierarchy.resources.clone(),
            Version::V2 => handed_down(parent, hierarchy),
        };
        if resources.len() <= best.as_ref().map_or(0, |place| place.resources.len()) {
            continue;
        }
        let place = Place {
            version: hierarchy.version,
            parent: parent.to_owned(),
            resources,
        };
        match probe(&place) {
            Ok(()) => best = Some(place),
            // The nearest is the one that the user could be given.
            Err(error) => refused = refused.or(Some(error)),
        }
    }
    best.ok_or_else(|| match refused {
        Some(error) => Refusal::of(hierarchy, &error),
        None => Refusal::not_handed_down(
            hierarchy.version,
            hierarchy.resources.clone(),
            &hierarchy.own,
        ),
    })
}

/// What a v2 group's children can limit. Where nobody else could feel it, a controller that is missing is switched on.
fn handed_down(parent: &Path, hierarchy: &Hierarchy) -> Vec<Resource> {
    let read =
        |file: &str| settings::listed(&fs::read_to_string(parent.join(file)).unwrap_or_default());
    let wanted = |list: Vec<Resource>| -> Vec<_> {
        list.into_iter()
            .filter(|resource| hierarchy.resources.contains(resource))
            .collect()
    };
    let enabled = wanted(read("cgroup.subtree_control"));
    let mut missing = wanted(read("cgroup.controllers"));
    missing.retain(|resource| !enabled.contains(resource));
    if missing.is_empty() || !is_ours_alone(parent, &hierarchy.own) {
        return enabled;
    }
    for resource in missing {
        // In one write, as the kernel takes each for a whole command. A refusal shows in what is read next.
        let _ = fs::OpenOptions::new()
            .write(true)
            .open(parent.join("cgroup.subtree_control"))
            .and_then(|mut file| file.write_all(format!("+{resource}").as_bytes()));
    }
    wanted(read("cgroup.subtree_control"))
}

/// Whether no process and no group lives directly in `parent` but ours and the ones on our own path. The root of all
/// groups (it alone has no `cgroup.type`) may hold processes and hand controllers down.
fn is_ours_alone(parent: &Path, own: &Path) -> bool {
    let is_root = !parent.join("cgroup.type").exists();
    let has_no_process = || fs::read(parent.join("cgroup.procs")).is_ok_and(|pids| pids.is_empty());
    let is_ours = |child: &fs::DirEntry| {
        own.starts_with(child.path())
            || child
                .file_name()
                .to_str()
                .is_some_and(|name| name.starts_with(PREFIX))
    };
    let Ok(children) = fs::read_dir(parent) else {
        return false;
    };
    (is_root || has_no_process())
        && children
            .flatten()
            .all(|child| is_ours(&child) || !child.file_type().is_ok_and(|kind| kind.is_dir()))
}

/// Makes a group with every limit, moves a process into it, and removes it.
fn probe(place: &Place) -> Result<(), CgroupError> {
    // Far above what the probe needs: it is the writing that is tried.
    let limits = Limits {
        memory: Some(64 << 20),
        pids: Some(64),
        cpus: Some(1.0),
    };
    let mut result = Ok(());
    for attempt in 0..8 {
        let name = format!("probe-{}-{attempt}", std::process::id());
        result = Group::create(std::slice::from_ref(place), &name, &limits).and_then(|group| {
            enter(&group)?;
            group.remove()
        });
        match result.as_ref().err().and_then(CgroupError::io) {
            // A process of another PID namespace has our pid, or another command's sweep took the group before its lock
            // was ours.
            Some(error) if is_collision(error) => {}
            _ => break,
        }
    }
    result
}

fn is_collision(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::AlreadyExists
        || error.raw_os_error() == Some(Errno::ENODEV as i32)
}

/// Moves a process of its own into the group: whether that is allowed depends on where it comes from, so only doing it
/// tells (v2 asks for write access to `cgroup.procs` of the nearest common ancestor).
fn enter(group: &Group) -> Result<(), CgroupError> {
    let mut waiting = Command::new("/bin/sh")
        .args(["-c", "read line"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|source| CgroupError::Open {
            path: "/bin/sh".into(),
            source,
        })?;
    let entered = group.admit(waiting.id());
    // It ends when its input does, which `wait` closes.
    let _ = waiting.wait();
    entered
}

impl Refusal {
    /// A resource whose controller the groups above keep to themselves.
    pub(super) fn not_handed_down(
        version: Version,
        resources: Vec<Resource>,
        parent: &Path,
    ) -> Self {
        let names: Vec<_> = resources
            .iter()
            .map(|resource| resource.controller())
            .collect();
        let detail = format!(
            "{}/cgroup.subtree_control lacks {}",
            parent.display(),
            names.join(", ")
        );
        Self {
            version,
            resources,
            why: Why::NotHandedDown,
            detail,
        }
    }

    fn of(hierarchy: &Hierarchy, error: &CgroupError) -> Self {
        let why = match error.io().map(io::Error::kind) {
            Some(io::ErrorKind::PermissionDenied) => Why::Denied,
            Some(io::ErrorKind::ReadOnlyFilesystem) => Why::ReadOnly,
            _ => Why::Failed,
        };
        // The name of the probe says nothing to the user; the group that it can't be made in does.
        let detail = match error {
            CgroupError::Create { path, source } => {
                format!(
                    "can't make a cgroup in {}: {source}",
                    path.parent().unwrap_or(path).display()
                )
            }
            other => match other.io() {
                Some(cause) => format!("{other}: {cause}"),
                None => other.to_string(),
            },
        };
        Self {
            version: hierarchy.version,
            resources: hierarchy.resources.clone(),
            why,
            detail,
        }
    }

    /// What to do about it.
    pub(super) fn remedy(&self) -> String {
        let first = self.resources.first().copied().unwrap_or(Resource::Memory);
        match (self.why, self.version) {
            (Why::NotMounted, _) => remedy_not_mounted(first),
            (Why::ReadOnly, _) => "inside a container, ask its host for writable cgroups (Docker from 28: \
                `--security-opt writable-cgroups=true`; Podman: `--security-opt unmask=/sys/fs/cgroup`)"
                .to_owned(),
            (Why::Denied | Why::NotHandedDown, Version::V2) if Path::new("/run/systemd/system").exists() => {
                remedy_systemd()
            }
            (Why::NotHandedDown, Version::V2) => "move the processes of this group into a group below it (`mkdir \
                /sys/fs/cgroup/main; echo $$ > /sys/fs/cgroup/main/cgroup.procs`, for each of them), or as root write \
                `+memory +pids +cpu` to cgroup.subtree_control of a group above"
                .to_owned(),
            (Why::Denied, Version::V2) => "as root, make a group with controllers, give it to this user with all its \
                files, and start the shell in a group below it: see \"Delegation\" in cgroups(7)"
                .to_owned(),
            (Why::Denied | Why::NotHandedDown, Version::V1) => format!(
                "run as root, or as root make a group in each of /sys/fs/cgroup/{{memory,pids,cpu}}, give it to uid {} \
                 with all its files, and move the shell into it",
                nix::unistd::geteuid()
            ),
            (Why::Failed, _) => "look for the cause in the kernel's log (`dmesg`); cgroups(7) explains the errors".to_owned(),
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let detail = &self.detail;
        match self.why {
            Why::Denied => write!(
                out,
                "no cgroup is delegated to uid {} ({detail})",
                nix::unistd::geteuid()
            ),
            Why::ReadOnly => write!(out, "cgroups are read-only here ({detail})"),
            Why::NotHandedDown => {
                write!(out, "the groups above do not hand it down ({detail})")
            }
            Why::NotMounted | Why::Failed => out.write_str(detail),
        }
    }
}

/// What to do when no hierarchy has the resource's controller.
pub(super) fn remedy_not_mounted(resource: Resource) -> String {
    format!(
        "mount cgroups (`mount -t cgroup2 cgroup2 /sys/fs/cgroup`), on a kernel that was not started with \
         `cgroup_disable={resource}`"
    )
}

/// A user's own systemd makes a scope below a group of the user's, which is all that we need.
fn remedy_systemd() -> String {
    if nix::unistd::geteuid().is_root() {
        return "start it in a scope with all controllers: `systemd-run --scope -p Delegate=yes -- cowherd …`".to_owned();
    }
    "start it in a scope of your own: `systemd-run --user --scope -p Delegate=yes -- cowherd …`; if `cpu` is still \
     missing, root adds `Delegate=cpu memory pids` under [Service] with `systemctl edit user@.service`"
        .to_owned()
}
