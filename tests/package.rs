//! What is read from a `Cargo.toml`.

use std::path::Path;

use cowherd::event::in_words;
use cowherd::package::{Metadata, metadata, snapshot_of};
use tempfile::TempDir;

fn package(toml: &str) -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("Cargo.toml"), toml).expect("a file");
    folder
}

#[test]
fn a_package_names_its_snapshot_and_its_spec() {
    let folder = package(
        "[package]\nname = \"a\"\n[package.metadata.cowherd]\nsnapshot = \"shop\"\nfile = \"db/cowherd.yaml\"\n",
    );
    let read = metadata(folder.path()).expect("metadata").expect("a table");
    assert_eq!(read.snapshot.as_deref(), Some("shop"));
    let spec = folder.path().join("db/cowherd.yaml");
    assert_eq!(read.spec_of(folder.path()), Some(spec));
    assert_eq!(
        snapshot_of(folder.path()).expect("metadata").as_deref(),
        Some("shop")
    );
}

#[test]
fn a_package_that_says_nothing_names_no_snapshot() {
    for toml in [
        "[workspace]\n",
        "[package]\nname = \"a\"\n",
        "[package]\nname = \"a\"\n[package.metadata.docs.rs]\nall-features = true\n",
    ] {
        assert_eq!(
            metadata(package(toml).path()).expect("metadata"),
            None,
            "{toml}"
        );
    }
    let empty = tempfile::tempdir().expect("a folder");
    assert_eq!(snapshot_of(empty.path()).expect("metadata"), None);
    let silent = package("[package]\nname = \"a\"\n[package.metadata.cowherd]\n");
    let expected = Some(Metadata::default());
    assert_eq!(metadata(silent.path()).expect("metadata"), expected);
}

#[test]
fn a_table_that_is_wrong_is_told_with_its_line() {
    let folder =
        package("[package]\nname = \"a\"\n[package.metadata.cowherd]\nsnapshoot = \"shop\"\n");
    let error = metadata(folder.path()).expect_err("an error");
    let told = in_words(&error);
    assert!(told.starts_with("can't use `package.metadata.cowherd` of "));
    assert!(told.contains("line 4") && told.contains("unknown field `snapshoot`"));
    assert!(error.hint().expect("a hint").contains("snapshot = "));

    let folder = tempfile::tempdir().expect("a folder");
    std::fs::create_dir(folder.path().join("Cargo.toml")).expect("a folder");
    let error = metadata(folder.path()).expect_err("an error");
    let file = folder.path().join("Cargo.toml");
    assert!(
        in_words(&error).starts_with(&format!("can't read {}: ", Path::new(&file).display())),
        "{error:?}"
    );
}
