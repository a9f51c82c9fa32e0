//! Writing the file.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::Arc;

use super::error::CarryError;
use super::flush::Flusher;
use super::image::{
    self, Blob, FORMAT, Hex, INDEX, LAYOUT, LayerRecord, Record, ServiceRecord, Written,
};

use super::pack::pack;
use super::tape::{BLOCK, padding, plain_header};
use crate::disk::Context as _;
use crate::engine::Engine;
use crate::spec::Service;
use crate::store::{Layer, Store};

/// A snapshot to export.
#[derive(Debug, Clone, Copy)]
pub struct Parcel<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its layers, the lowest first.
    pub chain: &'a [Layer],
    /// Its services, as the spec has them.
    pub services: &'a [Service],
    /// What serves them, in the same order.
    pub engines: &'a [Arc<dyn Engine>],
}

/// What was written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Exported {
    /// How many layers the file holds.
    pub layers: usize,
    /// How many it leaves out, as the other side has them.
    pub left_out: usize,
    /// The lengths of all files in these layers, in bytes.
    pub unpacked: u64,
    /// The length of the file, in bytes.
    pub bytes: u64,
}

/// Writes a snapshot to `to`, an empty file that can be read and sought in; errors call it `path`. `since` is a
/// snapshot that the other side has, its name and its layers: what the two have in common is left out.
///
/// The same snapshot gives the same bytes, whenever and wherever it is exported by this version of Cowherd.
///
/// # Errors
/// When a layer can't be read or isn't as it was sealed, when it has something that isn't carried (a fifo, a link that
/// leads out), when the file can't be written, or `stopped` says so.
pub fn export(
    store: &Store,
    parcel: &Parcel<'_>,
    since: Option<(&str, &[Layer])>,
    to: &File,
    path: &Path,
    stopped: &(dyn Fn() -> bool + Sync),
) -> Result<Exported, CarryError> {
    let left_out = match since {
        None => 0,
        Some((since, layers)) => {
            let pairs = parcel.chain.iter().zip(layers);
            let common = pairs.take_while(|(a, b)| a.digest() == b.digest()).count();
            if common == 0 {
                return Err(CarryError::NothingInCommon {
                    snapshot: parcel.name.to_owned(),
                    since: since.to_owned(),
                });
            }
            common
        }
    };
    let mut record = record(parcel);
    let mut out = Out {
        to,
        path,
        flusher: Flusher::new(),
    };
    let mut written: Vec<Written> = Vec::new();
    let mut there = BTreeSet::new();
    for (layer, record) in parcel.chain.iter().zip(&mut record.layers).skip(left_out) {
        let blob = out.layer(store, layer, &mut there, stopped)?;
        record.blob = Some(blob.blob);
        written.push(blob);
    }
    let files = image::write(&record, &written)
        .map_err(io::Error::from)
        .on("write", path)?;
    for bytes in [&files.config, &files.manifest] {
        out.plain(&Blob(crate::digest::Digest::of(bytes)).path(), bytes)?;
    }
    out.plain(LAYOUT, &files.layout)?;
    out.plain(INDEX, &files.index)?;
    out.zeros(2 * BLOCK)?;
    let bytes = out.position()?;
    out.flusher.finish().on("flush", path)?;
    let carried = &parcel.chain[left_out..];
    Ok(Exported {
        layers: carried.len(),
        left_out,
        unpacked: carried.iter().map(Layer::bytes).sum(),
        bytes,
    })
}

fn record(parcel: &Parcel<'_>) -> Record {
    let services = parcel.services.iter().zip(parcel.engines);
    let services = services.map(|(service, engine)| ServiceRecord {
        service: service.into(),
        product: engine.name().to_owned(),
        version: engine.version().to_owned(),
        machine: engine.machine().into_iter().collect(),
    });
    let layers = parcel.chain.iter().map(|layer| LayerRecord {
        digest: Hex(layer.digest()),
        key: Hex(layer.key()),
        label: layer.label().to_owned(),
        engine: layer.engine().to_owned(),
        engine_version: layer.engine_version().to_owned(),
        bytes: layer.bytes(),
        entries: layer.entries(),
        blob: None,
    });
    Record {
        format: FORMAT,
        snapshot: parcel.name.to_owned(),
        services: services.collect(),
        layers: layers.collect(),
    }
}

/// The file in the making.
struct Out<'a> {
    to: &'a File,
    path: &'a Path,
    flusher: Flusher,
}

impl Out<'_> {
    fn position(&mut self) -> Result<u64, CarryError> {
        Ok(self.to.stream_position().on("write", self.path)?)
    }

    fn zeros(&mut self, count: u64) -> Result<(), CarryError> {
        let zeros = vec![0; count as usize];
        Ok(self.to.write_all(&zeros).on("write", self.path)?)
    }

    /// Writes a small file.
    fn plain(&mut self, name: &str, bytes: &[u8]) -> Result<(), CarryError> {
        let size = bytes.len() as u64;
        let header = plain_header(name, size).on("write", self.path)?;
        self.to.write_all(&header).on("write", self.path)?;
        self.to.write_all(bytes).on("write", self.path)?;
        self.zeros(padding(size))
    }

    /// Writes a layer; one whose blob is there already takes no room, as two steps that change nothing have the same.
    fn layer(
        &mut self,
        store: &Store,
        layer: &Layer,
        there: &mut BTreeSet<Blob>,
        stopped: &(dyn Fn() -> bool + Sync),
    ) -> Result<Written, CarryError> {
        let begin = self.position()?;
        // Name and size are known only when all of it is written.
        self.zeros(BLOCK)?;
        let written = pack(store, layer, (self.to, self.path), &self.flusher, stopped)?;
        if there.insert(written.blob) {
            let header = plain_header(&written.blob.path(), written.size).on("write", self.path)?;
            self.to
                .write_all_at(&header, begin)
                .on("write", self.path)?;
            self.zeros(padding(written.size))?;
        } else {
            self.to.set_len(begin).on("write", self.path)?;
            self.to
                .seek(SeekFrom::Start(begin))
                .on("write", self.path)?;
        }
        Ok(written)
    }
}
