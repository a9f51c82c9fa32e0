//! The command line: help, errors, and the commands that look at things.

mod exec;
mod help;
mod init;
mod keep;
mod store;
mod words;

use crate::support::Project;

/// Two snapshots, one on the other, and a test.
const SHOP: &str = "\
version: 1
snapshots:
  shop: { engine: sqlite, steps: [ { sql: schema.sql } ] }
  big: { from: shop, steps: [ { sql: more.sql } ] }
tests:
  - { name: one, snapshot: shop, command: 'true' }
";

fn shop() -> Project {
    Project::new(SHOP)
        .file("schema.sql", "CREATE TABLE cow (name text);")
        .file("more.sql", "INSERT INTO cow VALUES ('Daisy');")
}
