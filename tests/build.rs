//! Building snapshots: what is kept, what is built again, and what is said when it can't be.

mod commands;
mod dumps;
mod failures;
mod frozen;
mod history;
mod keys;
mod looks;
mod mariadb;
mod prefix;
mod reads;
mod together;
mod twins;

use crate::support::Project;

/// A project with one snapshot, `app`, of these steps, and one test that passes.
fn app(engine: &str, steps: &str) -> Project {
    Project::new(&format!(
        "\
version: 1
snapshots:
  app:
    engine: {engine}
    database: app
    steps: {steps}
tests:
  - {{ name: t, snapshot: app, command: 'true' }}
"
    ))
}

/// What a query gives in the snapshot `app`.
#[track_caller]
fn query(project: &Project, engine: &str, sql: &str) -> String {
    let client: &[&str] = match engine {
        "postgres" => &["psql", "-XAtc", sql],
        _ => &[
            "sh",
            "-c",
            "echo \"$0;\" | /run/cowherd/bin/cowherd sqlite-client $SQLITE_FILE",
            sql,
        ],
    };
    let ended = project.run(&[&["exec", "--"], client].concat()).code(0);
    ended.stdout.trim_end().to_owned()
}
