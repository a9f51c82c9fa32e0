//! How much there may be of everything, for many containers at once.

use std::fs;
use std::path::Path;
use std::thread::available_parallelism;

use super::facts::text;
use super::remedy::sysctl;
use super::{Area, Check, Facts, Remedy, Status, Way};
use crate::sandbox::cgroup::hierarchy::mounted;
use crate::sandbox::cgroup::{Cgroups, Limits, Resource, available_memory};
use crate::units::format_size;

/// Descriptors that a container takes in this process, in and output of its test included; and those
/// of the process itself.
const DESCRIPTORS: (u64, u64) = (16, 64);
/// Processes of a container with one PostgreSQL and a test of some; and what else the user has.
const PROCESSES: (u64, u64) = (24, 100);
/// Memory below which one container with a PostgreSQL and a test gets tight.
const MEMORY: u64 = 256 << 20;

pub(super) fn examine(facts: &Facts) -> Vec<Check> {
    let jobs = available_parallelism().map_or(1, |cores| cores.get() as u64);
    let limits = text("/proc/self/limits");
    let mut checks = vec![groups()];
    checks.push(descriptors(soft(&limits, "Max open files"), jobs));
    checks.push(processes(soft(&limits, "Max processes"), jobs));
    checks.extend(namespaces(facts, jobs));
    checks.push(jobs_at_once(jobs));
    checks
}

fn check(name: &'static str, status: Status, finding: String) -> Check {
    Check::new(Area::Limits, name, status, finding)
}

fn groups() -> Check {
    let all = Limits {
        memory: Some(1 << 30),
        pids: Some(100),
        cpus: Some(1.0),
    };
    let cgroups = Cgroups::detect();
    let words = cgroups.describe(&all);
    match cgroups.hint(&all) {
        None => check(
            "mem_limit",
            Status::Ok,
            format!("limits of tests are {words}"),
        ),
        Some(hint) => {
            let lacks: Vec<&str> = Resource::ALL
                .into_iter()
                .filter(|resource| !cgroups.enforces(*resource))
                .map(Resource::controller)
                .collect();
            let finding = format!("limits of tests don't bind for: {}", lacks.join(", "));
            check("mem_limit", Status::Advisory, finding).remedy(Remedy::new(
                format!("tests run, but may exceed what the spec allows them; limits are {words}"),
                [Way::told(hint)],
            ))
        }
    }
}

/// The soft limit of a line of `/proc/self/limits`; `None` for none (`proc_pid_limits(5)`).
fn soft(limits: &str, name: &str) -> Option<u64> {
    let line = limits.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

fn descriptors(most: Option<u64>, jobs: u64) -> Check {
    let (each, own) = DESCRIPTORS;
    let Some(most) = most else {
        return check("open files", Status::Ok, "no limit".to_owned());
    };
    let enough_for = most.saturating_sub(own) / each;
    let finding = format!("{most}, {} at once", enough("container", enough_for));
    if enough_for >= jobs {
        return check("open files", Status::Ok, finding);
    }
    check("open files", Status::Advisory, finding).remedy(Remedy::new(
        "the limit on open files is low: starts fail with \"Too many open files\" when it is reached",
        [Way::new("in this shell, before the command", "ulimit -n 4096")],
    ))
}

fn enough(what: &str, number: u64) -> String {
    match number {
        0 => format!("hardly enough for a {what}"),
        1 => format!("enough for 1 {what}"),
        number => format!("enough for {number} {what}s"),
    }
}

/// By the user's own limit, and by those of the groups that this process is in.
fn processes(own: Option<u64>, jobs: u64) -> Check {
    let (each, others) = PROCESSES;
    let groups = mounted(&text("/proc/self/cgroup"), &text("/proc/self/mountinfo"));
    let of_groups = groups
        .iter()
        .filter(|hierarchy| hierarchy.resources.contains(&Resource::Pids))
        .filter_map(|hierarchy| lowest(&hierarchy.own, &hierarchy.mount, "pids.max"))
        .min();
    let Some(most) = own.into_iter().chain(of_groups).min() else {
        return check("processes", Status::Ok, "no limit".to_owned());
    };
    let enough_for = most.saturating_sub(others) / each;
    let finding = format!(
        "{most}, {} at once",
        enough("PostgreSQL container", enough_for)
    );
    if enough_for >= jobs {
        return check("processes", Status::Ok, finding);
    }
    let way = if of_groups == Some(most) {
        Way::told(
            "it is the cgroup's (pids.max): start the container that this runs in with `--pids-limit -1`, or the unit \
             with `TasksMax=infinity`",
        )
    } else {
        Way::new("in this shell, before the command", "ulimit -u 4096")
    };
    check("processes", Status::Advisory, finding).remedy(Remedy::new(
        "the limit on processes is low: servers fail to fork when it is reached",
        [way],
    ))
}

/// The lowest number in the files of this name in a group and those above it; none where all say `max`.
fn lowest(own: &Path, mount: &Path, file: &str) -> Option<u64> {
    own.ancestors()
        .take_while(|folder| folder.starts_with(mount))
        .filter_map(|folder| {
            fs::read_to_string(folder.join(file))
                .ok()?
                .trim()
                .parse()
                .ok()
        })
        .min()
}

/// A container takes one of each kind. Nothing is said of a kind that there can be none of: then
/// there is no container.
fn namespaces(facts: &Facts, jobs: u64) -> Option<Check> {
    let (kind, most) = facts
        .most_namespaces
        .iter()
        .min_by_key(|(_, most)| **most)?;
    let finding = format!("{most} of each kind, enough for as many containers of a user at once");
    if *most == 0 {
        return None;
    }
    if *most >= jobs * 4 {
        return Some(check("namespace limit", Status::Ok, finding));
    }
    let name = format!("user.max_{kind}_namespaces");
    Some(
        check("namespace limit", Status::Advisory, finding).remedy(Remedy::new(
            format!(
                "{name} is low: containers fail with \"No space left on device\" when it is reached"
            ),
            [sysctl(facts, &name, "65536")],
        )),
    )
}

/// What `-j` is where nobody says: one for each core, fewer when memory is short.
fn jobs_at_once(jobs: u64) -> Check {
    let available = available_memory();
    let memory = available.map_or(String::new(), |bytes| {
        format!("; {} of memory available", format_size(bytes))
    });
    let finding = format!("{jobs} tests at once by default (-j), one for each core{memory}");
    if available.is_none_or(|bytes| bytes / MEMORY >= jobs) {
        return check("at once", Status::Ok, finding);
    }
    check("at once", Status::Advisory, finding).remedy(Remedy::new(
        "memory is short for so many PostgreSQL containers, so `run` takes fewer at once",
        [Way::told(
            "end other programs, or give this machine or container more memory",
        )],
    ))
}
