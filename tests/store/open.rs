//! Where a store is, and what is accepted as one.

use std::fs;

use cowherd::store::{Store, StoreError};

use super::Fixture;

#[test]
fn a_store_of_another_format_is_refused_with_a_hint() {
    let fixture = Fixture::new();
    let path = fixture.store.path();
    fs::write(path.join("format"), "cowherd store 2\n").unwrap();
    let error = Store::open(path).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "can't use the store {}: its format is `cowherd store 2`",
            path.display()
        )
    );
    assert!(error.hint().unwrap().contains("COWHERD_STORE"));
}

#[test]
fn a_folder_with_something_else_in_it_is_not_made_a_store() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("letter.txt"), "").unwrap();
    let error = Store::open(folder.path()).unwrap_err();
    assert!(matches!(error, StoreError::NotAStore { .. }), "{error}");
    assert!(error.hint().is_some());
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    // An empty disk that was just formatted is fine.
    fs::remove_file(folder.path().join("letter.txt")).unwrap();
    fs::create_dir(folder.path().join("lost+found")).unwrap();
    Store::open(folder.path()).unwrap();
}

#[test]
fn the_path_comes_from_the_environment() {
    let path = |variables: &[(&str, &str)]| {
        Store::default_path(&|name| {
            variables
                .iter()
                .find(|(n, _)| *n == name)
                .map(|(_, value)| value.into())
        })
        .map(|path| path.to_str().unwrap().to_owned())
        .ok()
    };
    let home = ("HOME", "/h");
    assert_eq!(
        path(&[home, ("COWHERD_STORE", "/s"), ("XDG_DATA_HOME", "/x")]).unwrap(),
        "/s"
    );
    assert_eq!(
        path(&[home, ("COWHERD_STORE", ""), ("XDG_DATA_HOME", "/x")]).unwrap(),
        "/x/cowherd"
    );
    let standard = "/h/.local/share/cowherd";
    assert_eq!(
        path(&[home, ("XDG_DATA_HOME", "relative")]).unwrap(),
        standard
    );
    assert_eq!(path(&[home]).unwrap(), standard);
    assert_eq!(path(&[]), None);
}
