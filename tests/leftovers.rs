//! Killing Cowherd at any moment leaves nothing: no process, mount, network or IPC object at once, and
//! no scratch folder after the next command.

use std::collections::BTreeSet;
use std::fs;
use std::hash::{BuildHasher, RandomState};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::support::processes::{self, Process};
use crate::support::{Project, alone_with_ipc, postgres, userns};

/// Moments to kill at, from a seed that is printed, or given as `COWHERD_SEED`.
struct Moments(u64);

impl Moments {
    fn new() -> Self {
        let given = std::env::var("COWHERD_SEED").ok();
        let seed = given.map_or_else(
            || RandomState::new().hash_one(0),
            |seed| seed.parse().expect("a number"),
        );
        println!("COWHERD_SEED={seed}");
        Self(seed | 1)
    }

    /// A moment within `span`.
    fn next(&mut self, span: Duration) -> Duration {
        // xorshift64 (Marsaglia 2003).
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        let span = u64::try_from(span.as_nanos()).expect("a short time").max(1);
        Duration::from_nanos(self.0 % span)
    }
}

/// How long the program takes when it is let be.
fn span(project: &Project, args: &[&str]) -> Duration {
    let begun = Instant::now();
    project.run(args).code(0);
    begun.elapsed()
}

/// Starts the program, kills it after `moment`, and asserts that nothing of it is left but files.
/// Returns whether a container was alive when it died.
#[track_caller]
fn kill_after(project: &Project, args: &[&str], moment: Duration) -> bool {
    let mounts = processes::mounts(&root(project));
    let begun = Instant::now();
    let program = project.start(args);
    std::thread::sleep(moment.saturating_sub(begun.elapsed()));
    let inside = processes::descendants(program.pid());
    let networks = processes::networks(&inside);
    program.signal(Signal::SIGKILL);
    let ended = program.wait();
    assert!(
        ended.code == 137 || ended.code == 0,
        "{}: {}",
        ended.code,
        ended.stderr
    );
    assert_nothing_runs(project, &networks);
    assert_eq!(processes::mounts(&root(project)), mounts);
    inside.iter().any(|process| process.name == "cowherd-init")
}

#[track_caller]
fn assert_nothing_runs(project: &Project, networks: &BTreeSet<PathBuf>) {
    let left = processes::until_none(|| processes::touching(&root(project)));
    assert_eq!(left, [], "processes are left");
    let own = processes::networks(&[Process {
        pid: i32::try_from(std::process::id()).expect("a pid"),
        name: String::new(),
    }]);
    let private: BTreeSet<PathBuf> = networks.difference(&own).cloned().collect();
    let left = processes::until_none(|| processes::in_networks(&private));
    assert!(left.is_empty(), "networks are left: {left:?}");
}

/// The folder above the project's folder and its store.
fn root(project: &Project) -> PathBuf {
    let folder = project.folder();
    folder.parent().expect("a parent").to_owned()
}

/// Asserts that the scratch folders are gone, as they are after a command that was let be.
#[track_caller]
fn assert_no_scratch(project: &Project) {
    let scratch: Vec<_> = fs::read_dir(project.store().join("scratch"))
        .expect("a store")
        .map(|entry| entry.expect("an entry").file_name())
        .collect();
    assert!(scratch.is_empty(), "{scratch:?}");
}

/// Asserts that every layer is whole, and that there is nothing else where layers are.
#[track_caller]
fn assert_every_layer_is_whole(project: &Project) {
    let store = cowherd::store::Store::open(&project.store()).expect("the store");
    let mut named = BTreeSet::new();
    for key in fs::read_dir(project.store().join("keys")).expect("keys") {
        let key = key.expect("a key").file_name();
        let key = cowherd::digest::Digest::parse(key.to_str().expect("text")).expect("a digest");
        let layer = store.find(&key).expect("a layer").expect("a layer");
        let differences = store.verify(&layer).expect("a layer");
        assert!(differences.is_empty(), "{differences:?}");
        named.insert(layer.digest().to_string());
    }
    for layer in fs::read_dir(store.layers_dir()).expect("layers") {
        let path = layer.expect("a layer").path();
        for part in ["files", "layer.json", "manifest.json"] {
            assert!(path.join(part).exists(), "{} of {}", part, path.display());
        }
    }
    assert!(!named.is_empty());
}

const TESTS: &str = "\
tests:
  - { name: sleeps, snapshot: shop, command: 'sleep 0.05' }
  - { name: daemon, snapshot: shop, command: 'setsid sleep 1000 & sleep 0.02' }
  - { name: files, snapshot: shop, command: 'echo one > file; mkdir made; echo two > /tmp/file; sleep 0.02' }
  - { name: shared, snapshot: shop, command: 'ipcmk -M 4096; ipcmk -Q; sleep 0.02' }
  - { name: checks, snapshot: shop, each: checks/*.sql }
";

fn shop(engine: &str) -> Project {
    let spec = format!(
        "version: 1\nsnapshots:\n  shop: {{ engine: {engine}, steps: [ {{ sql: seed.sql }}, \
         {{ run: {{ command: 'sleep 0.02; echo built', inputs: [] }} }} ] }}\n{TESTS}"
    );
    let mut project = Project::new(&spec).file("seed.sql", seed(0));
    for number in 0..4 {
        let check =
            format!("INSERT INTO t SELECT x + 1000 * {number} FROM t; DELETE FROM t WHERE x = 7;");
        project = project.file(&format!("checks/{number}.sql"), check);
    }
    project
}

/// A seed like no other, so that the layers made of it are built anew.
fn seed(number: usize) -> String {
    let rows: Vec<String> = (0..500).map(|row| format!("({row})")).collect();
    format!(
        "CREATE TABLE t (x INTEGER); CREATE TABLE number{number} (x INTEGER); INSERT INTO t VALUES {};",
        rows.join(", ")
    )
}

#[test]
fn a_run_that_is_killed_at_any_moment_leaves_nothing() {
    if !userns() {
        return;
    }
    alone_with_ipc(
        "leftovers::a_run_that_is_killed_at_any_moment_leaves_nothing",
        || {
            let project = shop("sqlite");
            project.run(&["build"]).code(0);
            let (span, mut moments) = (span(&project, &["run"]), Moments::new());
            let mut alive = 0;
            for _ in 0..50 {
                let moment = moments.next(span);
                alive += usize::from(kill_after(&project, &["run"], moment));
                assert_eq!(processes::ipc_objects(), 0);
            }
            println!("{alive} of 50 had a container");
            assert!(alive > 0, "never while a container was alive");
            project.run(&["run"]).code(0).says(": 8 passed\n");
            assert_no_scratch(&project);
            assert_every_layer_is_whole(&project);
        },
    );
}

#[test]
fn a_run_that_is_killed_with_fifty_containers_alive_leaves_nothing() {
    if !userns() {
        return;
    }
    let project = Project::new(
        "version: 1\nsnapshots:\n  shop: { engine: sqlite }\ntests:\n  \
         - { name: sleeps, snapshot: shop, discover: 'seq 50', command: 'sleep 10{test}' }\n",
    );
    let mounts = processes::mounts(&root(&project));
    let mut run = project.start(&["run", "-j", "50"]);
    let asleep = |pid| {
        let inside = processes::descendants(pid).into_iter();
        inside.filter(|process| process.name == "sleep").count()
    };
    run.until("fifty sleeping tests", |run| asleep(run.pid()) == 50);
    let networks = processes::networks(&processes::descendants(run.pid()));
    assert_eq!(networks.len(), 50);
    run.signal(Signal::SIGKILL);
    assert_eq!(run.wait().code, 137);
    assert_nothing_runs(&project, &networks);
    assert_eq!(processes::mounts(&root(&project)), mounts);
    project.run(&["list"]).code(0);
    assert_no_scratch(&project);
}

#[test]
fn a_build_that_is_killed_at_any_moment_seals_a_layer_or_none() {
    if !userns() {
        return;
    }
    let mut project = shop("sqlite");
    let (span, mut moments) = (span(&project, &["build"]), Moments::new());
    for number in 1..=20 {
        project = project.file("seed.sql", seed(number));
        kill_after(&project, &["build"], moments.next(span));
        if number % 4 == 0 {
            project.run(&["build"]).code(0);
            assert_no_scratch(&project);
            assert_every_layer_is_whole(&project);
        }
    }
    project.run(&["run"]).code(0).says(": 8 passed\n");
}

#[test]
fn a_killed_run_leaves_nothing_of_its_servers() {
    if !postgres() {
        return;
    }
    alone_with_ipc(
        "leftovers::a_killed_run_leaves_nothing_of_its_servers",
        || {
            let mut project = shop("postgres");
            let mut moments = Moments::new();
            let built = span(&project, &["build"]);
            let ran = span(&project, &["run"]);
            for number in 1..=8 {
                kill_after(&project, &["run"], moments.next(ran));
                assert_eq!(processes::ipc_objects(), 0);
                if number % 2 == 0 {
                    project = project.file("seed.sql", seed(number));
                    kill_after(&project, &["build"], moments.next(built / 2));
                }
            }
            project.run(&["run"]).code(0).says(": 8 passed\n");
            assert_eq!(processes::ipc_objects(), 0);
            assert_no_scratch(&project);
            assert_every_layer_is_whole(&project);
        },
    );
}

#[test]
fn a_test_whose_container_is_killed_is_an_error_of_cowherds_and_the_others_go_on() {
    if !userns() {
        return;
    }
    let project = Project::new(
        "version: 1\nsnapshots:\n  shop: { engine: sqlite }\ntests:\n  \
         - { name: victim, snapshot: shop, command: 'exec sleep 987' }\n  \
         - { name: other, snapshot: shop, command: 'true' }\n",
    );
    let mut run = project.start(&["run", "-j", "1"]);
    let pid = run.pid();
    let victim = move || {
        let inits = processes::children(pid);
        let asleep = |init: &Process| {
            let inside = processes::children(init.pid);
            inside.iter().any(|process| process.name == "sleep")
        };
        inits.into_iter().find(asleep)
    };
    run.until("sleeping test", |_| victim().is_some());
    let init = victim().expect("a container");
    kill(Pid::from_raw(init.pid), Signal::SIGKILL).expect("a signal");
    run.wait()
        .code(97)
        .says("the container ended unexpectedly")
        .says("1 passed");
    assert_nothing_runs(&project, &BTreeSet::new());
}

#[test]
fn a_test_that_kills_its_server_fails_and_shows_the_servers_last_words() {
    if !postgres() {
        return;
    }
    let project = Project::new(
        "version: 1\nsnapshots:\n  shop: { engine: postgres }\ntests:\n  \
         - name: murder\n    snapshot: shop\n    command: |\n      \
         kill -9 $(pgrep -o postgres)\n      psql -c 'SELECT 1'\n  \
         - { name: other, snapshot: shop, command: \"psql -c 'SELECT 1'\" }\n",
    );
    project
        .run(&["run"])
        .code(100)
        .says("1 passed")
        .says("1 failed");
    assert_nothing_runs(&project, &BTreeSet::new());
    assert_no_scratch(&project);
}
