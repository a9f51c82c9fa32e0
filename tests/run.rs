//! `cowherd run`, from a spec to an exit code.

use crate::support::{Project, userns};

const SHOP: &str = "\
version: 1
snapshots:
  shop: { engine: sqlite, steps: [ { sql: seed.sql } ] }
";

#[test]
fn a_run_passes_when_every_test_does() {
    if !userns() {
        return;
    }
    let spec = format!("{SHOP}tests:\n  - {{ name: one, command: 'true' }}\n");
    let project =
        Project::new(&spec).file("seed.sql", "CREATE TABLE t (x); INSERT INTO t VALUES (1);");
    project.run(&["run"]).code(0).says("1 passed");
}
