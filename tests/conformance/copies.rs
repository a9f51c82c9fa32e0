//! Copies of one state, many at once.

use std::collections::BTreeSet;

use super::Kind;

/// All of them live before the first writes.
pub(super) fn a_hundred_copies_at_once_see_nothing_of_each_other(kind: &Kind) {
    let tests = "\
tests:
  - name: crowd
    snapshot: app
    files: host
    discover: seq 100
    command: [./shell, 'touch here/{test}; until test $(ls here | wc -l) = 100; do sleep 0.2; done; ./both.sh']
";
    let both = "test \"$(eval \"$READ\")\" = 1; eval \"$WRITE\"; test \"$(eval \"$READ\")\" = 2";
    let tests = tests.replace("./both.sh", &both.replace('\'', "''"));
    let project = kind.project("", &tests).open_folder("here");
    project
        .run(&["run", "-j", "100"])
        .code(0)
        .says(": 100 passed\n");
    project.leaves_nothing();
}

pub(super) fn many_programs_start_copies_of_one_layer_at_once(kind: &Kind) {
    let project = kind.project("", "");
    project.run(&["build"]).code(0);
    let line = "eval \"$READ\"; eval \"$WRITE\"; eval \"$READ\"";
    let exec = ["exec", "-s", "app", "--", "./shell", line];
    let started: Vec<_> = (0..8).map(|_| project.start(&exec)).collect();
    for started in started {
        assert_eq!(started.wait().code(0).stdout, "1\n2\n");
    }
    project.run(&["fsck"]).code(0);
    project.leaves_nothing();
}

pub(super) fn nothing_that_belongs_to_one_run_is_in_a_layer(kind: &Kind) {
    let project = kind.project(
        "      - run: { command: [./shell, 'eval \"$WRITE\"'], inputs: [], environment: { WRITE: \"${WRITE}\" } }",
        "",
    );
    project.run(&["build"]).code(0);
    let commit = [
        "exec",
        "-s",
        "app",
        "--commit",
        "by-hand",
        "--",
        "./shell",
        "eval \"$WRITE\"",
    ];
    project.run(&commit).code(0);
    let mut names = BTreeSet::new();
    cowherd::disk::walk::<cowherd::disk::DiskError>(
        &project.store().join("layers"),
        cowherd::disk::Reach::AsIs,
        &mut |entry| {
            names.extend(
                entry
                    .relative
                    .file_name()
                    .map(|name| name.to_string_lossy().into_owned()),
            );
            Ok(())
        },
    )
    .expect("a walk");
    assert!(names.len() > 3, "{names:?}");
    for part in kind.of_one_run {
        let found = |name: &&String| name.starts_with(part) || name.ends_with(part);
        assert_eq!(names.iter().find(found), None, "{part}");
    }
}

/// What is committed, kept or made by a step was stopped and is started again.
pub(super) fn what_a_stopped_server_left_starts_again(kind: &Kind) {
    let project = kind.project(
        "",
        "tests: [ { name: bad, snapshot: app, command: [./shell, 'eval \"$WRITE\"; exit 3'] } ]",
    );
    let commit = [
        "exec",
        "-s",
        "app",
        "--commit",
        "by-hand",
        "--",
        "./shell",
        "eval \"$WRITE\"",
    ];
    project.run(&commit).code(0);
    let read = ["exec", "-s", "by-hand", "--", "./shell", "eval \"$READ\""];
    assert_eq!(project.run(&read).code(0).stdout, "2\n");
    let run = project.run(&["run", "--keep", "failed"]).code(100);
    let (_, id) = run
        .stderr
        .split_once("go in with: cowherd enter ")
        .expect("an id");
    let enter = ["enter", &id[..8], "--", "./shell", "eval \"$READ\""];
    assert_eq!(project.run(&enter).code(0).stdout, "2\n");
    assert_eq!(Kind::exec(&project, "eval \"$READ\""), "1\n");
    project.leaves_nothing();
}
