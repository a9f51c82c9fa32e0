//! Several builders, users and collectors at the same moment.

use std::fs;
use std::io::Write as _;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Barrier, mpsc};

use cowherd::store::{GcPolicy, Layer, Store};

use super::{Fixture, build, child, info, key, wait_until_ready};

/// What a builder does: look, lock, look again, build.
fn find_or_build(store: &Store, of: &str, parent: Option<&Layer>, built: &AtomicUsize) -> Layer {
    if let Some(layer) = store.find_on(&key(of), parent).unwrap() {
        return layer;
    }
    let lock = store.lock_key(&key(of), of, &mut |_| {}).unwrap();
    if let Some(layer) = store.find_on(&key(of), parent).unwrap() {
        return layer;
    }
    built.fetch_add(1, Ordering::Relaxed);
    let draft = store.draft(&lock).unwrap();
    fs::write(draft.files("db").unwrap().join("data"), of).unwrap();
    draft.seal(info(of, parent)).unwrap()
}

#[test]
fn one_key_wanted_by_eight_threads_is_built_once() {
    let fixture = Fixture::new();
    let built = AtomicUsize::new(0);
    let start = Barrier::new(8);
    let digests: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8)
            .map(|_| {
                scope.spawn(|| {
                    // As processes: nothing but the disk is shared.
                    let store = Store::open(fixture.store.path()).unwrap();
                    start.wait();
                    find_or_build(&store, "a", None, &built).digest()
                })
            })
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect()
    });
    assert_eq!(built.into_inner(), 1);
    assert!(digests.iter().all(|digest| *digest == digests[0]));
}

#[test]
fn one_who_waits_is_told_for_whom_and_finds_the_layer() {
    let fixture = Fixture::new();
    let store = &fixture.store;
    let (mut process, mut output) = child(store, "build");
    wait_until_ready(&mut output);
    let mut told = Vec::new();
    let mut input = process.stdin.take();
    let lock = store
        .lock_key(&key("a"), "shop: seed", &mut |words| {
            told.push(words.to_owned());
            // Now the other may go on.
            drop(input.take());
        })
        .unwrap();
    assert_eq!(told, [format!("process {} (shop: seed)", process.id())]);
    assert_eq!(lock.key(), key("a"));
    assert_eq!(store.find(&key("a")).unwrap().unwrap().label(), "seed");
    assert!(process.wait().unwrap().success());
}

#[test]
fn the_key_of_a_builder_that_was_killed_is_free() {
    let fixture = Fixture::new();
    let store = &fixture.store;
    let (mut process, mut output) = child(store, "build");
    wait_until_ready(&mut output);
    process.stdin.as_mut().unwrap().flush().unwrap();
    process.kill().unwrap();
    process.wait().unwrap();
    let lock = store
        .lock_key(&key("a"), "again", &mut |_| panic!("it is dead"))
        .unwrap();
    assert!(store.find(&key("a")).unwrap().is_none());
    assert_eq!(store.sweep().unwrap().folders, 1);
    drop(lock);
    build(store, "a", None, "one");
}

#[test]
fn one_who_waits_can_give_up() {
    let fixture = Fixture::new();
    let store = &fixture.store;
    let lock = store.lock_key(&key("a"), "first", &mut |_| {}).unwrap();
    let stop = AtomicBool::new(false);
    let mut told = 0;
    let cancelled = || stop.load(Ordering::Relaxed);
    let none = store
        .lock_key_unless(&cancelled, &key("a"), "second", &mut |words| {
            assert!(words.ends_with("(first)"), "{words}");
            told += 1;
            stop.store(true, Ordering::Relaxed);
        })
        .unwrap();
    assert!(none.is_none());
    assert_eq!(told, 1);
    drop(lock);
    stop.store(false, Ordering::Relaxed);
    let lock = store
        .lock_key_unless(&cancelled, &key("a"), "third", &mut |_| {})
        .unwrap();
    assert_eq!(lock.unwrap().key(), key("a"));
}

#[test]
fn a_draft_keeps_its_key_when_the_lock_is_dropped() {
    let fixture = Fixture::new();
    let store = &fixture.store;
    let draft = {
        let lock = store.lock_key(&key("a"), "first", &mut |_| {}).unwrap();
        store.draft(&lock).unwrap()
    };
    let stop = AtomicBool::new(false);
    let other = store.lock_key_unless(
        &|| stop.load(Ordering::Relaxed),
        &key("a"),
        "second",
        &mut |_| stop.store(true, Ordering::Relaxed),
    );
    assert!(other.unwrap().is_none());
    drop(draft);
    store
        .lock_key(&key("a"), "third", &mut |_| panic!("it is free"))
        .unwrap();
}

/// Builders over a few keys, users with leases and scratch, and two that collect and sweep all
/// the time: whoever holds a layer finds its file as it was sealed.
#[test]
fn eight_threads_lose_nothing() {
    const ROUNDS: usize = 150;
    let fixture = Fixture::new();
    let spec = fixture.spec("cowherd.yaml");
    let built = AtomicUsize::new(0);
    let removed = AtomicUsize::new(0);
    let work = |thread: usize| {
        let mut store = Store::open(fixture.store.path()).unwrap();
        for round in 0..ROUNDS {
            if round % 10 == 9 {
                store = Store::open(fixture.store.path()).unwrap();
            }
            let bottom = format!("bottom {}", (thread + round) % 3);
            let top = format!("{bottom}, top {}", round % 2);
            let lower = find_or_build(&store, &bottom, None, &built);
            let upper = find_or_build(&store, &top, Some(&lower), &built);
            let lease = store.lease(&[lower, upper]).unwrap();
            if round % 5 == 0 {
                store
                    .record_snapshot(&bottom, &spec, lease.layers())
                    .unwrap();
            }
            let scratch = store.scratch().unwrap();
            fs::write(scratch.path().join("own"), "1").unwrap();
            std::thread::yield_now();
            for (layer, content) in lease.layers().iter().zip([&bottom, &top]) {
                let file = layer.files("db").unwrap().join("data");
                assert_eq!(&fs::read_to_string(file).unwrap(), content);
            }
            assert_eq!(fs::read_to_string(scratch.path().join("own")).unwrap(), "1");
        }
    };
    std::thread::scope(|scope| {
        let (done, all_done) = mpsc::channel::<()>();
        for thread in 0..6 {
            let done = done.clone();
            let work = &work;
            scope.spawn(move || {
                let _done = done;
                work(thread);
            });
        }
        drop(done);
        let collect = |all: bool| {
            let store = Store::open(fixture.store.path()).unwrap();
            let outcome = store
                .gc(&GcPolicy {
                    all,
                    ..GcPolicy::default()
                })
                .unwrap();
            removed.fetch_add(outcome.removed.len(), Ordering::Relaxed);
            assert!(store.sweep().unwrap().failed.is_empty());
        };
        let stop = AtomicBool::new(false);
        std::thread::scope(|collectors| {
            for all in [true, false] {
                let (stop, collect) = (&stop, &collect);
                collectors.spawn(move || {
                    while !stop.load(Ordering::Relaxed) {
                        collect(all);
                    }
                });
            }
            // An error: all the senders are gone.
            all_done.recv().unwrap_err();
            stop.store(true, Ordering::Relaxed);
        });
    });
    assert!(removed.into_inner() > 0);
    // 3 and 6 layers at the least; more where one was built again after a collection.
    assert!(built.into_inner() >= 9);
    let store = Store::open(fixture.store.path()).unwrap();
    store
        .gc(&GcPolicy {
            all: true,
            ..GcPolicy::default()
        })
        .unwrap();
    store.sweep().unwrap();
    for folder in ["layers", "keys", "snapshots"] {
        assert!(fixture.names(folder).is_empty(), "{folder}");
    }
    assert_eq!(fixture.names("locks"), ["gc.lock"]);
}
