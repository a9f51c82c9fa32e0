//! Reading the file: it is treated as hostile until it has become layers that are what they say.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, Read, Write as _};
use std::path::Path;

use super::error::{CarryError, Refusal};
use super::image::{self, Blob, Descriptor, LayerRecord, Record};
use super::shelf::Shelf;
use super::unpack::{Fault, unpack};
use crate::disk::{self, Context as _};
use crate::engine;
use crate::sandbox::Identity;
use crate::spec::Spec;
use crate::store::{Layer, LayerInfo, Store, StoredService, spec_of};

/// The longest chain that makes sense.
const LAYERS: usize = 1_000;

/// The most entries that all layers together may have.
const ENTRIES: u64 = 1_000_000;

/// The longest text that is shown to people, in bytes.
const TEXT: usize = 1_000;

/// What an entry takes on a disk besides its content, in bytes, at least.
const ENTRY_ON_DISK: u64 = 4096;

/// What was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Imported {
    /// The name that the snapshot has here.
    pub name: String,
    /// How many layers it has.
    pub layers: usize,
    /// How many of them were not here before.
    pub new: usize,
    /// The lengths of all files in the new ones, in bytes.
    pub bytes: u64,
}

/// Keeps what a pipe gives in a file without a name, as an import reads here and there.
///
/// # Errors
/// When the pipe can't be read or the file not be written, or `stopped` says so.
pub fn spool(
    store: &Store,
    mut from: impl Read,
    path: &Path,
    stopped: &dyn Fn() -> bool,
) -> Result<File, CarryError> {
    let mut file = disk::unnamed_file(store.path())?;
    let mut buffer = vec![0; 1 << 20];
    loop {
        match from.read(&mut buffer) {
            _ if stopped() => return Err(CarryError::Interrupted),
            Ok(0) => return Ok(file),
            Ok(read) => file.write_all(&buffer[..read]).on("write", store.path())?,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e).on("read", path)?,
        }
    }
}

/// Takes over the snapshot that `file` holds, under `name` or the one that it has there; errors call the file `path`.
///
/// First sizes, then digests, then structure are looked at. Layers are unpacked in scratch and sealed as if they had
/// been built, one after the other; each must turn out to be the very layer that it is said to be. Their keys stand for
/// these layers from then on, so a spec with the same steps finds them built; which steps they are is taken on trust,
/// as is what the database does: import what you would run.
///
/// # Errors
/// A file that isn't what [`export`](super::export()) writes, or from a machine unlike this one, layers that neither
/// the file nor this store has, want of room, and whatever keeps a layer from being sealed. The snapshot is then as it
/// was before; layers that were sealed on the way stay.
pub fn import(
    store: &Store,
    file: &File,
    path: &Path,
    name: Option<&str>,
    stopped: &(dyn Fn() -> bool + Sync),
) -> Result<Imported, CarryError> {
    let importer = Importer {
        store,
        path,
        identity: Identity::of_caller()?,
        stopped,
    };
    importer.import(file, name).map_err(|fault| match fault {
        Fault::Carry(error) => error,
        Fault::Refused(source) => CarryError::Refused {
            file: path.to_owned(),
            source,
        },
    })
}

struct Importer<'a> {
    store: &'a Store,
    path: &'a Path,
    identity: Identity,
    stopped: &'a (dyn Fn() -> bool + Sync),
}

impl Importer<'_> {
    fn import(&self, file: &File, name: Option<&str>) -> Result<Imported, Fault> {
        let shelf = Shelf::look(file)?;
        let (config, blobs) =
            image::read_manifest(&shelf.json(&image::read_index(&shelf.index()?)?)?)?;
        let record = image::read_config(&shelf.json(&config)?)?;
        let blobs = check(&record, blobs)?;
        let name = name.unwrap_or(&record.snapshot);
        let services = services(&record);
        let spec =
            spec_of(name, &services, Path::new(".")).map_err(|e| Refusal::Spec(Box::new(e)))?;
        self.suits(&record, &spec)?;
        let checked = self.fits(&record, &blobs, &shelf)?;
        let mut imported = Imported {
            name: name.to_owned(),
            layers: record.layers.len(),
            new: 0,
            bytes: 0,
        };
        let mut chain: Vec<Layer> = Vec::new();
        for (layer, blob) in record.layers.iter().zip(&blobs) {
            let (sealed, new) = self.layer(layer, blob.as_ref(), chain.last(), &shelf, &checked)?;
            if new {
                imported.new += 1;
                imported.bytes += layer.bytes;
            }
            chain.push(sealed);
        }
        self.store.record_import(name, &chain, services)?;
        Ok(imported)
    }

    /// Holds what the data depends on against this machine.
    fn suits(&self, record: &Record, spec: &Spec) -> Result<(), Fault> {
        let here = spec.snapshots.first().map(|snapshot| &snapshot.services);
        let engines = engine::for_services(here.map_or(&[], Vec::as_slice))?;
        for (service, engine) in record.services.iter().zip(&engines) {
            let differs = |what: &str, theirs: &str, ours: &str| CarryError::OtherMachine {
                file: self.path.to_owned(),
                service: service.service.name.clone(),
                what: what.to_owned(),
                theirs: theirs.to_owned(),
                ours: ours.to_owned(),
            };
            if service.version != engine.version() {
                return Err(differs(engine.name(), &service.version, engine.version()).into());
            }
            let ours: BTreeMap<String, String> = engine.machine().into_iter().collect();
            for (what, theirs) in &service.machine {
                let ours = ours.get(what).map_or("none", String::as_str);
                if theirs != ours {
                    return Err(differs(&format!("the {what}"), theirs, ours).into());
                }
            }
        }
        Ok(())
    }

    /// Looks at everything that can be known before something is unpacked: whether all layers are here or in the
    /// file, whether they fit on the disk, and whether each blob that is needed is what its digest says. Gives these
    /// blobs.
    fn fits(
        &self,
        record: &Record,
        blobs: &[Option<Descriptor>],
        shelf: &Shelf<'_>,
    ) -> Result<BTreeSet<Blob>, Fault> {
        let mut bytes: u64 = 0;
        let mut needed = BTreeMap::new();
        for (layer, blob) in record.layers.iter().zip(blobs) {
            if self.store.has(&layer.digest.0) {
                continue;
            }
            let Some(blob) = blob else {
                return Err(CarryError::LayerNotHere {
                    file: self.path.to_owned(),
                    layer: layer.digest.0,
                    label: layer.label.clone(),
                }
                .into());
            };
            shelf.section(blob)?;
            bytes = bytes
                .saturating_add(layer.bytes)
                .saturating_add(layer.entries.saturating_mul(ENTRY_ON_DISK));
            needed.insert(blob.digest, blob);
        }
        let free = disk::file_system(self.store.path())?.free;
        if bytes > free {
            return Err(CarryError::NoRoom {
                file: self.path.to_owned(),
                bytes,
                free,
            }
            .into());
        }
        for blob in needed.values() {
            self.go_on()?;
            shelf.check(blob)?;
        }
        Ok(needed.into_keys().collect())
    }

    /// One layer: the one that is here, or the one in the file. And whether it is new.
    fn layer(
        &self,
        layer: &LayerRecord,
        blob: Option<&Descriptor>,
        parent: Option<&Layer>,
        shelf: &Shelf<'_>,
        checked: &BTreeSet<Blob>,
    ) -> Result<(Layer, bool), Fault> {
        let what = format!("import {}", self.path.display());
        let lock =
            self.store
                .lock_key_unless(&self.stopped, &layer.key.0, &what, &mut |holder| {
                    tracing::warn!("waiting for {holder}");
                })?;
        let lock = lock.ok_or(CarryError::Interrupted)?;
        let digest = layer.digest.0;
        if let Some(there) = self.store.name(&lock, &digest, parent, &layer.label)? {
            return Ok((there, false));
        }
        // None, or one that was not looked at: it went since it was looked for, or is here and damaged.
        let blob = blob.ok_or(Refusal::Layer(digest))?;
        if !checked.contains(&blob.digest) {
            shelf.check(blob)?;
        }
        let draft = self.store.draft(&lock)?;
        let hashed = unpack(shelf.section(blob)?, layer, &draft, self.stopped)?;
        if self.identity.is_root() {
            let (uid, gid) = self.identity.user();
            for service in draft.services()? {
                disk::chown_tree(&draft.files(&service)?, uid, gid)?;
            }
        }
        self.go_on()?;
        let info = LayerInfo {
            parent: parent.cloned(),
            label: layer.label.clone(),
            engine: layer.engine.clone(),
            engine_version: layer.engine_version.clone(),
        };
        match draft.seal_as(info, &digest, &hashed) {
            Err(crate::store::StoreError::OtherContent { .. }) => {
                Err(Refusal::Layer(digest).into())
            }
            sealed => Ok((sealed?, true)),
        }
    }

    fn go_on(&self) -> Result<(), CarryError> {
        match (self.stopped)() {
            true => Err(CarryError::Interrupted),
            false => Ok(()),
        }
    }
}

/// Looks at what the record says by itself, and gives for each layer the blob that it is in.
fn check(record: &Record, blobs: Vec<Descriptor>) -> Result<Vec<Option<Descriptor>>, Refusal> {
    if record.layers.is_empty() || record.layers.len() > LAYERS || record.services.is_empty() {
        return Err(Refusal::Foreign(
            "a snapshot without layers or services, or with far too many",
        ));
    }
    let entries = record.layers.iter().map(|layer| layer.entries);
    if entries.fold(0, u64::saturating_add) > ENTRIES {
        return Err(Refusal::TooManyEntries(ENTRIES));
    }
    let (mut digests, mut keys) = (BTreeSet::new(), BTreeSet::new());
    for layer in &record.layers {
        if !digests.insert(layer.digest) || !keys.insert(layer.key) {
            return Err(Refusal::Foreign(
                "a snapshot that has one layer or step twice",
            ));
        }
        text("the name of a step", &layer.label)?;
        text("the name of an engine", &layer.engine)?;
        text("the version of an engine", &layer.engine_version)?;
    }
    for service in &record.services {
        text("the version of an engine", &service.version)?;
        for (name, value) in &service.machine {
            text("a fact of the machine", name)?;
            text("a fact of the machine", value)?;
        }
    }
    let mut blobs = blobs.into_iter();
    let mut of_layers = Vec::with_capacity(record.layers.len());
    for layer in &record.layers {
        let blob = match layer.blob {
            None => None,
            Some(blob) => Some(
                blobs
                    .next()
                    .filter(|descriptor| descriptor.digest == blob)
                    .ok_or_else(|| Refusal::Missing(blob.path()))?,
            ),
        };
        of_layers.push(blob);
    }
    match blobs.next() {
        None => Ok(of_layers),
        Some(_) => Err(Refusal::Foreign(
            "an image with layers that Cowherd knows nothing of",
        )),
    }
}

fn text(what: &'static str, text: &str) -> Result<(), Refusal> {
    match text.len() <= TEXT && !text.contains(char::is_control) {
        true => Ok(()),
        false => Err(Refusal::Text(what)),
    }
}

fn services(record: &Record) -> Vec<StoredService> {
    let services = record.services.iter();
    services.map(|record| record.service.clone()).collect()
}
