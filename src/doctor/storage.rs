//! The store: where it is, what it lies on, and whether it can be used.

use std::ffi::OsString;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use super::mount_cause::{another_store, no_space};
use super::remedy::word;
use super::{Area, Check, Facts, Remedy, Status, StoreFacts, Way};
use crate::disk;
use crate::event::in_words;
use crate::store::{Store, StoreError};
use crate::units::format_size;

/// Below this much space a build may fail.
const TIGHT: u64 = 1 << 30;
/// Some more than the small files of a build, to see whether writing works.
const WRITTEN: usize = 256 << 10;

/// Opens the store and writes in it; what is found out about its file system goes to the facts.
pub(super) fn examine(
    variable: &dyn Fn(&str) -> Option<OsString>,
    facts: &mut Facts,
) -> (Option<Store>, Vec<Check>) {
    let path = match Store::default_path(variable) {
        Ok(path) => path,
        Err(error) => return (None, vec![unusable(&error, facts)]),
    };
    let system = existing(&path).and_then(|folder| disk::file_system(folder).ok());
    let mut found = StoreFacts {
        path: path.clone(),
        nearest: existing(&path).unwrap_or(&path).to_owned(),
        kind: system
            .as_ref()
            .map(|system| system.kind.clone())
            .unwrap_or_default(),
        free: system.as_ref().map_or(0, |system| system.free),
        reflink: false,
    };
    facts.store = Some(found.clone());
    let used = Store::open(&path).and_then(|store| {
        let scratch = store.scratch()?;
        let file = scratch.path().join("probe");
        fs::write(&file, vec![7; WRITTEN]).map_err(|source| disk::DiskError {
            verb: "write",
            path: file,
            source,
        })?;
        let reflink = disk::can_reflink(scratch.path())?;
        Ok((store, reflink))
    });
    match used {
        Err(error) => (None, vec![unusable(&error, facts)]),
        Ok((store, reflink)) => {
            store.path().clone_into(&mut found.path);
            store.path().clone_into(&mut found.nearest);
            found.reflink = reflink;
            facts.store = Some(found.clone());
            let checks = vec![
                Check::new(
                    Area::Store,
                    "store",
                    Status::Ok,
                    format!("{} can be written", found.path.display()),
                ),
                room(&found, facts),
                sharing(&found, facts),
            ];
            (Some(store), checks)
        }
    }
}

/// The nearest folder on the way to `path` that exists.
fn existing(path: &Path) -> Option<&Path> {
    path.ancestors().find(|folder| folder.exists())
}

fn unusable(error: &StoreError, facts: &Facts) -> Check {
    let kind = match error {
        StoreError::Disk(error) => Some(error.kind()),
        _ => None,
    };
    let full = matches!(
        kind,
        Some(ErrorKind::StorageFull | ErrorKind::QuotaExceeded)
    );
    let denied = kind == Some(ErrorKind::PermissionDenied);
    let remedy = if full {
        no_space(facts)
    } else {
        let cause = error.hint().unwrap_or_else(|| {
            "COWHERD_STORE, or else $XDG_DATA_HOME/cowherd or ~/.local/share/cowherd, must be a folder that can be \
             written"
                .to_owned()
        });
        let mut ways = vec![another_store(facts)];
        if let Some(store) = &facts.store
            && denied
            && !facts.root
            && store.nearest == store.path
        {
            let chown = format!("sudo chown -R \"$(id -u):$(id -g)\" {}", word(&store.path));
            ways.insert(0, Way::new("give it to this user", chown));
        }
        Remedy::new(cause, ways)
    };
    Check::new(Area::Store, "store", Status::Missing, in_words(error)).remedy(remedy)
}

fn room(store: &StoreFacts, facts: &Facts) -> Check {
    let StoreFacts { kind, free, .. } = store;
    let finding = format!("{kind}, {} free", format_size(*free));
    let check = |status| Check::new(Area::Store, "file system", status, finding.clone());
    if *free < TIGHT {
        let mut remedy = no_space(facts);
        "a store with a few snapshots takes some hundred megabytes, and a build needs room beside them"
            .clone_into(&mut remedy.cause);
        return check(Status::Advisory).remedy(remedy);
    }
    if ["nfs", "cifs", "9p", "fuse"].contains(&kind.as_str()) {
        let cause = format!("{kind} is slow, and its locks may not hold between machines");
        return check(Status::Advisory).remedy(Remedy::new(cause, [another_store(facts)]));
    }
    check(Status::Ok)
}

/// Whether a first write to a file costs as much as the file is large.
fn sharing(store: &StoreFacts, facts: &Facts) -> Check {
    let check = |status, finding| Check::new(Area::Store, "large files", status, finding);
    if store.reflink {
        let finding = format!(
            "{} shares blocks: a first write costs nothing at any size",
            store.kind
        );
        return check(Status::Ok, finding);
    }
    let finding = format!(
        "{} shares no blocks: a test's first write to a file copies the whole file",
        store.kind
    );
    let cause = "only tables (PostgreSQL) and databases (SQLite) of 100 MB and more make this felt; \
                 XFS, btrfs and bcachefs share blocks instead";
    let program = word(&facts.program);
    // sudo(8) lets neither the variable nor the way to the program through.
    let caller = match facts.sudo() {
        "" => String::new(),
        sudo => format!("{sudo}env COWHERD_STORE={} ", word(&store.path)),
    };
    check(Status::Advisory, finding).remedy(Remedy::new(
        cause,
        [Way::new(
            "a store in a file of up to 20 GB that holds an XFS, made once by root (mkfs.xfs is in the package \
             xfsprogs); `cowherd store init --help` tells more",
            format!("{caller}{program} store init --size 20G"),
        )],
    ))
}
