//! How much there may be of everything, for many containers at once.

use std::thread::available_parallelism;

use super::remedy::sysctl;
use super::{Area, Check, Facts, Remedy, Status, Way};
use crate::capacity::{self, Limit, Need, Room};
use crate::sandbox::cgroup::{Cgroups, Limits, Resource};
use crate::units::format_size;

/// For `jobs` tests at once, each with a PostgreSQL; where nobody says how many, for one on each core.
pub(super) fn examine(facts: &Facts, jobs: Option<usize>) -> Vec<Check> {
    let cores = available_parallelism().map_or(1, usize::from);
    let wanted = jobs.unwrap_or(cores);
    let rooms = capacity::rooms(&Need::POSTGRES, wanted);
    let mut checks = vec![groups()];
    // Of the limits on one thing, the one with the least room.
    for name in ["open files", "processes", "namespace limit", "memory"] {
        let of_it = rooms.iter().filter(|room| name_of(&room.limit) == name);
        let tightest = of_it.min_by_key(|room| room.containers());
        checks.push(match tightest {
            Some(room) => of_room(facts, name, room, wanted),
            None => check(name, Status::Ok, "no limit".to_owned()),
        });
    }
    checks.push(at_once(jobs, cores, rooms));
    checks
}

fn name_of(limit: &Limit) -> &'static str {
    match limit {
        Limit::OpenFiles => "open files",
        Limit::Processes | Limit::Group(_) => "processes",
        Limit::Parameter(name) if name.starts_with("kernel.") => "processes",
        Limit::Parameter(_) => "namespace limit",
        Limit::Memory => "memory",
    }
}

fn of_room(facts: &Facts, name: &'static str, room: &Room, wanted: usize) -> Check {
    let most = match room.limit {
        Limit::Memory => format_size(room.most),
        Limit::OpenFiles | Limit::Processes => room.most.to_string(),
        Limit::Group(_) => format!("pids.max is {}", room.most),
        Limit::Parameter(ref name) => format!("{name} is {}", room.most),
    };
    let finding = format!("{most}, {}", enough(room.containers()));
    if room.containers() >= wanted {
        return check(name, Status::Ok, finding);
    }
    check(name, Status::Advisory, finding).remedy(Remedy::new(
        format!(
            "`run` takes no more tests at once than {room} has room for, {}",
            room.containers()
        ),
        [way(facts, room, wanted)],
    ))
}

fn enough(containers: usize) -> String {
    match containers {
        0 => "hardly enough for a PostgreSQL container".to_owned(),
        1 => "enough for 1 PostgreSQL container".to_owned(),
        more => format!("enough for {more} PostgreSQL containers at once"),
    }
}

fn way(facts: &Facts, room: &Room, wanted: usize) -> Way {
    let enough = room.enough_for(wanted);
    match &room.limit {
        Limit::OpenFiles => Way::new(
            "in this shell, before the command",
            format!("{}prlimit --pid $$ --nofile={enough}", facts.sudo()),
        ),
        Limit::Processes => Way::new(
            "in this shell, before the command",
            format!("ulimit -u {enough}"),
        ),
        Limit::Parameter(name) => sysctl(facts, name, &enough.to_string()),
        Limit::Group(_) | Limit::Memory => Way::told(room.remedy(wanted)),
    }
}

/// What `-j` is: as many as were asked for, else one for each core; fewer where there is no room.
fn at_once(jobs: Option<usize>, cores: usize, rooms: Vec<Room>) -> Check {
    let wanted = jobs.unwrap_or(cores);
    let tightest = rooms.into_iter().min_by_key(Room::containers);
    match (tightest, jobs) {
        (Some(room), _) if room.containers() < wanted => check(
            "at once",
            Status::Advisory,
            format!(
                "{} tests at once rather than {wanted}, by {room}",
                room.containers().max(1)
            ),
        ),
        (_, Some(jobs)) => check(
            "at once",
            Status::Ok,
            format!("{jobs} tests at once have room"),
        ),
        (_, None) => check(
            "at once",
            Status::Ok,
            format!("{cores} tests at once by default (-j), one for each core"),
        ),
    }
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
