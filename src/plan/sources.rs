//! The contents of files: each is read once for a whole plan.

use std::collections::HashMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::error::InputError;
use super::files::{name_of, normal};
use crate::digest::{Digest, Labelled};
use crate::migrate::script::{Dialect, Include, Scan};

/// Files read so far.
pub(super) struct Sources {
    /// The spec's folder, absolute.
    folder: PathBuf,
    data: HashMap<PathBuf, Digest>,
    scripts: HashMap<(PathBuf, Dialect), Rc<Script>>,
}

struct Script {
    digest: Digest,
    includes: Vec<Include>,
}

/// What a step reads: names and digests in the order in which they are met.
#[derive(Default)]
pub(super) struct Reads {
    fields: Vec<(&'static str, String, Option<Digest>)>,
    pub(super) errors: Vec<InputError>,
    /// Scripts whose includes are followed right now, and those that have been.
    open: Vec<PathBuf>,
}

impl Reads {
    /// Nothing read yet, and what went wrong while looking for files.
    pub(super) fn after(errors: Vec<InputError>) -> Self {
        Self {
            errors,
            ..Self::default()
        }
    }

    /// Puts all of it into a key.
    pub(super) fn into_fields(self, key: Labelled) -> Labelled {
        self.fields
            .into_iter()
            .fold(key, |key, (label, name, digest)| {
                let digest = digest.map(|digest| digest.to_string()).unwrap_or_default();
                key.field(label, name.as_bytes())
                    .field("content", digest.as_bytes())
            })
    }
}

impl Sources {
    pub(super) fn new(folder: &Path) -> Self {
        Self {
            folder: folder.to_owned(),
            data: HashMap::new(),
            scripts: HashMap::new(),
        }
    }

    /// Notes a file that a step reads, whatever it holds.
    pub(super) fn add_data(&mut self, label: &'static str, path: &Path, reads: &mut Reads) {
        let name = name_of(&self.folder, path);
        match self.data(path, &name) {
            Ok(digest) => reads.fields.push((label, name, Some(digest))),
            Err(error) => reads.errors.push(error),
        }
    }

    /// Notes an SQL script, and all that it includes. Without a dialect the file is plain data.
    pub(super) fn add_script(
        &mut self,
        label: &'static str,
        path: &Path,
        dialect: Option<Dialect>,
        reads: &mut Reads,
    ) {
        let Some(dialect) = dialect else {
            return self.add_data(label, path, reads);
        };
        let name = name_of(&self.folder, path);
        let script = match self.script(path, &name, dialect) {
            Ok(script) => script,
            Err(error) => return reads.errors.push(error),
        };
        reads
            .fields
            .push((label, name.clone(), Some(script.digest)));
        // A script that includes itself is the client's problem; its bytes are known by now.
        if reads.open.iter().any(|open| open == path) {
            return;
        }
        reads.open.push(path.to_owned());
        for include in &script.includes {
            self.add_include(&name, path, include, dialect, reads);
        }
        reads.open.pop();
    }

    fn add_include(
        &mut self,
        script: &str,
        path: &Path,
        include: &Include,
        dialect: Dialect,
        reads: &mut Reads,
    ) {
        let Some(file) = include.resolve(path, &self.folder) else {
            return reads.errors.push(InputError::Computed {
                script: script.to_owned(),
                line: include.line,
                command: include.command.clone(),
            });
        };
        let file = normal(&file);
        if !file.exists() {
            let written = include
                .file
                .as_deref()
                .unwrap_or(&file)
                .display()
                .to_string();
            if include.optional {
                reads.fields.push(("absent", written, None));
            } else {
                reads.errors.push(InputError::Include {
                    script: script.to_owned(),
                    line: include.line,
                    command: include.command.clone(),
                    file: written,
                    beside_script: include.origin == crate::migrate::script::Origin::Script,
                });
            }
        } else if include.script {
            self.add_script("included", &file, Some(dialect), reads);
        } else {
            self.add_data("included", &file, reads);
        }
    }

    fn data(&mut self, path: &Path, name: &str) -> Result<Digest, InputError> {
        if let Some(digest) = self.data.get(path) {
            return Ok(*digest);
        }
        let (digest, _) =
            Digest::of_reader(open(path, name)?).map_err(|source| InputError::Read {
                name: name.to_owned(),
                source,
            })?;
        self.data.insert(path.to_owned(), digest);
        Ok(digest)
    }

    fn script(
        &mut self,
        path: &Path,
        name: &str,
        dialect: Dialect,
    ) -> Result<Rc<Script>, InputError> {
        let key = (path.to_owned(), dialect);
        if let Some(script) = self.scripts.get(&key) {
            return Ok(Rc::clone(script));
        }
        let mut scan = Scan::new(open(path, name)?, dialect);
        let (digest, _) = Digest::of_reader(&mut scan).map_err(|source| InputError::Read {
            name: name.to_owned(),
            source,
        })?;
        let includes = scan.finish().map_err(|source| InputError::Script {
            name: name.to_owned(),
            source,
        })?;
        let script = Rc::new(Script { digest, includes });
        self.scripts.insert(key, Rc::clone(&script));
        Ok(script)
    }
}

/// Opens a regular file; anything else could block for ever or never end.
fn open(path: &Path, name: &str) -> Result<File, InputError> {
    let failed = |source| InputError::Read {
        name: name.to_owned(),
        source,
    };
    if !fs::metadata(path).map_err(failed)?.is_file() {
        return Err(InputError::NotRegular {
            name: name.to_owned(),
        });
    }
    File::open(path).map_err(failed)
}
