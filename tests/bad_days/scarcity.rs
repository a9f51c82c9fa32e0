//! More tests at once than the host has room for: it is said before the first one starts, and the run goes on with fewer.

use cowherd::sandbox::cgroup::{Cgroups, Limits, Resource};

use super::one_row;
use crate::support::{Finished, OWN_HOST, Project, Started, own_host, require, userns};

/// A project of 30 tests with this command.
fn thirty(command: &str) -> Project {
    Project::new(&format!(
        "\
version: 1
snapshots:
  app: {{ engine: sqlite }}
tests:
  - name: many
    snapshot: app
    discover: seq 30
    command: ': {{test}}; {command}'
"
    ))
}

/// Runs a shell line that ends with `exec "$@"`, in whose place `cowherd run -j JOBS` comes.
#[track_caller]
fn run_under(project: &Project, wrapper: &[&str], line: &str, jobs: &str) -> Finished {
    let words = [wrapper, &["sh", "-c", line, "sh"]].concat();
    Started::new(project.command_under(&words, &["run", "-j", jobs])).wait()
}

#[test]
fn a_run_that_asks_for_more_than_the_limit_on_open_files_goes_on_with_fewer_and_says_so() {
    if !userns() {
        return;
    }
    let project = thirty("true");
    run_under(&project, &[], "ulimit -n 100; exec \"$@\"", "500")
        .code(0)
        .says("-j 500: ")
        .says(" tests run at a time, as there is no room for more containers, by the hard limit on open files (ulimit -Hn, 100); ")
        .says("raise it as root for this shell: `prlimit --pid $$ --nofile=4096`\n")
        .says(": 30 passed\n");
    project.leaves_nothing();
}

#[test]
fn a_soft_limit_on_open_files_is_raised_for_the_program_and_stays_for_its_tests() {
    if !userns() {
        return;
    }
    let project = thirty("test $(ulimit -Sn) = 64 && test $(ulimit -Hn) = 1000 && sleep 0.2");
    run_under(
        &project,
        &[],
        "ulimit -Sn 64; ulimit -Hn 1000; exec \"$@\"",
        "30",
    )
    .code(0)
    .says("running 30 tests, 30 at a time")
    .never_says("no room")
    .says(": 30 passed\n");
    project.leaves_nothing();
}

#[test]
fn a_host_that_has_no_room_for_one_container_refuses_and_names_the_limit() {
    if !userns() {
        return;
    }
    let project = one_row("sqlite", &["name: one, command: 'true'"]);
    project.run(&["build"]).code(0);
    run_under(&project, &[], "ulimit -n 18; exec \"$@\"", "2")
        .code(97)
        .says("can't start a container: there is no room for one, by the hard limit on open files (ulimit -Hn, 18)\n")
        .says("hint: raise it as root for this shell: ");
    project.leaves_nothing();
}

#[test]
fn a_limit_on_namespaces_lets_fewer_run_at_a_time_and_is_named() {
    if !own_host() {
        return;
    }
    let project = thirty("true");
    run_under(
        &project,
        &OWN_HOST,
        "echo 5 > /proc/sys/user/max_net_namespaces; exec \"$@\"",
        "20",
    )
    .code(0)
    .says("-j 20: 5 tests run at a time, as there is no room for more containers, by user.max_net_namespaces (5); ")
    .says("running 30 tests, 5 at a time")
    .says(": 30 passed\n");
    project.leaves_nothing();
}

/// Thirty tests of 64 MiB each would take two gigabytes at once.
#[test]
fn a_run_in_a_group_with_little_memory_starts_no_more_tests_than_it_carries() {
    let limits = Limits {
        memory: Some(768 << 20),
        ..Limits::default()
    };
    let cgroups = Cgroups::detect();
    let enforced = match cgroups.enforces(Resource::Memory) {
        true => Ok(()),
        false => Err(cgroups.describe(&limits)),
    };
    if !userns() || !require("cgroup", enforced) {
        return;
    }
    // `tail` keeps the last line, which here is all that it reads.
    let project = thirty("{ head -c 64M /dev/zero; sleep 0.3; } | tail -n 1 > /dev/null");
    let group = cgroups
        .create(&format!("test-scarce-{}", std::process::id()), &limits)
        .expect("a group");
    let enter: String = group
        .folders()
        .map(|folder| format!("echo $$ > {}/cgroup.procs && ", folder.display()))
        .collect();
    run_under(&project, &[], &format!("{enter}exec \"$@\""), "30")
        .code(0)
        .says("running 30 tests, 30 at a time")
        .says(": 30 passed\n");
    assert_eq!(group.out_of_memory(), 0);
    project.leaves_nothing();
    group.remove().expect("an empty group");
}
