//! Finding Redis and Valkey: installations of empty programs that print a version.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use cowherd::engine::EngineError;
use cowherd::engine::redis_find::{Places, Product};

/// Puts programs into a folder, each of which prints what a server of that name and version does.
pub(super) fn install(folder: &Path, product: &str, version: &str, programs: &[&str]) -> PathBuf {
    fs::create_dir_all(folder).unwrap();
    for name in programs {
        let path = folder.join(name);
        let printed =
            format!("{product} server v={version} sha=00000000:0 malloc=libc bits=64 build=abc");
        fs::write(&path, format!("#!/bin/sh\necho '{printed}'\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }
    folder.to_owned()
}

pub(super) const REDIS: [&str; 2] = ["redis-server", "redis-cli"];
const VALKEY: [&str; 2] = ["valkey-server", "valkey-cli"];

fn places(path: &[&Path], folders: &[&Path]) -> Places {
    Places {
        path: Some(std::env::join_paths(path).unwrap()),
        folders: folders.iter().map(|folder| (*folder).to_owned()).collect(),
    }
}

#[test]
fn redis_goes_before_valkey_unless_valkey_is_asked_for() {
    let room = tempfile::tempdir().unwrap();
    let redis = install(&room.path().join("r"), "Redis", "7.2.4", &REDIS);
    let valkey = install(&room.path().join("v"), "Valkey", "8.0.1", &VALKEY);
    let both = places(&[&valkey, &redis], &[]);
    let found = both.find(None, None).unwrap();
    assert_eq!((found.product, found.folder), (Product::Redis, redis));
    assert_eq!(found.version, "7.2.4 (build abc)");
    let asked = both.find(None, Some(Product::Valkey)).unwrap();
    assert_eq!(
        (asked.product, asked.client),
        (Product::Valkey, valkey.join("valkey-cli"))
    );
    let alone = places(&[&valkey], &[]).find(None, None).unwrap();
    assert_eq!(alone.server, valkey.join("valkey-server"));
}

#[test]
fn a_valkey_that_is_called_redis_is_known_by_its_word() {
    let room = tempfile::tempdir().unwrap();
    let folder = install(room.path(), "Valkey", "7.2.8", &REDIS);
    let found = places(&[&folder], &[]).find(None, None).unwrap();
    assert_eq!(found.product, Product::Valkey);
}

#[test]
fn bin_dir_goes_before_everything_and_a_client_may_be_elsewhere() {
    let room = tempfile::tempdir().unwrap();
    let mine = install(&room.path().join("mine"), "Redis", "7.0.0", &REDIS[..1]);
    let other = install(&room.path().join("other"), "Redis", "8.0.0", &REDIS);
    let found = places(&[&other], &[]).find(Some(&mine), None).unwrap();
    assert_eq!(found.server, mine.join("redis-server"));
    assert_eq!(found.client, other.join("redis-cli"));
    let error = places(&[], &[]).find(Some(&mine), None).unwrap_err();
    assert!(
        error.to_string().starts_with("can't find redis-cli: "),
        "{error}"
    );
}

#[test]
fn what_is_missing_or_too_old_is_said_with_a_remedy() {
    let room = tempfile::tempdir().unwrap();
    let empty = room.path().join("empty");
    fs::create_dir(&empty).unwrap();
    let error = places(&[&empty], &[&empty]).find(None, None).unwrap_err();
    let looked = empty.display();
    assert_eq!(
        error.to_string(),
        format!("can't find Redis: looked in PATH, {looked}")
    );
    assert!(error.hint().unwrap().contains("`bin_dir:`"));
    let old = install(&room.path().join("old"), "Redis", "6.2.14", &REDIS);
    let error = places(&[&old], &[]).find(None, None).unwrap_err();
    assert!(
        matches!(&error, EngineError::TooOld { oldest: "7.0", .. }),
        "{error}"
    );
    let error = places(&[&old], &[]).find(Some(&empty), Some(Product::Valkey));
    let error = error.unwrap_err().to_string();
    assert_eq!(
        error,
        format!("can't find valkey-server: looked in {looked}")
    );
}
