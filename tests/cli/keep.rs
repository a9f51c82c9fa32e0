//! `cowherd fsck` and `cowherd df`, and `cowherd gc` by size.

use std::fs;

use super::shop;
use crate::support::{Project, userns};

/// A JSON object of version 1, from a command that ends with `code`.
#[track_caller]
fn json(project: &Project, args: &[&str], code: i32) -> serde_json::Value {
    let finished = project.run(args).code(code);
    let value: serde_json::Value = serde_json::from_str(&finished.stdout).expect("JSON");
    assert_eq!(value["version"], 1);
    value
}

#[test]
fn fsck_says_what_is_damaged_and_where_it_is_now() {
    if !userns() {
        return;
    }
    let project = shop();
    project.run(&["build"]).code(0);
    let fine = project.run(&["fsck"]).code(0).stdout;
    assert!(fine.starts_with("read 3 layers, "), "{fine}");
    assert!(fine.ends_with(": all as it was sealed\n"), "{fine}");

    let list = json(&project, &["list", "--json"], 0);
    let layer = list["snapshots"][1]["layers"][2]
        .as_str()
        .unwrap()
        .to_owned();
    let file = format!("layers/{layer}/files/db/shop.db");
    fs::write(project.store().join(file), "damaged").unwrap();
    let found = project.run(&["fsck"]).code(1).stdout;
    let lines: Vec<&str> = found.lines().collect();
    assert_eq!(lines[0], format!("damaged: layers/{layer} (sql more.sql)"));
    assert!(
        lines[1].starts_with("  db/shop.db: 7 bytes, was "),
        "{found}"
    );
    assert_eq!(lines[2], format!("  moved to quarantine/layers/{layer}"));
    assert!(lines[3].starts_with("damaged: keys/"), "{found}");
    assert!(
        found.contains("\nnot complete: the snapshot big; it is built again"),
        "{found}"
    );
    assert!(found.ends_with(": 2 damaged\n"), "{found}");
    let aside = project
        .store()
        .join(format!("quarantine/layers/{layer}/files/db/shop.db"));
    assert_eq!(fs::read_to_string(aside).unwrap(), "damaged");

    // What is damaged is built again; what was put aside stays there, and is told of.
    project.run(&["build"]).code(0).says("building big 3/3");
    let checked = json(&project, &["fsck", "--json"], 0);
    assert_eq!(
        (&checked["damage"], &checked["layers"]),
        (&serde_json::json!([]), &3.into())
    );
    assert!(
        json(&project, &["df", "--json"], 0)["quarantine_bytes"]
            .as_u64()
            .unwrap()
            > 0
    );
    assert!(project.run(&["df"]).stdout.contains("\nquarantine "));
}

#[test]
fn df_tells_what_each_snapshot_takes_and_what_gc_would_give_back() {
    if !userns() {
        return;
    }
    let project = shop();
    let empty = project.run(&["df"]).code(0).stdout;
    assert!(empty.starts_with("layers  "), "{empty}");
    assert_eq!(empty.lines().count(), 4, "{empty}");
    project.run(&["build"]).code(0);
    let text = project.run(&["df"]).code(0).stdout;
    assert!(text.starts_with("SNAPSHOT "), "{text}");
    assert!(text.contains("\nbig "), "{text}");
    let usage = json(&project, &["df", "--json"], 0);
    let [big, shop] = [0, 1].map(|index| &usage["snapshots"][index]);
    assert_eq!([&big["name"], &shop["name"]], ["big", "shop"]);
    // All of shop's layers are big's too.
    assert_eq!(shop["own_bytes"], 0);
    assert_eq!(
        [&big["bytes"], &big["shared_bytes"]],
        [&usage["bytes"], &shop["bytes"]]
    );
    assert_eq!(usage["reclaimable_bytes"], 0);

    fs::remove_file(project.folder().join("cowherd.yaml")).unwrap();
    let usage = json(&project, &["df", "--json"], 0);
    assert_eq!(usage["reclaimable_bytes"], usage["bytes"]);
    assert!(
        project
            .run(&["df"])
            .stdout
            .contains("cowherd.yaml (gone)\n")
    );
}

#[test]
fn gc_keeps_what_was_used_last_within_a_size() {
    if !userns() {
        return;
    }
    let project = shop();
    project.run(&["build"]).code(0);
    let all = project.run(&["gc", "--max-size", "1G"]).code(0).stdout;
    assert!(all.ends_with("; 3 stay\n"), "{all}");
    let none = project
        .run(&["gc", "--max-size", "1k", "-n"])
        .code(0)
        .stdout;
    assert!(none.ends_with("; 0 stay\n"), "{none}");
    project.run(&["gc", "--max-size", "1k"]).code(0);
    assert_eq!(project.count("layers"), 0);
    project
        .run(&["gc", "--max-size", "lots"])
        .code(2)
        .says("like `64MB`");
}

#[test]
fn what_a_test_left_is_counted_and_checked() {
    if !userns() {
        return;
    }
    let spec = "version: 1\nsnapshots: { shop: { engine: sqlite, steps: [ { sql: schema.sql } ] } }\n\
                tests: [ { name: one, snapshot: shop, command: 'false' } ]\n";
    let project = shop().file("cowherd.yaml", spec);
    project.run(&["run", "--keep", "failed"]).code(100);
    project.run(&["fsck"]).code(0);
    let usage = json(&project, &["df", "--json"], 0);
    assert!(usage["kept_bytes"].as_u64().unwrap() > 0, "{usage}");
    assert_eq!(usage["reclaimable_bytes"], 0);
    // Nothing of the snapshot comes free as long as that is there.
    assert_eq!(usage["snapshots"][0]["own_bytes"], 0);
    assert!(project.run(&["df"]).stdout.contains("\nkept "));

    let kept = fs::read_dir(project.store().join("kept")).unwrap();
    let record = kept.flatten().next().unwrap().path().join("kept.json");
    fs::write(record, "{").unwrap();
    let found = project.run(&["fsck"]).code(1).stdout;
    assert!(found.contains("\n  moved to quarantine/kept/"), "{found}");
    project.run(&["fsck"]).code(0);
}
