//! Files that were made to do harm, or came to some on their way: each is refused, by its own reason, and leaves nothing.

use std::fs::File;
use std::io::Write as _;
use std::os::unix::fs::FileExt as _;

use serde_json::json;
use tar::EntryType;

use super::forge::{Forged, Raw, outer};
use super::{Machine, bytes, words};

type Files = Vec<(String, Vec<u8>)>;

/// A file with two small layers; the second has two folders and a file.
fn good() -> (Machine, File) {
    let here = Machine::new();
    let bottom = here.build("bottom", None, |files| {
        std::fs::write(files.join("shop.db"), "one").unwrap();
    });
    let top = here.build("top", Some(&bottom), |files| {
        std::fs::create_dir(files.join("sub")).unwrap();
        std::fs::write(files.join("sub/file"), "two").unwrap();
    });
    let (file, _) = here.export(&[bottom, top], None).unwrap();
    (here, file)
}

/// Asserts that the file is refused for this reason, and that nothing stays.
#[track_caller]
fn refused(file: &File, reason: &str) {
    let there = Machine::new();
    let error = there.import(file).unwrap_err();
    let said = words(&error);
    assert!(said.starts_with("can't import shop.tar: "), "{said}");
    assert!(said.contains(reason), "not {reason:?}: {said}");
    assert!(!said.contains('\x1b'), "{said:?}");
    there.is_empty();
}

/// Asserts that the second layer is refused once this is done to its entries. The first is as it should be and stays.
#[track_caller]
fn refused_layer(change: impl FnOnce(&mut Vec<Raw>), reason: &str) {
    let (_here, file) = good();
    let mut forged = Forged::read(&file);
    // Room for more than there is, so that the limit isn't what is found.
    *forged.record(1) = {
        let mut record = forged.record(1).clone();
        record["entries"] = json!(50);
        record["bytes"] = json!(1000);
        record
    };
    change(&mut forged.layers[1]);
    let there = Machine::new();
    let error = there.import(&forged.file()).unwrap_err();
    let said = words(&error);
    assert!(said.contains(reason), "not {reason:?}: {said}");
    assert!(!said.contains('\x1b'), "{said:?}");
    assert!(there.store.stored("shop").unwrap().is_none());
    let layers = std::fs::read_dir(there.store.layers_dir()).unwrap();
    assert_eq!(layers.count(), 1);
    // Nothing came to lie outside of the store.
    let beside = std::fs::read_dir(there.folder.path()).unwrap();
    assert_eq!(beside.count(), 1);
}

#[test]
fn a_file_put_together_again_is_taken() {
    let (_here, file) = good();
    let there = Machine::new();
    assert_eq!(there.import(&Forged::read(&file).file()).unwrap().new, 2);
}

#[test]
fn what_is_no_image_layout_is_refused() {
    let empty = tempfile::tempfile().unwrap();
    refused(&empty, "it has no oci-layout");
    let mut text = tempfile::tempfile().unwrap();
    text.write_all(&[b'x'; 2000]).unwrap();
    refused(&text, "it is no tar, or cut off");
    refused(
        &outer(&[("oci-layout".into(), b"{}".to_vec())]),
        "oci-layout makes no sense",
    );
    let later = br#"{"imageLayoutVersion":"2.0.0"}"#.to_vec();
    refused(
        &outer(&[("oci-layout".into(), later)]),
        "another version of the OCI image layout",
    );
    for name in [
        "../x",
        "/etc/passwd",
        "blobs/sha256/../x",
        "blobs/sha256/123",
        "x\x1b[31m",
    ] {
        refused(
            &outer(&[(name.into(), Vec::new())]),
            "has no place in an OCI image layout",
        );
    }
}

#[test]
fn a_file_cut_off_anywhere_is_refused() {
    let (_here, file) = good();
    let whole = bytes(&file);
    // The end of a tar is zeros, which nobody misses.
    let last = whole.iter().rposition(|byte| *byte != 0).unwrap();
    for length in (0..last).step_by(397) {
        let mut short = tempfile::tempfile().unwrap();
        short.write_all(&whole[..length]).unwrap();
        refused(&short, "");
    }
}

#[test]
fn a_byte_changed_anywhere_is_refused_or_of_no_matter() {
    let (_here, file) = good();
    let whole = bytes(&file);
    let mut refusals = 0;
    for at in (0..whole.len()).step_by(131) {
        file.write_all_at(&[whole[at] ^ 0x55], at as u64).unwrap();
        let there = Machine::new();
        if let Ok(imported) = there.import(&file) {
            // Padding, a time, an owner: no part of what is carried.
            assert_eq!(imported.new, 2);
        } else {
            refusals += 1;
            there.is_empty();
        }
        file.write_all_at(&[whole[at]], at as u64).unwrap();
    }
    assert!(refusals > 25, "{refusals}");
}

#[test]
fn sizes_digests_and_names_must_fit() {
    let change = |change: &dyn Fn(&mut Files)| {
        let (_here, file) = good();
        let mut files = Forged::read(&file).files();
        change(&mut files);
        outer(&files)
    };
    refused(&change(&|files| files[0].1.push(0)), "and should have");
    refused(
        &change(&|files| files[0].1[20] ^= 1),
        "doesn't fit its digest",
    );
    refused(
        &change(&|files| files[2].1[20] ^= 1),
        "doesn't fit its digest",
    );
    refused(
        &change(&|files| drop(files.remove(0))),
        "it has no blobs/sha256/",
    );
    refused(
        &change(&|files| files.push(files[0].clone())),
        "is there twice",
    );
    let large = |files: &mut Files| files[4].1.resize(9 << 20, b' ');
    refused(&change(&large), "and at most 8 MiB make sense");
    let many = |files: &mut Files| {
        files.extend((0..10_001).map(|_| files[0].clone()).collect::<Vec<_>>());
        files.drain(..1);
    };
    refused(&change(&many), "is there twice");
}

#[test]
fn a_record_that_makes_no_sense_is_refused() {
    let change = |change: &dyn Fn(&mut Forged)| {
        let (_here, file) = good();
        let mut forged = Forged::read(&file);
        change(&mut forged);
        forged.file()
    };
    let record = |name: &'static str, value: serde_json::Value| {
        change(&move |forged| forged.config["cowherd"][name] = value.clone())
    };
    refused(&record("format", json!(2)), "of another version of Cowherd");
    refused(
        &change(&|forged| forged.config["cowherd"] = json!(null)),
        "none of Cowherd's",
    );
    refused(&record("layers", json!([])), "without layers");
    refused(&record("services", json!([])), "without layers or services");
    refused(
        &record("snapshot", json!("../x")),
        "can't be the name of a snapshot",
    );
    refused(
        &record("snapshot", json!("\x1b[31m")),
        "can't be the name of a snapshot",
    );
    let service = |name: &'static str, value: serde_json::Value| {
        change(&move |forged| forged.config["cowherd"]["services"][0][name] = value.clone())
    };
    refused(
        &service("name", json!("a/b")),
        "can't be the name of a service",
    );
    refused(&service("engine", json!("null")), "unknown engine `null`");
    refused(
        &service("database", json!("a\nb")),
        "can't be the name of a database",
    );
    let odd = service("settings", json!({ "no_such": "1" }));
    let error = Machine::new().import(&odd).unwrap_err();
    assert!(words(&error).contains("`no_such`"), "{error}");
    refused(
        &service("version", json!("9.9.9")),
        "`db` was built with SQLite 9.9.9, and here is",
    );
    refused(
        &service("machine", json!({ "page size": "1" })),
        "the page size 1, and here is none",
    );
    refused(
        &service("version", json!("\x1b[31m")),
        "the version of an engine is too long, or has",
    );
    let layer = |name: &'static str, value: serde_json::Value| {
        change(&move |forged| forged.record(0)[name] = value.clone())
    };
    refused(
        &layer("label", json!("a\nb")),
        "the name of a step is too long, or has control",
    );
    refused(
        &layer("label", json!("x".repeat(2000))),
        "the name of a step is too long",
    );
    refused(
        &layer("digest", json!("00")),
        "the configuration makes no sense",
    );
    refused(
        &layer("entries", json!(u64::MAX)),
        "more than 1000000 entries",
    );
    refused(&layer("bytes", json!(1u64 << 60)), "are free");
    refused(&layer("entries", json!(1)), "");
    refused(&layer("bytes", json!(4)), "has other content than it says");
    refused(
        &layer("digest", json!("0".repeat(64))),
        "has other content than it says",
    );
    let twice = |forged: &mut Forged| {
        let first = forged.record(0)["key"].clone();
        forged.record(1)["key"] = first;
    };
    refused(&change(&twice), "one layer or step twice");
    let left_over = |forged: &mut Forged| {
        forged.config["cowherd"]["layers"]
            .as_array_mut()
            .unwrap()
            .pop();
    };
    refused(&change(&left_over), "layers that Cowherd knows nothing of");
    refused(
        &change(&|forged| forged.manifest["layers"][0]["mediaType"] = json!("text/plain")),
        "none of Cowherd's",
    );
    let index = |forged: &mut Forged| {
        let only = forged.index["manifests"][0].clone();
        forged.index["manifests"] = json!([only, only]);
    };
    refused(&change(&index), "several platforms");
}

#[test]
fn an_entry_of_another_kind_is_refused() {
    let add = |kind: EntryType, data: &'static [u8]| {
        move |layer: &mut Vec<Raw>| layer.push(Raw::new("db/x", kind, data))
    };
    refused_layer(add(EntryType::Link, b""), "\"db/x\" is a hard link");
    refused_layer(add(EntryType::Char, b""), "\"db/x\" is a device");
    refused_layer(add(EntryType::Block, b""), "\"db/x\" is a device");
    refused_layer(add(EntryType::Fifo, b""), "\"db/x\" is a fifo");
    let sparse = |layer: &mut Vec<Raw>| {
        let mut raw = Raw::new("db/x", EntryType::GNUSparse, b"");
        raw.header.as_gnu_mut().unwrap().set_real_size(1 << 40);
        layer.push(raw);
    };
    refused_layer(sparse, "is a sparse file");
    refused_layer(
        add(EntryType::XHeader, b"30 SCHILY.xattr.user.x=12345\n"),
        "a record of extended attributes",
    );
    refused_layer(
        add(EntryType::XGlobalHeader, b""),
        "a record of extended attributes",
    );
    refused_layer(add(EntryType::new(b'Z'), b""), "of an unknown kind");
    refused_layer(
        add(EntryType::Directory, b"x"),
        "has content, and is no file",
    );
    refused_layer(add(EntryType::Symlink, b"x"), "has content, and is no file");
}

#[test]
fn a_path_that_leads_elsewhere_is_refused() {
    for path in [
        "/etc/x",
        "db/../../x",
        "../x",
        "db/./x",
        "db//x",
        "./db/x",
        "db/..",
        ".",
        "x/../db/y",
    ] {
        refused_layer(
            |layer| layer.push(Raw::file(path, b"")),
            "is absolute, empty, too deep",
        );
    }
    let deep = |layer: &mut Vec<Raw>| {
        let long = "z/".repeat(130) + "x";
        layer.push(Raw::new(
            "././@LongLink",
            EntryType::GNULongName,
            long.as_bytes(),
        ));
        layer.push(Raw::file("x", b""));
    };
    refused_layer(deep, "is absolute, empty, too deep");
    let endless = |layer: &mut Vec<Raw>| {
        let long = "z".repeat(5000);
        layer.push(Raw::new(
            "././@LongLink",
            EntryType::GNULongName,
            long.as_bytes(),
        ));
    };
    refused_layer(endless, "a path in it is too long");
    let two = |layer: &mut Vec<Raw>| {
        for _ in 0..2 {
            layer.push(Raw::new("././@LongLink", EntryType::GNULongName, b"db/x"));
        }
    };
    refused_layer(two, "an entry has two names");
}

#[test]
fn an_entry_out_of_order_is_refused() {
    let push = |raw: Raw| move |layer: &mut Vec<Raw>| layer.push(raw);
    refused_layer(
        push(Raw::file("db/sub/file", b"")),
        "is there twice, or before its folder",
    );
    refused_layer(
        push(Raw::file("db/a", b"")),
        "is there twice, or before its folder",
    );
    refused_layer(
        push(Raw::file("db/t/x", b"")),
        "is there twice, or before its folder",
    );
    refused_layer(
        push(Raw::file("x", b"")),
        "is there twice, or before its folder",
    );
    refused_layer(
        push(Raw::link("x", "db")),
        "may lead out of the database's folder",
    );
    // Below a link that was there before.
    let through = |layer: &mut Vec<Raw>| {
        layer.push(Raw::link("db/t", "sub"));
        layer.push(Raw::file("db/t/x", b""));
    };
    refused_layer(through, "is there twice, or before its folder");
    let replaced = |layer: &mut Vec<Raw>| {
        layer.push(Raw::new("db/t/", EntryType::Directory, b""));
        layer.push(Raw::link("db/t", "sub"));
    };
    refused_layer(replaced, "is there twice, or before its folder");
}

#[test]
fn a_link_that_leads_out_is_refused() {
    for target in ["/etc/passwd", "..", "../other", "sub/../../x", "sub/..", ""] {
        refused_layer(
            |layer| layer.push(Raw::link("db/t", target)),
            "may lead out of the database's folder",
        );
    }
    // As high as it may be, and one more.
    refused_layer(
        |layer| layer.push(Raw::link("db/sub/t", "../..")),
        "may lead out",
    );
    refused_layer(
        |layer| layer.push(Raw::link("db/sub/t", "../shop.db")),
        "has other content",
    );
}

#[test]
fn bits_that_give_rights_are_refused() {
    for mode in [0o4755, 0o2755, 0o6755] {
        let raw = Raw::file("db/t", b"").mode(mode);
        refused_layer(|layer| layer.push(raw), "has the mode");
    }
}

#[test]
fn marks_are_refused_where_they_mark_nothing() {
    let push = |raw: Raw| move |layer: &mut Vec<Raw>| layer.push(raw);
    refused_layer(
        push(Raw::file("db/.wh.x", b"content")),
        "has content, and is no file",
    );
    refused_layer(push(Raw::file("db/.wh.", b"")), "twice, or before");
    refused_layer(push(Raw::file("db/.wh...", b"")), "");
    refused_layer(push(Raw::file("db/.wh.sub", b"")), "is there twice");
    refused_layer(
        push(Raw::link("db/.wh.x", "sub")),
        "named as the mark of a removed file",
    );
    refused_layer(
        push(Raw::new("db/.wh.x/", EntryType::Directory, b"")),
        "named as the mark of a removed file",
    );
    // Not behind its folder.
    refused_layer(push(Raw::file("db/.wh..wh..opq", b"")), "twice, or before");
    let twice = |layer: &mut Vec<Raw>| {
        layer.push(Raw::new("db/t/", EntryType::Directory, b""));
        layer.push(Raw::file("db/t/.wh..wh..opq", b""));
        layer.push(Raw::file("db/t/.wh..wh..opq", b""));
    };
    refused_layer(twice, "twice, or before");
}

#[test]
fn a_bomb_is_bounded_by_what_was_announced() {
    // A gigabyte of zeros, a thousandth of that when it is compressed.
    let zeros = vec![0; 64 << 20];
    refused_layer(
        |layer| layer.push(Raw::file("db/t", &zeros)),
        "has more bytes than it says",
    );
    let many = |layer: &mut Vec<Raw>| {
        layer.extend((0..60).map(|n| Raw::file(&format!("db/t{n:03}"), b"")));
    };
    refused_layer(many, "more than 50 entries");
    let (_here, file) = good();
    let mut forged = Forged::read(&file);
    forged.tail = zeros;
    refused(&forged.file(), "has more bytes than it says");
    let mut forged = Forged::read(&file);
    forged.tail = b"something else".to_vec();
    refused(
        &forged.file(),
        "there is something behind the end of the layer",
    );
}

#[test]
fn one_frame_is_all_that_is_decompressed() {
    let forge = |squeezed: fn(Vec<u8>) -> Vec<u8>| {
        let (_here, file) = good();
        let mut forged = Forged::read(&file);
        forged.squeezed = squeezed;
        forged.file()
    };
    let twice = forge(|bytes| [&bytes[..], &bytes].concat());
    refused(&twice, "there is something behind the end of the layer");
    let half = forge(|bytes| bytes[..bytes.len() / 2].to_vec());
    refused(&half, "a layer can't be decompressed");
    let none = forge(|_| b"not compressed".to_vec());
    refused(&none, "a layer can't be decompressed");
    // A window of 1 GiB, which would have to be held in memory.
    let wide = forge(|bytes| {
        let content = zstd::decode_all(&bytes[..]).unwrap();
        let mut encoder = zstd::Encoder::new(Vec::new(), 1).unwrap();
        encoder.window_log(30).unwrap();
        encoder.write_all(&content).unwrap();
        encoder.finish().unwrap()
    });
    refused(&wide, "a layer can't be decompressed");
}
