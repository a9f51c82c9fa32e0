//! Overlays as containers have them, over layers in the store: mounted, and worked in.
//!
//! That a mount succeeds says little: without what overlayfs notes on files, removing a folder of a
//! layer fails with an input/output error much later.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use super::container::{inside, shell, start};
use super::{Area, Changes, Check, Facts, Part, Refused, Status, explain};
use crate::disk::{self, DiskError};
use crate::event::in_words;
use crate::sandbox::{Identity, Overlay, Sandbox, Upper};
use crate::store::{Scratch, Store, StoreError};

/// What is done in an overlay, line by line: what it is, and the commands. The name of the last line
/// that is printed is what failed.
const WORK: [(&str, &str); 7] = [
    (
        "read a file of a layer",
        "read text < kept; [ \"$text\" = base ]",
    ),
    (
        "change a file of a layer",
        "echo more >> kept; chmod 600 kept",
    ),
    ("remove a file of a layer", "rm gone; [ ! -e gone ]"),
    (
        "remove a folder of a layer",
        "rm -r folder; [ ! -e folder ]",
    ),
    (
        "make a folder again that was removed",
        "mkdir folder; [ -z \"$(ls -A folder)\" ]; echo new > folder/new",
    ),
    ("rename a file of a layer", "mv old new; [ ! -e old ]"),
    (
        "rename a folder of a layer",
        "mv tree moved; read text < moved/inner/leaf; [ ! -e tree ]",
    ),
];

pub(super) fn examine(identity: Identity, facts: &Facts, store: Option<&Store>) -> Vec<Check> {
    [Changes::Memory, Changes::Store]
        .into_iter()
        .map(|changes| {
            let name = match changes {
                Changes::Memory => "data in memory",
                Changes::Store => "data on disk",
            };
            let check =
                |status, finding: String| Check::new(Area::Container, name, status, finding);
            let Some(store) = store else {
                return check(Status::Untried, "not tried: it needs a store".to_owned());
            };
            if !facts.user_is_mapped {
                let finding = format!("not tried: it needs the user {}", facts.user);
                return check(Status::Untried, finding);
            }
            match probe(identity, store, changes) {
                Ok(()) => check(Status::Ok, works(changes).to_owned()),
                Err(Failure::Refused(refused)) => {
                    check(Status::Missing, refused.words()).remedy(explain(&refused, facts))
                }
                // What failed is told of elsewhere: by a bare container, or by the store.
                Err(Failure::NoContainer) => {
                    let finding = "not tried: there is no container to try it in";
                    check(Status::Untried, finding.to_owned())
                }
                Err(Failure::NoLayers(said)) => {
                    check(Status::Untried, format!("not tried: {said}"))
                }
            }
        })
        .collect()
}

fn works(changes: Changes) -> &'static str {
    match changes {
        Changes::Memory => "files of layers can be changed, removed and renamed, in memory",
        Changes::Store => "the same with the changes in the store, as builds do it",
    }
}

enum Failure {
    /// The layers for it couldn't be made.
    NoLayers(String),
    /// Another part of the container failed.
    NoContainer,
    /// The mount or the work was refused.
    Refused(Refused),
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::NoLayers(in_words(&error))
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::NoLayers(format!("can't write in the store: {error}"))
    }
}

impl From<DiskError> for Failure {
    fn from(error: DiskError) -> Self {
        Self::NoLayers(in_words(&error))
    }
}

fn probe(identity: Identity, store: &Store, changes: Changes) -> Result<(), Failure> {
    let scratch = store.scratch()?;
    layers(scratch.path(), identity)?;
    let mut sandbox = Sandbox::new(identity);
    let overlay = overlay(&scratch, changes);
    let data = overlay.target.clone();
    sandbox.folder(inside()).overlay(overlay);
    let (refusals, started) = start(&sandbox, Some(changes));
    let refused = refusals
        .into_iter()
        .find(|refused| refused.part() == Part::Overlay);
    if let Some(refused) = refused {
        return Err(Failure::Refused(refused));
    }
    let mut container = started.map_err(|_| Failure::NoContainer)?;
    let lines: Vec<String> = WORK
        .iter()
        .map(|(what, how)| format!("echo '{what}'\n{}", how.replace("; ", "\n")))
        .collect();
    let script = format!("set -e\n{}", lines.join("\n"));
    match shell(&mut container, &script, &data) {
        Ok(_) => Ok(()),
        Err(said) => Err(Failure::Refused(work(&said, changes))),
    }
}

/// What the script printed: the names of what it did, then what the failed program said.
fn work(said: &str, changes: Changes) -> Refused {
    let named = |line: &&str| WORK.iter().find(|(what, _)| what == line);
    let work = said.lines().filter_map(|line| named(&line)).next_back();
    let reason = said.lines().rfind(|line| named(line).is_none());
    Refused::Work {
        work: work
            .map_or("work in an overlay", |(what, _)| *what)
            .to_owned(),
        said: reason
            .unwrap_or("the result is not as it should be")
            .to_owned(),
        changes,
    }
}

/// Two small layers, owned by who works in the container, as sealed layers are.
fn layers(folder: &Path, identity: Identity) -> Result<(), Failure> {
    let files = [
        ("base/kept", "base\n"),
        ("base/gone", "base\n"),
        ("base/old", "base\n"),
        ("base/folder/a", "base\n"),
        ("base/tree/inner/leaf", "base\n"),
        ("top/folder/b", "top\n"),
        ("top/folder/c/d", "top\n"),
    ];
    for (path, text) in files {
        let path = folder.join(path);
        fs::create_dir_all(path.parent().unwrap_or(folder))?;
        fs::write(path, text)?;
    }
    for layer in ["base", "top"] {
        let layer = folder.join(layer);
        // The umask of whoever runs this may have closed it.
        fs::set_permissions(&layer, fs::Permissions::from_mode(0o700))?;
        if identity.is_root() {
            let (uid, gid) = identity.user();
            disk::chown_tree(&layer, uid, gid)?;
        }
    }
    Ok(())
}

fn overlay(scratch: &Scratch, changes: Changes) -> Overlay {
    Overlay {
        name: "doctor".to_owned(),
        target: inside().join("data"),
        from: scratch.path().to_owned(),
        lower: vec![PathBuf::from("top"), PathBuf::from("base")],
        copied: Vec::new(),
        upper: match changes {
            Changes::Memory => Upper::Scratch,
            Changes::Store => Upper::Folder {
                path: scratch.path().to_owned(),
                upper: PathBuf::from("upper"),
                work: PathBuf::from("work"),
            },
        },
        mode: 0o700,
    }
}
