//! What was read about a host, as plain data: enough to tell why it refuses something.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::{Distribution, Kernel};
use crate::sandbox::Identity;

/// What runs this process, when that is a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ContainerHost {
    /// Docker, or what took its files over.
    Docker,
    /// Podman.
    Podman,
    /// A pod of Kubernetes.
    Kubernetes,
    /// LXC, systemd-nspawn and others.
    Other,
}

/// A host, as far as it explains what it allows. Tests describe other hosts with it.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a fact of its own that holds or doesn't"
)]
pub struct Facts {
    /// The kernel.
    pub kernel: Kernel,
    /// The distribution.
    pub distribution: Distribution,
    /// Whether this process is root.
    pub root: bool,
    /// The user that services and tests run as.
    pub user: u32,
    /// Whether the user namespace that this process is in has that user at all.
    pub user_is_mapped: bool,
    /// The effective capabilities, bit by bit (capabilities(7)).
    pub capabilities: u64,
    /// Whether a seccomp filter is on this process.
    pub seccomp: bool,
    /// Whether this process lives in a changed root, which is no mount point.
    pub chroot: bool,
    /// The container that this process runs in, by what it left in files and variables.
    pub container: Option<ContainerHost>,
    /// Files and folders of `/proc` that other mounts cover or make read-only.
    pub covered: Vec<PathBuf>,
    /// `kernel.apparmor_restrict_unprivileged_userns`: Ubuntu's, 1 from 24.04 on.
    pub apparmor_restricts_namespaces: bool,
    /// `kernel.unprivileged_userns_clone` is 0: Debian's, and of hardened kernels.
    pub unprivileged_namespaces_off: bool,
    /// `user.max_*_namespaces` by the middle of their names: `user`, `mnt`, `net` (namespaces(7)).
    pub most_namespaces: BTreeMap<String, u64>,
    /// The kinds of namespaces that the kernel was built with, as `/proc/self/ns` names them.
    pub kinds: Vec<String>,
    /// Whether the kernel has overlayfs loaded or built in.
    pub overlay: bool,
    /// Whether systemd runs this machine.
    pub systemd: bool,
    /// This program.
    pub program: PathBuf,
    /// The store.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub store: Option<StoreFacts>,
}

/// The store, as far as it explains what it allows.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct StoreFacts {
    /// Its folder.
    pub path: PathBuf,
    /// The folder nearest to it that exists.
    pub nearest: PathBuf,
    /// The kind of its file system, as `mount` writes it.
    pub kind: String,
    /// Bytes that may still be written.
    pub free: u64,
    /// Whether files there can share blocks.
    pub reflink: bool,
}

/// `CAP_SYS_ADMIN`, without which root can neither mount nor make namespaces (linux/capability.h).
const SYS_ADMIN: u32 = 21;

/// The kinds of namespaces that a container has, by the names of their limits.
pub(super) const LIMITED: [&str; 6] = ["user", "mnt", "pid", "net", "ipc", "uts"];

impl Facts {
    pub(super) fn of_this_host(
        identity: Option<&Identity>,
        variable: &dyn Fn(&str) -> Option<OsString>,
    ) -> Self {
        let status = text("/proc/self/status");
        let mounts = points(&text("/proc/self/mountinfo"));
        let user = identity.map_or(0, |identity| identity.user().0);
        let release = [text("/etc/os-release"), text("/usr/lib/os-release")];
        let of_status = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            line.unwrap_or_default().trim().to_owned()
        };
        let most_namespaces = LIMITED.into_iter().filter_map(|kind| {
            let most = number(&format!("/proc/sys/user/max_{kind}_namespaces"))?;
            Some((kind.to_owned(), most))
        });
        let mut kinds: Vec<String> = fs::read_dir("/proc/self/ns")
            .into_iter()
            .flatten()
            .flatten()
            .filter_map(|entry| entry.file_name().into_string().ok())
            .collect();
        kinds.sort();
        Self {
            kernel: Kernel::parse(&text("/proc/sys/kernel/osrelease")),
            distribution: Distribution::parse(
                release
                    .iter()
                    .find(|text| !text.is_empty())
                    .unwrap_or(&String::new()),
            ),
            root: crate::disk::is_root(),
            user,
            user_is_mapped: fs::read_to_string("/proc/self/uid_map")
                .map_or(true, |map| maps(&map, user)),
            capabilities: u64::from_str_radix(&of_status("CapEff:"), 16).unwrap_or(0),
            seccomp: of_status("Seccomp:") == "2",
            chroot: !mounts.is_empty() && !mounts.iter().any(|point| point == Path::new("/")),
            container: container(variable),
            covered: mounts
                .into_iter()
                .filter(|point| covers_proc(point))
                .collect(),
            apparmor_restricts_namespaces: number(
                "/proc/sys/kernel/apparmor_restrict_unprivileged_userns",
            )
            .is_some_and(|value| value != 0),
            unprivileged_namespaces_off: number("/proc/sys/kernel/unprivileged_userns_clone")
                == Some(0),
            most_namespaces: most_namespaces.collect(),
            kinds,
            overlay: text("/proc/filesystems")
                .lines()
                .any(|line| line.split_whitespace().last() == Some("overlay")),
            systemd: Path::new("/run/systemd/system").exists(),
            program: std::env::current_exe().unwrap_or_else(|_| "/usr/bin/cowherd".into()),
            store: None,
        }
    }

    /// Whether this runs in a container that takes rights away: one may be `--privileged`, and a
    /// machine may be made from a container's image.
    pub fn is_confined(&self) -> bool {
        let confined = self.seccomp || !self.covered.is_empty();
        self.container.is_some() && (confined || (self.root && !self.may(SYS_ADMIN)))
    }

    /// Whether the kernel is another machine's, by all appearances: parameters and modules are its affair.
    pub(super) fn is_guest(&self) -> bool {
        self.container.is_some() && !self.systemd
    }

    /// Whether `/proc` is there to tell anything.
    pub(super) fn has_proc(&self) -> bool {
        !self.kernel.release.is_empty()
    }

    /// Whether this process has a capability, by its number.
    pub(super) fn may(&self, capability: u32) -> bool {
        self.capabilities & (1 << capability) != 0
    }

    /// What commands for root begin with.
    pub(super) fn sudo(&self) -> &'static str {
        if self.root { "" } else { "sudo " }
    }
}

pub(super) fn text(path: &str) -> String {
    fs::read(path)
        .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
        .unwrap_or_default()
}

fn number(path: &str) -> Option<u64> {
    text(path).trim().parse().ok()
}

/// The mount points of a `mountinfo`, in its order (`proc_pid_mountinfo(5)`).
fn points(mountinfo: &str) -> Vec<PathBuf> {
    mountinfo
        .lines()
        .filter_map(|line| line.split(' ').nth(4))
        .map(|point| PathBuf::from(point.replace("\\040", " ")))
        .collect()
}

/// Whether a mount hides a part of `/proc`: any does but the one that hides nothing (`binfmt_misc`).
fn covers_proc(point: &Path) -> bool {
    point != Path::new("/proc")
        && point.starts_with("/proc")
        && !point.starts_with("/proc/sys/fs/binfmt_misc")
}

/// Whether a `uid_map` has the user: lines of first id inside, first id outside, and count (`user_namespaces(7)`).
fn maps(uid_map: &str, user: u32) -> bool {
    uid_map.lines().any(|line| {
        let numbers: Vec<u64> = line
            .split_whitespace()
            .filter_map(|number| number.parse().ok())
            .collect();
        matches!(numbers[..], [first, _, count] if (first..first.saturating_add(count)).contains(&u64::from(user)))
    })
}

/// The container, by the files and variables that are commonly looked at; systemd-detect-virt(1) does the same.
fn container(variable: &dyn Fn(&str) -> Option<OsString>) -> Option<ContainerHost> {
    if variable("KUBERNETES_SERVICE_HOST").is_some() {
        Some(ContainerHost::Kubernetes)
    } else if Path::new("/run/.containerenv").exists() {
        Some(ContainerHost::Podman)
    } else if Path::new("/.dockerenv").exists() {
        Some(ContainerHost::Docker)
    } else if variable("container").is_some()
        || Path::new("/run/systemd/container").exists()
        || Path::new("/run/host/container-manager").exists()
    {
        Some(ContainerHost::Other)
    } else {
        None
    }
}
