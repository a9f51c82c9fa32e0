//! Days on which everything goes wrong: the report says what, and nothing is left behind.

mod crowd;
mod databases;
mod interrupts;
mod limits;
mod misbehaviour;
mod scarcity;
mod servers;
mod space;

use crate::support::Project;

/// A project on a database of one row, with these tests, each a line of flow style without its braces.
fn one_row(engine: &str, tests: &[&str]) -> Project {
    let mut spec = format!(
        "\
version: 1
snapshots:
  app: {{ engine: {engine}, database: app, steps: [ {{ sql: seed.sql }} ] }}
tests:
"
    );
    for test in tests {
        spec += &format!("  - {{ snapshot: app, {test} }}\n");
    }
    let seed = "CREATE TABLE t (x integer); INSERT INTO t VALUES (1);";
    Project::new(&spec).file("seed.sql", seed)
}
