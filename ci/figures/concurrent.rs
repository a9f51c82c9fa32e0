//! Many PostgreSQL tests: a container for each, against a database for each on one server.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Instant;

use cowherd::container::{Order, State};
use cowherd::pool::{Budget, Pool};
use postgres::Client;
use tempfile::TempDir;

use crate::bare::{self, Bare, PEER};
use crate::boxed::{Boxes, Runtime, with_own_mounts};
use crate::fixture::{Fixture, TESTS, client, connect, folder_in, port};
use crate::table::{Samples, Table, Target};

/// How many at once.
pub(crate) const JOBS: [usize; 4] = [1, 2, 4, 8];

/// The tests, each changes what others rely on.
struct Tests(Vec<String>);

impl Tests {
    fn read() -> anyhow::Result<Self> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("fixtures/shop/postgres")
            .join(TESTS);
        let mut files: Vec<_> = fs::read_dir(&folder)?
            .map(|entry| Ok(entry?.path()))
            .collect::<anyhow::Result<_>>()?;
        files.sort();
        let texts = files.iter().map(fs::read_to_string);
        Ok(Self(texts.collect::<Result<_, _>>()?))
    }

    fn run(&self, number: usize, client: &mut Client) -> anyhow::Result<()> {
        Ok(client.batch_execute(&self.0[number % self.0.len()])?)
    }
}

/// Does `count` pieces of work, `jobs` at a time, each thread with a state of its own, and gives pieces per second.
pub(crate) fn rate<W>(
    count: usize,
    jobs: usize,
    worker: impl Fn() -> anyhow::Result<W> + Sync,
    work: impl Fn(&mut W, usize) -> anyhow::Result<()> + Sync,
) -> anyhow::Result<f64> {
    let next = AtomicUsize::new(0);
    let begun = Instant::now();
    thread::scope(|scope| {
        let thread = || -> anyhow::Result<()> {
            let mut own = worker()?;
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= count {
                    return Ok(());
                }
                work(&mut own, number)?;
            }
        };
        let threads: Vec<_> = (0..jobs).map(|_| scope.spawn(thread)).collect();
        threads.into_iter().try_for_each(|thread| {
            thread
                .join()
                .unwrap_or_else(|_| anyhow::bail!("a thread panicked"))
        })
    })?;
    Ok(count as f64 / begun.elapsed().as_secs_f64())
}

/// A worker of the peer: its connection for creating and dropping, and the database to be dropped next.
///
/// A database can't be dropped before the server has noticed that the test's connection is closed, and the server then
/// waits 100 ms before it looks again: so each is dropped a turn later.
struct Peer {
    admin: Client,
    used: Option<String>,
}

impl Peer {
    fn new(server: &Bare) -> anyhow::Result<Self> {
        let admin = server.connect("postgres")?;
        Ok(Self { admin, used: None })
    }

    fn test(
        &mut self,
        server: &Bare,
        strategy: &str,
        tests: &Tests,
        number: usize,
    ) -> anyhow::Result<()> {
        let name = format!("test_{number}");
        let create = format!("CREATE DATABASE {name} TEMPLATE shop{strategy}");
        self.admin.batch_execute(&create)?;
        let mut client = server.connect(&name)?;
        tests.run(number, &mut client)?;
        drop(client);
        self.drop_used()?;
        self.used = Some(name);
        Ok(())
    }

    fn drop_used(&mut self) -> anyhow::Result<()> {
        if let Some(name) = self.used.take() {
            self.admin.batch_execute(&format!("DROP DATABASE {name}"))?;
        }
        Ok(())
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // The last one, so that its cost is counted; the server is thrown away in the end.
        let _ = self.drop_used();
    }
}

/// A way to a database for each test.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Container,
    Pooled,
    Template(&'static str),
    Boxed(Runtime),
}

impl Kind {
    fn words(self) -> String {
        match self {
            Self::Container => "a container each".to_owned(),
            Self::Pooled => "a container each, started ahead by a pool".to_owned(),
            Self::Template(strategy) => {
                let strategy = strategy.to_lowercase();
                format!("CREATE DATABASE … TEMPLATE{strategy}, DROP")
            }
            Self::Boxed(runtime) => format!("overlay, {}, postgres each", runtime.name()),
        }
    }

    fn is_peer(self) -> bool {
        matches!(self, Self::Template(_) | Self::Boxed(_))
    }
}

/// A row in the making: what, how many at once, the rates of its blocks.
struct Way {
    kind: Kind,
    jobs: usize,
    rates: Samples,
}

/// 200 tests in blocks, a block of each way turn by turn; and with a large table.
pub(crate) fn tests(fixture: &Fixture, table: &mut Table) -> anyhow::Result<()> {
    let (blocks, count) = if fixture.quick { (1, 16) } else { (5, 40) };
    with_own_mounts(fixture, || {
        const LARGE: [usize; 2] = [2, 4];
        let small = Suite::new(fixture, &fixture.shop)?.measure(&JOBS, blocks, count)?;
        table.head(format!(
            "{} PostgreSQL tests that change their data, per second; compared with the best template clone",
            blocks * count
        ));
        small.report(table, None);
        let Some((large, size)) = &fixture.large else {
            return Ok(());
        };
        // As many at once on both sides.
        let best = small.best(|way| !way.kind.is_peer() && LARGE.contains(&way.jobs));
        let best = best.map(|way| way.rates.clone());
        let large = Suite::new(fixture, large)?.measure(&LARGE, blocks.min(3), count)?;
        table.head(format!(
            "The same with a table of {size} MB, per second; compared with the best without it"
        ));
        large.report(table, best.as_ref());
        Ok(())
    })
}

/// The tests on a state, and what is ready for them.
struct Suite<'a> {
    fixture: &'a Fixture,
    state: &'a Arc<State>,
    tests: Tests,
    /// Where the peers write.
    memory: TempDir,
    /// The data folder that they start from, beside the layers.
    pristine: TempDir,
    ways: Vec<Way>,
    notes: Vec<String>,
}

impl<'a> Suite<'a> {
    fn new(fixture: &'a Fixture, state: &'a Arc<State>) -> anyhow::Result<Self> {
        let memory = fixture.peers_folder(state)?;
        let pristine = folder_in(&fixture.dir)?;
        bare::flatten(fixture, state, &pristine.path().join("data"))?;
        Ok(Self {
            fixture,
            state,
            tests: Tests::read()?,
            memory,
            pristine,
            ways: Vec::new(),
            notes: Vec::new(),
        })
    }

    fn measure(mut self, jobs: &[usize], blocks: usize, count: usize) -> anyhow::Result<Self> {
        let pristine = self.pristine.path().join("data");
        let data = self.memory.path().join("server");
        bare::copy(self.fixture, &pristine, &data)?;
        let mut server = Bare::start(self.fixture, self.state, &data, &PEER)?;
        server.drain();
        let mut kinds = vec![Kind::Container, Kind::Pooled];
        kinds.extend(server.strategies()?.iter().copied().map(Kind::Template));
        match Runtime::Crun.missing(self.fixture) {
            Some(why) => self.notes.push(why),
            None => kinds.push(Kind::Boxed(Runtime::Crun)),
        }
        for kind in kinds {
            self.ways.extend(jobs.iter().map(|&jobs| Way {
                kind,
                jobs,
                rates: Samples::default(),
            }));
        }
        let boxes = Boxes::new(self.fixture, self.state, &pristine)?;
        for _ in 0..blocks {
            for index in 0..self.ways.len() {
                let Way { kind, jobs, .. } = self.ways[index];
                let rate = self.block(kind, jobs, count, &server, &boxes)?;
                self.ways[index].rates.0.push(rate);
            }
        }
        server.stop()?;
        drop(boxes);
        Ok(self)
    }

    /// The rate of one block.
    fn block(
        &self,
        kind: Kind,
        jobs: usize,
        count: usize,
        server: &Bare,
        boxes: &Boxes<'_>,
    ) -> anyhow::Result<f64> {
        let nothing = || Ok(());
        match kind {
            Kind::Container => rate(count, jobs, nothing, |(), number| {
                let live = self.fixture.container(self.state)?;
                self.tests.run(number, &mut connect(self.state, &live)?)
            }),
            Kind::Pooled => self.pooled(jobs, count),
            // A clone of a large database takes so long that few are enough.
            Kind::Template(strategy) => rate(
                if self.is_large() {
                    count.min(2 * jobs.max(4))
                } else {
                    count
                },
                jobs,
                || Peer::new(server),
                |peer, number| peer.test(server, strategy, &self.tests, number),
            ),
            Kind::Boxed(runtime) => rate(count, jobs, nothing, |(), number| {
                let boxed = boxes.start(runtime)?;
                self.tests
                    .run(number, &mut boxed.server()?.connect("shop")?)
            }),
        }
    }

    /// With a pool for them alone: its start and its end count.
    fn pooled(&self, jobs: usize, count: usize) -> anyhow::Result<f64> {
        let order = Order::unseen(self.fixture.project.on(), self.state);
        let sockets = self.state.services[0].place().sockets();
        let begun = Instant::now();
        let pool = Pool::new(Budget::of_jobs(jobs))?;
        pool.expect(&order, count);
        rate(
            count,
            jobs,
            || Ok(()),
            |(), number| {
                let handed = pool.take(&order, None)?;
                let folder = handed.reach(&sockets);
                self.tests
                    .run(number, &mut client(&folder, port(self.state), "shop")?)
            },
        )?;
        drop(pool);
        Ok(count as f64 / begun.elapsed().as_secs_f64())
    }

    fn is_large(&self) -> bool {
        !Arc::ptr_eq(self.state, &self.fixture.shop)
    }

    fn best(&self, of: impl Fn(&Way) -> bool) -> Option<&Way> {
        let ways = self.ways.iter().filter(|way| of(way));
        ways.max_by(|a, b| a.rates.median().total_cmp(&b.rates.median()))
    }

    /// Writes the rows. The best of ours is held against the best clone, or against our best on the `small` database.
    fn report(&self, table: &mut Table, small: Option<&Samples>) {
        let ours = self.best(|way| !way.kind.is_peer());
        let clone = self.best(|way| matches!(way.kind, Kind::Template(_)));
        // A server has a strategy at least.
        let (Some(ours), Some(clone)) = (ours, clone) else {
            return;
        };
        for way in &self.ways {
            let what = format!("-j {}  {}", way.jobs, way.kind.words());
            if way.kind.is_peer() {
                table.peer(what, "/s", &way.rates, None);
            } else if !std::ptr::eq(way, ours) {
                table.row(what, "/s", &way.rates, None);
            } else {
                let target = match small {
                    None => Target::AtLeastTimes(clone.rates.clone(), 1.2),
                    Some(small) => Target::AtLeastTimes(small.clone(), 0.9),
                };
                table.row(what, "/s", &way.rates, Some(target));
            }
        }
        if small.is_some() {
            let what = "our best against the best clone";
            table.row(
                what,
                "/s",
                &ours.rates,
                Some(Target::Times(clone.rates.clone(), None)),
            );
            if let Some(boxed) = self.best(|way| matches!(way.kind, Kind::Boxed(_))) {
                let what = format!("our best against {}", boxed.kind.words());
                let target = Target::AtLeastTimes(boxed.rates.clone(), 1.5);
                table.row(what, "/s", &ours.rates, Some(target));
            }
        }
        for note in &self.notes {
            table.note(note);
        }
    }
}
