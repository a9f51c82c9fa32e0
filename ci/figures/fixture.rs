//! The snapshots that everything is measured on, and containers of them as `cowherd run` makes them.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use cowherd::container::{Container, Services, Setup, State, Writable};
use cowherd::disk;
use cowherd::engine::Address;
use cowherd::event::Event;
use cowherd::project::Project;
use cowherd::schedule::Stop;
use cowherd::store::Scratch;
use postgres::{Client, NoTls};
use tempfile::TempDir;

/// The prepared snapshots.
pub(crate) struct Fixture {
    pub(crate) quick: bool,
    /// Everything is below it.
    pub(crate) dir: PathBuf,
    /// The spec's file.
    pub(crate) spec: PathBuf,
    pub(crate) project: Project,
    /// The shop of `fixtures/shop`, on PostgreSQL: 17 tables, 10,184 rows.
    pub(crate) shop: Arc<State>,
    /// The shop and a table of the size asked for, in MB.
    pub(crate) large: Option<(Arc<State>, u32)>,
    /// A SQLite file of about 2 MB.
    pub(crate) lite: Arc<State>,
    /// A SQLite file of about 200 MB.
    pub(crate) lite_large: Arc<State>,
    /// SQLite snapshots of 1, 5 and 10 layers.
    pub(crate) deep: Vec<Arc<State>>,
}

/// A container and what it is written to, removed after it.
pub(crate) struct Live {
    pub(crate) container: Container,
    _scratch: Option<Scratch>,
}

/// Tests of the shop that change what others rely on: they need a database each.
pub(crate) const TESTS: &str = "checks/shop";

/// A snapshot that is built only by the section that wants it: the shop and a table of 100 MB.
pub(crate) const MEDIUM: &str = "medium";

impl Fixture {
    /// Builds the snapshots in a store below `dir`.
    pub(crate) fn new(dir: &Path, quick: bool, large: Option<u32>) -> anyhow::Result<Self> {
        let folder = dir.join("project");
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/shop/postgres");
        disk::copy_tree(&source, &folder)?;
        let spec = folder.join("cowherd.yaml");
        fs::write(&spec, specification(&folder, large)?)?;
        let project = Project::open(Some(&spec))?;
        anyhow::ensure!(
            project.store().path().starts_with(dir),
            "COWHERD_STORE is not below {}: run ci/bench",
            dir.display()
        );
        let mut wanted = vec!["shop", "lite", "lite-large", "deep-1", "deep-5", "deep-10"];
        wanted.extend(large.map(|_| "large"));
        let mut states = build(&project, &wanted)?.into_iter();
        let mut next = || states.next().context("a snapshot is missing");
        Ok(Self {
            quick,
            dir: dir.to_owned(),
            shop: next()?,
            lite: next()?,
            lite_large: next()?,
            deep: vec![next()?, next()?, next()?],
            large: match large {
                Some(size) => Some((next()?, size)),
                None => None,
            },
            spec,
            project,
        })
    }

    /// How many rounds there are where `full` would be right: few when it has to be quick.
    pub(crate) fn rounds(&self, full: usize) -> usize {
        if self.quick { full.min(5) } else { full }
    }

    /// A container as a test in `cowherd run` gets it: over a copy-on-write view of the project.
    pub(crate) fn container(&self, state: &State) -> anyhow::Result<Live> {
        let host = self.project.on();
        // As the scheduler chooses it.
        let scratch = match self.beside_the_layers(state)? {
            true => Some(host.store.scratch()?),
            false => None,
        };
        let setup = Setup {
            identity: host.identity,
            project: Some((&host.project, false)),
            shown: &host.shown,
            shared: &[],
            writable: scratch.as_ref().map_or(Writable::Memory, Writable::Scratch),
            limits: None,
            services: Services::All,
            stop: None,
        };
        let container = Container::start(state, &setup)?;
        Ok(Live {
            container,
            _scratch: scratch,
        })
    }

    /// A folder for what another way than Cowherd's writes: where a container's writable layer would be.
    pub(crate) fn peers_folder(&self, state: &State) -> anyhow::Result<TempDir> {
        let memory = Path::new("/dev/shm");
        let place = match self.beside_the_layers(state)? {
            true => &self.dir,
            false => memory,
        };
        folder_in(place)
    }

    /// Whether the writable layer is on disk rather than in memory.
    pub(crate) fn beside_the_layers(&self, state: &State) -> anyhow::Result<bool> {
        Ok(state.largest_file() > 64 << 20 && disk::can_reflink(self.project.store().path())?)
    }
}

/// A folder for files of servers without a container.
pub(crate) fn folder_in(place: &Path) -> anyhow::Result<TempDir> {
    let folder = tempfile::Builder::new()
        .prefix("cowherd-bench.")
        .tempdir_in(place)
        .with_context(|| format!("the peers' files are to be in {}", place.display()))?;
    // As root the servers run as another user, who must get through.
    fs::set_permissions(folder.path(), Permissions::from_mode(0o755))?;
    Ok(folder)
}

/// Connects to the container's PostgreSQL from outside, through its Unix socket.
pub(crate) fn connect(state: &State, live: &Live) -> anyhow::Result<Client> {
    let sockets = live.container.reach(&state.services[0].place().sockets());
    client(&sockets, port(state), "shop")
}

/// The port that is part of the socket's name.
pub(crate) fn port(state: &State) -> u16 {
    let variables = state.services[0].environment(&Address::Inside);
    let port = variables.iter().find(|(name, _)| name == "PGPORT");
    port.and_then(|(_, port)| port.parse().ok()).unwrap_or(5432)
}

/// Connects to the server whose socket is in a folder.
pub(crate) fn client(sockets: &Path, port: u16, database: &str) -> anyhow::Result<Client> {
    let mut config = Client::configure();
    config
        .host_path(sockets)
        .port(port)
        .user("postgres")
        .dbname(database)
        .connect_timeout(Duration::from_secs(30));
    Ok(config.connect(NoTls)?)
}

/// The shortest question; its answer is what *ready* means here.
pub(crate) fn ask(client: &mut Client) -> anyhow::Result<()> {
    let answer: i32 = client.query_one("SELECT 1", &[])?.try_get(0)?;
    anyhow::ensure!(answer == 1, "SELECT 1 gave {answer}");
    Ok(())
}

/// Builds snapshots, and gives them in the order in which they were asked for.
pub(crate) fn build(project: &Project, wanted: &[&str]) -> anyhow::Result<Vec<Arc<State>>> {
    let stop = Stop::new()?;
    let prepared = project.prepare(wanted, &stop, &mut |event| {
        if let Event::BuildFinished { step, duration, .. } = event {
            let seconds = duration.as_secs_f64();
            eprintln!("built {}: {} ({seconds:.1} s)", step.snapshot, step.label);
        }
    })?;
    // In the order that they were asked for, which need not be the spec's.
    let find = |name: &&str| {
        let found = prepared.iter().find(|(known, _)| known == name);
        let (_, state) = found.with_context(|| format!("{name} was not prepared"))?;
        match state {
            Ok(state) => Ok(Arc::clone(state)),
            Err(error) => anyhow::bail!("{}", cowherd::event::in_words(error)),
        }
    };
    wanted.iter().map(find).collect()
}

/// Writes the seeds and gives the spec.
fn specification(folder: &Path, large: Option<u32>) -> anyhow::Result<String> {
    let sqlite = |table: &str, kilobytes: u32| {
        format!(
            "CREATE TABLE {table} AS WITH RECURSIVE n(id) AS (SELECT 1 UNION ALL SELECT id + 1 FROM n \
             WHERE id < {kilobytes}) SELECT id, hex(randomblob(480)) AS text FROM n;\n"
        )
    };
    fs::write(folder.join("lite.sql"), sqlite("filler", 2_000))?;
    fs::write(folder.join("lite-large.sql"), sqlite("filler", 200_000))?;
    let mut spec = "version: 1
snapshots:
  shop: { engine: postgres, database: shop, steps: [ { migrate: migrations }, { sql: seed.sql } ] }
  lite: { engine: sqlite, database: lite, steps: [ { sql: lite.sql } ] }
  lite-large: { engine: sqlite, database: lite, steps: [ { sql: lite-large.sql } ] }
"
    .to_owned();
    for depth in [1, 5, 10] {
        let mut list = Vec::new();
        // The lowest layer is the empty database.
        for step in 1..depth {
            let name = format!("deep-{depth}-{step}.sql");
            let kilobytes = 2_000 / (depth - 1);
            fs::write(folder.join(&name), sqlite(&format!("t{step}"), kilobytes))?;
            list.push(format!("{{ sql: {name} }}"));
        }
        let list = list.join(", ");
        spec +=
            &format!("  deep-{depth}: {{ engine: sqlite, database: lite, steps: [ {list} ] }}\n");
    }
    for (name, megabytes) in [(MEDIUM, Some(100)), ("large", large)] {
        let Some(megabytes) = megabytes else { continue };
        // Seven rows of about 1.1 kB fill a page of 8 kB.
        let rows = u64::from(megabytes) * 128 * 7;
        let table = format!(
            "CREATE TABLE filler AS SELECT id, repeat(md5(id::text), 34) AS text FROM generate_series(1, {rows}) AS id;\n"
        );
        fs::write(folder.join(format!("{name}.sql")), table)?;
        spec += &format!("  {name}: {{ from: shop, steps: [ {{ sql: {name}.sql }} ] }}\n");
    }
    Ok(spec)
}
