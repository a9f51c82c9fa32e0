//! Not enough of something, which no permission helps against.

use super::{Remedy, Way};

/// What programs say in the C locale when there is not enough of something (strerror(3)).
pub(super) fn shortage(said: &str) -> Option<Remedy> {
    let says = |words: &[&str]| words.iter().any(|word| said.contains(word));
    if says(&["Too many open files"]) {
        Some(files())
    } else if says(&["annot fork", "Resource temporarily unavailable"]) {
        Some(processes())
    } else if says(&["Cannot allocate memory"]) {
        Some(memory())
    } else if says(&["not found", "can't run /bin/sh"]) {
        let cause = format!(
            "containers run a shell and the usual small programs of this host, and one is not there ({said})"
        );
        Some(Remedy::new(
            cause,
            [Way::told(
                "install a POSIX shell as /bin/sh, and coreutils or busybox",
            )],
        ))
    } else {
        None
    }
}

pub(super) fn files() -> Remedy {
    Remedy::new(
        "a limit on open files is reached",
        [Way::new(
            "in this shell, before the command",
            "ulimit -n 4096",
        )],
    )
}

pub(super) fn processes() -> Remedy {
    Remedy::new(
        "a limit on the number of processes is reached",
        [
            Way::new("in this shell, before the command", "ulimit -u 4096"),
            Way::new(
                "if that is not it, the limit of a group that this is in",
                "cat /sys/fs/cgroup/pids.max /sys/fs/cgroup/pids/pids.max",
            ),
        ],
    )
}

pub(super) fn memory() -> Remedy {
    Remedy::new(
        "there is too little memory",
        [Way::told(
            "end other programs, or give this machine or container more memory",
        )],
    )
}
