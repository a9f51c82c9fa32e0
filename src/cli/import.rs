//! `cowherd import`: a snapshot from a file.

use std::fs::File;
use std::io;
use std::path::Path;
use std::process::ExitCode;

use cowherd::carry::{self, CarryError, Imported};
use cowherd::disk::DiskError;
use cowherd::project;
use cowherd::schedule::{self, Stop};
use cowherd::store::Store;
use cowherd::units::format_size;

use super::args;
use super::output::{count, say};

pub(super) fn import(args: &args::Import) -> anyhow::Result<ExitCode> {
    let stop = Stop::new()?;
    let watch = schedule::watch(&stop)?;
    let store = project::open_store()?;
    store.sweep()?;
    let stopped = || stop.asked().is_some();
    let imported = open(&store, &args.archive, &stopped)
        .and_then(|file| {
            carry::import(&store, &file, &args.archive, args.name.as_deref(), &stopped)
        })
        .map_err(|error| super::failure::stopped(error, &stop))?;
    drop(watch);
    say(&text(&imported))?;
    Ok(ExitCode::SUCCESS)
}

/// The file itself where it is one; what a pipe gives is kept first.
fn open(store: &Store, path: &Path, stopped: &dyn Fn() -> bool) -> Result<File, CarryError> {
    if path.as_os_str() == "-" {
        return carry::spool(store, io::stdin().lock(), path, stopped);
    }
    let opened = File::open(path).and_then(|file| Ok((file.metadata()?.is_file(), file)));
    match opened {
        Ok((true, file)) => Ok(file),
        Ok((false, file)) => carry::spool(store, file, path, stopped),
        Err(source) => Err(DiskError {
            verb: "read",
            path: path.to_owned(),
            source,
        }
        .into()),
    }
}

fn text(imported: &Imported) -> String {
    let new = match imported.new {
        0 => "all were here".to_owned(),
        new => format!("{new} new, {}", format_size(imported.bytes)),
    };
    format!(
        "{}: {}, {new}\n",
        imported.name,
        count(imported.layers as u64, "layer")
    )
}
