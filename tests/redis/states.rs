//! What becomes of a Redis state: kept, committed, carried, compared.

use super::cache;
use crate::support::{Project, redis};

fn get(project: &Project, snapshot: &str, script: &str) -> String {
    project
        .run(&["exec", "-s", snapshot, "--", "sh", "-c", script])
        .code(0)
        .stdout
}

#[test]
fn what_a_failed_test_left_is_told_and_can_be_entered() {
    if !redis() {
        return;
    }
    let project = cache();
    let run = project
        .run(&["run", "--keep", "failed", "bad"])
        .code(100)
        .says("db0: 1 updated, 1 deleted\n")
        .says("~ key='hat': value '9 €' → '1'\n")
        .says("- key='queue', type='list', expires_at=NULL, value='[\"a\", \"b\", \"c\"]'\n")
        .says("db2: 1 inserted\n");
    let (_, id) = run
        .stderr
        .split_once("go in with: cowherd enter ")
        .expect("an id");
    let entered = project
        .run(&["enter", &id[..8], "--", "redis-cli", "get", "hat"])
        .code(0);
    assert_eq!(entered.stdout, "1\n");
    let diff = project.run(&["diff", &id[..8], "--stat"]).code(0).stdout;
    assert!(diff.contains("db0  1 updated, 1 deleted"), "{diff}");
    project.leaves_nothing();
}

#[test]
fn what_a_command_leaves_becomes_a_snapshot() {
    if !redis() {
        return;
    }
    let project = cache();
    let commit = [
        "exec",
        "-s",
        "cache",
        "--commit",
        "mine",
        "--",
        "redis-cli",
        "set",
        "a",
        "b",
    ];
    project.run(&commit).code(0);
    assert_eq!(
        get(&project, "mine", "redis-cli get a; redis-cli llen queue"),
        "b\n3\n"
    );
    let diff = project.run(&["diff", "cache", "mine"]).code(0).stdout;
    assert!(
        diff.contains("+ key='a', type='string', expires_at=NULL, value='b'"),
        "{diff}"
    );
    project.leaves_nothing();
}

#[test]
fn a_live_container_is_committed_and_goes_on_with_what_it_had() {
    if !redis() {
        return;
    }
    let project = cache();
    let body = "redis-cli set a 1; touch changed; until [ -e go ]; do sleep 0.05; done; \
                redis-cli incr a";
    let mut exec = project.start(&[
        "exec",
        "-s",
        "cache",
        "--host-files",
        "--",
        "sh",
        "-c",
        body,
    ]);
    // Tests run as another user where this one is root.
    exec.until("a change", |_| {
        project
            .processes()
            .iter()
            .any(|process| process.name == "sleep")
    });
    let told = project.run(&["commit", "zzz", "x"]).stderr;
    let (_, rest) = told.split_once("there are ").expect("a container");
    project.run(&["commit", &rest[..8], "live"]).code(0);
    let project = project.file("go", "");
    assert_eq!(exec.wait().code(0).stdout, "OK\n2\n");
    assert_eq!(get(&project, "live", "redis-cli get a"), "1\n");
}

#[test]
fn a_snapshot_is_carried_and_needs_no_spec_there() {
    if !redis() {
        return;
    }
    let (here, there) = (cache(), Project::empty());
    here.run(&["export", "more", "more.tar"]).code(0);
    let file = here.folder().join("more.tar");
    there
        .run(&["import", file.to_str().expect("a plain path")])
        .code(0);
    assert_eq!(
        get(
            &there,
            "more",
            "redis-cli get count; redis-cli -n 3 get other"
        ),
        "1\ndatabase\n"
    );
    let there = there.file(
        "cowherd.yaml",
        "version: 1\nsnapshots: { next: { stored: more, engine: redis, steps: [ { redis: next.redis } ] } }\n",
    );
    let there = there.file("next.redis", "INCR count");
    assert_eq!(get(&there, "next", "redis-cli get count"), "2\n");
    there.leaves_nothing();
}

#[test]
fn snapshots_are_compared_key_by_key() {
    if !redis() {
        return;
    }
    let project = cache().file(
        "more.redis",
        "\
# The same members in another order are the same set.
DEL tags
SADD tags green blue red
HSET cap price 8
HSET cap price 7
ZADD best 3 cap
PERSIST far
XADD log 2-0 who bob what cap
APPEND hat \" \\xff\"
SET \"it's\" '\"quoted\"'
DEL queue
FUNCTION LOAD \"#!lua name=mine\\nredis.register_function('f', function() return 1 end)\"
SELECT 3
FLUSHDB
SELECT 4
HSET new a 1
",
    );
    let diff = project.run(&["diff", "cache", "more"]).code(0).stdout;
    for line in [
        "schema: 1 new\n  + routine mine\n",
        "rows: 3 of 3 tables differ\n",
        "  db0  1 inserted, 4 updated, 1 deleted\n",
        "  ~ key='best': value '{\"hat\": \"1\", \"cap\": \"2.5\"}' → '{\"hat\": \"1\", \"cap\": \"3\"}'\n",
        "  ~ key='far': expires_at 4102444800000 → NULL\n",
        "  ~ key='hat': value '9 €' → '9 € ",
        "  + key='it''s', type='string', expires_at=NULL, value='\"quoted\"'\n",
        "  ~ key='log': value '[[\"1-0\", [\"who\", \"ada\", \"what\", \"hat\"]]]",
        "  - key='queue', type='list'",
        "db3 (key: key)\n  - key='other', type='string', expires_at=NULL, value='database'\n",
        "db4 (key: key)\n  + key='new', type='hash', expires_at=NULL, value='{\"a\": \"1\"}'\n",
    ] {
        assert!(diff.contains(line), "no {line:?} in:\n{diff}");
    }
    assert!(
        !diff.contains("tags") && !diff.contains("key='cap'"),
        "{diff}"
    );
    let one = project
        .run(&["diff", "cache", "more", "--table", "db3", "--json"])
        .code(0)
        .stdout;
    assert!(one.contains("\"key\":{\"key\":\"other\"}"), "{one}");
    project
        .run(&["diff", "cache", "more", "--table", "db9"])
        .code(2)
        .says("can't find a table `db9`");
    let code = project.run(&["diff", "cache", "cache", "--exit-code"]);
    assert_eq!(
        code.code(0).stdout,
        "the same: it has the same layers in both\n"
    );
}
