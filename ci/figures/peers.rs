//! A database for one test, each way to get one as a single operation, for databases of several sizes.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use cowherd::Cowherd;
use cowherd::container::{Order, State};
use cowherd::disk::{self, Reach};
use postgres::Client;
use tempfile::TempDir;

use crate::bare::{self, Bare, PEER};
use crate::boxed::{Boxes, Runtime, with_own_mounts};
use crate::fixture::{Fixture, MEDIUM, ask, build, client, connect, port};
use crate::pool;
use crate::small::{PROGRAM, bare_program};
use crate::table::{Samples, Table, Target};

/// A way to a database of one's own.
#[derive(Debug, Clone, Copy)]
enum Way {
    Container,
    Library,
    Exec,
    Bare,
    Copied,
    Boxed(Runtime),
    Template(&'static str),
}

impl Way {
    fn words(self) -> String {
        match self {
            Self::Container => "container".to_owned(),
            Self::Library => "library: Snapshot::container(), one after another".to_owned(),
            Self::Exec => format!("cowherd exec -- {PROGRAM}, the whole command"),
            Self::Bare => "bare postgres on a folder copied before".to_owned(),
            Self::Copied => "cp -a --reflink=auto, bare postgres".to_owned(),
            Self::Boxed(runtime) => format!("overlay, {}, postgres", runtime.name()),
            Self::Template(strategy) => {
                format!("CREATE DATABASE … TEMPLATE{}", strategy.to_lowercase())
            }
        }
    }

    fn is_peer(self) -> bool {
        !matches!(self, Self::Container | Self::Library | Self::Exec)
    }
}

pub(crate) fn peers(fixture: &Fixture, table: &mut Table) -> anyhow::Result<()> {
    let medium = build(&fixture.project, &[MEDIUM])?.remove(0);
    let mut sizes = vec![(&fixture.shop, 40), (&medium, 20)];
    sizes.extend(fixture.large.iter().map(|(large, _)| (large, 8)));
    for (state, rounds) in sizes {
        with_own_mounts(fixture, || {
            size(fixture, state, fixture.rounds(rounds), table)
        })?;
    }
    Ok(())
}

fn size(
    fixture: &Fixture,
    state: &Arc<State>,
    rounds: usize,
    table: &mut Table,
) -> anyhow::Result<()> {
    let pristine = fixture.dir.join("peers-pristine");
    bare::flatten(fixture, state, &pristine)?;
    let bytes = disk::tree_size(&pristine, Reach::AsIs)?.allocated;
    let mut notes = Vec::new();
    let measured = Turns::new(fixture, state, &pristine, &mut notes)?.measure(rounds)?;
    disk::remove_tree(&pristine)?;
    let order = Order::unseen(fixture.project.on(), state);
    let (_, pooled) = pool::in_process(&order, fixture.rounds(50))?;
    let place = match fixture.beside_the_layers(state)? {
        true => "beside the layers",
        false => "in memory",
    };
    table.head(format!(
        "PostgreSQL, {} MB: a database for one test, until SELECT 1 is answered; what is written lies {place}",
        bytes / 1_000_000
    ));
    table.row("from a warm pool, in the same process", "ms", &pooled, None);
    let ours = measured.ways[0].1.clone();
    for (index, (way, samples)) in measured.ways.iter().enumerate() {
        let against = (index > 0).then(|| Target::Times(ours.clone(), None));
        match way.is_peer() {
            true => table.peer(way.words(), "ms", samples, against),
            false => table.row(way.words(), "ms", samples, against),
        }
    }
    table.peer(
        "DROP DATABASE of such a clone",
        "ms",
        &measured.dropped,
        None,
    );
    table.note("compared with the container");
    for note in notes {
        table.note(note);
    }
    Ok(())
}

/// All ways, turn by turn.
struct Turns<'a> {
    fixture: &'a Fixture,
    state: &'a Arc<State>,
    pristine: &'a Path,
    /// Where the peers write.
    memory: TempDir,
    library: Cowherd,
    boxes: Boxes<'a>,
    /// The server of the clones.
    server: Bare,
    admin: Client,
    ways: Vec<(Way, Samples)>,
    dropped: Samples,
}

impl<'a> Turns<'a> {
    fn new(
        fixture: &'a Fixture,
        state: &'a Arc<State>,
        pristine: &'a Path,
        notes: &mut Vec<String>,
    ) -> anyhow::Result<Self> {
        let memory = fixture.peers_folder(state)?;
        let data = memory.path().join("server");
        bare::copy(fixture, pristine, &data)?;
        let mut server = Bare::start(fixture, state, &data, &PEER)?;
        server.drain();
        let mut ways = vec![
            Way::Container,
            Way::Library,
            Way::Exec,
            Way::Bare,
            Way::Copied,
        ];
        for runtime in Runtime::ALL {
            match runtime.missing(fixture) {
                Some(why) => notes.push(why),
                None => ways.push(Way::Boxed(runtime)),
            }
        }
        ways.extend(server.strategies()?.iter().copied().map(Way::Template));
        Ok(Self {
            fixture,
            state,
            pristine,
            library: Cowherd::open_in(&fixture.spec, fixture.project.store().path())?,
            boxes: Boxes::new(fixture, state, pristine)?,
            admin: server.connect("postgres")?,
            server,
            memory,
            ways: ways
                .into_iter()
                .map(|way| (way, Samples::default()))
                .collect(),
            dropped: Samples::default(),
        })
    }

    /// The first round doesn't count: what is read for the first time comes from the disk.
    fn measure(mut self, rounds: usize) -> anyhow::Result<Self> {
        for round in 0..=rounds {
            for turn in 0..self.ways.len() {
                // Each goes first as often as the others.
                let index = (turn + round) % self.ways.len();
                let took = self.once(self.ways[index].0)?;
                if round > 0 {
                    self.ways[index].1.time(took);
                }
            }
        }
        Ok(self)
    }

    fn once(&mut self, way: Way) -> anyhow::Result<Duration> {
        match way {
            Way::Container => {
                let begun = Instant::now();
                let live = self.fixture.container(self.state)?;
                ask(&mut connect(self.state, &live)?)?;
                Ok(begun.elapsed())
            }
            Way::Library => self.library(),
            Way::Exec => {
                let mut whole = Command::new(env!("CARGO_BIN_EXE_cowherd"));
                whole.args(["exec", "-s", &self.state.snapshot, "-f"]);
                whole.arg(&self.fixture.spec).args(["--", PROGRAM]);
                let begun = Instant::now();
                bare_program(&mut whole)?;
                Ok(begun.elapsed())
            }
            Way::Bare => {
                let data = self.memory.path().join("copy");
                bare::copy(self.fixture, self.pristine, &data)?;
                self.server_on(&data, Instant::now())
            }
            Way::Copied => {
                let data = self.memory.path().join("copy");
                let mut copy = Command::new("cp");
                copy.args(["-a", "--reflink=auto"])
                    .arg(self.pristine)
                    .arg(&data);
                let begun = Instant::now();
                bare_program(&mut copy)?;
                self.server_on(&data, begun)
            }
            Way::Boxed(runtime) => {
                let begun = Instant::now();
                let boxed = self.boxes.start(runtime)?;
                ask(&mut boxed.server()?.connect("shop")?)?;
                Ok(begun.elapsed())
            }
            Way::Template(strategy) => self.clone_of_template(strategy),
        }
    }

    fn library(&self) -> anyhow::Result<Duration> {
        let snapshot = self.library.snapshot(&self.state.snapshot)?;
        let begun = Instant::now();
        let container = snapshot.container()?;
        let sockets = container.socket_folder().context("a folder of sockets")?;
        ask(&mut client(&sockets, port(self.state), "shop")?)?;
        let took = begun.elapsed();
        drop(container);
        // It starts the next one meanwhile, which is not to meet another's turn.
        thread::sleep(Duration::from_millis(100));
        Ok(took)
    }

    fn server_on(&self, data: &Path, begun: Instant) -> anyhow::Result<Duration> {
        let server = Bare::start(self.fixture, self.state, data, &[])?;
        ask(&mut server.connect("shop")?)?;
        let took = begun.elapsed();
        drop(server);
        disk::remove_tree(data)?;
        Ok(took)
    }

    fn clone_of_template(&mut self, strategy: &str) -> anyhow::Result<Duration> {
        let begun = Instant::now();
        let create = format!("CREATE DATABASE clone TEMPLATE shop{strategy}");
        self.admin.batch_execute(&create)?;
        ask(&mut self.server.connect("clone")?)?;
        let took = begun.elapsed();
        // A database whose last connection has not quite gone would cost 100 ms more.
        let connected = "SELECT 1 FROM pg_stat_activity WHERE datname = 'clone'";
        while !self.admin.query(connected, &[])?.is_empty() {
            thread::sleep(Duration::from_millis(1));
        }
        let begun = Instant::now();
        self.admin.batch_execute("DROP DATABASE clone")?;
        self.dropped.time(begun.elapsed());
        Ok(took)
    }
}
