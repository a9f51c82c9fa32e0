//! The JSON files of the store, and nothing else of JSON.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};

use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{StoreError, StoredService};
use crate::digest::Digest;
use crate::disk::Context as _;

/// `layer.json`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct LayerRecord {
    pub(super) digest: Hex,
    pub(super) parent: Option<Hex>,
    pub(super) label: String,
    pub(super) engine: String,
    pub(super) engine_version: String,
    pub(super) services: Vec<String>,
    pub(super) entries: u64,
    pub(super) bytes: u64,
    pub(super) largest_file: u64,
}

/// One line of `manifest.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct EntryRecord {
    pub(super) path: Name,
    pub(super) kind: String,
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(super) mode: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) size: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) sha256: Option<Hex>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) target: Option<Name>,
}

/// `snapshots/ID.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct SnapshotFile {
    pub(super) name: String,
    pub(super) spec: Name,
    pub(super) keys: Vec<Hex>,
    pub(super) layers: Vec<Hex>,
    /// Of all layers.
    pub(super) bytes: u64,
    /// Seconds since 1970.
    pub(super) built_at: u64,
    /// What serves it, where no spec says so: it was imported.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) services: Option<Vec<StoredService>>,
    #[serde(default, skip_serializing_if = "is_false")]
    pub(super) committed: bool,
}

// The signature is serde's.
#[allow(clippy::trivially_copy_pass_by_ref)]
fn is_zero(mode: &u32) -> bool {
    *mode == 0
}

// The signature is serde's.
#[allow(clippy::trivially_copy_pass_by_ref)]
fn is_false(committed: &bool) -> bool {
    !*committed
}

/// A digest as its 64 digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Hex(pub(super) Digest);

impl Serialize for Hex {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Hex {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(from)?;
        Digest::parse(&text)
            .map(Self)
            .ok_or_else(|| D::Error::custom("not a digest"))
    }
}

/// A path: text where it is text, else its bytes as numbers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub(super) enum Name {
    Text(String),
    Bytes(Vec<u8>),
}

impl Name {
    pub(super) fn new(path: &Path) -> Self {
        path.to_str().map_or_else(
            || Self::Bytes(path.as_os_str().as_bytes().to_owned()),
            |text| Self::Text(text.to_owned()),
        )
    }

    pub(super) fn as_path(&self) -> &Path {
        match self {
            Self::Text(text) => Path::new(text),
            Self::Bytes(bytes) => Path::new(OsStr::from_bytes(bytes)),
        }
    }

    pub(super) fn into_path(self) -> PathBuf {
        match self {
            Self::Text(text) => text.into(),
            Self::Bytes(bytes) => OsString::from_vec(bytes).into(),
        }
    }
}

pub(super) fn read<T: DeserializeOwned>(path: &Path) -> Result<T, StoreError> {
    let bytes = fs::read(path).on("read", path)?;
    serde_json::from_slice(&bytes).map_err(|source| damaged(path, source))
}

pub(super) fn to_bytes<T: Serialize>(value: &T, path: &Path) -> Result<Vec<u8>, StoreError> {
    let mut bytes = serde_json::to_vec_pretty(value).map_err(|source| damaged(path, source))?;
    bytes.push(b'\n');
    Ok(bytes)
}

/// As [`to_bytes`], one line for each element.
pub(super) fn lines_to_bytes(entries: &[EntryRecord], path: &Path) -> Result<Vec<u8>, StoreError> {
    let mut bytes = b"[".to_vec();
    for (index, entry) in entries.iter().enumerate() {
        bytes.extend_from_slice(if index == 0 { b"\n" } else { b",\n" });
        serde_json::to_writer(&mut bytes, entry).map_err(|source| damaged(path, source))?;
    }
    bytes.extend_from_slice(b"\n]\n");
    Ok(bytes)
}

fn damaged(path: &Path, source: serde_json::Error) -> StoreError {
    StoreError::Damaged {
        path: path.to_owned(),
        source: Box::new(source),
    }
}
