//! Two trees as overlays show them.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::PathBuf;

use cowherd::difference::{FileFacts, files};
use cowherd::disk::{make_opaque, make_whiteout};

/// Folders of layers below one that is gone at the end.
struct Layers(tempfile::TempDir);

impl Layers {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// A layer with these files.
    fn layer(&self, name: &str, files: &[(&str, &str)]) -> PathBuf {
        let layer = self.0.path().join(name);
        fs::create_dir(&layer).unwrap();
        for (path, content) in files {
            let path = layer.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
        layer
    }
}

/// Each difference on a line.
#[track_caller]
fn told(before: &[PathBuf], after: &[PathBuf]) -> Vec<String> {
    let shown = |facts: &Option<FileFacts>| match facts {
        None => "-".to_owned(),
        Some(FileFacts { kind, bytes, .. }) => {
            format!(
                "{kind}{}",
                bytes.map_or(String::new(), |bytes| format!(" {bytes}"))
            )
        }
    };
    let files = files(before, after).unwrap().files;
    let lines = files.iter().map(|file| {
        let path = file.path.display();
        format!("{path}: {} {}", shown(&file.before), shown(&file.after))
    });
    lines.collect()
}

#[test]
fn a_tree_does_not_differ_from_itself_however_it_is_layered() {
    let layers = Layers::new();
    let base = layers.layer("base", &[("a", "1"), ("f/b", "2"), ("f/g/c", "3")]);
    let upper = layers.layer("upper", &[("f/b", "two"), ("new", "")]);
    let flat = layers.layer(
        "flat",
        &[("a", "1"), ("f/b", "two"), ("f/g/c", "3"), ("new", "")],
    );
    let chain = [upper.clone(), base.clone()];
    assert_eq!(told(&chain, &chain), [""; 0]);
    assert_eq!(told(&chain, &[flat]), [""; 0]);
    assert_eq!(
        told(&[base], &chain),
        ["f/b: file 1 file 3", "new: - file 0"]
    );
}

#[test]
fn what_a_layer_hides_is_gone() {
    let layers = Layers::new();
    let base = layers.layer(
        "base",
        &[
            ("removed/a", "1"),
            ("removed-too", "1"),
            ("emptied/a", "1"),
            ("emptied/b", "1"),
            ("to file/a", "1"),
            ("to folder", "1"),
        ],
    );
    let upper = layers.layer(
        "upper",
        &[
            ("emptied/b", "1"),
            ("emptied/c", "1"),
            ("to file", "file"),
            ("to folder/x", "1"),
        ],
    );
    make_whiteout(&upper.join("removed")).unwrap();
    make_whiteout(&upper.join("never there")).unwrap();
    make_opaque(&upper.join("emptied")).unwrap();
    assert_eq!(
        told(std::slice::from_ref(&base), &[upper, base.clone()]),
        [
            "emptied/a: file 1 -",
            "emptied/c: - file 1",
            "removed/a: file 1 -",
            "to file: folder file 4",
            "to file/a: file 1 -",
            "to folder: file 1 folder",
            "to folder/x: - file 1",
        ]
    );
}

#[test]
fn contents_modes_and_links_count() {
    let layers = Layers::new();
    let one = layers.layer("one", &[("bytes", "abc"), ("mode", "x"), ("same", "x")]);
    let other = layers.layer("other", &[("bytes", "abd"), ("mode", "x"), ("same", "x")]);
    fs::set_permissions(one.join("mode"), Permissions::from_mode(0o600)).unwrap();
    fs::set_permissions(other.join("mode"), Permissions::from_mode(0o640)).unwrap();
    symlink("a", one.join("link")).unwrap();
    symlink("b", other.join("link")).unwrap();
    assert_eq!(
        told(&[one], &[other]),
        [
            "bytes: file 3 file 3",
            "link: link link",
            "mode: file 1 file 1"
        ]
    );
}
