//! The file system below the store.

use std::fs::{self, Permissions};
use std::os::fd::{AsFd as _, BorrowedFd};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

use nix::fcntl::{AT_FDCWD, OFlag, openat};
use nix::sys::stat::{Mode, fchmod, mkdirat};

use cowherd::disk::{self, Below, DiskError, FileLock, Kind, LockMode, Reach};

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

fn chmod(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

/// Overlayfs's mark for a removed name; needs no privilege since Linux 5.8 (`mknod(2)`).
fn whiteout(path: &Path) {
    let done = Command::new("mknod")
        .arg(path)
        .args(["c", "0", "0"])
        .status()
        .unwrap();
    assert!(done.success());
}

#[test]
fn a_file_is_replaced_whole_or_not_at_all() {
    let folder = folder();
    let file = folder.path().join("file");
    disk::write_atomic(&file, b"one").unwrap();
    disk::write_atomic(&file, b"two").unwrap();
    assert_eq!(fs::read(&file).unwrap(), b"two");

    // The target is a folder that is not empty: nothing stays of the attempt.
    let taken = folder.path().join("taken");
    fs::create_dir_all(taken.join("inner")).unwrap();
    let error = disk::write_atomic(&taken, b"three").unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("can't write {}", taken.display())
    );
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
}

#[test]
fn a_full_disk_has_a_hint() {
    let source = std::io::Error::from_raw_os_error(28);
    let error = DiskError {
        verb: "write",
        path: PathBuf::from("/x"),
        source,
    };
    assert_eq!(error.kind(), std::io::ErrorKind::StorageFull);
    assert!(error.hint().unwrap().contains("cowherd gc"));
}

#[test]
fn a_lock_excludes_within_one_process_too() {
    let folder = folder();
    let path = folder.path().join("lock");
    let attempt = |mode| FileLock::try_acquire(&path, mode).unwrap();
    let mut first = attempt(LockMode::Exclusive).unwrap();
    first.set_words("a long line\n").unwrap();
    first.set_words("me\n").unwrap();
    assert!(attempt(LockMode::Shared).is_none());
    assert_eq!(disk::holder(&path), "me");
    drop(first);
    let shared = [
        attempt(LockMode::Shared).unwrap(),
        attempt(LockMode::Shared).unwrap(),
    ];
    assert!(attempt(LockMode::Exclusive).is_none());
    drop(shared);
    assert!(attempt(LockMode::Exclusive).is_some());
}

#[test]
fn one_who_waited_for_a_removed_lock_file_gets_the_new_one() {
    let folder = folder();
    let path = folder.path().join("lock");
    let first = FileLock::acquire(&path, LockMode::Exclusive).unwrap();
    std::thread::scope(|scope| {
        let waiting: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    let lock = FileLock::acquire(&path, LockMode::Exclusive).unwrap();
                    assert!(path.exists());
                    assert!(
                        FileLock::try_acquire(&path, LockMode::Shared)
                            .unwrap()
                            .is_none()
                    );
                    lock.remove().unwrap();
                })
            })
            .collect();
        first.remove().unwrap();
        for thread in waiting {
            thread.join().unwrap();
        }
    });
    assert!(!path.exists());
}

#[test]
fn a_walk_is_sorted_and_follows_no_link() {
    let folder = folder();
    let root = folder.path().join("root");
    fs::create_dir_all(root.join("b/inner")).unwrap();
    fs::write(root.join("b/file"), "12").unwrap();
    fs::write(root.join("a"), "").unwrap();
    symlink(folder.path(), root.join("c")).unwrap();
    symlink("nowhere", root.join("b/broken")).unwrap();
    whiteout(&root.join("w"));
    let mut seen = Vec::new();
    disk::walk(&root, Reach::AsIs, &mut |entry| {
        seen.push((entry.relative.to_str().unwrap().to_owned(), entry.kind()));
        Ok::<(), DiskError>(())
    })
    .unwrap();
    let expected = [
        ("a", Kind::File),
        ("b", Kind::Directory),
        ("b/broken", Kind::Symlink),
        ("b/file", Kind::File),
        ("b/inner", Kind::Directory),
        ("c", Kind::Symlink),
        ("w", Kind::Whiteout),
    ];
    assert_eq!(seen, expected.map(|(path, kind)| (path.to_owned(), kind)));
}

#[test]
fn a_size_counts_blocks_and_linked_files_once() {
    let folder = folder();
    fs::write(folder.path().join("a"), vec![1; 100_000]).unwrap();
    let once = disk::tree_size(folder.path(), Reach::AsIs).unwrap();
    fs::hard_link(folder.path().join("a"), folder.path().join("b")).unwrap();
    let hole = fs::File::create(folder.path().join("hole")).unwrap();
    hole.set_len(1 << 30).unwrap();
    let size = disk::tree_size(folder.path(), Reach::AsIs).unwrap();
    assert_eq!((once.entries, size.entries), (1, 3));
    assert!(once.allocated >= 100_000);
    assert_eq!(size.allocated, once.allocated);
}

#[test]
fn a_tree_is_removed_whatever_its_modes_and_no_link_is_followed() {
    let folder = folder();
    let outside = folder.path().join("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("precious"), "").unwrap();
    let root = folder.path().join("root");
    // As overlayfs leaves its work folder.
    fs::create_dir_all(root.join("work/work/incompat/volatile")).unwrap();
    fs::create_dir_all(root.join("read-only/inner")).unwrap();
    fs::write(root.join("read-only/inner/file"), "").unwrap();
    symlink(&outside, root.join("read-only/link")).unwrap();
    for (name, mode) in [
        ("work/work", 0),
        ("read-only/inner", 0o500),
        ("read-only", 0o555),
        ("", 0o100),
    ] {
        chmod(&root.join(name), mode);
    }
    disk::remove_tree(&root).unwrap();
    assert!(!root.exists());
    assert!(outside.join("precious").exists());
    assert_eq!(outside.metadata().unwrap().mode() & 0o777, 0o755);

    disk::remove_tree(&root).unwrap();
    symlink(&outside, &root).unwrap();
    disk::remove_tree(&root).unwrap();
    assert!(fs::symlink_metadata(&root).is_err());
    assert!(outside.join("precious").exists());
}

#[test]
fn a_tree_deeper_than_any_path_is_removed() {
    let folder = folder();
    let root = folder.path().join("root");
    fs::create_dir(&root).unwrap();
    // 3,000 levels: more than there are descriptors, and a path longer than the system takes.
    let mode = Mode::from_bits_truncate(0o755);
    let open = |at: BorrowedFd<'_>, name: &Path| {
        openat(
            at,
            name,
            OFlag::O_DIRECTORY | OFlag::O_CLOEXEC,
            Mode::empty(),
        )
        .unwrap()
    };
    let mut at = open(AT_FDCWD, &root);
    for _ in 0..3000 {
        mkdirat(&at, "dddd", mode).unwrap();
        at = open(at.as_fd(), Path::new("dddd"));
    }
    fchmod(&at, Mode::empty()).unwrap();
    drop(at);
    disk::remove_tree(&root).unwrap();
    assert!(!root.exists());
}

#[test]
fn a_copy_keeps_modes_links_times_and_holes() {
    let folder = folder();
    let (from, to) = (folder.path().join("from"), folder.path().join("to"));
    fs::create_dir_all(from.join("inner")).unwrap();
    fs::write(from.join("inner/file"), "content").unwrap();
    symlink("../file", from.join("inner/link")).unwrap();
    let sparse = fs::File::create(from.join("sparse")).unwrap();
    std::os::unix::fs::FileExt::write_at(&sparse, b"middle", 5 << 20).unwrap();
    sparse.set_len(10 << 20).unwrap();
    let then = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
    let set = |path: &Path| fs::File::open(path).unwrap().set_modified(then).unwrap();
    set(&from.join("inner/file"));
    set(&from.join("inner"));
    chmod(&from.join("inner/file"), 0o640);
    chmod(&from.join("inner"), 0o550);
    chmod(&from, 0o700);

    let copied = disk::copy_tree(&from, &to).unwrap();
    assert_eq!((copied.files, copied.bytes), (2, 7 + (10 << 20)));
    assert!(copied.reflinked == 0 || copied.reflinked == 2);
    assert_eq!(
        copied.reflinked == 2,
        disk::can_reflink(folder.path()).unwrap()
    );
    for name in ["", "inner", "inner/file", "inner/link", "sparse"] {
        let [a, b] = [&from, &to].map(|root| fs::symlink_metadata(root.join(name)).unwrap());
        assert_eq!(
            (a.mode(), a.mtime(), a.mtime_nsec()),
            (b.mode(), b.mtime(), b.mtime_nsec()),
            "{name}"
        );
    }
    assert_eq!(fs::read(to.join("inner/file")).unwrap(), b"content");
    assert_eq!(
        fs::read_link(to.join("inner/link")).unwrap(),
        Path::new("../file")
    );
    assert_eq!(
        fs::read(to.join("sparse")).unwrap(),
        fs::read(from.join("sparse")).unwrap()
    );
    assert!(to.join("sparse").metadata().unwrap().blocks() * 512 < 1 << 20);
}

/// A layer and one that lies on it, with every kind of change.
fn two_layers(folder: &Path) -> [PathBuf; 2] {
    let [lower, upper] = ["lower", "upper"].map(|name| folder.join(name));
    for name in [
        "kept",
        "changed",
        "removed",
        "folder/kept",
        "emptied/old",
        "folder to file/x",
    ] {
        fs::create_dir_all(lower.join(name).parent().unwrap()).unwrap();
        fs::write(lower.join(name), "lower").unwrap();
    }
    fs::write(lower.join("file to folder"), "lower").unwrap();
    fs::create_dir_all(upper.join("folder")).unwrap();
    fs::create_dir_all(upper.join("emptied")).unwrap();
    fs::create_dir_all(upper.join("file to folder")).unwrap();
    for name in [
        "changed",
        "folder/new",
        "emptied/new",
        "folder to file",
        "file to folder/x",
    ] {
        fs::write(upper.join(name), "upper").unwrap();
    }
    whiteout(&upper.join("removed"));
    whiteout(&upper.join("never there"));
    rustix::fs::setxattr(
        upper.join("emptied"),
        "user.overlay.opaque",
        b"y",
        rustix::fs::XattrFlags::empty(),
    )
    .unwrap();
    [lower, upper]
}

/// The files of a tree with what they hold.
fn contents(tree: &Path) -> Vec<String> {
    let mut files = Vec::new();
    disk::walk(tree, Reach::AsIs, &mut |entry| {
        if entry.kind() != Kind::Directory {
            let content = fs::read_to_string(&entry.path).unwrap();
            files.push(format!("{} {content}", entry.relative.display()));
        }
        Ok::<(), DiskError>(())
    })
    .unwrap();
    files
}

#[test]
fn layers_copied_one_over_another_are_what_the_overlay_would_show() {
    let folder = folder();
    let [lower, upper] = two_layers(folder.path());
    let flat = folder.path().join("flat");
    disk::copy_tree(&lower, &flat).unwrap();
    disk::copy_tree(&upper, &flat).unwrap();
    assert_eq!(
        contents(&flat),
        [
            "changed upper",
            "emptied/new upper",
            "file to folder/x upper",
            "folder/kept lower",
            "folder/new upper",
            "folder to file upper",
            "kept lower",
        ]
    );
}

#[test]
fn merged_layers_do_over_others_what_they_did_one_by_one() {
    let folder = folder();
    let [lower, upper] = two_layers(folder.path());
    let [base, top, merged, one_by_one, at_once] =
        ["base", "top", "merged", "one by one", "at once"].map(|name| folder.path().join(name));
    for name in [
        "kept",
        "never there",
        "emptied/older",
        "folder/older",
        "base only",
        "gone",
    ] {
        fs::create_dir_all(base.join(name).parent().unwrap()).unwrap();
        fs::write(base.join(name), "base").unwrap();
    }
    fs::create_dir(&top).unwrap();
    fs::write(top.join("top"), "top").unwrap();
    whiteout(&top.join("gone"));
    whiteout(&top.join("folder"));
    chmod(&upper.join("emptied"), 0o500);
    fs::create_dir(&merged).unwrap();
    let layers = [top.clone(), upper.clone(), lower.clone()];
    disk::merge_layers(&layers, &merged, Below::Layers).unwrap();
    for layer in [&base, &lower, &upper, &top] {
        disk::copy_tree(layer, &one_by_one).unwrap();
    }
    for layer in [&base, &merged] {
        disk::copy_tree(layer, &at_once).unwrap();
    }
    let expected = contents(&one_by_one);
    assert!(
        expected.contains(&"base only base".to_owned()),
        "{expected:?}"
    );
    assert!(
        !expected
            .iter()
            .any(|file| file.starts_with("gone") || file.starts_with("folder/"))
    );
    assert_eq!(contents(&at_once), expected);
    let mode = |tree: &Path| {
        tree.join("emptied")
            .metadata()
            .unwrap()
            .permissions()
            .mode()
            & 0o777
    };
    assert_eq!(mode(&merged), 0o500);

    // With nothing below, no mark is left.
    let flat = folder.path().join("flat");
    fs::create_dir(&flat).unwrap();
    let layers = [top, upper, lower, base];
    disk::merge_layers(&layers, &flat, Below::Nothing).unwrap();
    assert_eq!(contents(&flat), expected);
    // So that they can be removed.
    for tree in [&layers[1], &merged, &one_by_one, &at_once, &flat] {
        chmod(&tree.join("emptied"), 0o700);
    }
}

#[test]
fn the_file_system_is_named() {
    let found = disk::file_system(Path::new("/proc")).unwrap();
    assert!(found.kind.starts_with("0x"), "{found:?}");
    let folder = folder();
    let found = disk::file_system(folder.path()).unwrap();
    assert!(found.total >= found.free && found.free > 0, "{found:?}");
    let gone = disk::file_system(&folder.path().join("gone")).unwrap_err();
    assert_eq!(gone.kind(), std::io::ErrorKind::NotFound);
}
