//! From a refusal and the facts of the host to its cause and what helps.

use std::collections::BTreeMap;

use nix::errno::Errno;

use super::distribution::newer_kernel;
use super::facts::LIMITED;
use super::options::container_options;
use super::remedy::{apparmor_profile, sysctl};
use super::shortage::{files, memory, processes, shortage};
use super::{Facts, Part, Refused, Remedy, Way, mount_cause};

/// The capabilities that root needs for a container, by their numbers (linux/capability.h).
const NEEDED: [(u32, &str); 6] = [
    (21, "SYS_ADMIN"),
    (12, "NET_ADMIN"),
    (0, "CHOWN"),
    (7, "SETUID"),
    (6, "SETGID"),
    (1, "DAC_OVERRIDE"),
];

/// Why the host with these facts refused this, and what to do about it.
///
/// ```
/// use cowherd::doctor::{Facts, Refused, explain};
/// use nix::errno::Errno;
///
/// let hardened = Facts { unprivileged_namespaces_off: true, user_is_mapped: true, ..Facts::default() };
/// let remedy = explain(&Refused::Namespaces { errno: Errno::EPERM }, &hardened);
/// assert!(remedy.ways[0].paste.starts_with("sudo sysctl -w kernel.unprivileged_userns_clone=1"));
/// ```
pub fn explain(refused: &Refused, facts: &Facts) -> Remedy {
    if !facts.user_is_mapped {
        return unmapped(facts);
    }
    match refused {
        Refused::Namespaces { errno } => namespaces(*errno, facts),
        Refused::Step {
            step,
            errno,
            changes,
        } => by_step(step, *errno, *changes, facts),
        Refused::Work {
            work,
            said,
            changes,
        } => mount_cause::work(work, said, *changes, facts),
        Refused::Other { said } => {
            shortage(said).unwrap_or_else(|| look_at_the_log(refused, facts))
        }
    }
}

fn by_step(step: &str, errno: Errno, changes: Option<super::Changes>, facts: &Facts) -> Remedy {
    let refused = Refused::Step {
        step: step.to_owned(),
        errno,
        changes,
    };
    match (refused.part(), errno) {
        (Part::Namespaces | Part::Mounts | Part::Overlay, Errno::ENOSYS) => {
            no_such_call(step, facts)
        }
        (_, Errno::EMFILE | Errno::ENFILE) => files(),
        (_, Errno::ENOMEM) => memory(),
        (Part::Overlay, errno) => mount_cause::overlay(step, errno, changes, facts),
        (_, Errno::ENOSPC) if step.starts_with("mount") || step.starts_with("move") => Remedy::new(
            "a limit on the number of mounts is reached",
            [sysctl(facts, "fs.mount-max", "100000")],
        ),
        (Part::Processes, Errno::EPERM) if !facts.root => mount_cause::proc(facts),
        (Part::User, Errno::EPERM | Errno::ENOSPC | Errno::EUSERS)
            if step == "create a user namespace" =>
        {
            namespaces(errno, facts)
        }
        (_, Errno::EINVAL) if step.starts_with("make the mounts") && facts.chroot => chroot(facts),
        (_, Errno::EPERM | Errno::EACCES) => denied(&refused, facts),
        _ => look_at_the_log(&refused, facts),
    }
}

/// `clone` with namespaces failed (clone(2), "ERRORS").
fn namespaces(errno: Errno, facts: &Facts) -> Remedy {
    match errno {
        Errno::ENOSPC | Errno::EUSERS => too_many_namespaces(facts),
        Errno::EAGAIN => processes(),
        Errno::EINVAL => {
            let lacks: Vec<&str> = LIMITED
                .into_iter()
                .filter(|kind| !facts.kinds.iter().any(|known| known == kind))
                .collect();
            let cause = match lacks.is_empty() {
                true => "the kernel knows no namespaces of one of the kinds that a container needs"
                    .to_owned(),
                false => format!(
                    "the kernel was built without namespaces of these kinds: {}",
                    lacks.join(", ")
                ),
            };
            Remedy::new(
                cause,
                [Way::told(
                    "use a kernel of a distribution: it has CONFIG_USER_NS, CONFIG_PID_NS, CONFIG_NET_NS, CONFIG_IPC_NS and CONFIG_UTS_NS",
                )],
            )
        }
        Errno::ENOMEM => memory(),
        _ => denied(&Refused::Namespaces { errno }, facts),
    }
}

fn too_many_namespaces(facts: &Facts) -> Remedy {
    let off: Vec<&str> = facts
        .most_namespaces
        .iter()
        .filter(|(_, most)| **most == 0)
        .map(|(kind, _)| kind.as_str())
        .collect();
    let least: BTreeMap<_, _> = facts.most_namespaces.iter().map(|(k, v)| (v, k)).collect();
    if off.is_empty() {
        let limit = least
            .first_key_value()
            .map_or(String::new(), |(most, kind)| {
                format!(" (the lowest is user.max_{kind}_namespaces = {most})")
            });
        let kind = least.first_key_value().map_or("user", |(_, kind)| kind);
        return Remedy::new(
            format!(
                "a limit on namespaces is reached: they count for each user, and may be 32 deep{limit}"
            ),
            [sysctl(
                facts,
                &format!("user.max_{kind}_namespaces"),
                "65536",
            )],
        );
    }
    let names: Vec<String> = off
        .iter()
        .map(|kind| format!("user.max_{kind}_namespaces"))
        .collect();
    let sysctls: Vec<Way> = names
        .iter()
        .map(|name| sysctl(facts, name, "65536"))
        .collect();
    let text = sysctls
        .first()
        .map_or_else(String::new, |way| way.text.clone());
    let pastes: Vec<String> = sysctls.into_iter().map(|way| way.paste).collect();
    Remedy::new(
        format!(
            "this host allows none of some kinds of namespaces: {} = 0",
            names.join(" = 0, ")
        ),
        [Way::new(text, pastes.join("\n"))],
    )
}

/// `EPERM` and `EACCES`: somebody said no. Who, in the order of how surely it can be told.
fn denied(refused: &Refused, facts: &Facts) -> Remedy {
    if facts.root {
        let lacks: Vec<&str> = NEEDED
            .into_iter()
            .filter(|(capability, _)| !facts.may(*capability))
            .map(|(_, name)| name)
            .collect();
        if !lacks.is_empty() {
            return Remedy::new(
                format!("this root lacks capabilities: {}", lacks.join(", ")),
                container_options(facts, &lacks),
            );
        }
    } else {
        if facts.unprivileged_namespaces_off {
            return Remedy::new(
                "only root may create user namespaces here: kernel.unprivileged_userns_clone is 0",
                [sysctl(facts, "kernel.unprivileged_userns_clone", "1")],
            );
        }
        if facts.chroot {
            return chroot(facts);
        }
    }
    let apparmor = facts.apparmor_restricts_namespaces && !facts.root;
    if facts.is_confined() {
        let mut cause =
            "the container that this runs in denies it, by its seccomp filter or its AppArmor profile".to_owned();
        if apparmor {
            cause += "; besides, its host's kernel.apparmor_restrict_unprivileged_userns must be 0";
        }
        return Remedy::new(cause, container_options(facts, &[]));
    }
    if apparmor {
        let parameter = "kernel.apparmor_restrict_unprivileged_userns";
        let cause = format!(
            "AppArmor takes the rights away that a user namespace gives (Ubuntu 23.10 and newer): {parameter} is 1"
        );
        let mut for_all = sysctl(facts, parameter, "0");
        if facts.is_guest() {
            return Remedy::new(cause, [for_all]);
        }
        "for all programs, at once and at each boot: `cargo test` with the library needs that"
            .clone_into(&mut for_all.text);
        return Remedy::new(cause, [apparmor_profile(facts), for_all]);
    }
    if facts.seccomp {
        return Remedy::new(
            "a seccomp filter of the program that started this shell denies it, such as a systemd unit's or a desktop \
             sandbox's",
            [Way::new(
                "for a systemd unit: `systemctl edit UNIT`, then",
                "[Service]\nRestrictNamespaces=no\nSystemCallFilter=\nPrivateUsers=no",
            )],
        );
    }
    look_at_the_log(refused, facts)
}

/// Root in a user namespace that has no user to run services and tests as.
pub(super) fn unmapped(facts: &Facts) -> Remedy {
    Remedy::new(
        format!(
            "this root is one inside a user namespace that has no user {}, which services and tests run as",
            facts.user
        ),
        [
            Way::told(
                "run as an ordinary user, not through `unshare -r`, `fakeroot` or `bwrap --uid 0`",
            ),
            Way::new(
                "for rootless Docker and Podman, give the user who runs it a range of ids, then restart it",
                "sudo usermod --add-subuids 100000-165535 --add-subgids 100000-165535 \"$USER\"",
            ),
        ],
    )
}

fn chroot(facts: &Facts) -> Remedy {
    let cause = "this shell lives in a changed root (chroot), where the kernel allows no user namespaces and no private mounts";
    Remedy::new(
        cause,
        [Way::new(
            "enter that root in another way",
            format!("{}systemd-nspawn -D FOLDER", facts.sudo()),
        )],
    )
}

/// `ENOSYS`: the kernel is too old for a call, or a filter pretends that it is.
fn no_such_call(step: &str, facts: &Facts) -> Remedy {
    let (since, call) = match step {
        "close inherited descriptors" => ((5, 9), "close_range"),
        _ => ((5, 12), "mount_setattr"),
    };
    if facts.kernel.is_older_than(since.0, since.1) {
        let cause = format!(
            "the kernel is {}; {call} came with {}.{}",
            facts.kernel.release, since.0, since.1
        );
        return Remedy::new(cause, [newer_kernel(facts)]);
    }
    let cause = format!("the kernel has {call}, but a seccomp filter older than it hides it");
    if facts.is_confined() {
        Remedy::new(cause, container_options(facts, &[]))
    } else {
        Remedy::new(
            cause,
            [Way::told("run outside of the sandbox that set the filter")],
        )
    }
}

/// Nothing explains it: whoever denies something usually writes that to the kernel's log.
pub(super) fn look_at_the_log(refused: &Refused, facts: &Facts) -> Remedy {
    Remedy::new(
        format!(
            "nothing that is known about this host explains it ({})",
            refused.words()
        ),
        [Way::new(
            "AppArmor, SELinux and file systems write to the kernel's log what they refuse",
            format!("{}dmesg | tail -n 20", facts.sudo()),
        )],
    )
}
