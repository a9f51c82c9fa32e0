//! What takes room, and how much of it a limit leaves.

use std::fs::{self, File};
use std::time::{Duration, SystemTime};

use cowherd::store::{GcPolicy, Layer, Store};

use super::{Fixture, draft, info};

/// Builds a layer of one file of so many KiB.
fn sized(store: &Store, of: &str, parent: Option<&Layer>, kib: usize) -> Layer {
    let draft = draft(store, of);
    let content: Vec<u8> = of.bytes().cycle().take(kib << 10).collect();
    fs::write(draft.files("db").unwrap().join("data"), content).unwrap();
    draft.seal(info(of, parent)).unwrap()
}

/// Three snapshots over one layer, used three, two and one hours ago.
fn three(fixture: &Fixture) -> std::path::PathBuf {
    let store = &fixture.store;
    let spec = fixture.spec("cowherd.yaml");
    let base = sized(store, "base", None, 1024);
    for (hours, name) in [(3, "old"), (2, "middle"), (1, "new")] {
        let top = sized(store, name, Some(&base), 512);
        store
            .record_snapshot(name, &spec, &[base.clone(), top])
            .unwrap();
        let used = SystemTime::now() - Duration::from_secs(hours * 3600);
        for entry in fs::read_dir(store.path().join("snapshots")).unwrap() {
            let path = entry.unwrap().path();
            let text = fs::read_to_string(&path).unwrap();
            if text.contains(&format!("\"{name}\"")) {
                File::options()
                    .write(true)
                    .open(path)
                    .unwrap()
                    .set_modified(used)
                    .unwrap();
            }
        }
    }
    spec
}

#[test]
fn own_shared_and_reclaimable_add_up() {
    let fixture = Fixture::new();
    let store = &fixture.store;
    three(&fixture);
    sized(store, "nobody's", None, 256);
    let scratch = store.scratch().unwrap();
    fs::write(scratch.path().join("big"), vec![1; 100 << 10]).unwrap();
    let usage = store.usage().unwrap();
    assert_eq!(usage.layers, 5);
    let names: Vec<&str> = usage
        .snapshots
        .iter()
        .map(|s| s.record.name.as_str())
        .collect();
    assert_eq!(names, ["middle", "new", "old"]);
    for snapshot in &usage.snapshots {
        assert!(
            (512 << 10..600 << 10).contains(&snapshot.own),
            "{snapshot:?}"
        );
        assert!(
            (1536 << 10..1700 << 10).contains(&snapshot.bytes),
            "{snapshot:?}"
        );
        assert!(snapshot.kept && snapshot.missing == 0);
    }
    assert!(
        (256 << 10..300 << 10).contains(&usage.reclaimable),
        "{usage:?}"
    );
    assert!((100 << 10..200 << 10).contains(&usage.scratch), "{usage:?}");
    assert_eq!(usage.quarantine, 0);
    let own: u64 = usage.snapshots.iter().map(|snapshot| snapshot.own).sum();
    let base = usage.snapshots[0].bytes - usage.snapshots[0].own;
    assert_eq!(usage.bytes, own + base + usage.reclaimable);
    assert!(usage.free > 0 && usage.free <= usage.total);

    // What it says is what gc does.
    drop(scratch);
    let store = Store::open(store.path()).unwrap();
    let outcome = store.gc(&GcPolicy::default()).unwrap();
    let removed: u64 = outcome.removed.iter().map(|layer| layer.bytes).sum();
    assert_eq!(removed, usage.reclaimable);
    assert_eq!(store.usage().unwrap().reclaimable, 0);
}

#[test]
fn a_snapshot_whose_spec_is_gone_can_be_reclaimed() {
    let fixture = Fixture::new();
    let spec = three(&fixture);
    fs::remove_file(spec).unwrap();
    let usage = fixture.store.usage().unwrap();
    assert_eq!(usage.reclaimable, usage.bytes);
    assert!(usage.snapshots.iter().all(|snapshot| !snapshot.kept));
}

#[test]
fn an_imported_snapshot_keeps_its_layers_without_a_spec() {
    let fixture = Fixture::new();
    let store = Store::open(fixture.store.path()).unwrap();
    let layer = sized(&store, "a", None, 4);
    store
        .record_import("shop", std::slice::from_ref(&layer), Vec::new())
        .unwrap();
    drop((layer, store));
    let store = &fixture.store;
    assert_eq!(store.gc(&GcPolicy::default()).unwrap().removed, []);
    assert_eq!(store.usage().unwrap().reclaimable, 0);
    let all = GcPolicy {
        all: true,
        ..GcPolicy::default()
    };
    let outcome = store.gc(&all).unwrap();
    assert_eq!(
        (outcome.removed.len(), outcome.forgotten),
        (1, vec!["shop".to_owned()])
    );
    assert_eq!(store.stored("shop").unwrap(), None);
}

#[test]
fn a_limit_lets_go_what_was_used_longest_ago() {
    let fixture = Fixture::new();
    three(&fixture);
    // As another process, which holds nothing.
    let store = Store::open(fixture.store.path()).unwrap();
    let gc = |kib: u64, dry_run: bool| {
        let policy = GcPolicy {
            max_bytes: Some(kib << 10),
            dry_run,
            ..GcPolicy::default()
        };
        let outcome = store.gc(&policy).unwrap();
        (
            outcome.removed.len(),
            outcome.forgotten.join(" "),
            outcome.kept,
        )
    };
    assert_eq!(gc(4096, false), (0, String::new(), 4));
    // Base and one more; the newest two would be 2 MiB and their folders.
    assert_eq!(gc(2000, true), (2, "middle old".to_owned(), 2));
    assert_eq!(gc(2500, false), (1, "old".to_owned(), 3));
    assert_eq!(gc(2500, false), (0, String::new(), 3));
    assert_eq!(gc(2000, false), (1, "middle".to_owned(), 2));
    assert_eq!(gc(100, false), (2, "new".to_owned(), 0));
}

#[test]
fn what_is_in_use_stays_over_any_limit() {
    let fixture = Fixture::new();
    three(&fixture);
    let key = |of: &str| super::key(of);
    let held = fixture
        .store
        .find_chain(&[key("base"), key("old")])
        .unwrap();
    let store = Store::open(fixture.store.path()).unwrap();
    let policy = GcPolicy {
        max_bytes: Some(0),
        ..GcPolicy::default()
    };
    let outcome = store.gc(&policy).unwrap();
    assert_eq!((outcome.removed.len(), outcome.in_use), (2, 2));
    assert_eq!(held.len(), 2);
}
