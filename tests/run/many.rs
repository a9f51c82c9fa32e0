//! Several runs at once on one store.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::shop;
use crate::support::{Project, userns};

#[test]
fn of_five_runs_at_once_one_builds_and_the_others_say_for_whom_they_wait() {
    if !userns() {
        return;
    }
    let project = shop(&["name: one, command: 'true'"]);
    let steps =
        "[ { sql: seed.sql }, { run: { command: \"sleep 1000 || true\", inputs: [seed.sql] } } ]";
    let spec = project
        .read("cowherd.yaml")
        .replace("[ { sql: seed.sql } ]", steps);
    let project = project.file("cowherd.yaml", spec);

    let mut first = project.start(&["run"]);
    first.until("sleeping step", |_| sleeping(&project).is_some());
    let mut others: Vec<_> = (0..4).map(|_| project.start(&["run"])).collect();
    let words = format!(
        "waiting for process {} (shop: run sleep 1000 || true)",
        first.pid()
    );
    for other in &mut others {
        other.until_it_says(&words);
    }
    kill(sleeping(&project).expect("a process"), Signal::SIGKILL).expect("its end");
    first
        .wait()
        .code(0)
        .says("   build shop 3/3")
        .says(": 1 passed\n");
    for other in others {
        other
            .wait()
            .code(0)
            .never_says("   build shop")
            .says(": 1 passed\n");
    }
    assert_eq!(project.count("layers"), 3);
    project.leaves_nothing();
}

/// The `sleep` of the step.
fn sleeping(project: &Project) -> Option<Pid> {
    let processes = project.processes();
    let sleep = processes.iter().find(|process| process.name == "sleep")?;
    Some(Pid::from_raw(sleep.pid))
}
