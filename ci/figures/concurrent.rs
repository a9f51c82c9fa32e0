//! Many PostgreSQL tests: a container for each, against a database for each on one server.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Instant;

use anyhow::Context as _;
use postgres::Client;

use crate::bare::{self, Bare, PEER};
use crate::fixture::{Fixture, TESTS, connect};
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

/// A row in the making: what, how many at once, the rates of its blocks.
struct Way {
    strategy: Option<&'static str>,
    jobs: usize,
    rates: Samples,
}

/// 200 tests in blocks, a block of each way turn by turn.
pub(crate) fn tests(fixture: &Fixture, table: &mut Table) -> anyhow::Result<()> {
    let (blocks, count) = if fixture.quick { (1, 16) } else { (5, 40) };
    let state = &fixture.shop;
    let tests = Tests::read()?;
    // The peer's files lie in memory, as what a container writes does.
    let memory = tempfile::Builder::new()
        .prefix("cowherd-bench.")
        .tempdir_in("/dev/shm");
    let memory = memory.context("/dev/shm is needed for the peer's files")?;
    fs::set_permissions(
        memory.path(),
        std::os::unix::fs::PermissionsExt::from_mode(0o755),
    )?;
    let data = memory.path().join("data");
    bare::flatten(fixture, state, &data)?;
    let mut server = Bare::start(fixture, state, &data, &PEER)?;
    server.drain();
    let version = server
        .connect("postgres")?
        .query_one("SHOW server_version_num", &[])?;
    let version: String = version.try_get(0)?;
    let strategies: &[&'static str] = match version.parse::<u32>()? {
        150_000.. => &[" STRATEGY file_copy", " STRATEGY wal_log"],
        _ => &[""],
    };
    let mut ways = Vec::new();
    for strategy in [None]
        .into_iter()
        .chain(strategies.iter().copied().map(Some))
    {
        ways.extend(JOBS.map(|jobs| Way {
            strategy,
            jobs,
            rates: Samples::default(),
        }));
    }
    for _ in 0..blocks {
        for way in &mut ways {
            let rate = match way.strategy {
                None => rate(
                    count,
                    way.jobs,
                    || Ok(()),
                    |(), number| {
                        let live = fixture.container(state)?;
                        tests.run(number, &mut connect(state, &live)?)
                    },
                )?,
                Some(strategy) => rate(
                    count,
                    way.jobs,
                    || Peer::new(&server),
                    |peer, number| peer.test(&server, strategy, &tests, number),
                )?,
            };
            way.rates.0.push(rate);
        }
    }
    server.stop()?;
    report(table, blocks * count, &ways);
    Ok(())
}

fn report(table: &mut Table, count: usize, ways: &[Way]) {
    let peers = ways.iter().filter(|way| way.strategy.is_some());
    let best = peers.max_by(|a, b| a.rates.median().total_cmp(&b.rates.median()));
    let Some(best) = best else { return };
    table.head(format!(
        "{count} PostgreSQL tests that change their data, per second; compared with the peer's best"
    ));
    for way in ways {
        let what = match way.strategy {
            None => "a container each".to_owned(),
            Some(strategy) => format!(
                "CREATE DATABASE … TEMPLATE{}, DROP",
                strategy.to_lowercase()
            ),
        };
        let target = way
            .strategy
            .is_none()
            .then(|| Target::Times(best.rates.clone(), None));
        table.row(format!("-j {}  {what}", way.jobs), "/s", &way.rates, target);
    }
}
