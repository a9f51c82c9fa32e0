//! Finding PostgreSQL: installations of empty programs that print a version.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use cowherd::engine::EngineError;
use cowherd::engine::postgres_find::Places;

/// Puts programs into a folder, each of which prints its name and `version`.
fn install(folder: &Path, version: &str, programs: &[&str]) -> PathBuf {
    fs::create_dir_all(folder).unwrap();
    for name in programs {
        let path = folder.join(name);
        fs::write(
            &path,
            format!("#!/bin/sh\necho '{name} (PostgreSQL) {version}'\n"),
        )
        .unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }
    folder.to_owned()
}

const ALL: [&str; 4] = ["postgres", "initdb", "pg_controldata", "psql"];

fn places(path: &[&Path], versioned: Option<&Path>) -> Places {
    Places {
        path: Some(std::env::join_paths(path).unwrap_or_else(|_| OsString::new())),
        versioned: versioned
            .map(|folder| (folder.to_owned(), "", "bin"))
            .into_iter()
            .collect(),
        folders: Vec::new(),
    }
}

#[test]
fn bin_dir_goes_before_everything_and_is_taken_at_its_word() {
    let folder = tempfile::tempdir().unwrap();
    let mine = install(&folder.path().join("mine"), "14.2", &ALL);
    let other = install(&folder.path().join("other"), "16.1", &ALL);
    let found = places(&[&other], None).find(Some(&mine)).unwrap();
    assert_eq!((found.version.as_str(), found.major), ("14.2", 14));
    assert_eq!(found.postgres, mine.join("postgres"));

    let empty = folder.path().join("empty");
    fs::create_dir(&empty).unwrap();
    let error = places(&[&other], None).find(Some(&empty)).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("can't find postgres: looked in {}", empty.display())
    );
    assert!(error.hint().unwrap().contains("`bin_dir:`"));
}

#[test]
fn of_versions_side_by_side_the_highest_is_taken_by_number() {
    let folder = tempfile::tempdir().unwrap();
    for version in ["9.6", "13", "15"] {
        install(
            &folder.path().join(version).join("bin"),
            &format!("{version}.3 (Debian)"),
            &ALL,
        );
    }
    // A client package leaves a folder without a server.
    install(&folder.path().join("17").join("bin"), "17.0", &["psql"]);
    let found = places(&[], Some(folder.path())).find(None).unwrap();
    assert_eq!(found.version, "15.3 (Debian)");
}

#[test]
fn a_link_on_the_path_leads_to_the_other_programs() {
    let folder = tempfile::tempdir().unwrap();
    let real = install(&folder.path().join("lib/16/bin"), "16.4", &ALL);
    let links = folder.path().join("links");
    fs::create_dir(&links).unwrap();
    for name in ["postgres", "initdb"] {
        symlink(real.join(name), links.join(name)).unwrap();
    }
    let found = places(&[&links], None).find(None).unwrap();
    assert_eq!(
        fs::canonicalize(found.folder).unwrap(),
        fs::canonicalize(&real).unwrap()
    );
    assert_eq!(found.psql.file_name().unwrap(), "psql");
}

#[test]
fn psql_may_be_elsewhere_on_the_path() {
    let folder = tempfile::tempdir().unwrap();
    let server = install(&folder.path().join("server"), "15.1", &ALL[..3]);
    let error = places(&[], None).find(Some(&server)).unwrap_err();
    assert!(error.to_string().starts_with("can't find psql"), "{error}");
    let client = install(&folder.path().join("client"), "15.1", &["psql"]);
    let found = places(&[&client], None).find(Some(&server)).unwrap();
    assert_eq!(found.psql, client.join("psql"));
}

#[test]
fn pg_config_is_asked_last() {
    let folder = tempfile::tempdir().unwrap();
    let server = install(&folder.path().join("odd/place"), "18.0", &ALL);
    let tools = install(&folder.path().join("tools"), "", &["pg_config"]);
    fs::write(
        tools.join("pg_config"),
        format!(
            "#!/bin/sh\n[ \"$1\" = --bindir ] && echo {}\n",
            server.display()
        ),
    )
    .unwrap();
    let found = places(&[&tools], None).find(None).unwrap();
    assert_eq!((found.folder, found.major), (server, 18));
}

#[test]
fn an_old_version_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let old = install(&folder.path().join("old"), "12.22", &ALL);
    let error = places(&[], None).find(Some(&old)).unwrap_err();
    assert!(matches!(error, EngineError::TooOld { .. }), "{error}");
    assert!(error.to_string().contains("12.22") && error.to_string().contains("13"));
}

#[test]
fn a_program_that_prints_no_version_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let broken = install(&folder.path().join("broken"), "unknown", &ALL);
    let error = places(&[], None).find(Some(&broken)).unwrap_err();
    assert!(matches!(error, EngineError::Run { .. }), "{error}");
}

#[test]
fn where_there_is_none_the_places_and_the_remedy_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let error = places(&[], Some(folder.path())).find(None).unwrap_err();
    let text = error.to_string();
    assert!(text.contains("PATH") && text.contains(&folder.path().display().to_string()));
    let hint = error.hint().unwrap();
    assert!(
        hint.contains("install") && hint.contains("`bin_dir:`"),
        "{hint}"
    );
}

#[test]
fn an_upgrade_under_the_same_path_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let bin = install(&folder.path().join("bin"), "15.1", &ALL);
    assert_eq!(places(&[], None).find(Some(&bin)).unwrap().version, "15.1");
    install(&bin, "15.10", &ALL);
    assert_eq!(places(&[], None).find(Some(&bin)).unwrap().version, "15.10");
}
