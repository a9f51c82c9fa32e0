//! A bare container, set up as `run` does it, and looked at from inside.

use std::fs::{self, File};
use std::io::Read as _;
use std::path::Path;
use std::time::{Duration, Instant};

use super::engines::{Found, Inside};
use super::remedy::sysctl;
use super::{Area, Changes, Check, Facts, Part, Refused, Remedy, Status, explain};
use crate::container::base_environment;
use crate::event::in_words;
use crate::sandbox::{Command, Exit, Identity, RUN, Running, Sandbox, SandboxError};

/// How long a few lines of shell may take before they count as stuck.
const PATIENCE: Duration = Duration::from_secs(20);

/// Each part with its name and a test from inside that prints what was found, or fails with a reason.
const PARTS: [(Part, &str, &str); 6] = [
    (
        Part::Namespaces,
        "namespaces",
        "echo 'own users, mounts, processes, network, IPC and host name'",
    ),
    (
        Part::Mounts,
        "mounts",
        "echo written > /tmp/probe || exit 1
         while read -r _ _ _ _ point options _; do
             case $point:$options in /:rw*) echo '/ is writable'; exit 1; esac
         done < /proc/self/mountinfo
         echo 'the host read-only; /tmp, /run and /dev/shm private and writable'",
    ),
    (
        Part::Processes,
        "/proc",
        "read name < /proc/1/comm || exit 1
         if [ \"$name\" != cowherd-init ]; then echo \"process 1 is $name\"; exit 1; fi
         echo 'its own, with its own processes only'",
    ),
    (
        Part::Devices,
        "/dev",
        ": > /dev/null || exit 1
         : <> /dev/ptmx || exit 1
         : > /dev/shm/probe || exit 1
         echo 'null, zero, random, terminals and shared memory'",
    ),
    (
        Part::Network,
        "network",
        "if [ -r /proc/net/fib_trie ] && ! grep -q 127.0.0.1 /proc/net/fib_trie; then
             echo '127.0.0.1 is not up'; exit 1
         fi
         echo 'its own, with nothing but 127.0.0.1'",
    ),
    (
        Part::User,
        "rights",
        "grep -q '^CapEff:[[:space:]]*0*$' /proc/self/status || { echo 'capabilities are left'; exit 1; }
         echo \"programs run as user $(id -u), without capabilities\"",
    ),
];

/// The parts of a bare container, and what could be executed in it.
pub(super) fn examine(identity: Identity, facts: &Facts, engines: &Found) -> (Vec<Check>, Inside) {
    let mut sandbox = Sandbox::new(identity);
    let own = std::env::current_exe();
    if let Ok(program) = &own {
        sandbox.program(program, "cowherd");
    }
    let (refusals, running) = start(&sandbox, None);
    let mut checks = Vec::new();
    let (mut container, failed) = match running {
        Ok(container) => (Some(container), None),
        Err(part) => (None, Some(part)),
    };
    for (part, name, line) in PARTS {
        let check = |status, finding: String| Check::new(Area::Container, name, status, finding);
        let refused = refusals.iter().find(|refused| refused.part() == part);
        checks.push(match (refused, &mut container) {
            (Some(refused), _) => {
                check(Status::Missing, refused.words()).remedy(explain(refused, facts))
            }
            (None, Some(container)) => match look(container, part, line) {
                Ok(found) => check(Status::Ok, found),
                Err(said) => {
                    let refused = Refused::Other { said };
                    check(Status::Missing, refused.words()).remedy(explain(&refused, facts))
                }
            },
            // The steps go from part to part: what comes before the one that failed was done.
            (None, None) if Some(part) < failed => check(Status::Ok, "set up".to_owned()),
            (None, None) => check(
                Status::Untried,
                "not tried: it comes after what failed".to_owned(),
            ),
        });
    }
    let inside = match &mut container {
        Some(container) if refusals.is_empty() => Inside {
            own: own.ok().and_then(|_| executes_own(container)),
            postgres: (engines.postgres.as_ref().ok())
                .map(|programs| says_its_version(container, &programs.postgres)),
            redis: (engines.redis.as_ref().ok())
                .map(|programs| says_its_version(container, &programs.server)),
            mariadb: (engines.mariadb.as_ref().ok())
                .map(|programs| says_its_version(container, &programs.server)),
        },
        _ => Inside::default(),
    };
    if identity.is_root() {
        checks.push(of_nobody(identity, facts));
    }
    (checks, inside)
}

/// Whether the container's user may execute this very program, without doing so.
fn executes_own(container: &mut Running) -> Option<bool> {
    let line = format!("if [ -x {RUN}/bin/cowherd ]; then echo yes; else echo no; fi");
    let answer = shell(container, &line, Path::new("/")).ok()?;
    Some(answer == "yes")
}

/// Whether the container's user may execute a server.
fn says_its_version(container: &mut Running, program: &Path) -> Result<(), String> {
    execute(container, Command::new(program).args(["--version"])).map(drop)
}

/// Root's containers have a user namespace of their own where `nobody` could make one. They are as
/// apart without, but for what the kernel grants inside of one.
fn of_nobody(identity: Identity, facts: &Facts) -> Check {
    let name = "for `nobody`";
    if identity.has_user_namespace() {
        let finding = "ordinary users may have user namespaces too, so root isn't needed";
        return Check::new(Area::Container, name, Status::Ok, finding);
    }
    let finding = "only root can start containers here";
    let cause =
        "this host denies user namespaces to ordinary users; as root everything works all the same";
    let allow = if facts.unprivileged_namespaces_off {
        sysctl(facts, "kernel.unprivileged_userns_clone", "1")
    } else if facts.apparmor_restricts_namespaces {
        sysctl(facts, "kernel.apparmor_restrict_unprivileged_userns", "0")
    } else {
        sysctl(facts, "user.max_user_namespaces", "65536")
    };
    Check::new(Area::Container, name, Status::Advisory, finding).remedy(Remedy::new(cause, [allow]))
}

/// Starts a container. A step that a host refuses and that can be left out is, so that all that it
/// refuses is known at once. Without a container: the part at which it ended.
pub(super) fn start(
    sandbox: &Sandbox,
    changes: Option<Changes>,
) -> (Vec<Refused>, Result<Running, Part>) {
    let mut refusals = Vec::new();
    let mut left_out = Vec::new();
    loop {
        let started = sandbox.start_changed(|program| {
            for index in &left_out {
                program.skip(*index);
            }
        });
        let error = match started {
            Ok(running) => return (refusals, Ok(running)),
            Err(error) => error,
        };
        let refused = Refused::of(&error, changes);
        let part = refused.part();
        let SandboxError::Step { index, .. } = error else {
            refusals.push(refused);
            return (refusals, Err(part));
        };
        // The same step twice can't be: but a loop must have an end.
        let goes_on = refused.can_be_left_out() && !left_out.contains(&index);
        refusals.push(refused);
        if !goes_on {
            return (refusals, Err(part));
        }
        left_out.push(index);
    }
}

/// Runs the test of a part in the container.
fn look(container: &mut Running, part: Part, line: &str) -> Result<String, String> {
    if part == Part::Namespaces {
        for kind in ["mnt", "pid", "net", "ipc", "uts"] {
            let path = format!("/proc/self/ns/{kind}");
            let ours =
                fs::read_link(&path).map_err(|error| format!("can't read {path}: {error}"))?;
            let theirs = shell(container, &format!("readlink {path}"), Path::new("/"))?;
            if theirs == ours.to_string_lossy() {
                return Err(format!("the container has no {kind} namespace of its own"));
            }
        }
    }
    shell(container, line, Path::new("/"))
}

/// Runs lines of shell in a container, and returns what they print, without the last line's end.
///
/// # Errors
/// What they printed to standard error when they fail.
pub(super) fn shell(container: &mut Running, lines: &str, folder: &Path) -> Result<String, String> {
    let mut command = Command::new("/bin/sh");
    command.args(["-c", lines]).current_dir(folder);
    execute(container, &mut command)
}

fn execute(container: &mut Running, command: &mut Command) -> Result<String, String> {
    command.envs(base_environment()).env("LC_ALL", "C");
    let io = |error: std::io::Error| format!("can't make a pipe: {error}");
    let (mut reader, writer) = std::io::pipe().map_err(io)?;
    let null = File::open("/dev/null").map_err(|error| format!("can't open /dev/null: {error}"))?;
    let said = |error: SandboxError| in_words(&error);
    let slot = container
        .spawn(command, [&null, &writer, &writer])
        .map_err(said)?;
    let ended = container
        .wait_for(slot, Some(Instant::now() + PATIENCE), None)
        .map_err(said)?;
    drop(writer);
    let Some(exit) = ended else {
        return Err(format!("still running after {} s", PATIENCE.as_secs()));
    };
    let mut text = String::new();
    reader.read_to_string(&mut text).map_err(io)?;
    let text = text.trim_end();
    match exit {
        Exit::Code(0) => Ok(text.to_owned()),
        Exit::Code(code) if text.is_empty() => Err(format!("it exited with code {code}")),
        Exit::Code(_) => Err(text.to_owned()),
        Exit::Signal(signal) => Err(format!("signal {signal} ended it")),
    }
}

/// How long a bare container takes from its start to its end, the median of five; `None` where there
/// can be none.
pub(super) fn duration(identity: Identity) -> Option<Duration> {
    let mut took: Vec<Duration> = (0..5)
        .map_while(|_| {
            let begun = Instant::now();
            Sandbox::new(identity).start().ok()?.kill();
            Some(begun.elapsed())
        })
        .collect();
    took.sort();
    (took.len() == 5).then(|| took[2])
}

/// The folder of the probes in a container.
pub(super) fn inside() -> std::path::PathBuf {
    Path::new(RUN).join("doctor")
}
