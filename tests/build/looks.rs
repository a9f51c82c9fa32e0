//! A build as a person sees it.

use crate::support::{Project, assert_looks, userns};

#[test]
fn a_build_that_fails_looks_so() {
    if !userns() {
        return;
    }
    let project = Project::new(
        "\
version: 1
snapshots:
  shop: { engine: sqlite, steps: [ { migrate: migrations }, { run: { command: [./load.sh], inputs: [] } } ] }
  more: { from: shop, steps: [ { sql: more.sql } ] }
  less: { from: shop, steps: [ { run: { command: 'echo here it comes; exit 4', inputs: [more.sql] } } ] }
tests:
  - { name: all, snapshot: shop, command: 'true' }
  - { name: more, snapshot: more, command: 'true' }
  - { name: less, snapshot: less, command: 'true' }
",
    )
    .file("migrations/1_customers.sql", "CREATE TABLE customer (id integer PRIMARY KEY, name text NOT NULL);")
    .file("migrations/2_orders.sql", "CREATE TABLE orders (id integer PRIMARY KEY, customer REFERENCES customer);")
    .file("more.sql", "INSERT INTO customer VALUES (1, 'Ann');\nINSERT INTO customer\nVALUES (2, NULL);\n")
    .program("load.sh", "#!/bin/sh\n");
    // One that fails at a time: of two, which is told first is chance.
    let more = project.run(&["build", "shop", "more"]).code(101);
    let less = project.run(&["build", "shop", "less"]).code(101);
    assert_looks("build/fails.txt", &project, &(more.stderr + &less.stderr));
    assert_eq!(
        [more.stdout, less.stdout],
        ["shop: 4 layers\n", "shop: 4 layers\n"]
    );
    let ended = project.run(&["run", "-j", "1", "all", "less"]).code(101);
    assert_looks("build/run-without-some.txt", &project, &ended.stderr);
}

#[test]
fn a_wrong_spec_looks_so() {
    let project = Project::new(
        "\
version: 1
snapshots:
  shop:
    engine: sqlite
    steps:
      - sql: seed/*.sqll
      - { migrate: migratoins }
tests:
  - { name: t, snapshot: shop, each: checks/*.sql }
",
    )
    .file("seed/one.sql", "")
    .file("migrations/1_one.sql", "")
    .file("checks/readme.txt", "");
    let ended = project.run(&["run"]).code(96);
    assert_looks("build/missing-files.txt", &project, &ended.stderr);
}
