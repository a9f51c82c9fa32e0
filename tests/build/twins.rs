//! An engine's empty database is made once, whatever the services are called.

use std::collections::BTreeSet;
use std::fs;

use crate::support::{Project, mariadb, postgres};

/// What tells one cluster from another: the first 8 bytes of its control file (PostgreSQL's `pg_control.h`).
fn clusters(project: &Project) -> BTreeSet<Vec<u8>> {
    let mut found = BTreeSet::new();
    let below = |folder| fs::read_dir(folder).expect("a folder").flatten();
    for layer in below(project.store().join("layers")) {
        for service in below(layer.path().join("files")) {
            if let Ok(control) = fs::read(service.path().join("global/pg_control")) {
                found.insert(control[..8].to_vec());
            }
        }
    }
    found
}

#[test]
fn all_snapshots_share_the_cluster_that_was_initialised_first() {
    if !postgres() {
        return;
    }
    let project = Project::new(
        "\
version: 1
snapshots:
  one: { engine: postgres, database: a, settings: { work_mem: 8MB } }
  two: { engine: postgres, database: b }
  both:
    services:
      main: { engine: postgres, database: c }
      audit: { engine: postgres, database: d }
",
    );
    let ended = project.run(&["build", "one", "two"]).code(0);
    let initialised = ended.stderr.lines().filter(|line| {
        let line = line.trim_start();
        line.starts_with("build ") && line.contains("1/2 initdb (")
    });
    assert_eq!(initialised.count(), 1, "{}", ended.stderr);
    // Under other names.
    project.run(&["build", "both"]).code(0);
    assert_eq!(clusters(&project).len(), 1);
    let sql = "SELECT current_database()";
    let asked = |url: &str| {
        let client = format!("psql -XAt \"${url}\" -c '{sql}'");
        let ended = project.run(&["exec", "-s", "both", "--", "sh", "-c", &client]);
        ended.code(0).stdout
    };
    assert_eq!([asked("MAIN_URL"), asked("AUDIT_URL")], ["c\n", "d\n"]);
    project.leaves_nothing();
}

#[test]
fn two_services_of_one_snapshot_share_what_was_initialised_for_the_first() {
    if !mariadb() {
        return;
    }
    let project = Project::new(
        "\
version: 1
snapshots:
  both:
    services:
      main: { engine: mariadb, database: a }
      audit: { engine: mariadb, database: b }
",
    );
    // Tables of Aria carry the name of the server that made them, which no two have in common.
    let same =
        "cd /run/cowherd && cmp main/data/mysql/global_priv.MAI audit/data/mysql/global_priv.MAI";
    project.run(&["exec", "--", "sh", "-c", same]).code(0);
    let sql = "mariadb -u root -S \"$MYSQL_UNIX_PORT\" -e 'SELECT 1'";
    project.run(&["exec", "--", "sh", "-c", sql]).code(0);
    project.leaves_nothing();
}
