//! What is read from `/proc` and written into a group's files: text only, on any host.

use std::path::Path;

use cowherd::sandbox::cgroup::hierarchy::{Hierarchy, Version, mounted};
use cowherd::sandbox::cgroup::settings::{kills, settings};
use cowherd::sandbox::cgroup::{CgroupError, Limits};

const MIB: u64 = 1 << 20;

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
