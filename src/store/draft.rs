//! A layer in the making.

use std::collections::BTreeSet;
use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::key::HeldKey;
use super::manifest::{Hashed, Manifest};
use super::records::{self, Hex, LayerRecord};
use super::scratch::Scratch;
use super::{KeyLock, Layer, Store, StoreError, set_mode};
use crate::digest::Digest;
use crate::disk::{self, Context as _, Kind, Reach};

/// What is known of a layer beside its content.
#[derive(Debug, Clone)]
pub struct LayerInfo {
    /// The layer that it lies on; `None` for the first of a chain. Held by the draft's maker, it
    /// can't have been removed before its child is there.
    pub parent: Option<Layer>,
    /// The step in words: `migrate migrations`.
    pub label: String,
    /// The engine: `postgres`.
    pub engine: String,
    /// Its exact version.
    pub engine_version: String,
}

/// A layer in the making: private folders that become a layer by [`seal`](Self::seal), or are
/// removed when the value is dropped.
#[derive(Debug)]
pub struct Draft {
    scratch: Scratch,
    /// Opened before the first write, so that no write error goes unseen.
    folder: File,
    key: Arc<HeldKey>,
}

impl Store {
    /// Begins a layer for the key that `lock` is the right to build.
    ///
    /// # Errors
    /// When its folder can't be made.
    pub fn draft(&self, lock: &KeyLock) -> Result<Draft, StoreError> {
        let scratch = Scratch::new(&lock.held.inner)?;
        let mode = lock.held.inner.folder_mode;
        for name in ["files", "work"] {
            let path = scratch.path().join(name);
            DirBuilder::new()
                .mode(mode)
                .create(&path)
                .on("create", &path)?;
            set_mode(&path, mode)?;
        }
        let folder = File::open(scratch.path()).on("open", scratch.path())?;
        Ok(Draft {
            scratch,
            folder,
            key: Arc::clone(&lock.held),
        })
    }
}

impl Draft {
    /// The draft's folder, for what else the builder needs there; only `files` is sealed.
    pub fn path(&self) -> &Path {
        self.scratch.path()
    }

    /// The folder for what the step changes in `service`: the upper folder of its overlay. It is
    /// made at the first call, with mode 0700; the root of an overlay has the mode and the owner
    /// of its upper folder.
    ///
    /// # Errors
    /// When it can't be made.
    pub fn files(&self, service: &str) -> Result<PathBuf, StoreError> {
        self.service_folder("files", service)
    }

    /// An empty folder on the same file system: the work folder of that overlay.
    ///
    /// # Errors
    /// When it can't be made.
    pub fn work(&self, service: &str) -> Result<PathBuf, StoreError> {
        self.service_folder("work", service)
    }

    /// The services that have a folder of files so far, sorted.
    ///
    /// # Errors
    /// When the draft can't be read.
    pub fn services(&self) -> Result<Vec<String>, StoreError> {
        services(&self.path().join("files"))
    }

    fn service_folder(&self, kind: &str, service: &str) -> Result<PathBuf, StoreError> {
        if matches!(service, "" | "." | "..") || service.contains(['/', '\0', ':', ',', '\\']) {
            return Err(StoreError::ServiceName(service.to_owned()));
        }
        let path = self.scratch.path().join(kind).join(service);
        match DirBuilder::new().mode(0o700).create(&path) {
            Ok(()) => Ok(path),
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => Ok(path),
            Err(e) => Err(e).on("create", &path)?,
        }
    }

    /// Makes the layer: hashes what is in the draft, brings it to the disk, gives it its place and
    /// then its name. Nothing may write to the draft any more: its processes and mounts are gone.
    ///
    /// When the same content on the same parent is there already, that layer is kept and the key
    /// is one more name of it.
    ///
    /// # Errors
    /// When anything can't be read or written. The key is then absent as before.
    pub fn seal(self, info: LayerInfo) -> Result<Layer, StoreError> {
        self.seal_if(info, None, &Hashed::new())
    }

    /// As [`seal`](Self::seal), but only what turns out to be the layer `expected`. Files whose digest is in `hashed`
    /// are not read again.
    ///
    /// # Errors
    /// As `seal`, and [`StoreError::OtherContent`]; nothing is left then.
    pub fn seal_as(
        self,
        info: LayerInfo,
        expected: &Digest,
        hashed: &Hashed,
    ) -> Result<Layer, StoreError> {
        self.seal_if(info, Some(expected), hashed)
    }

    fn seal_if(
        self,
        info: LayerInfo,
        expected: Option<&Digest>,
        hashed: &Hashed,
    ) -> Result<Layer, StoreError> {
        let inner = self.scratch.inner();
        let files = self.path().join("files");
        // Whoever works on top of the layer can tell by the time what was written since.
        let mut bytes = 0;
        disk::walk(&files, Reach::Force, &mut |entry| match entry.kind() {
            Kind::File => {
                bytes += entry.metadata.len();
                disk::date_back(&entry.path)
            }
            _ => Ok(()),
        })?;
        let manifest = self.hash(&files, bytes, hashed)?;
        let parent = info.parent.as_ref().map(Layer::digest);
        let digest = manifest.digest(parent);
        if let Some(expected) = expected.filter(|expected| **expected != digest) {
            return Err(StoreError::OtherContent {
                expected: *expected,
                found: digest,
            });
        }
        let label = info.label.replace(char::is_control, " ");
        let record = LayerRecord {
            digest: Hex(digest),
            parent: parent.map(Hex),
            label: label.clone(),
            engine: info.engine,
            engine_version: info.engine_version,
            services: services(&files)?,
            entries: manifest.entries.len() as u64,
            bytes: manifest.bytes,
            largest_file: manifest.largest_file,
        };

        // From here on gc keeps its hands off, whether the layer is there or comes to be.
        let held = inner.hold(&digest)?;
        let record = match inner.read_layer(&digest)? {
            Some(there) => there,
            None => self.place(&manifest, record)?,
        };
        inner.write_key(&self.key.key, &digest, &label)?;
        Ok(Layer::new(inner, self.key.key, &label, record, held))
    }

    /// Hashes the files, `bytes` of them, and has the disk take them meanwhile where they are many.
    fn hash(&self, files: &Path, bytes: u64, hashed: &Hashed) -> Result<Manifest, StoreError> {
        const MANY: u64 = 16 << 20;
        std::thread::scope(|scope| {
            let flush = || disk::sync_file_system(&self.folder, self.path());
            let flush = (bytes >= MANY).then(|| scope.spawn(flush));
            let manifest = Manifest::of(files, Reach::Force, hashed)?;
            if let Some(flush) = flush {
                // An error is told once only (syncfs(2)).
                flush
                    .join()
                    .unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
            }
            Ok(manifest)
        })
    }

    fn place(&self, manifest: &Manifest, record: LayerRecord) -> Result<LayerRecord, StoreError> {
        let inner = self.scratch.inner();
        let target = inner.layer_path(&record.digest.0);
        let list = records::lines_to_bytes(&manifest.entries, &target)?;
        let json = records::to_bytes(&record, &target)?;
        self.keep_only_files()?;
        for (name, bytes) in [("manifest.json", &list), ("layer.json", &json)] {
            let path = self.path().join(name);
            fs::write(&path, bytes).on("write", &path)?;
        }
        disk::sync_file_system(&self.folder, self.path())?;
        match fs::rename(self.path(), &target) {
            Ok(()) => disk::sync_directory(&inner.layers)?,
            // Two of the same content at the same moment; or its `layer.json` was lost, and this
            // has the same to say.
            Err(e) if e.kind() == io::ErrorKind::DirectoryNotEmpty => {
                inner.write(&target.join("manifest.json"), &list)?;
                inner.write(&target.join("layer.json"), &json)?;
            }
            Err(e) => return Err(e).on("write", &target)?,
        }
        Ok(record)
    }

    /// Removes the work folders, and what else the builder made beside `files`.
    fn keep_only_files(&self) -> Result<(), StoreError> {
        for entry in fs::read_dir(self.path()).on("list", self.path())? {
            let entry = entry.on("list", self.path())?;
            if entry.file_name() != "files" {
                disk::remove_tree(&entry.path())?;
            }
        }
        Ok(())
    }
}

fn services(files: &Path) -> Result<Vec<String>, StoreError> {
    let mut names = BTreeSet::new();
    for entry in fs::read_dir(files).on("list", files)? {
        let name = entry.on("list", files)?.file_name().into_string();
        names.insert(name.map_err(|name| StoreError::ServiceName(name.to_string_lossy().into()))?);
    }
    Ok(names.into_iter().collect())
}
