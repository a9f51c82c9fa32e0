//! `cowherd export` and `cowherd import`.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Stdio;

use crate::support::{Project, postgres, userns};

const SHOP: &str = "\
version: 1
snapshots:
  shop: { engine: sqlite, steps: [ { sql: schema.sql } ] }
  big: { from: shop, steps: [ { sql: more.sql } ] }
tests:
  - { name: one, snapshot: big, command: 'true' }
";

fn shop() -> Project {
    Project::new(SHOP)
        .file("schema.sql", "CREATE TABLE cow (name text);")
        .file("more.sql", "INSERT INTO cow VALUES ('Daisy');")
}

/// A path of the project as an argument.
fn path(project: &Project, name: &str) -> String {
    project.folder().join(name).to_str().unwrap().to_owned()
}

#[test]
fn a_spec_finds_what_was_imported_built() {
    if !userns() {
        return;
    }
    let (here, there) = (shop(), shop());
    let exported = here.run(&["export", "big", "big.tar"]).code(0);
    assert!(
        exported.stdout.starts_with("big.tar: 3 layers of big, "),
        "{}",
        exported.stdout
    );
    let mode = here
        .folder()
        .join("big.tar")
        .metadata()
        .unwrap()
        .permissions();
    assert_eq!(mode.mode() & 0o077, 0o044);
    let imported = there.run(&["import", &path(&here, "big.tar")]).code(0);
    assert!(
        imported.stdout.starts_with("big: 3 layers, 3 new, "),
        "{}",
        imported.stdout
    );
    there
        .run(&["run"])
        .code(0)
        .never_says("building")
        .says(": 1 passed\n");
    assert_eq!(there.count("layers"), 3);
    there.leaves_nothing();
    here.leaves_nothing();
}

#[test]
fn an_imported_snapshot_needs_no_spec() {
    if !userns() {
        return;
    }
    let here = shop();
    here.run(&["export", "shop", "shop.tar"]).code(0);
    here.run(&["export", "big", "rest.tar", "--since", "shop"])
        .code(0);
    let there = Project::empty();
    there
        .run(&["import", &path(&here, "rest.tar")])
        .code(101)
        .says("it lies on the layer ")
        .says("hint: import the file that has this layer first");
    there.run(&["import", &path(&here, "shop.tar")]).code(0);
    there
        .run(&["import", &path(&here, "rest.tar"), "--name", "herd"])
        .code(0);
    let mut shell = there.command(&["shell", "-s", "herd"]);
    shell.stdin(fs::File::open(there_is(&there, "query.sql")).unwrap());
    let output = shell.output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "Daisy\n");
    let list = there.run(&["list"]).code(0).stdout;
    assert!(
        list.contains("herd ") && list.contains("  imported\n"),
        "{list}"
    );
    there.run(&["gc"]).code(0);
    assert_eq!(there.count("layers"), 3);
    // A spec around it that doesn't have the name changes nothing, and one may carry it on.
    let there = there.file(
        "cowherd.yaml",
        "version: 1\nsnapshots: { other: { engine: sqlite } }\n",
    );
    there
        .run(&["exec", "-s", "herd", "--", "test", "-f", "cowherd.yaml"])
        .code(0);
    there.run(&["export", "herd", "herd.tar"]).code(0);
    there
        .run(&["exec", "-s", "hrd", "--", "true"])
        .code(2)
        .says("can't find a snapshot named `hrd`");
    there.run(&["gc", "--all"]).code(0);
    there
        .run(&["exec", "-s", "herd", "--", "true"])
        .code(2)
        .says("can't find a snapshot named `herd`");
    there.run(&["import", "herd.tar"]).code(0);
    there.leaves_nothing();
}

/// Writes a file, and gives its path.
fn there_is(project: &Project, name: &str) -> std::path::PathBuf {
    let path = project.folder().join(name);
    fs::write(&path, "SELECT name FROM cow;").unwrap();
    path
}

#[test]
fn the_file_goes_through_pipes() {
    if !userns() {
        return;
    }
    let (here, there) = (shop(), Project::empty());
    let mut export = here.command(&["export", "shop", "-"]);
    let mut export = export.stdout(Stdio::piped()).spawn().unwrap();
    let mut import = there.command(&["import", "-"]);
    let output = import
        .stdin(export.stdout.take().unwrap())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.starts_with("shop: 2 layers, 2 new, "), "{said}");
    assert!(export.wait().unwrap().success());
    here.run(&["export", "shop", "/dev/null"]).code(0);
    there.leaves_nothing();
}

#[test]
fn a_file_is_replaced_whole_or_not_at_all() {
    if !userns() {
        return;
    }
    let here = shop().file("shop.tar", "old");
    here.run(&["build"]).code(0);
    let layers = fs::read_dir(here.store().join("layers")).unwrap();
    for layer in layers {
        let file = layer.unwrap().path().join("files/db/shop.db");
        fs::write(file, "damaged").unwrap();
    }
    here.run(&["export", "shop", "shop.tar"])
        .code(101)
        .says("it is not as it was sealed in the layer")
        .says("hint: run `cowherd fsck`");
    assert_eq!(here.read("shop.tar"), "old");
    assert_eq!(fs::read_dir(here.folder()).unwrap().count(), 4);
    here.run(&["export", "shop", "nowhere/shop.tar"]).code(97);
}

#[test]
fn a_refusal_says_why_and_what_to_do() {
    let there = Project::empty().file("x.tar", "no tar");
    there
        .run(&["import", "x.tar"])
        .code(101)
        .says("error: can't import x.tar: ")
        .says("hint: copy the file again, or export it again");
    there
        .run(&["import", "y.tar"])
        .code(97)
        .says("error: can't read y.tar: No such file or directory");
}

#[test]
fn a_postgres_snapshot_starts_where_it_was_imported() {
    if !postgres() {
        return;
    }
    let spec =
        "version: 1\nsnapshots:\n  shop: { engine: postgres, steps: [ { sql: schema.sql } ] }\n";
    let here = shop().file("cowherd.yaml", spec);
    here.run(&["export", "shop", "shop.tar"]).code(0);
    here.run(&["export", "shop", "again.tar"]).code(0);
    let read = |name: &str| fs::read(here.folder().join(name)).unwrap();
    assert!(read("shop.tar") == read("again.tar"));
    let there = Project::empty();
    there.run(&["import", &path(&here, "shop.tar")]).code(0);
    let args = [
        "exec",
        "-s",
        "shop",
        "--",
        "psql",
        "-Atc",
        "select count(*) from cow",
    ];
    assert_eq!(there.run(&args).code(0).stdout, "0\n");
    there.leaves_nothing();
}
