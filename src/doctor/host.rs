//! The kernel, and who runs this.

use super::cause::unmapped;
use super::distribution::newer_kernel;
use super::{Area, Check, Facts, Remedy, Status, Way};
use crate::event::in_words;
use crate::sandbox::{Identity, SandboxError};

pub(super) fn examine(facts: &Facts, identity: &Result<Identity, SandboxError>) -> Vec<Check> {
    if !facts.has_proc() {
        let mount = format!("{}mount -t proc proc /proc", facts.sudo());
        let cause = "without it neither this program nor a container can find out anything";
        let check = Check::new(
            Area::Host,
            "/proc",
            Status::Missing,
            "nothing is mounted there",
        );
        return vec![check.remedy(Remedy::new(cause, [Way::new("mount it", mount)]))];
    }
    vec![kernel(facts), user(facts, identity)]
}

/// A number never decides: distributions bring novelties to older kernels, and the container is tried.
fn kernel(facts: &Facts) -> Check {
    let release = &facts.kernel.release;
    let lacks: Vec<_> = facts.kernel.lacks().collect();
    let Some(((major, minor), _)) = lacks.last() else {
        let finding = format!("{release} has all that containers use");
        return Check::new(Area::Host, "kernel", Status::Ok, finding);
    };
    let reasons: Vec<&str> = lacks.iter().map(|(_, why)| *why).collect();
    let finding = format!("{release} is older than {major}.{minor}");
    let cause = format!(
        "with a kernel before {major}.{minor}, unless its distributor brought it up to date, {}",
        reasons.join("; ")
    );
    Check::new(Area::Host, "kernel", Status::Advisory, finding)
        .remedy(Remedy::new(cause, [newer_kernel(facts)]))
}

fn user(facts: &Facts, identity: &Result<Identity, SandboxError>) -> Check {
    let check = |status, finding: String| Check::new(Area::Host, "user", status, finding);
    match identity {
        Err(error) => {
            let useradd = format!("{}useradd --system --no-create-home nobody", facts.sudo());
            let cause = "root starts services and tests as `nobody`: PostgreSQL refuses to run as root, and tests have no need to";
            check(Status::Missing, in_words(error))
                .remedy(Remedy::new(cause, [Way::new("create the user", useradd)]))
        }
        Ok(_) if !facts.user_is_mapped => check(
            Status::Missing,
            format!(
                "root, but there is no user {} for services and tests",
                facts.user
            ),
        )
        .remedy(unmapped(facts)),
        Ok(identity) if identity.is_root() => check(
            Status::Ok,
            format!(
                "root; services and tests run as `nobody` ({}), since PostgreSQL refuses root",
                facts.user
            ),
        ),
        Ok(_) => check(
            Status::Ok,
            format!("{}; services and tests run as the same user", facts.user),
        ),
    }
}
