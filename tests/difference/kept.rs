//! What a failing test left, compared with what it started from.

use crate::support::{Project, postgres, userns};

/// The name of the one state that `cowherd run --keep failed` keeps.
fn kept(project: &Project) -> String {
    project.run(&["run", "--keep", "failed"]).code(100);
    let json = project.run(&["kept", "--json"]).code(0).stdout;
    let json: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    json["kept"][0]["id"].as_str().expect("a name").to_owned()
}

#[test]
fn what_a_failed_test_did_to_a_file_is_told() {
    if !userns() {
        return;
    }
    let project = Project::new(
        "\
version: 1
snapshots:
  shop: { engine: sqlite, steps: [ { sql: shop.sql } ] }
tests:
  - name: bad
    snapshot: shop
    command: /run/cowherd/bin/cowherd sqlite-client \"$SQLITE_FILE\" --script change.sql; exit 1
",
    )
    .file(
        "shop.sql",
        "CREATE TABLE item (id INTEGER PRIMARY KEY, name); INSERT INTO item VALUES (1, 'hat');",
    )
    .file(
        "change.sql",
        "PRAGMA journal_mode = wal; UPDATE item SET name = 'cap'; INSERT INTO item VALUES (2, 'scarf');",
    );
    let id = kept(&project);
    let told = "\
schema: the same
rows: 1 of 1 table differs
  item  1 inserted, 1 updated

item (key: id)
  ~ id=1: name 'hat' → 'cap'
  + id=2, name='scarf'
";
    assert_eq!(project.run(&["diff", &id]).code(0).stdout, told);
    let shop = project.run(&["diff", "shop", &id[..6]]).code(0);
    assert_eq!(shop.stdout, told);
    project.run(&["diff", &id, &id, "--exit-code"]).code(0);
    project
        .run(&["diff", "shop"])
        .code(2)
        .says("can't tell what to compare `shop` with");
    project.run(&["diff", "shop", "shp"]).code(2).says("`shp`");

    // The snapshot may have changed since: what the test started from has not.
    let project = project.file("shop.sql", "CREATE TABLE other (id INTEGER PRIMARY KEY);");
    assert_eq!(project.run(&["diff", &id]).code(0).stdout, told);
    let elsewhere = Project::empty().env("COWHERD_STORE", project.store().to_str().unwrap());
    assert_eq!(elsewhere.run(&["diff", &id]).code(0).stdout, told);
}

#[test]
fn what_a_failed_test_did_to_a_server_is_told() {
    if !postgres() {
        return;
    }
    let project = Project::new(
        "\
version: 1
snapshots:
  shop: { engine: postgres, database: shop, steps: [ { sql: shop.sql } ] }
tests:
  - name: bad
    snapshot: shop
    command: psql -qc 'UPDATE item SET price = 2.50 WHERE id = 1' -c 'CREATE TABLE scratch (id int)'; exit 1
",
    )
    .file(
        "shop.sql",
        "CREATE TABLE item (id int PRIMARY KEY, price numeric); INSERT INTO item VALUES (1, 2.5), (2, 3);",
    );
    let id = kept(&project);
    assert_eq!(
        project.run(&["diff", &id]).code(0).stdout,
        format!(
            "\
schema: 2 new
  + table public.scratch
  + column id of public.scratch  integer

rows: 2 of 2 tables differ
  public.item     1 updated
  public.scratch  only in {id}: 0 rows

public.item (key: id)
  ~ id=1: price '2.5' → '2.50'
"
        )
    );
    project.leaves_nothing();
}
