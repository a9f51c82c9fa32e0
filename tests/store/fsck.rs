//! `fsck` finds what is damaged and puts it aside, whole; what is in use, and what is as it was, stays.

use std::fs;
use std::path::Path;

use cowherd::store::{Checked, Store};

use super::{Fixture, build, child, key, wait_until_ready};

fn check(store: &Store) -> Checked {
    // As another process, which holds nothing.
    let store = Store::open(store.path()).unwrap();
    store.fsck(&mut |_| {}).unwrap()
}

/// The faults of the only damage.
#[track_caller]
fn only(checked: &Checked) -> (&Path, &[String], Option<&Path>) {
    let [damage] = checked.damage.as_slice() else {
        panic!("{checked:?}");
    };
    (&damage.path, &damage.faults, damage.moved.as_deref())
}

#[test]
fn a_store_that_is_as_it_was_sealed_is_left_alone() {
    let fixture = Fixture::new();
    let store = &fixture.store;
    let bottom = build(store, "a", None, "one");
    let top = build(store, "b", Some(&bottom), "three");
    let spec = fixture.spec("cowherd.yaml");
    store
        .record_snapshot("shop", &spec, &[bottom, top])
        .unwrap();
    let mut steps = Vec::new();
    let checked = store.fsck(&mut |step| steps.push(step.to_owned())).unwrap();
    assert_eq!((checked.layers, checked.bytes), (2, 8));
    assert_eq!(
        (checked.damage, checked.incomplete, checked.unnamed),
        (vec![], vec![], 0)
    );
    steps.sort();
    assert_eq!(steps, ["a", "b"]);
    assert!(!store.quarantine().exists());
    assert_eq!(store.find_chain(&[key("a"), key("b")]).unwrap().len(), 2);
}

#[test]
fn a_damaged_layer_is_put_aside_whole_with_its_name_and_is_built_again() {
    let fixture = Fixture::new();
    let store = &fixture.store;
    let layer = build(store, "a", None, "one");
    let digest = layer.digest();
    fs::write(layer.files("db").unwrap().join("data"), "two").unwrap();
    drop(layer);
    let checked = check(store);
    let [of_layer, of_key] = checked.damage.as_slice() else {
        panic!("{checked:?}");
    };
    assert_eq!(of_layer.path, Path::new("layers").join(digest.to_string()));
    assert_eq!(of_layer.label, "a");
    assert_eq!(of_layer.faults, ["db/data: content changed"]);
    assert_eq!(of_key.path, Path::new("keys").join(key("a").to_string()));
    let aside = store.path().join(of_layer.moved.as_ref().unwrap());
    assert_eq!(
        fs::read_to_string(aside.join("files/db/data")).unwrap(),
        "two"
    );
    assert!(aside.join("manifest.json").exists());

    assert!(store.find(&key("a")).unwrap().is_none());
    assert_eq!(check(store).damage, []);
    // The same happens again: both are kept.
    let layer = build(store, "a", None, "one");
    assert_eq!(layer.digest(), digest);
    fs::remove_file(layer.files("db").unwrap().join("data")).unwrap();
    drop(layer);
    let checked = check(store);
    assert_eq!(checked.damage[0].faults, ["db/data: missing"]);
    let second = checked.damage[0].moved.clone().unwrap();
    assert_eq!(second.extension().unwrap(), "1");
    assert!(aside.exists());
}

#[test]
fn a_damaged_layer_in_use_stays_until_it_is_free() {
    let fixture = Fixture::new();
    let store = &fixture.store;
    let layer = build(store, "a", None, "one");
    fs::write(layer.files("db").unwrap().join("data"), "two").unwrap();
    drop(layer);
    let (mut process, mut output) = child(store, "hold");
    wait_until_ready(&mut output);
    let checked = check(store);
    let (_, faults, moved) = only(&checked);
    assert_eq!(faults[1], "it is in use, and stays: run fsck again later");
    assert_eq!(moved, None);
    drop(process.stdin.take());
    process.wait().unwrap();
    assert_eq!(check(store).damage.len(), 2);
}

#[test]
fn each_kind_of_damage_is_named() {
    let damaged = |damage: &dyn Fn(&Path), fault: &str| {
        let fixture = Fixture::new();
        let store = &fixture.store;
        let layer = build(store, "a", None, "one");
        damage(
            layer
                .files("db")
                .unwrap()
                .parent()
                .unwrap()
                .parent()
                .unwrap(),
        );
        drop(layer);
        let checked = check(store);
        let faults = checked.damage[0].faults.join("; ");
        assert!(faults.contains(fault), "not {fault}: {faults}");
        assert!(checked.damage[0].moved.is_some());
        assert_eq!(check(store).damage, []);
    };
    let edit = |file: &'static str, was: &'static str, is: &'static str| {
        move |layer: &Path| {
            let text = fs::read_to_string(layer.join(file)).unwrap();
            assert!(text.contains(was));
            fs::write(layer.join(file), text.replace(was, is)).unwrap();
        }
    };
    damaged(
        &|layer| fs::remove_file(layer.join("layer.json")).unwrap(),
        "layer.json: No such",
    );
    damaged(
        &|layer| fs::write(layer.join("layer.json"), "{").unwrap(),
        "layer.json: it is damaged",
    );
    damaged(
        &|layer| fs::write(layer.join("manifest.json"), "[").unwrap(),
        "manifest.json: it is",
    );
    damaged(
        &edit("layer.json", "\"bytes\": 3", "\"bytes\": 4"),
        "its sizes are not the layer's",
    );
    damaged(
        &edit("layer.json", "\"parent\": null", PARENT),
        "the digest is not the layer's name",
    );
    let both = |layer: &Path| {
        fs::write(layer.join("files/db/data"), "two").unwrap();
        let digest = cowherd::digest::Digest::of(b"two").to_string();
        let one = cowherd::digest::Digest::of(b"one").to_string();
        let text = fs::read_to_string(layer.join("manifest.json")).unwrap();
        fs::write(layer.join("manifest.json"), text.replace(&one, &digest)).unwrap();
    };
    damaged(&both, "the digest is not the layer's name");
    damaged(
        &|layer| fs::rename(layer, layer.with_file_name("x")).unwrap(),
        "it is no layer",
    );
}

const PARENT: &str =
    "\"parent\": \"0000000000000000000000000000000000000000000000000000000000000000\"";

#[test]
fn names_and_records_that_say_nothing_are_put_aside() {
    let fixture = Fixture::new();
    let store = &fixture.store;
    let layer = build(store, "a", None, "one");
    let spec = fixture.spec("cowherd.yaml");
    store.record_snapshot("shop", &spec, &[layer]).unwrap();
    let path = |path: &str| store.path().join(path);
    fs::write(path(&format!("keys/{}", key("b"))), "nonsense").unwrap();
    fs::write(
        path(&format!("keys/{}", key("c"))),
        format!("{}\nlost\n", key("x")),
    )
    .unwrap();
    fs::write(path("keys/stray"), "").unwrap();
    fs::write(path("snapshots/stray.json"), "{}").unwrap();
    let record = fs::read_dir(path("snapshots")).unwrap();
    let mut records = record.map(|entry| entry.unwrap().path());
    let record = records.find(|path| !path.ends_with("stray.json")).unwrap();
    fs::copy(&record, path("snapshots/copied.json")).unwrap();
    let checked = check(store);
    let mut faults: Vec<&str> = checked
        .damage
        .iter()
        .map(|damage| damage.faults[0].as_str())
        .collect();
    faults.sort_unstable();
    assert_eq!(faults.len(), 5, "{faults:?}");
    for (fault, words) in faults.iter().zip([
        "can't read ",
        "it is no name",
        "it is the record of another snapshot",
        "it names no layer",
        "it names the layer ",
    ]) {
        assert!(fault.starts_with(words), "{fault}");
    }
    assert_eq!(check(store).damage, []);
    assert!(record.exists() && store.find(&key("a")).unwrap().is_some());
}

#[test]
fn what_is_only_missing_is_told_and_no_damage() {
    let fixture = Fixture::new();
    let store = &fixture.store;
    let bottom = build(store, "a", None, "one");
    let top = build(store, "b", Some(&bottom), "two");
    let spec = fixture.spec("cowherd.yaml");
    store
        .record_snapshot("shop", &spec, &[bottom, top.clone()])
        .unwrap();
    fs::remove_file(store.path().join(format!("keys/{}", key("b")))).unwrap();
    assert_eq!((check(store).damage, check(store).unnamed), (vec![], 1));
    fs::remove_dir_all(store.layers_dir().join(top.digest().to_string())).unwrap();
    let checked = check(store);
    assert_eq!(
        (checked.damage, checked.incomplete),
        (vec![], vec!["shop".to_owned()])
    );
}

#[test]
fn a_key_that_is_being_built_is_its_builders() {
    let fixture = Fixture::new();
    let store = &fixture.store;
    fs::write(store.path().join(format!("keys/{}", key("a"))), "nonsense").unwrap();
    let lock = store.lock_key(&key("a"), "a", &mut |_| {}).unwrap();
    assert_eq!(check(store).damage, []);
    drop(lock);
    assert_eq!(check(store).damage.len(), 1);
}
