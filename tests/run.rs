//! `cowherd run`, from a spec to an exit code.

mod codes;
mod crowd;
mod looks;
mod many;
mod reports;
mod retries;
mod sees;
mod servers;
mod services;

use crate::support::Project;

/// One snapshot with a table of one row; a test's list follows.
const SHOP: &str = "\
version: 1
snapshots:
  shop: { engine: sqlite, steps: [ { sql: seed.sql } ] }
tests:
";

/// A project with that snapshot and these tests, each a line of flow style without its braces.
fn shop(tests: &[&str]) -> Project {
    let mut spec = SHOP.to_owned();
    for test in tests {
        spec += &format!("  - {{ snapshot: shop, {test} }}\n");
    }
    Project::new(&spec).file("seed.sql", "CREATE TABLE t (x); INSERT INTO t VALUES (1);")
}
