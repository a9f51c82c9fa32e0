//! What the first row costs that is written to a large table: where the store's file system shares blocks, and where
//! it doesn't.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use cowherd::cause::in_words;
use cowherd::container::{Order, State};
use cowherd::disk;
use cowherd::loop_store::{self, Made, Owner, Wish};
use cowherd::project::Project;

use crate::fixture::{self, Fixture, ask};
use crate::table::{Samples, Table, Target};

/// A store in a file, unmounted in the end; the caller of all this unmounts it after a kill.
struct Mounted(PathBuf);

impl Mounted {
    fn new(fixture: &Fixture, megabytes: u32) -> anyhow::Result<Self> {
        let store = fixture.dir.join("xfs");
        let wish = Wish {
            image: loop_store::image_beside(&store),
            store: store.clone(),
            // The table, as much again while it is built, and its log.
            size: (u64::from(megabytes) * 3 + 1024) << 20,
            owner: Owner::find(None, &|_| None)?,
        };
        let made = loop_store::make(&wish, &|| false)?;
        anyhow::ensure!(
            made == Made::New,
            "{} shares blocks by itself",
            store.display()
        );
        Ok(Self(store))
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        if let Err(errno) = nix::mount::umount(&self.0) {
            eprintln!("can't unmount {}: {errno}", self.0.display());
        }
    }
}

/// One row of a large table, written in the store of the benchmark and in one that shares blocks.
pub(crate) fn reflink(fixture: &Fixture, table: &mut Table) -> anyhow::Result<()> {
    let Some((state, size)) = &fixture.large else {
        return Ok(());
    };
    let mounted = Mounted::new(fixture, *size);
    let other = match &mounted {
        Ok(Mounted(store)) => {
            let project = Project::open_in(&fixture.spec, store)?;
            let state = fixture::build(&project, &["large"])?.remove(0);
            Some((project, state))
        }
        Err(_) => None,
    };
    let (mut here, mut shared) = (Samples::default(), Samples::default());
    for _ in 0..fixture.rounds(5) {
        here.0.push(first_write(&fixture.project, state)?);
        if let Some((project, state)) = &other {
            shared.0.push(first_write(project, state)?);
        }
    }
    table.head(format!(
        "PostgreSQL: the first row written to a table of {size} MB"
    ));
    let kind = disk::file_system(fixture.project.store().path())?.kind;
    let place = match fixture.beside_the_layers(state)? {
        true => "beside the layers",
        false => "in memory",
    };
    let what = format!("store on {kind}, writable layer {place}");
    table.row(what, "ms", &here, None);
    match &mounted {
        Ok(_) => table.row(
            "store on a loop-mounted XFS, writable layer beside the layers",
            "ms",
            &shared,
            Some(Target::Times(here, None)),
        ),
        Err(error) => table.note(format!(
            "no store on a loop-mounted XFS: {}",
            in_words(error.as_ref())
        )),
    }
    Ok(())
}

/// Writes to a row in the middle of the table, in a fresh container that has answered before: milliseconds.
fn first_write(project: &Project, state: &Arc<State>) -> anyhow::Result<f64> {
    let live = Order::unseen(project.on(), state).start(None)?;
    let sockets = live.reach(&state.services[0].place().sockets());
    let mut client = fixture::client(&sockets, fixture::port(state), "shop")?;
    ask(&mut client)?;
    let begun = Instant::now();
    let written = client.execute("UPDATE filler SET text = text WHERE ctid = '(1000,1)'", &[])?;
    let took = begun.elapsed();
    anyhow::ensure!(written == 1, "{written} rows were written");
    Ok(took.as_secs_f64() * 1e3)
}
