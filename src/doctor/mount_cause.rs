//! Causes of refused mounts of `/proc` and of overlays, and of an overlay that doesn't work.

use nix::errno::Errno;

use super::cause::look_at_the_log;
use super::distribution::newer_kernel;
use super::options::container_options;
use super::remedy::word;
use super::shortage::shortage;
use super::{Changes, ContainerHost, Facts, Refused, Remedy, Way};

/// `EPERM` for a fresh `/proc`: the kernel gives one only to whom sees all of the one that there is
/// (`mount_too_revealing()` in the kernel's fs/namespace.c).
pub(super) fn proc(facts: &Facts) -> Remedy {
    let names: Vec<String> = facts
        .covered
        .iter()
        .take(4)
        .map(|path| path.display().to_string())
        .collect();
    let covered = match names.is_empty() {
        true => "parts of the host's are hidden or read-only".to_owned(),
        false => format!(
            "other mounts cover parts of this one ({}{})",
            names.join(", "),
            if facts.covered.len() > 4 { ", …" } else { "" }
        ),
    };
    let cause =
        format!("a new /proc is only for those who see all of the one they are in, and {covered}");
    if facts.is_confined() {
        return Remedy::new(cause, container_options(facts, &[]));
    }
    let Some(first) = facts.covered.first() else {
        return Remedy::new(
            cause,
            [Way::new(
                "mount it whole",
                format!("{}mount -o remount,rw,subset= /proc", facts.sudo()),
            )],
        );
    };
    Remedy::new(
        cause,
        [Way::new(
            "uncover it",
            format!("{}umount {}", facts.sudo(), word(first)),
        )],
    )
}

/// A refused step of an overlay.
pub(super) fn overlay(step: &str, errno: Errno, changes: Option<Changes>, facts: &Facts) -> Remedy {
    let refused = Refused::Step {
        step: step.to_owned(),
        errno,
        changes,
    };
    let mounts_overlay = step.starts_with("mount overlay");
    match errno {
        Errno::ENOSPC | Errno::EDQUOT if changes == Some(Changes::Store) => no_space(facts),
        Errno::EROFS if changes == Some(Changes::Store) => Remedy::new(
            "the store's file system is read-only",
            [another_store(facts)],
        ),
        Errno::ENODEV if mounts_overlay => no_overlayfs(facts),
        Errno::EPERM | Errno::EACCES | Errno::EINVAL
            if mounts_overlay && facts.kernel.is_older_than(5, 11) =>
        {
            let cause = format!(
                "the kernel is {}; overlayfs for containers like these (`userxattr`) came with 5.11",
                facts.kernel.release
            );
            Remedy::new(cause, [newer_kernel(facts)])
        }
        Errno::EINVAL if mounts_overlay && changes == Some(Changes::Store) => cant_be_upper(facts),
        Errno::EINVAL if mounts_overlay && is_overlay(facts) => Remedy::new(
            "the store lies on overlays that are stacked as deep as the kernel allows",
            [another_store(facts)],
        ),
        Errno::EPERM | Errno::EACCES if facts.is_confined() => Remedy::new(
            "the container that this runs in denies the mount, by its seccomp filter or its AppArmor profile",
            container_options(facts, &[]),
        ),
        _ => look_at_the_log(&refused, facts),
    }
}

/// What failed in an overlay whose mount had succeeded.
pub(super) fn work(work: &str, said: &str, changes: Changes, facts: &Facts) -> Remedy {
    if let Some(remedy) = shortage(said) {
        return remedy;
    }
    let no_space_left = said.contains("No space left") || said.contains("quota");
    match changes {
        Changes::Store if no_space_left => no_space(facts),
        Changes::Memory if facts.kernel.is_older_than(6, 6) => Remedy::new(
            format!(
                "the kernel is {}; a tmpfs that keeps what overlayfs notes on removed folders came with 6.6",
                facts.kernel.release
            ),
            [newer_kernel(facts)],
        ),
        Changes::Store => {
            let kind = facts.store.as_ref().map_or("", |store| &store.kind);
            let cause = match kind {
                "tmpfs" if facts.kernel.is_older_than(6, 6) => {
                    "before Linux 6.6 a tmpfs doesn't keep what overlayfs notes on removed folders"
                        .to_owned()
                }
                "nfs" | "cifs" | "9p" | "fuse" => {
                    format!("{kind} doesn't keep what overlayfs notes on files (user.* attributes)")
                }
                _ => format!("the store's file system ({kind}) failed at it"),
            };
            let log = format!("{}dmesg | tail -n 20", facts.sudo());
            Remedy::new(
                cause,
                [
                    another_store(facts),
                    Way::new("see what the kernel's log has about it", log),
                ],
            )
        }
        Changes::Memory => look_at_the_log(
            &Refused::Work {
                work: work.to_owned(),
                said: said.to_owned(),
                changes,
            },
            facts,
        ),
    }
}

/// The store's file system is full.
pub(super) fn no_space(facts: &Facts) -> Remedy {
    let path = facts.store.as_ref().map(|store| word(&store.nearest));
    let path = path.unwrap_or_else(|| "\"$COWHERD_STORE\"".to_owned());
    Remedy::new(
        "the store's file system has no space left",
        [
            Way::new(
                "see what takes it",
                format!("df -h {path}\ndu -xh --max-depth=2 {path} | sort -h | tail"),
            ),
            another_store(facts),
        ],
    )
}

fn no_overlayfs(facts: &Facts) -> Remedy {
    let cause = "the kernel has no overlayfs";
    if facts.is_guest() {
        return Remedy::new(
            format!("{cause} loaded"),
            [Way::new(
                "on the machine that runs this container",
                "sudo modprobe overlay",
            )],
        );
    }
    let sudo = facts.sudo();
    Remedy::new(
        format!("{cause} loaded"),
        [Way::new(
            "load it, now and at each boot; should there be no such module, the kernel was built without CONFIG_OVERLAY_FS",
            format!(
                "{sudo}modprobe overlay\necho overlay | {sudo}tee /etc/modules-load.d/overlay.conf"
            ),
        )],
    )
}

fn is_overlay(facts: &Facts) -> bool {
    facts
        .store
        .as_ref()
        .is_some_and(|store| store.kind == "overlay")
}

/// `EINVAL` for a writable layer in the store (the kernel's `overlayfs.rst`, "Upper and lower").
fn cant_be_upper(facts: &Facts) -> Remedy {
    let kind = facts.store.as_ref().map_or("", |store| &store.kind);
    let cause = match kind {
        "overlay" => {
            "the store lies on an overlay itself, which can't be a writable layer".to_owned()
        }
        "nfs" | "cifs" | "9p" | "fuse" => {
            format!("the store lies on {kind}, which can't be a writable layer")
        }
        "xfs" => "this XFS was made without `ftype=1` (before 2015), which a writable layer needs"
            .to_owned(),
        kind => format!(
            "the store's file system ({kind}) can't be a writable layer: it needs file types in folders and user.* attributes"
        ),
    };
    Remedy::new(cause, [another_store(facts)])
}

/// A place for the store that works.
pub(super) fn another_store(facts: &Facts) -> Way {
    let in_docker = facts.container == Some(ContainerHost::Docker);
    let in_podman = facts.container == Some(ContainerHost::Podman);
    match (in_docker || in_podman) && (facts.is_confined() || is_overlay(facts)) {
        true => Way::new(
            "give the store a volume, or memory (then the snapshots are built again in each container)",
            format!(
                "{0} run -v cowherd:/cowherd -e COWHERD_STORE=/cowherd …\n\
                 {0} run --tmpfs /cowherd:exec,mode=1777,size=4g -e COWHERD_STORE=/cowherd …",
                if in_podman { "podman" } else { "docker" }
            ),
        ),
        false => Way::new(
            "put the store on a local ext4, XFS or btrfs with some space, or in memory",
            "export COWHERD_STORE=/path/on/another/disk/cowherd",
        ),
    }
}
