//! Carrying a snapshot to another machine: what arrives is what left, and nothing else gets in.

mod commands;
mod forge;
mod hostile;

use std::fs::{self, File, Permissions};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::sync::Arc;

use cowherd::carry::{self, CarryError, Exported, Imported, Parcel};
use cowherd::digest::Digest;
use cowherd::disk;
use cowherd::engine::{self, Engine};
use cowherd::spec::{self, Spec};
use cowherd::store::{Layer, LayerInfo, Store};

/// A machine: a store of its own.
struct Machine {
    folder: tempfile::TempDir,
    store: Store,
}

impl Machine {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("store")).unwrap();
        Self { folder, store }
    }

    /// Builds a layer: `make` gets the folder of the service `db`.
    fn build(&self, of: &str, parent: Option<&Layer>, make: impl FnOnce(&Path)) -> Layer {
        let key = Digest::of(of.as_bytes());
        let lock = self.store.lock_key(&key, of, &mut |_| {}).unwrap();
        let draft = self.store.draft(&lock).unwrap();
        make(&draft.files("db").unwrap());
        let info = LayerInfo {
            parent: parent.cloned(),
            label: of.to_owned(),
            engine: "SQLite".to_owned(),
            engine_version: cowherd::rusqlite::version().to_owned(),
        };
        draft.seal(info).unwrap()
    }

    /// A chain of two with everything that a layer may have.
    fn shop(&self) -> Vec<Layer> {
        let bottom = self.build("bottom", None, |files| {
            fs::write(files.join("shop.db"), "one").unwrap();
            fs::write(files.join("old"), "").unwrap();
            fs::create_dir(files.join("emptied")).unwrap();
            fs::write(files.join("emptied/gone"), "").unwrap();
        });
        let top = self.build("top", Some(&bottom), |files| {
            fs::write(files.join("shop.db"), vec![7; 3_000_000]).unwrap();
            disk::make_whiteout(&files.join("old")).unwrap();
            fs::create_dir(files.join("emptied")).unwrap();
            disk::make_opaque(&files.join("emptied")).unwrap();
            fs::write(files.join("emptied/new"), "2").unwrap();
            let deep = files.join("a".repeat(120)).join("b".repeat(150));
            fs::create_dir_all(&deep).unwrap();
            fs::write(deep.join("file"), "deep").unwrap();
            symlink("../shop.db", files.join("emptied/link")).unwrap();
            symlink("x/".repeat(80), files.join("long")).unwrap();
            fs::set_permissions(files.join("emptied"), Permissions::from_mode(0o1750)).unwrap();
            fs::set_permissions(files.join("shop.db"), Permissions::from_mode(0o604)).unwrap();
        });
        vec![bottom, top]
    }

    /// Exports a chain as the snapshot `shop`.
    fn export(
        &self,
        chain: &[Layer],
        since: Option<&[Layer]>,
    ) -> Result<(File, Exported), CarryError> {
        let spec = spec();
        let services = &spec.snapshots[0].services;
        let engines = engine::for_services(services).unwrap();
        let engines: Vec<Arc<dyn Engine>> = engines.into_iter().map(Arc::from).collect();
        let parcel = Parcel {
            name: "shop",
            chain,
            services,
            engines: &engines,
        };
        let file = tempfile::tempfile().unwrap();
        let since = since.map(|layers| ("before", layers));
        let path = Path::new("shop.tar");
        carry::export(&self.store, &parcel, since, &file, path, &|| false).map(|done| (file, done))
    }

    fn import(&self, file: &File) -> Result<Imported, CarryError> {
        let path = Path::new("shop.tar");
        carry::import(&self.store, file, path, None, &|| false)
    }

    /// Asserts that nothing is in the store: no layer, no name, no scratch.
    #[track_caller]
    fn is_empty(&self) {
        for folder in ["layers", "keys", "snapshots"] {
            let entries = fs::read_dir(self.store.path().join(folder)).unwrap();
            assert_eq!(entries.count(), 0, "{folder}");
        }
        let scratch = fs::read_dir(self.store.path().join("scratch")).unwrap();
        let folders = scratch.flatten().filter(|entry| entry.path().is_dir());
        let inside = folders.map(|folder| fs::read_dir(folder.path()).unwrap().count());
        assert_eq!(inside.sum::<usize>(), 0, "scratch");
    }
}

fn spec() -> Spec {
    spec::declare(Path::new("/"), |spec| {
        spec.snapshot("shop", |shop| {
            shop.engine("sqlite").setting("page_size", "4096")
        })
    })
    .unwrap()
}

fn bytes(file: &File) -> Vec<u8> {
    use std::os::unix::fs::FileExt as _;
    let mut bytes = vec![0; usize::try_from(file.metadata().unwrap().len()).unwrap()];
    file.read_exact_at(&mut bytes, 0).unwrap();
    bytes
}

/// The error with all its causes.
fn words(error: &CarryError) -> String {
    cowherd::event::in_words(error)
}

#[test]
fn what_arrives_is_what_left() {
    let (here, there) = (Machine::new(), Machine::new());
    let chain = here.shop();
    let (file, exported) = here.export(&chain, None).unwrap();
    assert_eq!((exported.layers, exported.left_out), (2, 0));
    assert_eq!(exported.bytes, file.metadata().unwrap().len());
    assert!(exported.bytes < exported.unpacked / 10, "{exported:?}");

    let imported = there.import(&file).unwrap();
    assert_eq!(
        (imported.name.as_str(), imported.layers, imported.new),
        ("shop", 2, 2)
    );
    assert_eq!(imported.bytes, exported.unpacked);
    let keys: Vec<Digest> = chain.iter().map(Layer::key).collect();
    let arrived = there.store.find_chain(&keys).unwrap();
    for (left, arrived) in chain.iter().zip(&arrived) {
        assert_eq!(left.digest(), arrived.digest());
        assert_eq!(left.label(), arrived.label());
        assert_eq!(there.store.verify(arrived).unwrap(), []);
        let content = |machine: &Machine, layer| machine.store.content(layer).unwrap();
        assert_eq!(content(&there, arrived), content(&here, left));
    }
    assert_eq!(arrived.len(), 2);
    let record = there.store.stored("shop").unwrap().unwrap();
    let services = record.services.unwrap();
    assert_eq!(services[0].settings["page_size"], "4096");

    // And from there on: the same bytes, and nothing new for who has it.
    let (again, _) = there.export(&arrived, None).unwrap();
    assert!(bytes(&file) == bytes(&again));
    assert_eq!(there.import(&again).unwrap().new, 0);
}

#[test]
fn what_the_other_side_has_is_left_out() {
    let (here, there) = (Machine::new(), Machine::new());
    let chain = here.shop();
    let (whole, _) = here.export(&chain[..1], None).unwrap();
    let (rest, exported) = here.export(&chain, Some(&chain[..1])).unwrap();
    assert_eq!((exported.layers, exported.left_out), (1, 1));
    let error = there.import(&rest).unwrap_err();
    assert!(matches!(&error, CarryError::LayerNotHere { label, .. } if label == "bottom"));
    there.is_empty();
    there.import(&whole).unwrap();
    assert_eq!(there.import(&rest).unwrap().new, 1);

    let other = here.build("other", None, |_| {});
    let error = here.export(&chain, Some(&[other])).unwrap_err();
    assert!(matches!(error, CarryError::NothingInCommon { .. }));
}

#[test]
fn steps_that_change_nothing_are_carried_once_and_arrive_as_two() {
    let (here, there) = (Machine::new(), Machine::new());
    let first = here.build("first", None, |_| {});
    let second = here.build("second", Some(&first), |_| {});
    let (file, _) = here.export(&[first, second], None).unwrap();
    let blobs = forge::Forged::read(&file).blob_count();
    assert_eq!(blobs, 3, "a layer, a configuration, a manifest");
    assert_eq!(there.import(&file).unwrap().new, 2);
}

#[test]
fn a_file_that_is_not_as_it_was_sealed_is_not_exported() {
    let here = Machine::new();
    let chain = here.shop();
    let file = chain[0].files("db").unwrap().join("shop.db");
    for content in ["two", "longer"] {
        fs::write(&file, content).unwrap();
        let error = here.export(&chain, None).unwrap_err();
        assert!(
            words(&error).starts_with("can't export db/shop.db: it is not as it was sealed"),
            "{error}"
        );
        assert!(error.hint().unwrap().contains("cowherd fsck"));
    }
}

#[test]
fn what_no_import_would_take_is_not_exported() {
    let here = Machine::new();
    let chmod =
        |path: &Path, mode| fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    let refused = |of: &str, make: &dyn Fn(&Path), words: &str| {
        let layer = here.build(of, None, make);
        let error = here.export(&[layer], None).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("can't export db/x: it is {words}")
        );
    };
    let mkfifo = |files: &Path| {
        let mode = nix::sys::stat::Mode::S_IRUSR;
        nix::unistd::mkfifo(&files.join("x"), mode).unwrap();
    };
    refused("fifo", &mkfifo, "a fifo");
    refused(
        "socket",
        &|files| drop(std::os::unix::net::UnixListener::bind(files.join("x")).unwrap()),
        "a socket",
    );
    refused(
        "suid",
        &|files| {
            fs::write(files.join("x"), "").unwrap();
            chmod(&files.join("x"), 0o4755);
        },
        "set-user-id or set-group-id",
    );
    for target in ["/etc/passwd", "../other/file", "a/../../y"] {
        let make = |files: &Path| symlink(target, files.join("x")).unwrap();
        refused(
            target,
            &make,
            "a link that may lead out of the database's folder",
        );
    }
    let layer = here.build("mark", None, |files| {
        fs::write(files.join(".wh.x"), "").unwrap();
    });
    let error = here.export(&[layer], None).unwrap_err();
    assert!(error.to_string().contains("db/.wh.x"), "{error}");
}

#[test]
fn a_layer_that_is_here_is_taken_only_where_it_lies_on_what_it_lies_on() {
    let (here, there) = (Machine::new(), Machine::new());
    let chain = here.shop();
    let (file, _) = here.export(&chain, None).unwrap();
    there.import(&file).unwrap();
    // The same key, built here from something else: the import's word is the last.
    let own = there.build("bottom", None, |files| {
        fs::write(files.join("shop.db"), "own").unwrap();
    });
    let keys: Vec<Digest> = chain.iter().map(Layer::key).collect();
    assert_eq!(there.store.find_chain(&keys).unwrap().len(), 1);
    assert_eq!(there.import(&file).unwrap().new, 0);
    let found = there.store.find_chain(&keys).unwrap();
    assert_eq!(found.len(), 2);
    assert_ne!(found[0].digest(), own.digest());
}

#[test]
fn an_import_that_is_interrupted_leaves_nothing() {
    use std::sync::atomic::{AtomicUsize, Ordering};
    let here = Machine::new();
    let (file, _) = here.export(&here.shop(), None).unwrap();
    let path = Path::new("shop.tar");
    // Asked for the nth time, the user has had enough.
    for patience in 0.. {
        let there = Machine::new();
        let asked = AtomicUsize::new(0);
        let stopped = || asked.fetch_add(1, Ordering::Relaxed) >= patience;
        match carry::import(&there.store, &file, path, None, &stopped) {
            Ok(_) => break,
            Err(error) => assert!(matches!(error, CarryError::Interrupted), "{error}"),
        }
        assert!(there.store.stored("shop").unwrap().is_none());
        assert!(patience < 1_000);
        drop(there.store);
        let scratch = fs::read_dir(there.folder.path().join("store/scratch")).unwrap();
        assert_eq!(scratch.count(), 0);
    }
}
