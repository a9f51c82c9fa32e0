//! The store: sealed or absent, whoever dies and whoever comes at the same moment.

mod concurrent;
mod crash;
mod disk;
mod fsck;
mod gc;
mod history;
mod open;
mod seal;
mod usage;

use std::ffi::OsString;
use std::fs::{self, Permissions};
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use cowherd::digest::Digest;
use cowherd::store::{Draft, Layer, LayerInfo, Store, StoreError};

/// A store of its own for each test.
struct Fixture {
    folder: tempfile::TempDir,
    store: Store,
}

impl Fixture {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("store")).unwrap();
        Self { folder, store }
    }

    /// Makes an empty spec file.
    fn spec(&self, name: &str) -> std::path::PathBuf {
        let path = self.folder.path().join(name);
        fs::write(&path, "").unwrap();
        path
    }

    fn names(&self, folder: &str) -> Vec<OsString> {
        let entries = fs::read_dir(self.store.path().join(folder)).unwrap();
        entries.map(|entry| entry.unwrap().file_name()).collect()
    }
}

fn key(text: &str) -> Digest {
    Digest::of(text.as_bytes())
}

fn info(label: &str, parent: Option<&Layer>) -> LayerInfo {
    LayerInfo {
        parent: parent.cloned(),
        label: label.to_owned(),
        engine: "null".to_owned(),
        engine_version: "1".to_owned(),
    }
}

fn draft(store: &Store, of: &str) -> Draft {
    let lock = store
        .lock_key(&key(of), of, &mut |_| panic!("nobody else builds {of}"))
        .unwrap();
    store.draft(&lock).unwrap()
}

/// Builds the layer of the key that `of` gives, with one file that contains `content`.
fn build(store: &Store, of: &str, parent: Option<&Layer>, content: &str) -> Layer {
    let draft = draft(store, of);
    fs::write(draft.files("db").unwrap().join("data"), content).unwrap();
    draft.seal(info(of, parent)).unwrap()
}

/// This test binary again, in the part of `role`: see `another_process`.
fn child(store: &Store, role: &str) -> (Child, BufReader<ChildStdout>) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "store::another_process", "--nocapture"])
        .env("STORE_TEST_ROLE", role)
        .env("STORE_TEST_PATH", store.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let output = BufReader::new(child.stdout.take().unwrap());
    (child, output)
}

/// Reads the child's output up to the line `ready`.
#[track_caller]
fn wait_until_ready(output: &mut BufReader<ChildStdout>) {
    let mut line = String::new();
    while !line.trim_end().ends_with("ready") {
        line.clear();
        assert_ne!(
            output.read_line(&mut line).unwrap(),
            0,
            "the child ended too early"
        );
    }
}

/// What the child processes of other tests do; they are killed, or end when their input does.
#[test]
fn another_process() {
    let Some(path) = std::env::var_os("STORE_TEST_PATH") else {
        return;
    };
    let store = Store::open(Path::new(&path)).unwrap();
    let wait = || {
        println!("ready");
        std::io::stdin().lines().for_each(drop);
    };
    match std::env::var("STORE_TEST_ROLE").unwrap().as_str() {
        "scratch" => {
            let scratch = store.scratch().unwrap();
            fs::write(scratch.path().join("big"), vec![1; 100_000]).unwrap();
            fs::create_dir(scratch.path().join("closed")).unwrap();
            fs::set_permissions(scratch.path().join("closed"), Permissions::from_mode(0o000))
                .unwrap();
            wait();
        }
        "build" => {
            let lock = store
                .lock_key(&key("a"), "shop: seed", &mut |_| {})
                .unwrap();
            let draft = store.draft(&lock).unwrap();
            fs::write(draft.files("db").unwrap().join("data"), "one").unwrap();
            wait();
            draft.seal(info("seed", None)).unwrap();
        }
        "hold" => {
            let _layer = store.find(&key("a")).unwrap().unwrap();
            wait();
        }
        other => panic!("no such role: {other}"),
    }
}

#[test]
fn a_layer_is_absent_until_sealed() {
    let fixture = Fixture::new();
    let store = &fixture.store;
    let draft = draft(store, "a");
    let files = draft.files("db").unwrap();
    assert_eq!(
        files.metadata().unwrap().permissions().mode() & 0o7777,
        0o700
    );
    fs::write(files.join("data"), "12345").unwrap();
    fs::write(draft.work("db").unwrap().join("left"), "").unwrap();
    assert!(store.find(&key("a")).unwrap().is_none());
    assert!(fixture.names("layers").is_empty());

    let sealed = draft.seal(info("init", None)).unwrap();
    let found = store.find(&key("a")).unwrap().unwrap();
    assert_eq!(found.digest(), sealed.digest());
    assert_eq!(
        (found.label(), found.engine(), found.engine_version()),
        ("init", "null", "1")
    );
    assert_eq!(
        (found.bytes(), found.largest_file(), found.entries()),
        (5, 5, 2)
    );
    assert_eq!(found.services(), ["db"]);
    assert_eq!(found.files("cache"), None);
    let files = found.files("db").unwrap();
    assert_eq!(store.layers_dir().join(found.lower("db").unwrap()), files);
    assert_eq!(fs::read_to_string(files.join("data")).unwrap(), "12345");
    let mut names: Vec<_> = fs::read_dir(files.parent().unwrap().parent().unwrap())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    names.sort();
    assert_eq!(names, ["files", "layer.json", "manifest.json"]);
    // Another process finds it too.
    let again = Store::open(store.path()).unwrap();
    assert_eq!(
        again.find(&key("a")).unwrap().unwrap().digest(),
        sealed.digest()
    );
}

#[test]
fn a_draft_dropped_leaves_nothing() {
    let fixture = Fixture::new();
    let draft = draft(&fixture.store, "a");
    let path = draft.path().to_owned();
    fs::write(draft.files("db").unwrap().join("data"), "1").unwrap();
    drop(draft);
    assert!(!path.exists());
    assert!(fixture.store.find(&key("a")).unwrap().is_none());
    for folder in ["layers", "keys", "locks"] {
        assert!(fixture.names(folder).is_empty(), "{folder}");
    }
    let path = fixture.store.path().to_owned();
    drop(fixture.store);
    assert_eq!(fs::read_dir(path.join("scratch")).unwrap().count(), 0);
}

#[test]
fn the_same_content_on_the_same_parent_is_one_layer_with_two_keys() {
    let fixture = Fixture::new();
    let store = &fixture.store;
    let first = build(store, "a", None, "one");
    let second = build(store, "b", None, "one");
    assert_eq!(first.digest(), second.digest());
    assert_eq!((first.label(), second.label()), ("a", "b"));
    assert_eq!(store.find(&key("b")).unwrap().unwrap().label(), "b");
    assert_eq!(fixture.names("layers").len(), 1);
}

#[test]
fn steps_that_change_nothing_are_layers_of_their_own() {
    let fixture = Fixture::new();
    let store = &fixture.store;
    let bottom = draft(store, "a").seal(info("a", None)).unwrap();
    let top = draft(store, "b").seal(info("b", Some(&bottom))).unwrap();
    assert_ne!(bottom.digest(), top.digest());
    assert_eq!(top.parent(), Some(bottom.digest()));
}

#[test]
fn every_part_of_the_content_is_in_the_digest() {
    let fixture = Fixture::new();
    let store = &fixture.store;
    let mut seen = std::collections::HashSet::new();
    let mut layer = |of: &str, make: &dyn Fn(&Path)| {
        let draft = draft(store, of);
        make(&draft.files("db").unwrap());
        assert!(
            seen.insert(draft.seal(info(of, None)).unwrap().digest()),
            "{of}"
        );
    };
    layer("empty", &|_| {});
    layer("file", &|files| fs::write(files.join("x"), "1").unwrap());
    layer("content", &|files| fs::write(files.join("x"), "2").unwrap());
    layer("name", &|files| fs::write(files.join("y"), "1").unwrap());
    layer("mode", &|files| {
        fs::write(files.join("x"), "1").unwrap();
        fs::set_permissions(files.join("x"), Permissions::from_mode(0o600)).unwrap();
    });
    layer("link", &|files| symlink("1", files.join("x")).unwrap());
    layer("another link", &|files| {
        symlink("2", files.join("x")).unwrap();
    });
    layer("folder", &|files| fs::create_dir(files.join("x")).unwrap());
    layer("socket", &|files| {
        drop(std::os::unix::net::UnixListener::bind(files.join("x")).unwrap());
    });
    layer("root mode", &|files| {
        fs::set_permissions(files, Permissions::from_mode(0o750)).unwrap();
    });
}

#[test]
fn a_layer_keeps_modes_that_its_owner_could_not_read_through() {
    let fixture = Fixture::new();
    let draft = draft(&fixture.store, "a");
    let files = draft.files("db").unwrap();
    fs::create_dir(files.join("closed")).unwrap();
    fs::write(files.join("closed/secret"), "1").unwrap();
    let mode = |path: &Path| fs::symlink_metadata(path).unwrap().permissions().mode() & 0o7777;
    for name in ["closed/secret", "closed"] {
        fs::set_permissions(files.join(name), Permissions::from_mode(0o000)).unwrap();
    }
    let layer = draft.seal(info("a", None)).unwrap();
    let closed = layer.files("db").unwrap().join("closed");
    assert_eq!(mode(&closed), 0);
    fs::set_permissions(&closed, Permissions::from_mode(0o700)).unwrap();
    assert_eq!(mode(&closed.join("secret")), 0);
}

#[test]
fn verify_names_what_changed_after_the_seal() {
    let fixture = Fixture::new();
    let draft = draft(&fixture.store, "a");
    let files = draft.files("db").unwrap();
    for name in ["changed", "gone", "longer", "mode", "same"] {
        fs::write(files.join(name), "1").unwrap();
    }
    let layer = draft.seal(info("a", None)).unwrap();
    assert_eq!(fixture.store.verify(&layer).unwrap(), []);
    let files = layer.files("db").unwrap();
    fs::write(files.join("changed"), "2").unwrap();
    fs::write(files.join("longer"), "11").unwrap();
    fs::write(files.join("new"), "1").unwrap();
    fs::remove_file(files.join("gone")).unwrap();
    fs::set_permissions(files.join("mode"), Permissions::from_mode(0o755)).unwrap();
    fs::set_permissions(files.join("same"), Permissions::from_mode(0o644)).unwrap();
    let mut found: Vec<String> = fixture
        .store
        .verify(&layer)
        .unwrap()
        .iter()
        .map(|difference| format!("{}: {}", difference.path.display(), difference.what))
        .collect();
    found.sort();
    assert_eq!(
        found,
        [
            "db/changed: content changed",
            "db/gone: missing",
            "db/longer: 2 bytes, was 1",
            "db/mode: mode 755, was 644",
            "db/new: new",
        ]
    );
}

#[test]
fn a_chain_is_found_as_far_as_its_layers_fit_on_one_another() {
    let fixture = Fixture::new();
    let store = &fixture.store;
    let keys = [key("a"), key("b"), key("c")];
    let bottom = build(store, "a", None, "one");
    let middle = build(store, "b", Some(&bottom), "two");
    let found = |keys: &[Digest]| store.find_chain(keys).unwrap().len();
    assert_eq!(found(&keys), 2);
    build(store, "c", Some(&middle), "three");
    assert_eq!(found(&keys), 3);
    // The lowest was lost, and comes out otherwise when it is built again.
    build(store, "a", None, "one, with another identity");
    assert_eq!(found(&keys), 1);
    assert!(store.find(&key("b")).unwrap().is_some());
}

#[test]
fn key_files_that_make_no_sense_count_as_absent_and_are_repaired() {
    let fixture = Fixture::new();
    let store = &fixture.store;
    let digest = build(store, "a", None, "one").digest();
    let file = store.path().join(format!("keys/{}", key("a")));
    let good = fs::read(&file).unwrap();
    assert_eq!(good, format!("{digest}\na\n").as_bytes());
    for bad in [
        &b""[..],
        b"\n",
        b"nonsense\n",
        &good[..40],
        &[0xff; 80],
        &[b'0'; 64],
    ] {
        fs::write(&file, bad).unwrap();
        assert!(store.find(&key("a")).unwrap().is_none(), "{bad:?}");
    }
    build(store, "a", None, "one");
    assert_eq!(fs::read(&file).unwrap(), good);
    // A name without its layer.
    fs::write(&file, format!("{}\nlost\n", key("lost"))).unwrap();
    assert!(store.find(&key("a")).unwrap().is_none());
    assert_eq!(fixture.names("locks").len(), 1);

    fs::remove_file(&file).unwrap();
    fs::create_dir(&file).unwrap();
    let error = store.find(&key("a")).unwrap_err();
    assert_eq!(error.to_string(), format!("can't read {}", file.display()));
}

#[test]
fn a_layer_with_a_damaged_record_is_absent_and_repaired() {
    let fixture = Fixture::new();
    let store = &fixture.store;
    let layer = build(store, "a", None, "one");
    let record = store
        .layers_dir()
        .join(format!("{}/layer.json", layer.digest()));
    let good = fs::read(&record).unwrap();
    fs::write(&record, &good[..20]).unwrap();
    assert!(store.find(&key("a")).unwrap().is_none());
    build(store, "a", None, "one");
    assert_eq!(fs::read(&record).unwrap(), good);
    assert!(store.find(&key("a")).unwrap().is_some());
}

#[test]
fn a_lease_on_a_layer_that_was_removed_by_hand_says_so() {
    let fixture = Fixture::new();
    let layer = build(&fixture.store, "a", None, "one");
    assert_eq!(
        fixture
            .store
            .lease(std::slice::from_ref(&layer))
            .unwrap()
            .layers()
            .len(),
        1
    );
    fs::remove_dir_all(fixture.store.layers_dir().join(layer.digest().to_string())).unwrap();
    let error = fixture
        .store
        .lease(std::slice::from_ref(&layer))
        .unwrap_err();
    assert!(matches!(error, StoreError::LayerGone(digest) if digest == layer.digest()));
    assert!(error.hint().unwrap().contains("built anew"));
}

#[test]
fn service_names_stay_inside_the_draft() {
    let fixture = Fixture::new();
    let draft = draft(&fixture.store, "a");
    for name in ["", ".", "..", "a/b", "/etc", "a:b"] {
        assert!(
            matches!(draft.files(name), Err(StoreError::ServiceName(_))),
            "{name}"
        );
        assert!(
            matches!(draft.work(name), Err(StoreError::ServiceName(_))),
            "{name}"
        );
    }
}

#[test]
fn sweep_removes_the_scratch_of_the_dead_and_leaves_that_of_the_living() {
    let fixture = Fixture::new();
    let store = &fixture.store;
    let own = store.scratch().unwrap();
    let (mut living, mut living_output) = child(store, "scratch");
    let (mut dead, mut dead_output) = child(store, "scratch");
    wait_until_ready(&mut living_output);
    wait_until_ready(&mut dead_output);
    assert_eq!(fixture.names("scratch").len(), 6);
    let swept = store.sweep().unwrap();
    assert_eq!((swept.folders, swept.bytes), (0, 0));

    dead.kill().unwrap();
    dead.wait().unwrap();
    let swept = store.sweep().unwrap();
    assert_eq!(swept.folders, 1);
    assert!(swept.bytes >= 100_000, "{swept:?}");
    assert!(swept.failed.is_empty());
    assert_eq!(fixture.names("scratch").len(), 4);
    assert!(own.path().exists());

    // The living ends well and leaves nothing to sweep.
    drop(living.stdin.take());
    assert!(living.wait().unwrap().success());
    assert_eq!(fixture.names("scratch").len(), 2);
    own.remove().unwrap();
}
