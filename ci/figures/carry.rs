//! Export and import, against the disk.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use cowherd::carry::{self, Parcel};
use cowherd::container::State;
use cowherd::disk::{self, Reach, Unnamed};
use cowherd::store::{Layer, Store};

use crate::fixture::Fixture;
use crate::table::{Samples, Table, Target};

/// The limit on both, as a multiple of copying the same files into one and flushing it.
const LIMIT: f64 = 2.0;

pub(crate) fn carrying(fixture: &Fixture, table: &mut Table) -> anyhow::Result<()> {
    table.head("Export and import: to the disk, flushed");
    snapshot(
        fixture,
        &fixture.lite_large,
        "a SQLite file of about 200 MB",
        10,
        table,
    )?;
    if let Some((state, size)) = &fixture.large {
        snapshot(
            fixture,
            state,
            &format!("PostgreSQL with a table of {size} MB"),
            5,
            table,
        )?;
    }
    Ok(())
}

fn snapshot(
    fixture: &Fixture,
    state: &Arc<State>,
    what: &str,
    rounds: usize,
    table: &mut Table,
) -> anyhow::Result<()> {
    let file = fixture.dir.join("carried.tar");
    let [mut copy, mut out, mut back] = [const { Samples(Vec::new()) }; 3];
    // ext4 looks long for an inode where many were freed within the last seconds, so nothing is removed before the end.
    let stores = fixture.dir.join("others");
    for round in 0..fixture.rounds(rounds) {
        copy.time(timed(fixture, || copied(fixture, state))?);
        out.time(timed(fixture, || export(fixture, state, &file))?);
        let store = stores.join(round.to_string());
        fs::create_dir_all(&store)?;
        back.time(timed(fixture, || import(&store, &file))?);
    }
    disk::remove_tree(&stores)?;
    let bytes: u64 = state.layers.iter().map(Layer::bytes).sum();
    let packed = fs::metadata(&file)?.len();
    table.peer(
        format!("{what}: its files copied into one"),
        "ms",
        &copy,
        None,
    );
    let limit = |samples: &Samples| Some(Target::Times(samples.clone(), Some(LIMIT)));
    table.row(format!("{what}: export"), "ms", &out, limit(&copy));
    table.row(
        format!("{what}: import into an empty store"),
        "ms",
        &back,
        limit(&copy),
    );
    table.note(format!(
        "{} MB of files, {} MB in the file",
        bytes >> 20,
        packed >> 20
    ));
    fs::remove_file(file)?;
    Ok(())
}

/// What was written before is on the disk already.
fn timed(fixture: &Fixture, work: impl FnOnce() -> anyhow::Result<()>) -> anyhow::Result<Duration> {
    disk::sync_file_system(&File::open(&fixture.dir)?, &fixture.dir)?;
    let begun = Instant::now();
    work()?;
    Ok(begun.elapsed())
}

/// Writes all files of the layers to one, as `cat` does, and flushes it.
fn copied(fixture: &Fixture, state: &State) -> anyhow::Result<()> {
    let path = fixture.dir.join("copied");
    let mut to = File::create(&path)?;
    for layer in &state.layers {
        let folder = state
            .layers_folder
            .join(layer.digest().to_string())
            .join("files");
        disk::walk::<disk::DiskError>(&folder, Reach::AsIs, &mut |entry| {
            if entry.metadata.is_file() {
                let copied =
                    File::open(&entry.path).and_then(|mut file| io::copy(&mut file, &mut to));
                copied.map_err(|source| disk::DiskError {
                    verb: "copy",
                    path: entry.path.clone(),
                    source,
                })?;
            }
            Ok(())
        })?;
    }
    to.flush()?;
    to.sync_all()?;
    Ok(fs::remove_file(path)?)
}

fn export(fixture: &Fixture, state: &State, path: &Path) -> anyhow::Result<()> {
    let snapshots = &fixture.project.spec().snapshots;
    let snapshot = snapshots.iter().find(|known| known.name == state.snapshot);
    let chain: Vec<Layer> = state.layers.iter().rev().cloned().collect();
    let parcel = Parcel {
        name: &state.snapshot,
        chain: &chain,
        services: &snapshot.context("a snapshot of the spec")?.services,
        engines: &state.services,
    };
    let file = Unnamed::new(&fixture.dir)?;
    carry::export(
        fixture.project.store(),
        &parcel,
        None,
        file.file(),
        path,
        &|| false,
    )?;
    Ok(file.name(path)?)
}

fn import(store: &Path, path: &Path) -> anyhow::Result<()> {
    let store = Store::open(store)?;
    carry::import(&store, &File::open(path)?, path, None, &|| false)?;
    Ok(())
}
