//! A MariaDB container against the same server without one, from the pool, and 100 tests against ways to do without.

mod server;

use std::fs::{self, File, Permissions};
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use cowherd::container::{Order, State};
use cowherd::disk;
use cowherd::engine::mariadb_find::{Places, Product, Programs};
use cowherd::engine::mariadb_warm::converse;
use cowherd::pool::{Budget, Pool};
use cowherd::project::Project;

use crate::bare;
use crate::concurrent::{JOBS, rate};
use crate::fixture::{Fixture, build};
use crate::table::{Samples, Table, Target};
use server::{Bare, Options};

/// How many containers are kept ready.
const READY: usize = 4;

/// The socket's name in the service's folder.
const SOCKET: &str = "mysqld.sock";

pub(crate) fn mariadb(fixture: &Fixture, table: &mut Table) -> anyhow::Result<()> {
    let programs = match Places::of_this_host().find(Product::MariaDb, None) {
        Ok(programs) => programs,
        Err(error) => {
            table.head("MariaDB");
            table.note(error.to_string());
            return Ok(());
        }
    };
    let shop = Shop::new(fixture, programs)?;
    shop.start(table)?;
    shop.pooled(table)?;
    shop.tests(table)
}

struct Shop<'f> {
    fixture: &'f Fixture,
    programs: Programs,
    project: Project,
    state: Arc<State>,
    /// The state as one folder, in memory.
    memory: tempfile::TempDir,
    /// Everything that makes the shop, as one script for the client.
    script: PathBuf,
    tests: Vec<PathBuf>,
}

impl<'f> Shop<'f> {
    fn new(fixture: &'f Fixture, programs: Programs) -> anyhow::Result<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let folder = fixture.dir.join("mariadb");
        disk::copy_tree(&root.join("fixtures/shop/mariadb"), &folder)?;
        let expect = root.join("examples/shop-mariadb/expect.sql");
        fs::copy(expect, folder.join("expect.sql"))?;
        let steps = "[ { migrate: migrations }, { sql: seed.sql }, { sql: expect.sql } ]";
        let spec = folder.join("cowherd.yaml");
        fs::write(
            &spec,
            format!("version: 1\nsnapshots: {{ shop: {{ engine: mariadb, steps: {steps} }} }}\n"),
        )?;
        let project = Project::open(Some(&spec))?;
        let state = build(&project, &["shop"])?.remove(0);
        let mut parts = sorted(&folder.join("migrations"))?;
        parts.extend(["seed.sql", "expect.sql"].map(|name| folder.join(name)));
        let script = folder.join("all.sql");
        let mut all = File::create(&script)?;
        for part in parts {
            all.write_all(&fs::read(part)?)?;
        }
        let memory = fixture.peers_folder(&state)?;
        // `mariadb-install-db` makes the stock folder there, as the servers' user.
        fs::set_permissions(memory.path(), Permissions::from_mode(0o777))?;
        bare::flatten(fixture, &state, &memory.path().join("pristine"))?;
        Ok(Self {
            fixture,
            programs,
            project,
            state,
            memory,
            script,
            tests: sorted(&root.join("examples/shop-mariadb/checks"))?,
        })
    }

    /// The same data in a folder that is made and served with a server's own options.
    fn stock(&self) -> anyhow::Result<PathBuf> {
        let folder = self.memory.path().join("stock");
        let install = self.programs.install.as_ref();
        let mut install = Command::new(install.context("mariadb-install-db is needed")?);
        install
            .args(["--no-defaults", "--auth-root-authentication-method=normal"])
            .arg(format!("--basedir={}", self.programs.base.display()))
            .arg(format!("--datadir={}", folder.display()))
            .stdout(Stdio::null());
        let status = self.as_user(&mut install).status()?;
        anyhow::ensure!(status.success(), "mariadb-install-db failed");
        let server = Bare::start(self, &folder, Options::Stock)?;
        self.execute(&server.socket, "CREATE DATABASE shop")?;
        self.run(&server.socket, "shop", &self.script)?;
        server.stop()?;
        Ok(folder)
    }

    /// As the containers' services run.
    fn as_user<'c>(&self, command: &'c mut Command) -> &'c mut Command {
        let identity = self.fixture.project.on().identity;
        if identity.is_root() {
            let (uid, gid) = identity.user();
            command.uid(uid).gid(gid);
        }
        command
    }

    /// A copy of the data folder.
    fn copy(&self, folder: &Path, name: &str) -> anyhow::Result<PathBuf> {
        let copy = folder.join(name);
        bare::copy(self.fixture, &self.memory.path().join("pristine"), &copy)?;
        Ok(copy)
    }

    /// From nothing to the first answer.
    fn start(&self, table: &mut Table) -> anyhow::Result<()> {
        let [mut bare, mut ours, mut gone] = [const { Samples(Vec::new()) }; 3];
        let [mut all, mut copied, mut new] = [const { Samples(Vec::new()) }; 3];
        let mut files = Vec::new();
        for round in 0..=self.fixture.rounds(100) {
            // Beside the layers: in /dev/shm MariaDB maps its log, which it does nowhere else.
            let copy = self.copy(&self.fixture.dir, "mariadb-copy")?;
            let begun = Instant::now();
            let server = Bare::start(self, &copy, Options::Cowherds)?;
            server.ask("shop")?;
            let without = begun.elapsed();
            drop(server);
            disk::remove_tree(&copy)?;
            let begun = Instant::now();
            let live = self.fixture.container(&self.state)?;
            let sockets = self.state.services[0].place().sockets();
            converse(&live.container.reach(&sockets).join(SOCKET), "root", "shop")?;
            let with = begun.elapsed();
            let up = live.container.copied_up();
            let ending = Instant::now();
            drop(live);
            // The first time, everything comes from the disk.
            if round > 0 {
                bare.time(without);
                ours.time(with);
                gone.time(ending.elapsed());
                let bytes = |kind: bool| {
                    let files = up
                        .files
                        .iter()
                        .filter(|(file, _)| self.is_copied(file) == kind);
                    files.map(|(_, bytes)| *bytes as f64 / 1e6).sum()
                };
                all.0.push(up.bytes as f64 / 1e6);
                copied.0.push(bytes(true));
                new.0.push(bytes(false));
            }
            files = up.files;
        }
        table.head("MariaDB: from nothing to the first answer, shop of 10,184 rows");
        table.peer("bare mariadbd on a copied folder", "ms", &bare, None);
        let target = Target::Times(bare, Some(1.3));
        table.row("container", "ms", &ours, Some(target));
        table.row("container dropped", "ms", &gone, None);
        let most = Target::AtMost(8.0);
        table.row(
            "in the writable layer when it answers",
            "MB",
            &all,
            Some(most),
        );
        table.row("- copied up from the layers", "MB", &copied, None);
        table.row("- written new", "MB", &new, None);
        for (file, bytes) in files.iter().take(5) {
            let how = match self.is_copied(file) {
                true => "copied",
                false => "new",
            };
            table.note(format!("{bytes:>9} bytes  {how:6}  {}", file.display()));
        }
        Ok(())
    }

    /// Whether this file of the writable layer, which begins with the service's name, is one of the layers'.
    fn is_copied(&self, file: &Path) -> bool {
        let service = self.state.services[0].place().service();
        let Ok(inside) = file.strip_prefix(service) else {
            return false;
        };
        let mut layers = self.state.layers.iter();
        layers.any(|layer| {
            let folder = layer.lower(service);
            folder.is_some_and(|it| self.state.layers_folder.join(it).join(inside).is_file())
        })
    }

    fn pooled(&self, table: &mut Table) -> anyhow::Result<()> {
        let [mut taken, mut answered] = [const { Samples(Vec::new()) }; 2];
        let order = Order::unseen(self.project.on(), &self.state);
        let pool = Pool::new(Budget {
            containers: 2 * READY,
            parked: READY,
            starters: 2,
            reserve: 0,
        })?;
        let rounds = self.fixture.rounds(100);
        pool.expect(&order, rounds + READY);
        let sockets = self.state.services[0].place().sockets();
        for _ in 0..rounds {
            while pool.parked() < READY || !pool.is_at_rest() {
                std::thread::sleep(Duration::from_millis(1));
            }
            let begun = Instant::now();
            let handed = pool.take(&order, None)?;
            taken.time(begun.elapsed());
            converse(&handed.reach(&sockets).join(SOCKET), "root", "shop")?;
            answered.time(begun.elapsed());
        }
        let most = Target::AtMost(1.0);
        table.row("taken from a warm pool", "ms", &taken, Some(most));
        table.row(
            "taken from a warm pool: DO 1 answered",
            "ms",
            &answered,
            None,
        );
        Ok(())
    }

    /// 100 tests that change their data, in four ways.
    fn tests(&self, table: &mut Table) -> anyhow::Result<()> {
        let (blocks, count) = if self.fixture.quick {
            (1, 16)
        } else {
            (3, 100)
        };
        let copy = self.copy(self.memory.path(), "shared")?;
        let shared = Bare::start(self, &copy, Options::Large)?;
        let stock = self.stock()?;
        let mut ways = [const { Samples(Vec::new()) }; 4].map(|rates| JOBS.map(|_| rates.clone()));
        for _ in 0..blocks {
            for (at, jobs) in JOBS.into_iter().enumerate() {
                let nothing = || Ok(());
                let measured = [
                    rate(count, jobs, nothing, |(), number| self.ours(number)),
                    // It takes so long that few are enough.
                    rate(count.min(5 * jobs.max(8)), jobs, nothing, |(), number| {
                        self.reloaded(&shared, number)
                    }),
                    rate(count, jobs, nothing, |(), number| {
                        self.copied(&stock, number)
                    }),
                    rate(count, jobs, nothing, |(), number| {
                        self.copied_sealed(number)
                    }),
                ];
                for (way, measured) in ways.iter_mut().zip(measured) {
                    way[at].0.push(measured?);
                }
            }
        }
        drop(shared);
        let best = |rates: &[Samples; 4]| {
            let best = rates
                .iter()
                .max_by(|a, b| a.median().total_cmp(&b.median()));
            best.cloned().unwrap_or_default()
        };
        let [ours, reloaded, stock, sealed] = ways.each_ref().map(best);
        let peers = [reloaded, stock, sealed].into_iter();
        let peer = peers.max_by(|a, b| a.median().total_cmp(&b.median()));
        table.head(format!(
            "{count} MariaDB tests that change their data, per second; compared with the best peer's best"
        ));
        let names = [
            "a container each",
            "schema and seed loaded anew for each, one server",
            "`cp -a` of a stock folder and a stock server for each",
            "`cp -a` of a folder, and a server, as small as Cowherd makes them",
        ];
        for (name, rates) in names.into_iter().zip(&ways) {
            for (jobs, rates) in JOBS.into_iter().zip(rates) {
                let what = format!("-j {jobs}  {name}");
                if name != names[0] {
                    table.peer(what, "/s", rates, None);
                    continue;
                }
                let best = rates.median() >= ours.median();
                let target = peer.clone().filter(|_| best);
                let target = target.map(|peer| Target::AtLeastTimes(peer, 1.5));
                table.row(what, "/s", rates, target);
            }
        }
        Ok(())
    }

    fn ours(&self, number: usize) -> anyhow::Result<()> {
        let live = self.fixture.container(&self.state)?;
        let sockets = self.state.services[0].place().sockets();
        let socket = live.container.reach(&sockets).join(SOCKET);
        self.run(&socket, "shop", &self.tests[number % self.tests.len()])
    }

    fn reloaded(&self, server: &Bare, number: usize) -> anyhow::Result<()> {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        // One check names the database.
        let tests: Vec<_> = self
            .tests
            .iter()
            .filter(|test| !test.ends_with("drop_everything.sql"))
            .collect();
        let name = format!("test_{}", NEXT.fetch_add(1, Ordering::Relaxed));
        self.execute(&server.socket, &format!("CREATE DATABASE {name}"))?;
        self.run(&server.socket, &name, &self.script)?;
        self.run(&server.socket, &name, tests[number % tests.len()])?;
        self.execute(&server.socket, &format!("DROP DATABASE {name}"))
    }

    fn copied(&self, stock: &Path, number: usize) -> anyhow::Result<()> {
        let copy = self.next_copy();
        let status = Command::new("cp").arg("-a").args([stock, &copy]).status()?;
        anyhow::ensure!(status.success(), "cp failed");
        self.served(&copy, Options::Stock, number)
    }

    fn copied_sealed(&self, number: usize) -> anyhow::Result<()> {
        let copy = self.next_copy();
        bare::copy(self.fixture, &self.memory.path().join("pristine"), &copy)?;
        self.served(&copy, Options::Cowherds, number)
    }

    fn next_copy(&self) -> PathBuf {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        self.memory.path().join(format!("copy-{number}"))
    }

    fn served(&self, copy: &Path, options: Options, number: usize) -> anyhow::Result<()> {
        let server = Bare::start(self, copy, options)?;
        self.run(
            &server.socket,
            "shop",
            &self.tests[number % self.tests.len()],
        )?;
        drop(server);
        Ok(disk::remove_tree(copy)?)
    }

    fn client(&self, socket: &Path) -> Command {
        let mut client = Command::new(&self.programs.client);
        client.args([
            "--no-defaults",
            "--user=root",
            "--default-character-set=utf8mb4",
        ]);
        client.arg("--socket").arg(socket).stdout(Stdio::null());
        client
    }

    fn execute(&self, socket: &Path, sql: &str) -> anyhow::Result<()> {
        let status = self.client(socket).args(["--execute", sql]).status()?;
        anyhow::ensure!(status.success(), "{sql} failed");
        Ok(())
    }

    fn run(&self, socket: &Path, database: &str, script: &Path) -> anyhow::Result<()> {
        let mut client = self.client(socket);
        let status = client.arg(database).stdin(File::open(script)?).status()?;
        anyhow::ensure!(status.success(), "{} failed", script.display());
        Ok(())
    }
}

/// The files of a folder in the order of their names.
fn sorted(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder)?.map(|entry| Ok(entry?.path()));
    let mut files: Vec<_> = entries.collect::<anyhow::Result<_>>()?;
    files.sort();
    Ok(files)
}
