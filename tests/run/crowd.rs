//! Two hundred tests that write to one shop at the same time.

use crate::support::{Project, postgres, userns};

/// Counts the rows, spoils all of them, and counts again: what any other test does must not show.
fn crowd(engine: &str, check: &str) -> Project {
    let spec = format!(
        "\
version: 1
snapshots:
  shop:
    engine: {engine}
    database: shop
    steps: [ {{ migrate: migrations }}, {{ sql: seed.sql }} ]
tests:
  - name: crowd
    snapshot: shop
    discover: seq 200
    command: [./check.sh, '{{test}}']
"
    );
    let fixture = Project::fixture(&format!("shop/{engine}"));
    fixture
        .file("cowherd.yaml", spec)
        .program("check.sh", check)
}

#[track_caller]
fn all_pass(project: &Project) {
    let before = files(project);
    project
        .run(&["run", "-j", "8"])
        .code(0)
        .says("running 200 tests, 8 at a time")
        .says(": 200 passed\n");
    assert_eq!(files(project), before, "the project changed");
    project.leaves_nothing();
}

/// Every file of the project with its content.
fn files(project: &Project) -> Vec<(std::path::PathBuf, Vec<u8>)> {
    let mut files = Vec::new();
    cowherd::disk::walk::<cowherd::disk::DiskError>(
        &project.folder(),
        cowherd::disk::Reach::AsIs,
        &mut |entry| {
            let bytes = std::fs::read(&entry.path).unwrap_or_default();
            files.push((entry.relative.clone(), bytes));
            Ok(())
        },
    )
    .expect("a walk");
    files
}

#[test]
fn two_hundred_tests_write_to_one_sqlite_shop_and_each_sees_the_seed() {
    if !userns() {
        return;
    }
    // The program's own client is in every container, whether sqlite3 is installed or not.
    let check = "#!/bin/sh
set -e
sql() { echo \"$1;\" | /run/cowherd/bin/cowherd sqlite-client \"$SQLITE_FILE\"; }
test $(sql 'SELECT sum(n) FROM row_count') = 10184
sql \"DELETE FROM review; UPDATE payment SET amount_cents = $1; INSERT INTO category (name) VALUES ('crowd $1')\"
test $(sql 'SELECT count(*) FROM review') = 0
test $(sql 'SELECT count(*) FROM category') = 25
test $(sql 'SELECT sum(amount_cents) FROM payment') = $((700 * $1))
test ! -e spoilt
rm seed.sql
echo $1 | tee seed.sql > spoilt
";
    all_pass(&crowd("sqlite", check));
}

#[test]
fn two_hundred_tests_write_to_one_postgres_shop_and_each_sees_the_seed() {
    if !postgres() {
        return;
    }
    let check = "#!/bin/sh
set -e
test $(psql -XAtc 'SELECT sum(n) FROM row_count') = 10184
psql -XAqc \"DELETE FROM review; UPDATE payment SET amount_cents = $1; INSERT INTO category (name) VALUES ('crowd $1')\"
test $(psql -XAtc \"SELECT (SELECT count(*) FROM review) || ' ' || (SELECT sum(amount_cents) FROM payment)\" | tr -d ' ') = 0$((700 * $1))
test ! -e spoilt
rm seed.sql
echo $1 | tee seed.sql > spoilt
";
    all_pass(&crowd("postgres", check));
}
