//! A PostgreSQL container against the same server without one.

use std::path::{Path, PathBuf};
use std::time::Instant;

use cowherd::container::State;

use crate::bare::{self, Bare};
use crate::fixture::{Fixture, ask, connect};
use crate::meter::Meter;
use crate::table::{Samples, Table, Target};

/// One kind of start, in its parts.
#[derive(Default)]
struct Starts {
    ready: Samples,
    answered: Samples,
    gone: Samples,
}

impl Starts {
    /// A container, timed from nothing to its end.
    fn container(&mut self, fixture: &Fixture, state: &State) -> anyhow::Result<()> {
        let begun = Instant::now();
        let live = fixture.container(state)?;
        let ready = begun.elapsed();
        let mut client = connect(state, &live)?;
        ask(&mut client)?;
        let answered = begun.elapsed();
        drop(client);
        let ending = Instant::now();
        drop(live);
        self.gone.time(ending.elapsed());
        self.ready.time(ready);
        self.answered.time(answered);
        Ok(())
    }

    /// A server without one, on a data folder that nobody has used yet.
    fn bare(&mut self, fixture: &Fixture, state: &State, data: &Path) -> anyhow::Result<()> {
        let begun = Instant::now();
        let bare = Bare::start(fixture, state, data, &[])?;
        let ready = begun.elapsed();
        let mut client = bare.connect("shop")?;
        ask(&mut client)?;
        let answered = begun.elapsed();
        drop(client);
        let ending = Instant::now();
        bare.stop()?;
        self.gone.time(ending.elapsed());
        self.ready.time(ready);
        self.answered.time(answered);
        Ok(())
    }
}

/// A data folder of its own for each round, copied before it and removed after it.
struct Copies<'a> {
    fixture: &'a Fixture,
    pristine: PathBuf,
    times: Samples,
}

impl<'a> Copies<'a> {
    fn new(fixture: &'a Fixture, state: &State) -> anyhow::Result<Self> {
        let pristine = fixture.dir.join("pristine");
        bare::flatten(fixture, state, &pristine)?;
        Ok(Self {
            fixture,
            pristine,
            times: Samples::default(),
        })
    }

    fn with(&mut self, work: impl FnOnce(&PathBuf) -> anyhow::Result<()>) -> anyhow::Result<()> {
        let copy = self.fixture.dir.join("copy");
        let begun = Instant::now();
        bare::copy(self.fixture, &self.pristine, &copy)?;
        self.times.time(begun.elapsed());
        let done = work(&copy);
        cowherd::disk::remove_tree(&copy)?;
        done
    }
}

impl Drop for Copies<'_> {
    fn drop(&mut self) {
        // The caller of the program removes everything in the end.
        let _ = cowherd::disk::remove_tree(&self.pristine);
    }
}

/// Ready means: the first query is answered.
pub(crate) fn start(fixture: &Fixture, table: &mut Table) -> anyhow::Result<()> {
    let state = &fixture.shop;
    let mut copies = Copies::new(fixture, state)?;
    let (mut bare, mut ours) = (Starts::default(), Starts::default());
    // Once without counting: what is read for the first time comes from the disk.
    copies.with(|data| Starts::default().bare(fixture, state, data))?;
    Starts::default().container(fixture, state)?;
    for round in 0..fixture.rounds(100) {
        copies.with(|data| {
            if round % 2 == 0 {
                bare.bare(fixture, state, data)?;
                ours.container(fixture, state)
            } else {
                ours.container(fixture, state)?;
                bare.bare(fixture, state, data)
            }
        })?;
    }
    table.head("PostgreSQL: from nothing to the first answer, shop of 10,184 rows");
    table.peer(
        "bare postgres: SELECT 1 answered",
        "ms",
        &bare.answered,
        None,
    );
    table.row(
        "container: SELECT 1 answered",
        "ms",
        &ours.answered,
        Some(Target::Times(bare.answered.clone(), Some(1.2))),
    );
    table.promise(
        1,
        "PostgreSQL container's first answer, against a bare server's",
    );
    table.peer(
        "bare postgres: its ready line seen",
        "ms",
        &bare.ready,
        None,
    );
    table.row(
        "container: its ready line seen",
        "ms",
        &ours.ready,
        Some(Target::Times(bare.ready, None)),
    );
    table.peer("bare postgres: immediate shutdown", "ms", &bare.gone, None);
    table.row("container: dropped", "ms", &ours.gone, None);
    table.peer(
        "copying the data folder for the bare one",
        "ms",
        &copies.times,
        None,
    );
    Ok(())
}

/// Processor time, everything included: this process's part, the container's set-up, the server, the end.
pub(crate) fn cpu(fixture: &Fixture, table: &mut Table) -> anyhow::Result<()> {
    /// A machine counts in ticks of 10 ms, so a sample is the mean of several starts.
    const STARTS: u32 = 10;
    let state = &fixture.shop;
    let mut copies = Copies::new(fixture, state)?;
    let (mut bare, mut ours) = (Samples::default(), Samples::default());
    let meter = Meter::new();
    for _ in 0..fixture.rounds(10) {
        let [mut without, mut with] = [0.0; 2];
        for _ in 0..STARTS {
            copies.with(|data| {
                let before = meter.used()?;
                Starts::default().bare(fixture, state, data)?;
                let between = meter.used()?;
                Starts::default().container(fixture, state)?;
                without += between - before;
                with += meter.used()? - between;
                Ok(())
            })?;
        }
        bare.0.push(without / f64::from(STARTS));
        ours.0.push(with / f64::from(STARTS));
    }
    table.head(format!(
        "PostgreSQL: processor time of one start, first answer and end, each the mean of {STARTS}"
    ));
    table.peer("bare postgres, immediate shutdown", "ms", &bare, None);
    table.row(
        "container, dropped",
        "ms",
        &ours,
        Some(Target::Times(bare, None)),
    );
    table.note(meter.describe());
    Ok(())
}

/// The size of the database makes no difference.
pub(crate) fn large(fixture: &Fixture, table: &mut Table) -> anyhow::Result<()> {
    let Some((state, size)) = &fixture.large else {
        return Ok(());
    };
    let (mut small, mut large) = (Starts::default(), Starts::default());
    Starts::default().container(fixture, state)?;
    for round in 0..fixture.rounds(60) {
        if round % 2 == 0 {
            small.container(fixture, &fixture.shop)?;
            large.container(fixture, state)?;
        } else {
            large.container(fixture, state)?;
            small.container(fixture, &fixture.shop)?;
        }
    }
    let mut copying = Samples::default();
    let copy = fixture.dir.join("large");
    let begun = Instant::now();
    bare::flatten(fixture, state, &copy)?;
    copying.time(begun.elapsed());
    cowherd::disk::remove_tree(&copy)?;
    let place = match fixture.beside_the_layers(state)? {
        true => "beside the layers",
        false => "in memory",
    };
    table.head(format!(
        "PostgreSQL: the same with a table of {size} MB, writable layer {place}"
    ));
    table.row(
        "container, shop alone: SELECT 1 answered",
        "ms",
        &small.answered,
        None,
    );
    table.row(
        format!("container, {size} MB more: SELECT 1 answered"),
        "ms",
        &large.answered,
        Some(Target::Times(small.answered, Some(1.3))),
    );
    let words = format!("PostgreSQL container with {size} MB more, against one without");
    table.promise(2, words);
    table.peer("copying the large data folder", "ms", &copying, None);
    Ok(())
}
