//! Who the processes of a container are, and what they may do.

use std::fs;

use super::{container, identity, prints, refuses, run};
use crate::support::userns;
use cowherd::sandbox::Command;

#[test]
fn nothing_runs_as_uid_0() {
    if !userns() {
        return;
    }
    let (uid, gid) = identity().user();
    assert_ne!(uid, 0, "the identity itself");
    let mut container = container();
    let seen = prints(&mut container, "id -u; id -g; id -G");
    assert_eq!(seen, format!("{uid}\n{gid}\n{gid}\n"), "inside");
    // Real, effective, saved and file system id, as the host sees them.
    for (field, id) in [("Uid", uid), ("Gid", gid)] {
        let expected = format!("{id}\t{id}\t{id}\t{id}");
        assert_eq!(status(container.pid(), field), expected, "init outside");
    }
    assert_eq!(
        prints(&mut container, "grep -h ^Uid /proc/[0-9]*/status")
            .lines()
            .count(),
        2
    );
    let zero = prints(
        &mut container,
        "grep -hP '^Uid:.*\\t0(\\t|$)' /proc/[0-9]*/status || true",
    );
    assert_eq!(zero, "", "a process of uid 0");
}

#[test]
fn all_six_namespaces_are_the_containers_own() {
    if !userns() {
        return;
    }
    let mut container = container();
    for name in ["user", "mnt", "pid", "net", "ipc", "uts"] {
        if name == "user" && !identity().has_user_namespace() {
            continue;
        }
        let path = format!("/proc/self/ns/{name}");
        let outside = fs::read_link(&path).expect("a namespace");
        let inside = prints(&mut container, &format!("readlink {path}"));
        assert_ne!(inside.trim(), outside.to_str().expect("text"), "{name}");
        let init = fs::read_link(format!("/proc/{}/ns/{name}", container.pid()));
        let init = init.expect("a namespace");
        assert_eq!(
            inside.trim(),
            init.to_str().expect("text"),
            "{name} of init"
        );
    }
}

#[test]
fn no_two_containers_share_a_namespace() {
    if !userns() {
        return;
    }
    let (mut one, mut other) = (container(), container());
    let list = "readlink /proc/self/ns/mnt /proc/self/ns/pid /proc/self/ns/net /proc/self/ns/ipc \
                /proc/self/ns/uts";
    let (one, other) = (prints(&mut one, list), prints(&mut other, list));
    assert_eq!(one.lines().count(), 5);
    for (one, other) in one.lines().zip(other.lines()) {
        assert_ne!(one, other);
    }
}

#[test]
fn no_capability_is_left_and_none_can_be_gained() {
    if !userns() {
        return;
    }
    let mut container = container();
    let fields = ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"];
    let seen = prints(
        &mut container,
        "grep -E '^(Cap|NoNewPrivs)' /proc/self/status",
    );
    for field in fields {
        assert!(
            seen.contains(&format!("{field}:\t0000000000000000\n")),
            "{field} of a program: {seen}"
        );
        assert_eq!(
            status(container.pid(), field),
            "0000000000000000",
            "{field} of init"
        );
    }
    assert!(seen.contains("NoNewPrivs:\t1\n"), "{seen}");
    assert_eq!(status(container.pid(), "NoNewPrivs"), "1", "of init");
}

#[test]
fn a_setuid_program_gains_nothing() {
    if !userns() {
        return;
    }
    let mut container = container();
    // su is setuid root; it is asked to do something that only root may.
    let (exit, printed) = run(&mut container, &{
        let mut su = Command::new("/bin/su");
        su.args(["root", "-c", "id -u"]);
        su
    });
    assert!(!exit.success(), "{printed}");
    assert!(!printed.contains("0\n"), "{printed}");
    let nosuid = prints(
        &mut container,
        "awk '$6 !~ /(^|,)nosuid(,|$)/ { print $5 }' /proc/self/mountinfo",
    );
    assert_eq!(nosuid, "", "mounts on which a setuid bit counts");
}

#[test]
fn mounts_users_and_the_host_name_are_out_of_reach() {
    if !userns() {
        return;
    }
    let mut container = container();
    refuses(&mut container, "mount -t tmpfs none /tmp", "");
    refuses(&mut container, "umount /proc", "");
    refuses(&mut container, "mount -o remount,rw /", "");
    refuses(&mut container, "hostname other", "");
    refuses(&mut container, "chroot / true", "");
    assert_eq!(prints(&mut container, "uname -n"), "cowherd\n");
    assert_ne!(
        fs::read_to_string("/proc/sys/kernel/hostname").expect("a name"),
        "cowherd\n",
        "the host's own name"
    );
}

/// A field of `/proc/PID/status`.
fn status(pid: i32, field: &str) -> String {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("a status");
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix(field)?.strip_prefix(":\t"));
    line.expect("the field").to_owned()
}
