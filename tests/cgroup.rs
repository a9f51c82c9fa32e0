//! Limits on containers: the kernel's answers where this host gives us groups, and the pure parts everywhere.

use std::fs;
use std::io::Write as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::LazyLock;

use cowherd::sandbox::cgroup::hierarchy::{Hierarchy, Version, mounted};
use cowherd::sandbox::cgroup::settings::{kills, settings};
use cowherd::sandbox::cgroup::{CgroupError, Cgroups, Group, Limits, Resource};

const MIB: u64 = 1 << 20;

static CGROUPS: LazyLock<Cgroups> = LazyLock::new(Cgroups::detect);

/// Whether a test that needs `ability` can run. It fails the test when `COWHERD_REQUIRE` lists the ability.
fn require(ability: &str, available: Result<(), String>) -> bool {
    let Err(reason) = available else { return true };
    let required = std::env::var("COWHERD_REQUIRE").unwrap_or_default();
    assert!(
        !required.split([',', ' ']).any(|name| name == ability),
        "{ability} is required: {reason}"
    );
    println!("SKIP {ability}: {reason}");
    false
}

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
    let mut busy = waiting("i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done");
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

#[test]
fn a_number_of_processors_is_above_zero() {
    for cpus in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        let limits = Limits {
            cpus: Some(cpus),
            ..Limits::default()
        };
        for version in [Version::V1, Version::V2] {
            assert!(
                matches!(settings(version, &limits), Err(CgroupError::Cpus { .. })),
                "{cpus}"
            );
        }
    }
}

#[test]
fn each_version_has_its_own_files_for_the_same_limits() {
    let limits = Limits {
        memory: Some(512 * MIB),
        pids: Some(100),
        cpus: Some(1.5),
    };
    let written = |version| {
        let all = settings(version, &limits).unwrap();
        all.into_iter()
            .map(|setting| format!("{}={}", setting.file, setting.value))
            .collect::<Vec<_>>()
    };
    assert_eq!(
        written(Version::V1),
        [
            "memory.limit_in_bytes=536870912",
            "memory.memsw.limit_in_bytes=536870912",
            "memory.swappiness=0",
            "pids.max=100",
            "cpu.cfs_period_us=100000",
            "cpu.cfs_quota_us=150000",
        ]
    );
    assert_eq!(
        written(Version::V2),
        [
            "memory.max=536870912",
            "memory.swap.max=0",
            "memory.oom.group=1",
            "pids.max=100",
            "cpu.max=150000 100000",
        ]
    );
}

#[test]
fn a_tiny_share_of_a_processor_is_the_least_that_the_kernel_takes() {
    let limits = Limits {
        cpus: Some(0.0001),
        ..Limits::default()
    };
    assert_eq!(
        settings(Version::V2, &limits).unwrap()[0].value,
        "1000 100000"
    );
}

#[test]
fn kills_are_read_from_the_line_of_that_name_only() {
    assert_eq!(
        kills("low 0\nhigh 0\nmax 51\noom 2\noom_kill 3\noom_group_kill 1\n"),
        3
    );
    assert_eq!(kills("oom_kill_disable 0\nunder_oom 0\n"), 0);
}

/// A hierarchy in a few words, to compare.
fn short(found: &[Hierarchy]) -> Vec<String> {
    let line = |h: &Hierarchy| {
        let names: Vec<_> = h.resources.iter().map(|r| r.controller()).collect();
        format!("{} {} {}", h.version, names.join(","), h.own.display())
    };
    found.iter().map(line).collect()
}

#[test]
fn a_hybrid_host_has_one_hierarchy_for_each_controller() {
    let found = mounted(
        "5:pids:/\n4:memory:/a\n3:cpu,cpuacct:/b/c\n1:name=systemd:/\n0::/a\n",
        "31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755\n\
         32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:9 - cgroup cgroup rw,cpu,cpuacct\n\
         35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory\n\
         39 31 0:36 / /sys/fs/cgroup/pids rw,relatime - cgroup cgroup rw,pids\n\
         41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n",
    );
    assert_eq!(
        short(&found),
        [
            "cgroup v1 pids /sys/fs/cgroup/pids",
            "cgroup v1 memory /sys/fs/cgroup/memory/a",
            "cgroup v1 cpu /sys/fs/cgroup/cpu,cpuacct/b/c",
        ]
    );
    assert_eq!(found[1].parents(), [Path::new("/sys/fs/cgroup/memory/a")]);
}

#[test]
fn a_controller_that_v1_has_is_not_looked_for_in_v2() {
    let found = mounted(
        "4:memory:/\n0::/x\n",
        "35 31 0:32 / /cg/memory rw - cgroup cgroup rw,memory\n41 31 0:38 / /cg/unified rw - cgroup2 cgroup2 rw\n",
    );
    assert_eq!(
        short(&found),
        [
            "cgroup v1 memory /cg/memory",
            "cgroup v2 pids,cpu /cg/unified/x"
        ]
    );
    // Bound to v1, but not mounted where we can see it: not limited at all.
    let unmounted = mounted(
        "4:memory:/\n",
        "41 31 0:38 / /cg/unified rw - cgroup2 cgroup2 rw\n",
    );
    assert_eq!(short(&unmounted), [""; 0]);
}

#[test]
fn in_v2_every_ancestor_up_to_the_mount_is_a_candidate() {
    let found = mounted(
        "0::/user.slice/u/app.slice/a.scope\n",
        "26 23 0:24 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n",
    );
    let parents: Vec<_> = found[0]
        .parents()
        .into_iter()
        .map(|path| path.to_str().unwrap())
        .collect();
    assert_eq!(
        parents,
        [
            "/sys/fs/cgroup/user.slice/u/app.slice/a.scope",
            "/sys/fs/cgroup/user.slice/u/app.slice",
            "/sys/fs/cgroup/user.slice/u",
            "/sys/fs/cgroup/user.slice",
            "/sys/fs/cgroup",
        ]
    );
}

#[test]
fn a_mount_of_a_part_shows_only_the_groups_below_it() {
    let mountinfo = "35 31 0:32 /docker/abc /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n";
    let inside = mounted("4:memory:/docker/abc/job\n", mountinfo);
    assert_eq!(
        short(&inside),
        ["cgroup v1 memory /sys/fs/cgroup/memory/job"]
    );
    assert_eq!(
        short(&mounted("4:memory:/docker/other\n", mountinfo)),
        [""; 0]
    );
    assert_eq!(
        short(&mounted("4:memory:/docker/abcdef\n", mountinfo)),
        [""; 0]
    );
}

#[test]
fn a_group_outside_of_the_cgroup_namespace_is_out_of_reach() {
    let mountinfo = "26 23 0:24 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n";
    assert_eq!(short(&mounted("0::/../other\n", mountinfo)), [""; 0]);
}

#[test]
fn blanks_in_a_mount_point_are_unescaped() {
    let found = mounted(
        "0::/g\n",
        r"26 23 0:24 / /my\040cgroups\134x rw - cgroup2 cgroup2 rw",
    );
    assert_eq!(found[0].own, Path::new(r"/my cgroups\x/g"));
}

#[test]
fn nonsense_is_no_hierarchy() {
    assert_eq!(short(&mounted("", "")), [""; 0]);
    assert_eq!(
        short(&mounted(
            "::\nmemory\n4:memory\n",
            "- -\n26 23 0:24 / - cgroup2\n"
        )),
        [""; 0]
    );
}
