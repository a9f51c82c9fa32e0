//! What goes wrong with a database, and who is told.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::Kind;
use crate::support::Project;

/// The state before the step is as it was, and nothing is left of the step.
pub(super) fn a_state_that_is_not_at_rest_is_refused(kind: &Kind) {
    let project = kind.project(
        "      - run: { command: [./shell, 'eval \"$WRITE\"; eval \"$SPOIL\"'], inputs: [], environment: { WRITE: \"${WRITE}\", SPOIL: \"${SPOIL}\" } }",
        "",
    );
    project.run(&["build"]).code(101).says(kind.spoilt);
    let built = project.count("keys");
    let spec = project.read("cowherd.yaml");
    let (before, _) = spec.split_once("      - run:").expect("the step");
    let project = project.file("cowherd.yaml", before);
    assert_eq!(Kind::exec(&project, "eval \"$READ\""), "1\n");
    assert_eq!(project.count("keys"), built);
    project.run(&["fsck"]).code(0);
    project.leaves_nothing();
}

pub(super) fn a_server_that_is_killed_fails_its_test_and_no_other(kind: &Kind) {
    let server = kind.server.as_ref().expect("a server");
    let project = kind.project(
        "",
        "\
tests:
  - { name: kills, snapshot: app, command: [./shell, 'eval \"$WRITE\"; kill_server; sleep 0.1; eval \"$READ\"'] }
  - { name: next, snapshot: app, command: [./shell, 'test \"$(eval \"$READ\")\" = 1'] }
",
    );
    project
        .run(&["run", "-j", "1"])
        .code(100)
        .says("kills: exit code ")
        .says("has ended; its last words:")
        .says(server.ready)
        .says(": 1 passed, 1 failed\n");
    project.run(&["fsck"]).code(0);
    assert_eq!(Kind::exec(&project, "eval \"$READ\""), "1\n");
    project.leaves_nothing();
}

/// The start of a server fails, or the first use of a file.
pub(super) fn damaged_data_are_told_in_time_in_the_words_of_the_database(kind: &Kind) {
    let project = kind.project(
        "",
        "tests: [ { name: reads, snapshot: app, command: [./shell, 'eval \"$READ\"'] } ]",
    );
    project.run(&["run"]).code(0);
    let (heart, words) = kind.heart;
    let mut damaged = 0;
    for layer in layers(&project) {
        let file = layer.join("files/db").join(heart);
        let Ok(mut bytes) = fs::read(&file) else {
            continue;
        };
        bytes.fill(0xa5);
        fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).expect("a mode");
        fs::write(&file, bytes).expect("a file");
        damaged += 1;
    }
    assert!(damaged > 0, "no layer has {heart}");
    let begun = Instant::now();
    let run = project.run(&["run"]);
    assert!(begun.elapsed() < Duration::from_secs(50), "{}", run.stderr);
    let code = if kind.server.is_some() { 101 } else { 100 };
    run.code(code).says(words);
    // And it is found without being started.
    let fsck = project.run(&["fsck"]).code(1);
    assert!(
        fsck.stdout.contains(heart) || fsck.stderr.contains(heart),
        "{fsck:?}"
    );
    project.leaves_nothing();
}

fn layers(project: &Project) -> Vec<PathBuf> {
    let layers = fs::read_dir(project.store().join("layers"));
    layers
        .into_iter()
        .flatten()
        .map(|layer| layer.expect("a layer").path())
        .collect()
}
