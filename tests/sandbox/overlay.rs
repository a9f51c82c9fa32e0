//! Overlays: sealed layers below, a container's own changes on top.

use std::fs;
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::{Path, PathBuf};

use cowherd::sandbox::{Overlay, Running, SCRATCH, SandboxError, Upper};

use super::{given, prints, sandbox};
use crate::support::userns;

const DATA: &str = "/run/cowherd/db/data";

/// Layers as folders of files: the last one is the topmost.
fn layers(root: &Path, contents: &[&[(&str, &str)]]) -> Vec<PathBuf> {
    let mut lower = Vec::new();
    for (index, files) in contents.iter().enumerate() {
        let name = format!("layer-{index}");
        for (path, text) in *files {
            let path = root.join(&name).join(path);
            fs::create_dir_all(path.parent().expect("a parent")).expect("folders");
            fs::write(path, text).expect("a file");
        }
        lower.insert(0, PathBuf::from(name));
    }
    given(root);
    lower
}

fn overlay(root: &Path, lower: Vec<PathBuf>, upper: Upper) -> Overlay {
    Overlay {
        name: "db".to_owned(),
        target: DATA.into(),
        from: root.to_owned(),
        lower,
        copied: Vec::new(),
        upper,
        mode: 0o700,
    }
}

fn over(overlay: Overlay) -> Running {
    let mut sandbox = sandbox();
    sandbox.folder("/run/cowherd/db").overlay(overlay);
    sandbox.start().expect("a container")
}

const THREE: [&[(&str, &str)]; 3] = [
    &[
        ("base", "base\n"),
        ("over", "base\n"),
        ("folder/one", "1\n"),
        ("folder/deep/two", "2\n"),
    ],
    &[("over", "middle\n"), ("folder/three", "3\n")],
    &[("top", "top\n"), ("folder/one", "uno\n")],
];

#[test]
fn the_topmost_layer_wins_and_folders_are_merged() {
    if !userns() {
        return;
    }
    let root = tempfile::tempdir().expect("a folder");
    let lower = layers(root.path(), &THREE);
    let mut container = over(overlay(root.path(), lower, Upper::Scratch));
    let seen = prints(
        &mut container,
        &format!("cd {DATA} && cat base over top folder/one folder/three folder/deep/two"),
    );
    assert_eq!(seen, "base\nmiddle\ntop\nuno\n3\n2\n");
    assert_eq!(
        prints(&mut container, &format!("stat -c '%a %u' {DATA}")),
        { format!("700 {}\n", super::identity().user().0) }
    );
}

#[test]
fn folders_of_several_layers_are_removed_and_made_again() {
    if !userns() {
        return;
    }
    let root = tempfile::tempdir().expect("a folder");
    let lower = layers(root.path(), &THREE);
    let mut container = over(overlay(root.path(), lower, Upper::Scratch));
    let seen = prints(
        &mut container,
        &format!(
            "cd {DATA} && rm -r folder && [ ! -e folder ] && mkdir folder && ls -A folder && \
             echo new > folder/one && rm -r folder && mkdir -p folder/deep && ls -A folder/deep && \
             rm over && echo again > over && mv folder moved && mv moved/deep folder && ls -A && cat over"
        ),
    );
    assert_eq!(seen, "base\nfolder\nmoved\nover\ntop\nagain\n");
    assert_eq!(
        fs::read_to_string(root.path().join("layer-0/folder/one")).expect("a file"),
        "1\n"
    );
    assert_eq!(
        fs::read_to_string(root.path().join("layer-1/over")).expect("a file"),
        "middle\n"
    );
}

#[test]
fn a_file_that_is_copied_ahead_is_the_topmost_one_and_keeps_its_holes() {
    if !userns() {
        return;
    }
    let root = tempfile::tempdir().expect("a folder");
    let lower = layers(root.path(), &THREE);
    for (layer, letter) in [("layer-0", b"0"), ("layer-1", b"1")] {
        let path = root.path().join(layer).join("holes");
        let file = fs::File::create(&path).expect("a file");
        file.set_len(3 << 20).expect("a length");
        for at in [0, 700_000] {
            file.write_all_at(letter, at).expect("room");
        }
        let mode = fs::Permissions::from_mode(0o640);
        fs::set_permissions(path, mode).expect("a mode");
    }
    // What hides a file is not copied.
    fs::write(root.path().join("layer-0/hidden"), "file").expect("a file");
    fs::create_dir(root.path().join("layer-2/hidden")).expect("a folder");
    given(root.path());
    let mut container = over(Overlay {
        copied: ["holes", "hidden", "nosuch"].map(PathBuf::from).to_vec(),
        ..overlay(root.path(), lower, Upper::Scratch)
    });
    let seen = prints(
        &mut container,
        &format!(
            "cd {SCRATCH}/db/upper && ls && [ $(stat -c %b holes) -lt 1024 ] && cd {DATA} && stat -c '%a %s %u' holes && \
             head -c 1 holes && tail -c +700001 holes | head -c 1 && tr -d '\\0' <holes && ls hidden && \
             echo new >>holes && tail -c 4 holes"
        ),
    );
    let user = super::identity().user().0;
    assert_eq!(seen, format!("holes\n640 {} {user}\n1111new\n", 3 << 20));
    let below = fs::metadata(root.path().join("layer-1/holes")).expect("a file");
    assert_eq!(below.len(), 3 << 20);
}

#[test]
fn changes_go_to_the_folder_that_was_given_and_make_the_next_layer() {
    if !userns() {
        return;
    }
    let root = tempfile::tempdir().expect("a folder");
    let mut lower = layers(root.path(), &THREE);
    let draft = root.path().join("draft");
    fs::create_dir_all(draft.join("upper")).expect("a folder");
    fs::create_dir_all(draft.join("work")).expect("a folder");
    given(&draft);
    let upper = Upper::Folder {
        path: draft.clone(),
        upper: "upper".into(),
        work: "work".into(),
    };
    let mut container = over(overlay(root.path(), lower.clone(), upper));
    prints(
        &mut container,
        &format!("cd {DATA} && rm -r folder && mkdir folder && echo 4 > folder/four && rm top"),
    );
    drop(container);
    // What was written is a layer like any other.
    fs::rename(draft.join("upper"), root.path().join("layer-3")).expect("a layer");
    lower.insert(0, "layer-3".into());
    let mut container = over(overlay(root.path(), lower, Upper::Scratch));
    let seen = prints(
        &mut container,
        &format!("cd {DATA} && ls -A . folder && cat folder/four over"),
    );
    assert_eq!(seen, ".:\nbase\nfolder\nover\n\nfolder:\nfour\n4\nmiddle\n");
}

#[test]
fn layers_with_colons_and_commas_in_their_names_are_layers() {
    if !userns() {
        return;
    }
    let root = tempfile::tempdir().expect("a folder");
    layers(root.path(), &THREE);
    let names = ["a:b", "c,d", "e\\f", "\\:,g\\"];
    for (index, name) in names.iter().enumerate() {
        fs::create_dir(root.path().join(name)).expect("a folder");
        fs::write(root.path().join(name).join(format!("file-{index}")), name).expect("a file");
    }
    given(root.path());
    let lower = names.iter().map(PathBuf::from).collect();
    let mut container = over(overlay(root.path(), lower, Upper::Scratch));
    assert_eq!(
        prints(&mut container, &format!("cat {DATA}/file-*")),
        names.concat()
    );
}

#[test]
fn more_layers_than_fit_in_a_page_are_refused_in_words() {
    if !userns() {
        return;
    }
    let root = tempfile::tempdir().expect("a folder");
    let lower: Vec<PathBuf> = (0..100)
        .map(|index| format!("{index:060}").into())
        .collect();
    let mut sandbox = sandbox();
    sandbox
        .folder("/run/cowherd/db")
        .overlay(overlay(root.path(), lower, Upper::Scratch));
    let error = sandbox.start().expect_err("too many layers");
    let SandboxError::Describe(error) = error else {
        panic!("{error:?}");
    };
    assert_eq!(
        error.to_string(),
        "100 layers don't fit in one page of mount options"
    );
}

#[test]
fn a_chain_of_ten_layers_is_one_folder() {
    if !userns() {
        return;
    }
    let root = tempfile::tempdir().expect("a folder");
    let files: Vec<(String, String)> = (0..10)
        .map(|n| (format!("own-{n}"), format!("{n}\n")))
        .collect();
    let contents: Vec<Vec<(&str, &str)>> = files
        .iter()
        .map(|(name, text)| vec![(name.as_str(), text.as_str()), ("shared", text.as_str())])
        .collect();
    let contents: Vec<&[(&str, &str)]> = contents.iter().map(Vec::as_slice).collect();
    let lower = layers(root.path(), &contents);
    let mut container = over(overlay(root.path(), lower, Upper::Scratch));
    let seen = prints(&mut container, &format!("cd {DATA} && cat own-* shared"));
    assert_eq!(seen, "0\n1\n2\n3\n4\n5\n6\n7\n8\n9\n9\n");
}

#[test]
fn scratch_on_disk_carries_every_writable_layer() {
    if !userns() {
        return;
    }
    let root = tempfile::tempdir().expect("a folder");
    let lower = layers(root.path(), &THREE);
    let scratch = tempfile::tempdir().expect("a folder");
    given(scratch.path());
    let mut sandbox = sandbox();
    sandbox
        .folder("/run/cowherd/db")
        .overlay(overlay(root.path(), lower, Upper::Scratch))
        .project(root.path(), false)
        .scratch(scratch.path());
    let mut container = sandbox.start().expect("a container");
    let change = format!(
        "cd {DATA} && rm -r folder && mkdir folder && echo data > new && cd '{}' && echo project > new",
        root.path().display()
    );
    prints(&mut container, &change);
    let written = |name: &str| {
        let path = scratch.path().join(name).join("upper/new");
        fs::read_to_string(path).expect("what was written")
    };
    assert_eq!(
        (&*written("db"), &*written("project")),
        ("data\n", "project\n")
    );
    assert!(!root.path().join("new").exists());
}
