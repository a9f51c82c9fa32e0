//! Limits on containers: what the kernel answers where this host gives us groups.

mod texts;

use std::fs;
use std::io::Write as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::LazyLock;

use crate::support::require;
use cowherd::sandbox::cgroup::{CgroupError, Cgroups, Group, Limits, Resource};

const MIB: u64 = 1 << 20;

static CGROUPS: LazyLock<Cgroups> = LazyLock::new(Cgroups::detect);

fn limited(limits: &Limits) -> bool {
    let binds = Resource::ALL
        .into_iter()
        .all(|r| !limits.limits(r) || CGROUPS.enforces(r));
    require(
        "cgroup",
        if binds {
            Ok(())
        } else {
            Err(CGROUPS.describe(limits))
        },
    )
}

fn unique(fact: &str) -> String {
    format!("test-{fact}-{}", std::process::id())
}

/// A shell that waits for a line before it runs `script`, so that it can enter a group first.
fn waiting(script: &str) -> Child {
    Command::new("/bin/sh")
        .args(["-c", &format!("read go; {script}")])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// Lets a waiting shell go on. Its input stays open.
fn go(child: &mut Child) {
    child.stdin.as_mut().unwrap().write_all(b"go\n").unwrap();
}

fn processes(folder: &Path) -> usize {
    fs::read_to_string(folder.join("cgroup.procs"))
        .unwrap()
        .lines()
        .count()
}

fn folders(group: &Group) -> Vec<PathBuf> {
    group.folders().map(Path::to_owned).collect()
}

#[test]
fn a_process_beyond_its_memory_limit_is_killed_and_counted() {
    let limits = Limits {
        memory: Some(32 * MIB),
        ..Limits::default()
    };
    if !limited(&limits) {
        return;
    }
    let group = CGROUPS.create(&unique("memory"), &limits).unwrap();
    // `tail` keeps the last line, which here is everything that it reads.
    let mut hog = waiting("head -c 268435456 /dev/zero | tail -n 1");
    group.admit(hog.id()).unwrap();
    assert_eq!(group.out_of_memory(), 0);
    go(&mut hog);
    let status = hog.wait().unwrap();
    // v1 kills `tail`, whose status the shell passes on; v2 kills them all.
    assert!(
        status.code() == Some(128 + 9) || status.signal() == Some(9),
        "{status}"
    );
    assert!(group.out_of_memory() >= 1);
    if let Some(peak) = group.memory_peak() {
        assert!(peak > 16 * MIB && peak <= 32 * MIB, "{peak}");
    }
    group.remove().unwrap();
}

#[test]
fn memory_within_the_limit_is_not_counted_as_a_kill() {
    let limits = Limits {
        memory: Some(256 * MIB),
        ..Limits::default()
    };
    if !limited(&limits) {
        return;
    }
    let group = CGROUPS.create(&unique("modest"), &limits).unwrap();
    let mut modest = waiting("head -c 1048576 /dev/zero | tail -n 1");
    group.admit(modest.id()).unwrap();
    go(&mut modest);
    assert!(modest.wait().unwrap().success());
    assert_eq!(group.out_of_memory(), 0);
    group.remove().unwrap();
}

#[test]
fn a_fork_bomb_stops_at_the_limit_of_processes() {
    let limits = Limits {
        pids: Some(8),
        ..Limits::default()
    };
    if !limited(&limits) {
        return;
    }
    // Each `cat` ends when the pipe from here is closed.
    let script =
        "exec 3<&0; i=0; while [ $i -lt 40 ]; do cat <&3 & i=$((i+1)); done; exec 3<&-; exit 0";
    let group = CGROUPS.create(&unique("pids"), &limits).unwrap();
    let mut bomb = waiting(script);
    group.admit(bomb.id()).unwrap();
    go(&mut bomb);
    // Taken out: `wait` would close it, and the bomb's children are to be counted first.
    let pipe = bomb.stdin.take();
    assert!(
        !bomb.wait().unwrap().success(),
        "40 processes were started under a limit of 8"
    );
    let left = processes(&folders(&group)[0]);
    assert!(left > 0 && left < 8, "{left}");
    drop(pipe);
    group.remove().unwrap();

    let mut free = waiting(script);
    go(&mut free);
    assert!(
        free.wait().unwrap().success(),
        "the script fails without a limit too"
    );
}

#[test]
fn a_busy_loop_is_throttled_to_its_share_of_processor_time() {
    let limits = Limits {
        cpus: Some(0.01),
        ..Limits::default()
    };
    if !limited(&limits) {
        return;
    }
    let group = CGROUPS.create(&unique("cpu"), &limits).unwrap();
    let mut busy = waiting("i=0; while [ $i -lt 10000 ]; do i=$((i+1)); done");
    group.admit(busy.id()).unwrap();
    go(&mut busy);
    assert!(busy.wait().unwrap().success());
    let stat = fs::read_to_string(folders(&group)[0].join("cpu.stat")).unwrap();
    let throttled = stat
        .lines()
        .find_map(|line| line.strip_prefix("nr_throttled "))
        .unwrap();
    assert_ne!(throttled, "0", "{stat}");
    group.remove().unwrap();
}

#[test]
fn a_group_holds_every_limit_at_once() {
    let limits = Limits {
        memory: Some(64 * MIB),
        pids: Some(20),
        cpus: Some(0.5),
    };
    if !limited(&limits) {
        return;
    }
    let group = CGROUPS.create(&unique("all"), &limits).unwrap();
    let read = |name: &str| {
        let path = folders(&group)
            .into_iter()
            .map(|folder| folder.join(name))
            .find(|path| path.exists());
        path.map(|path| fs::read_to_string(path).unwrap().trim().to_owned())
    };
    let bytes = (64 * MIB).to_string();
    assert_eq!(
        read("memory.max").or(read("memory.limit_in_bytes")),
        Some(bytes.clone())
    );
    assert!(read("memory.memsw.limit_in_bytes").is_none_or(|value| value == bytes));
    assert!(read("memory.swap.max").is_none_or(|value| value == "0"));
    assert_eq!(read("pids.max").as_deref(), Some("20"));
    assert_eq!(
        read("cpu.max")
            .or(read("cpu.cfs_quota_us").map(|v| format!("{v} 100000")))
            .unwrap(),
        "50000 100000"
    );
    group.remove().unwrap();
}

#[test]
fn a_process_enters_by_writing_zero_to_each_join_file() {
    let limits = Limits {
        memory: Some(64 * MIB),
        ..Limits::default()
    };
    if !limited(&limits) {
        return;
    }
    let group = CGROUPS.create(&unique("join"), &limits).unwrap();
    let [join] = group.join_files() else {
        panic!("one limit needs one hierarchy")
    };
    let output = Command::new("/bin/sh")
        .args(["-c", "echo 0; cat /proc/self/cgroup >&2"])
        .stdout(join.try_clone().unwrap())
        .output()
        .unwrap();
    let groups = String::from_utf8(output.stderr).unwrap();
    let name = format!("/cowherd-{}\n", unique("join"));
    assert!(
        output.status.success() && groups.contains(&name),
        "{groups}"
    );
    group.remove().unwrap();
}

#[test]
fn a_removed_group_is_gone_and_so_is_a_dropped_one() {
    let limits = Limits {
        memory: Some(64 * MIB),
        ..Limits::default()
    };
    if !limited(&limits) {
        return;
    }
    for dropped in [false, true] {
        let group = CGROUPS.create(&unique("gone"), &limits).unwrap();
        let paths = folders(&group);
        assert!(!paths.is_empty() && paths.iter().all(|path| path.is_dir()));
        if dropped {
            drop(group);
        } else {
            group.remove().unwrap();
        }
        assert!(paths.iter().all(|path| !path.exists()));
    }
}

#[test]
fn a_group_with_a_living_process_is_not_removed_and_says_so() {
    let limits = Limits {
        pids: Some(8),
        ..Limits::default()
    };
    if !limited(&limits) {
        return;
    }
    let group = CGROUPS.create(&unique("busy"), &limits).unwrap();
    let path = folders(&group).remove(0);
    let mut child = waiting("true");
    group.admit(child.id()).unwrap();
    let error = group.remove().unwrap_err();
    assert!(matches!(error, CgroupError::Remove { .. }), "{error}");
    assert!(error.hint().unwrap().contains("cgroup.procs"));
    assert!(path.is_dir());
    // `wait` closes the shell's input, which ends it.
    child.wait().unwrap();
    let name = unique("busy");
    assert_eq!(CGROUPS.sweep(&|other| other != name), 1);
    assert!(!path.exists());
}

#[test]
fn a_name_is_not_given_twice() {
    let limits = Limits {
        pids: Some(8),
        ..Limits::default()
    };
    if !limited(&limits) {
        return;
    }
    let group = CGROUPS.create(&unique("twice"), &limits).unwrap();
    let error = CGROUPS.create(&unique("twice"), &limits).unwrap_err();
    assert!(matches!(error, CgroupError::Create { .. }), "{error}");
    assert!(
        folders(&group)[0].is_dir(),
        "the second took the first along"
    );
    group.remove().unwrap();
}

#[test]
fn a_sweep_takes_only_groups_that_nobody_claims() {
    let limits = Limits {
        pids: Some(8),
        ..Limits::default()
    };
    if !limited(&limits) {
        return;
    }
    let held = CGROUPS.create(&unique("sweep-held"), &limits).unwrap();
    let held_path = folders(&held).remove(0);
    let parent = held_path.parent().unwrap();
    // What a killed run leaves: a folder that no process has open.
    let [dead, claimed, crowded] =
        ["dead", "claimed", "crowded"].map(|kind| unique(&format!("sweep-{kind}")));
    let path = |name: &str| parent.join(format!("cowherd-{name}"));
    for name in [&dead, &claimed, &crowded] {
        fs::create_dir(path(name)).unwrap();
    }
    let mut child = waiting("true");
    fs::write(path(&crowded).join("cgroup.procs"), child.id().to_string()).unwrap();

    let alive = |name: &str| {
        !name.starts_with("test-sweep-") || !name.ends_with(&format!("-{}", std::process::id()))
    };
    assert_eq!(CGROUPS.sweep(&|name| alive(name) || name == claimed), 1);
    assert!(!path(&dead).exists());
    assert!(path(&claimed).exists() && path(&crowded).exists() && held_path.exists());

    child.wait().unwrap();
    assert_eq!(CGROUPS.sweep(&alive), 2);
    assert!(!path(&claimed).exists() && !path(&crowded).exists() && held_path.exists());
    held.remove().unwrap();
}

#[test]
fn without_limits_there_is_nothing_to_join_or_remove() {
    let group = CGROUPS.create("nothing", &Limits::default()).unwrap();
    assert!(group.join_files().is_empty());
    assert_eq!(group.folders().count(), 0);
    assert_eq!((group.out_of_memory(), group.memory_peak()), (0, None));
    group.remove().unwrap();
    assert_eq!(CGROUPS.describe(&Limits::default()), "no limits");
    assert_eq!(CGROUPS.hint(&Limits::default()), None);
}

#[test]
fn a_limit_is_either_enforced_or_advisory_with_a_reason_and_a_remedy() {
    for resource in Resource::ALL {
        let limits = match resource {
            Resource::Memory => Limits {
                memory: Some(MIB),
                ..Limits::default()
            },
            Resource::Pids => Limits {
                pids: Some(1),
                ..Limits::default()
            },
            Resource::Cpu => Limits {
                cpus: Some(1.0),
                ..Limits::default()
            },
        };
        let text = CGROUPS.describe(&limits);
        if CGROUPS.enforces(resource) {
            let v1 = format!("enforced (cgroup v1: {resource})");
            let v2 = format!("enforced (cgroup v2: {resource})");
            assert!(text == v1 || text == v2, "{text}");
            assert_eq!(CGROUPS.hint(&limits), None);
        } else {
            assert!(
                text.strip_prefix("advisory: ")
                    .is_some_and(|reason| !reason.is_empty()),
                "{text}"
            );
            assert!(CGROUPS.hint(&limits).is_some());
            assert_eq!(
                CGROUPS
                    .create(&unique("advice"), &limits)
                    .unwrap()
                    .folders()
                    .count(),
                0
            );
        }
    }
}

#[test]
fn a_name_can_not_leave_its_folder() {
    for name in ["", "a/b", "../up", "new\nline", &"long".repeat(60)] {
        let error = CGROUPS.create(name, &Limits::default()).unwrap_err();
        assert!(
            matches!(error, CgroupError::Name { .. }),
            "{name:?}: {error}"
        );
    }
}
