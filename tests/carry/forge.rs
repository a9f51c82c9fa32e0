//! An exported file taken apart, changed, and put together again with sizes and digests that are right.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read as _, Seek as _, Write as _};

use cowherd::digest::Digest;
use serde_json::Value;
use tar::{Builder, EntryType, Header};

/// An entry of a layer.
#[derive(Clone)]
pub(super) struct Raw {
    pub(super) header: Header,
    pub(super) data: Vec<u8>,
}

impl Raw {
    pub(super) fn new(path: &str, kind: EntryType, data: &[u8]) -> Self {
        let mut header = Header::new_gnu();
        // As the bytes stand there: the crate would refuse some of these names.
        header.as_mut_bytes()[..path.len()].copy_from_slice(path.as_bytes());
        header.set_entry_type(kind);
        header.set_mode(0o700);
        header.set_size(data.len() as u64);
        let data = data.to_vec();
        Self { header, data }
    }

    pub(super) fn file(path: &str, data: &[u8]) -> Self {
        Self::new(path, EntryType::Regular, data)
    }

    pub(super) fn link(path: &str, target: &str) -> Self {
        let mut raw = Self::new(path, EntryType::Symlink, b"");
        raw.header.set_link_name_literal(target).unwrap();
        raw
    }

    pub(super) fn mode(mut self, mode: u32) -> Self {
        self.header.set_mode(mode);
        self
    }
}

/// What an exported file consists of.
pub(super) struct Forged {
    pub(super) index: Value,
    pub(super) manifest: Value,
    pub(super) config: Value,
    /// The tars of the layers, in the manifest's order.
    pub(super) layers: Vec<Vec<Raw>>,
    /// What stands behind the end of each layer's tar.
    pub(super) tail: Vec<u8>,
    /// Does something to each layer's compressed bytes, with the digest still right.
    pub(super) squeezed: fn(Vec<u8>) -> Vec<u8>,
    blobs: usize,
}

fn digest_of(value: &Value) -> String {
    let text = value["digest"].as_str().unwrap();
    format!("blobs/{}", text.replace(':', "/"))
}

impl Forged {
    pub(super) fn read(mut file: &File) -> Self {
        file.rewind().unwrap();
        let mut files = BTreeMap::new();
        for entry in tar::Archive::new(file).entries().unwrap() {
            let mut entry = entry.unwrap();
            let path = entry.path().unwrap().to_str().unwrap().to_owned();
            let mut data = Vec::new();
            entry.read_to_end(&mut data).unwrap();
            assert!(files.insert(path, data).is_none());
        }
        let json = |name: &str| serde_json::from_slice::<Value>(&files[name]).unwrap();
        let index = json("index.json");
        let manifest = json(&digest_of(&index["manifests"][0]));
        let config = json(&digest_of(&manifest["config"]));
        let layers = manifest["layers"].as_array().unwrap();
        let layers = layers.iter().map(|layer| {
            let tar = zstd::decode_all(&files[&digest_of(layer)][..]).unwrap();
            let mut archive = tar::Archive::new(&tar[..]);
            let entries = archive.entries().unwrap().raw(true).map(|entry| {
                let mut entry = entry.unwrap();
                let header = entry.header().clone();
                let mut data = Vec::new();
                entry.read_to_end(&mut data).unwrap();
                Raw { header, data }
            });
            entries.collect()
        });
        Self {
            layers: layers.collect(),
            index,
            manifest,
            config,
            tail: Vec::new(),
            squeezed: |bytes| bytes,
            blobs: files.len() - 2,
        }
    }

    pub(super) fn blob_count(&self) -> usize {
        self.blobs
    }

    /// The record of one layer.
    pub(super) fn record(&mut self, layer: usize) -> &mut Value {
        &mut self.config["cowherd"]["layers"][layer]
    }

    /// The files of the layout, in which everything fits.
    pub(super) fn files(mut self) -> Vec<(String, Vec<u8>)> {
        let mut files: Vec<(String, Vec<u8>)> = Vec::new();
        let mut blob = |bytes: Vec<u8>, to: &mut Value| {
            let digest = Digest::of(&bytes);
            to["digest"] = format!("sha256:{digest}").into();
            to["size"] = bytes.len().into();
            let file = (format!("blobs/sha256/{digest}"), bytes);
            if !files.contains(&file) {
                files.push(file);
            }
        };
        for (index, layer) in self.layers.iter().enumerate() {
            let mut tar = Builder::new(Vec::new());
            for raw in layer {
                let mut header = raw.header.clone();
                header.set_cksum();
                tar.append(&header, &raw.data[..]).unwrap();
            }
            let mut tar = tar.into_inner().unwrap();
            tar.write_all(&self.tail).unwrap();
            let squeezed = (self.squeezed)(zstd::encode_all(&tar[..], 1).unwrap());
            let to = &mut self.manifest["layers"][index];
            blob(squeezed, to);
            let place = format!("/cowherd/layers/{index}");
            if let Some(record) = self.config.pointer_mut(&place) {
                record["blob"] = to["digest"].clone();
            }
        }
        blob(
            serde_json::to_vec(&self.config).unwrap(),
            &mut self.manifest["config"],
        );
        blob(
            serde_json::to_vec(&self.manifest).unwrap(),
            &mut self.index["manifests"][0],
        );
        files.push((
            "index.json".into(),
            serde_json::to_vec(&self.index).unwrap(),
        ));
        files.push((
            "oci-layout".into(),
            br#"{ "imageLayoutVersion": "1.0.0" }"#.to_vec(),
        ));
        files
    }

    pub(super) fn file(self) -> File {
        outer(&self.files())
    }
}

/// A tar with these files.
pub(super) fn outer(files: &[(String, Vec<u8>)]) -> File {
    let mut tar = Builder::new(tempfile::tempfile().unwrap());
    for (name, bytes) in files {
        let mut raw = Raw::file(name, bytes);
        raw.header.set_cksum();
        tar.append(&raw.header, &raw.data[..]).unwrap();
    }
    tar.into_inner().unwrap()
}
