//! The JSON files of an image: index, manifest and configuration, as the OCI image specification 1.1 has them, and
//! Cowherd's own record, which is one more field of the configuration (the specification says of fields that a
//! program doesn't know: ignore them).

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::error::Refusal;
use crate::digest::Digest;
use crate::store::StoredService;

/// The file that says that this is an image layout.
pub(super) const LAYOUT: &str = "oci-layout";

/// The file that everything else is found from.
pub(super) const INDEX: &str = "index.json";

const VERSION: &str = "1.0.0";

const CONFIGURATION: &str = "the configuration";

const INDEX_TYPE: &str = "application/vnd.oci.image.index.v1+json";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+zstd";

/// What people call the image: its tag.
const NAME: &str = "org.opencontainers.image.ref.name";
const TITLE: &str = "org.opencontainers.image.title";

/// The version of [`Record`].
pub(super) const FORMAT: u32 = 1;

/// A digest as 64 digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(super) struct Hex(pub(super) Digest);

impl TryFrom<String> for Hex {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Digest::parse(&text).map(Self).ok_or("not a digest")
    }
}

impl From<Hex> for String {
    fn from(hex: Hex) -> Self {
        hex.0.to_string()
    }
}

/// A digest with the name of its algorithm, as OCI writes them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(super) struct Blob(pub(super) Digest);

impl Blob {
    /// Its path in the layout.
    pub(super) fn path(self) -> String {
        format!("blobs/sha256/{}", self.0)
    }
}

impl TryFrom<String> for Blob {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let digest = text.strip_prefix("sha256:").and_then(Digest::parse);
        digest.map(Self).ok_or("not a SHA-256 digest")
    }
}

impl From<Blob> for String {
    fn from(blob: Blob) -> Self {
        format!("sha256:{}", blob.0)
    }
}

/// What refers to a blob.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Descriptor {
    pub(super) media_type: String,
    pub(super) digest: Blob,
    pub(super) size: u64,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) annotations: BTreeMap<String, String>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Layout {
    image_layout_version: String,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Index {
    schema_version: u32,
    #[serde(default)]
    media_type: String,
    manifests: Vec<Descriptor>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Manifest {
    schema_version: u32,
    #[serde(default)]
    media_type: String,
    config: Descriptor,
    layers: Vec<Descriptor>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    annotations: BTreeMap<String, String>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Config<R> {
    architecture: String,
    os: String,
    rootfs: RootFs,
    #[serde(default)]
    history: Vec<History>,
    cowherd: R,
}

#[derive(Debug, Serialize, Deserialize)]
struct RootFs {
    #[serde(rename = "type")]
    kind: String,
    diff_ids: Vec<Blob>,
}

#[derive(Debug, Serialize, Deserialize)]
struct History {
    created_by: String,
}

/// The one field of a [`Record`] that every version has.
#[derive(Debug, Deserialize)]
struct Version {
    format: u32,
}

/// What Cowherd knows of the snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Record {
    pub(super) format: u32,
    pub(super) snapshot: String,
    /// In the order of the spec.
    pub(super) services: Vec<ServiceRecord>,
    /// The whole chain, the lowest first.
    pub(super) layers: Vec<LayerRecord>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ServiceRecord {
    /// As its spec had it.
    #[serde(flatten)]
    pub(super) service: StoredService,
    /// As people call it: `PostgreSQL`.
    pub(super) product: String,
    pub(super) version: String,
    /// What else of the machine its data depends on.
    pub(super) machine: BTreeMap<String, String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct LayerRecord {
    pub(super) digest: Hex,
    /// Of the step.
    pub(super) key: Hex,
    pub(super) label: String,
    pub(super) engine: String,
    pub(super) engine_version: String,
    /// The lengths of all its files added up.
    pub(super) bytes: u64,
    pub(super) entries: u64,
    /// Where it is in this file; absent where the other side has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) blob: Option<Blob>,
}

/// A layer that was written as a blob.
#[derive(Debug, Clone, Copy)]
pub(super) struct Written {
    /// Of the blob.
    pub(super) blob: Blob,
    pub(super) size: u64,
    /// Of the tar in it.
    pub(super) diff_id: Blob,
}

/// The JSON files of an image, ready to be written.
pub(super) struct Files {
    pub(super) layout: Vec<u8>,
    pub(super) config: Vec<u8>,
    pub(super) manifest: Vec<u8>,
    pub(super) index: Vec<u8>,
}

/// Makes the JSON files. `written` are those of the record's layers that have a blob, in their order.
pub(super) fn write(record: &Record, written: &[Written]) -> Result<Files, serde_json::Error> {
    let carried = record.layers.iter().filter(|layer| layer.blob.is_some());
    let config = serde_json::to_vec(&Config {
        architecture: architecture().to_owned(),
        os: "linux".to_owned(),
        rootfs: RootFs {
            kind: "layers".to_owned(),
            diff_ids: written.iter().map(|layer| layer.diff_id).collect(),
        },
        history: carried
            .map(|layer| History {
                created_by: layer.label.clone(),
            })
            .collect(),
        cowherd: record,
    })?;
    let note = |key: &str| BTreeMap::from([(key.to_owned(), record.snapshot.clone())]);
    let layers = written.iter().map(|layer| Descriptor {
        media_type: LAYER.to_owned(),
        digest: layer.blob,
        size: layer.size,
        annotations: BTreeMap::new(),
    });
    let manifest = serde_json::to_vec(&Manifest {
        schema_version: 2,
        media_type: MANIFEST.to_owned(),
        config: descriptor(CONFIG, &config, BTreeMap::new()),
        layers: layers.collect(),
        annotations: note(TITLE),
    })?;
    let index = serde_json::to_vec(&Index {
        schema_version: 2,
        media_type: INDEX_TYPE.to_owned(),
        manifests: vec![descriptor(MANIFEST, &manifest, note(NAME))],
    })?;
    let layout = serde_json::to_vec(&Layout {
        image_layout_version: VERSION.to_owned(),
    })?;
    Ok(Files {
        layout,
        config,
        manifest,
        index,
    })
}

fn descriptor(media_type: &str, bytes: &[u8], annotations: BTreeMap<String, String>) -> Descriptor {
    Descriptor {
        media_type: media_type.to_owned(),
        digest: Blob(Digest::of(bytes)),
        size: bytes.len() as u64,
        annotations,
    }
}

/// As Go names this machine's, which is what the specification asks for.
fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        "x86" => "386",
        "powerpc64" => "ppc64le",
        other => other,
    }
}

/// Whether the layout is of the version that is known.
pub(super) fn read_layout(bytes: &[u8]) -> Result<(), Refusal> {
    let layout: Layout = parse(LAYOUT, bytes)?;
    match layout.image_layout_version.as_str() {
        VERSION => Ok(()),
        _ => Err(Refusal::Foreign(
            "of another version of the OCI image layout",
        )),
    }
}

/// The manifest that an index names.
pub(super) fn read_index(bytes: &[u8]) -> Result<Descriptor, Refusal> {
    let mut index: Index = parse(INDEX, bytes)?;
    let only = index.manifests.pop();
    match only {
        Some(only) if index.manifests.is_empty() && only.media_type == MANIFEST => Ok(only),
        _ => Err(Refusal::Foreign("an image for several platforms, or none")),
    }
}

/// The configuration and the layers that a manifest names.
pub(super) fn read_manifest(bytes: &[u8]) -> Result<(Descriptor, Vec<Descriptor>), Refusal> {
    let manifest: Manifest = parse("the manifest", bytes)?;
    if manifest.config.media_type != CONFIG
        || manifest
            .layers
            .iter()
            .any(|layer| layer.media_type != LAYER)
    {
        return Err(Refusal::Foreign("an image, but none of Cowherd's"));
    }
    Ok((manifest.config, manifest.layers))
}

/// Cowherd's record in a configuration.
pub(super) fn read_config(bytes: &[u8]) -> Result<Record, Refusal> {
    // The version first: of another one, nothing else need be as it is here.
    let config: Config<Option<Version>> = parse(CONFIGURATION, bytes)?;
    match config.cowherd {
        Some(version) if version.format == FORMAT => {}
        Some(_) => return Err(Refusal::Foreign("of another version of Cowherd")),
        None => return Err(Refusal::Foreign("an image, but none of Cowherd's")),
    }
    let config: Config<Record> = parse(CONFIGURATION, bytes)?;
    Ok(config.cowherd)
}

fn parse<T: DeserializeOwned>(name: &str, bytes: &[u8]) -> Result<T, Refusal> {
    serde_json::from_slice(bytes).map_err(|source| Refusal::Json {
        name: name.to_owned(),
        source: source.into(),
    })
}
