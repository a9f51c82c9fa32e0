//! What garbage collection takes, and what it must leave.

use std::fs::{self, File};
use std::time::{Duration, SystemTime};

use cowherd::store::{GcPolicy, Layer, Store};

use super::{Fixture, build, child, draft, info, key, wait_until_ready};

fn plain() -> GcPolicy {
    GcPolicy::default()
}

fn removed(store: &Store, policy: GcPolicy) -> Vec<String> {
    let mut labels: Vec<_> = store
        .gc(&policy)
        .unwrap()
        .removed
        .into_iter()
        .map(|layer| layer.label)
        .collect();
    labels.sort();
    labels
}

/// Dates the last use of a layer back.
fn age(store: &Store, layer: &Layer, days: u64) {
    let path = store
        .path()
        .join(format!("locks/layer-{}.lock", layer.digest()));
    let then = SystemTime::now() - Duration::from_secs(days * 24 * 3600);
    File::options()
        .write(true)
        .open(path)
        .unwrap()
        .set_modified(then)
        .unwrap();
}

#[test]
fn a_layer_that_no_snapshot_reaches_goes_with_its_keys() {
    let fixture = Fixture::new();
    let store = &fixture.store;
    drop(build(store, "a", None, "one"));
    drop(build(store, "same as a", None, "one"));
    let outcome = store
        .gc(&GcPolicy {
            dry_run: true,
            ..plain()
        })
        .unwrap();
    assert_eq!(outcome.removed.len(), 1);
    assert!(outcome.removed[0].bytes >= 3, "{outcome:?}");
    assert!(store.find(&key("a")).unwrap().is_some());

    assert_eq!(store.gc(&plain()).unwrap(), outcome);
    assert!(store.find(&key("a")).unwrap().is_none());
    for folder in ["keys", "layers"] {
        assert!(fixture.names(folder).is_empty(), "{folder}");
    }
    assert_eq!(fixture.names("locks"), ["gc.lock"]);
    build(store, "a", None, "one");
    assert!(store.find(&key("a")).unwrap().is_some());
}

#[test]
fn a_leased_layer_survives() {
    let fixture = Fixture::new();
    let store = &fixture.store;
    let lease = {
        let layer = build(store, "a", None, "one");
        store.lease(&[layer]).unwrap()
    };
    let outcome = store
        .gc(&GcPolicy {
            all: true,
            ..plain()
        })
        .unwrap();
    assert_eq!(
        (outcome.removed.len(), outcome.in_use, outcome.kept),
        (0, 1, 0)
    );
    assert!(store.find(&key("a")).unwrap().is_some());
    drop(lease);
    assert_eq!(removed(store, plain()), ["a"]);
}

#[test]
fn a_layer_that_another_process_uses_survives() {
    let fixture = Fixture::new();
    let store = &fixture.store;
    drop(build(store, "a", None, "one"));
    let (mut process, mut output) = child(store, "hold");
    wait_until_ready(&mut output);
    assert_eq!(
        store
            .gc(&GcPolicy {
                all: true,
                ..plain()
            })
            .unwrap()
            .in_use,
        1
    );
    process.kill().unwrap();
    process.wait().unwrap();
    assert_eq!(removed(store, plain()), ["a"]);
}

#[test]
fn what_a_snapshot_reaches_is_kept_while_its_spec_file_exists() {
    let fixture = Fixture::new();
    let store = &fixture.store;
    let spec = fixture.spec("cowherd.yaml");
    {
        let bottom = build(store, "bottom", None, "one");
        let top = build(store, "top", Some(&bottom), "two");
        build(store, "other", Some(&bottom), "three");
        store
            .record_snapshot("shop", &spec, &[bottom, top])
            .unwrap();
    }
    let outcome = store.gc(&plain()).unwrap();
    assert_eq!(
        outcome
            .removed
            .iter()
            .map(|layer| &*layer.label)
            .collect::<Vec<_>>(),
        ["other"]
    );
    assert_eq!((outcome.kept, outcome.in_use), (2, 0));
    assert!(outcome.forgotten.is_empty());
    assert_eq!(
        store
            .find_chain(&[key("bottom"), key("top")])
            .unwrap()
            .len(),
        2
    );

    fs::remove_file(&spec).unwrap();
    let outcome = store
        .gc(&GcPolicy {
            dry_run: true,
            ..plain()
        })
        .unwrap();
    assert_eq!(
        (outcome.removed.len(), &*outcome.forgotten),
        (2, &["shop".to_owned()][..])
    );
    assert_eq!(store.snapshots().unwrap().len(), 1);
    assert_eq!(store.gc(&plain()).unwrap(), outcome);
    assert!(store.snapshots().unwrap().is_empty());
}

#[test]
fn a_layer_below_one_that_stays_is_never_removed() {
    let fixture = Fixture::new();
    let store = &fixture.store;
    let spec = fixture.spec("cowherd.yaml");
    let chain = || {
        let bottom = build(store, "bottom", None, "one");
        let middle = build(store, "middle", Some(&bottom), "two");
        let top = build(store, "top", Some(&middle), "three");
        vec![bottom, middle, top]
    };
    // Used by someone who holds the topmost only.
    let held = chain().pop().unwrap();
    let outcome = store
        .gc(&GcPolicy {
            all: true,
            ..plain()
        })
        .unwrap();
    assert_eq!(
        (outcome.removed.len(), outcome.in_use, outcome.kept),
        (0, 1, 2)
    );
    drop(held);

    // The topmost used lately, those below long ago.
    let layers = chain();
    store.record_snapshot("shop", &spec, &layers).unwrap();
    age(store, &layers[0], 9);
    age(store, &layers[1], 9);
    drop(layers);
    let week = Duration::from_secs(7 * 24 * 3600);
    assert!(
        removed(
            store,
            GcPolicy {
                older_than: Some(week),
                ..plain()
            }
        )
        .is_empty()
    );
}

#[test]
fn what_was_not_used_for_long_goes_when_asked_for() {
    let fixture = Fixture::new();
    let store = &fixture.store;
    let spec = fixture.spec("cowherd.yaml");
    for (name, days) in [("new", 0), ("old", 9), ("old but touched", 9)] {
        let layer = build(store, name, None, name);
        store
            .record_snapshot(name, &spec, std::slice::from_ref(&layer))
            .unwrap();
        age(store, &layer, days);
        if name.contains("touched") {
            store.touch(&[layer]).unwrap();
        }
    }
    let week = Some(Duration::from_secs(7 * 24 * 3600));
    let outcome = store
        .gc(&GcPolicy {
            older_than: week,
            ..plain()
        })
        .unwrap();
    assert_eq!(
        outcome
            .removed
            .iter()
            .map(|layer| &*layer.label)
            .collect::<Vec<_>>(),
        ["old"]
    );
    assert_eq!(outcome.forgotten, ["old"]);
    assert_eq!(outcome.kept, 2);
    // The next process to find a layer uses it.
    for name in ["new", "old but touched"] {
        age(store, &store.find(&key(name)).unwrap().unwrap(), 9);
    }
    Store::open(store.path())
        .unwrap()
        .find(&key("new"))
        .unwrap()
        .unwrap();
    assert_eq!(
        removed(
            store,
            GcPolicy {
                older_than: week,
                ..plain()
            }
        ),
        ["old but touched"]
    );
    assert_eq!(
        removed(
            store,
            GcPolicy {
                all: true,
                ..plain()
            }
        ),
        ["new"]
    );
}

#[test]
fn a_snapshot_is_recorded_with_its_chain_and_last_use() {
    let fixture = Fixture::new();
    let store = &fixture.store;
    let spec = fixture.spec("cowherd.yaml");
    let bottom = build(store, "bottom", None, "one");
    let top = build(store, "top", Some(&bottom), "three");
    let chain = [bottom, top];
    store.record_snapshot("shop", &spec, &chain).unwrap();
    store.record_snapshot("bare", &spec, &chain[..1]).unwrap();
    let all = store.snapshots().unwrap();
    assert_eq!(
        all.iter().map(|record| &*record.name).collect::<Vec<_>>(),
        ["bare", "shop"]
    );
    let shop = store.snapshot("shop", &spec).unwrap().unwrap();
    assert_eq!(shop, all[1]);
    assert_eq!(shop.keys, [key("bottom"), key("top")]);
    assert_eq!(shop.layers, [chain[0].digest(), chain[1].digest()]);
    assert_eq!((shop.bytes, shop.spec), (8, spec.clone()));
    assert_eq!(
        store.snapshot("shop", &fixture.spec("other.yaml")).unwrap(),
        None
    );

    // Used again: the record is the same file with a new time.
    let file = fixture
        .names("snapshots")
        .into_iter()
        .map(|name| store.path().join("snapshots").join(name))
        .find(|path| fs::read_to_string(path).unwrap().contains("shop"))
        .unwrap();
    let before = fs::read(&file).unwrap();
    let then = SystemTime::now() - Duration::from_secs(1000);
    File::options()
        .write(true)
        .open(&file)
        .unwrap()
        .set_modified(then)
        .unwrap();
    store.record_snapshot("shop", &spec, &chain).unwrap();
    let again = store.snapshot("shop", &spec).unwrap().unwrap();
    assert_eq!(again.built_at, shop.built_at);
    assert!(again.last_used > then + Duration::from_secs(500));
    assert_eq!(fs::read(&file).unwrap(), before);

    // A damaged record keeps nothing, and is written anew by the next use.
    fs::write(&file, "{").unwrap();
    assert_eq!(store.snapshots().unwrap().len(), 1);
    let error = store.snapshot("shop", &spec).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("can't read {}: it is damaged", file.display())
    );
    store.record_snapshot("shop", &spec, &chain).unwrap();
    assert_eq!(store.snapshots().unwrap().len(), 2);
}

#[test]
fn a_layer_without_a_name_goes_whatever_its_record_says() {
    let fixture = Fixture::new();
    let store = &fixture.store;
    let digest = build(store, "a", None, "one").digest();
    fs::write(store.layers_dir().join(format!("{digest}/layer.json")), "{").unwrap();
    fs::remove_file(store.path().join(format!("keys/{}", key("a")))).unwrap();
    let files = store.layers_dir().join(format!("{digest}/files/db"));
    fs::set_permissions(files, std::os::unix::fs::PermissionsExt::from_mode(0o500)).unwrap();
    assert_eq!(removed(store, plain()), [""]);
    assert!(fixture.names("layers").is_empty());
}

#[test]
fn a_draft_is_not_touched() {
    let fixture = Fixture::new();
    let store = &fixture.store;
    let draft = draft(store, "a");
    fs::write(draft.files("db").unwrap().join("data"), "one").unwrap();
    let other = Store::open(store.path()).unwrap();
    other.sweep().unwrap();
    assert!(
        removed(
            &other,
            GcPolicy {
                all: true,
                ..plain()
            }
        )
        .is_empty()
    );
    draft.seal(info("a", None)).unwrap();
    assert!(store.find(&key("a")).unwrap().is_some());
}

#[test]
fn looking_at_a_layer_is_no_use_of_it() {
    let fixture = Fixture::new();
    let store = &fixture.store;
    let keys = [key("a"), key("b"), key("c")];
    let used = {
        let bottom = build(store, "a", None, "one");
        let top = build(store, "b", Some(&bottom), "two");
        age(store, &bottom, 40);
        age(store, &top, 40);
        [bottom.digest(), top.digest()]
    };
    let seen = store.look(&keys).unwrap();
    assert_eq!(
        seen.iter().map(|layer| layer.digest).collect::<Vec<_>>(),
        used
    );
    assert_eq!((seen[1].label.as_str(), seen[1].bytes), ("b", 3));
    assert!(
        seen[1]
            .last_used
            .is_some_and(|used| used.elapsed().unwrap().as_secs() > 39 * 86_400)
    );
    let old = GcPolicy {
        older_than: Some(Duration::from_secs(30 * 86_400)),
        ..plain()
    };
    assert_eq!(removed(store, old), ["a", "b"]);
    assert_eq!(store.look(&keys).unwrap(), []);
}
