//! A MariaDB container against the same server without one, from the pool, and 100 tests against two ways to do without.

use std::fs::{self, File, Permissions};
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use cowherd::container::{Order, State, base_environment};
use cowherd::disk;
use cowherd::engine::Ready;
use cowherd::engine::mariadb_find::{Places, Product, Programs};
use cowherd::engine::mariadb_warm::converse;
use cowherd::pool::{Budget, Pool};
use cowherd::project::Project;

use crate::bare;
use crate::concurrent::{JOBS, rate};
use crate::fixture::{Fixture, build};
use crate::table::{Samples, Table, Target};

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
        let memory = tempfile::Builder::new()
            .prefix("cowherd-bench.")
            .tempdir_in("/dev/shm")
            .context("/dev/shm is needed for the peers' files")?;
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

    /// A copy of the data folder.
    fn copy(&self, folder: &Path, name: &str) -> anyhow::Result<PathBuf> {
        let copy = folder.join(name);
        bare::copy(self.fixture, &self.memory.path().join("pristine"), &copy)?;
        Ok(copy)
    }

    /// From nothing to the first answer.
    fn start(&self, table: &mut Table) -> anyhow::Result<()> {
        let [mut bare, mut ours, mut gone, mut copied] = [const { Samples(Vec::new()) }; 4];
        let mut files = Vec::new();
        for round in 0..=self.fixture.rounds(100) {
            // Beside the layers: in /dev/shm MariaDB maps its log, which it does nowhere else.
            let copy = self.copy(&self.fixture.dir, "mariadb-copy")?;
            let begun = Instant::now();
            let server = Bare::start(self, &copy, &[])?;
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
                copied.0.push(up.bytes as f64 / f64::from(1 << 20));
            }
            files = up.files;
        }
        table.head("MariaDB: from nothing to the first answer, shop of 10,184 rows");
        table.peer("bare mariadbd on a copied folder", "ms", &bare, None);
        let target = Target::Times(bare, Some(1.3));
        table.row("container", "ms", &ours, Some(target));
        table.row("container dropped", "ms", &gone, None);
        table.row(
            "copied up when it answers",
            "MiB",
            &copied,
            Some(Target::AtMost(8.0)),
        );
        for (file, bytes) in files.iter().take(5) {
            table.note(format!("{:>9} bytes  {}", bytes, file.display()));
        }
        Ok(())
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

    /// 100 tests that change their data, in three ways.
    fn tests(&self, table: &mut Table) -> anyhow::Result<()> {
        let (blocks, count) = if self.fixture.quick {
            (1, 16)
        } else {
            (3, 100)
        };
        let copy = self.copy(self.memory.path(), "shared")?;
        let shared = Bare::start(self, &copy, &["--innodb-buffer-pool-size=512M"])?;
        let mut ways = [const { Samples(Vec::new()) }; 3].map(|rates| JOBS.map(|_| rates.clone()));
        for _ in 0..blocks {
            for (at, jobs) in JOBS.into_iter().enumerate() {
                let nothing = || Ok(());
                ways[0][at]
                    .0
                    .push(rate(count, jobs, nothing, |(), number| self.ours(number))?);
                let reloaded = |(): &mut (), number| self.reloaded(&shared, number);
                ways[1][at].0.push(rate(count, jobs, nothing, reloaded)?);
                ways[2][at].0.push(rate(count, jobs, nothing, |(), number| {
                    self.copied(number)
                })?);
            }
        }
        drop(shared);
        let best = |rates: &[Samples; 4]| {
            let best = rates
                .iter()
                .max_by(|a, b| a.median().total_cmp(&b.median()));
            best.cloned().unwrap_or_default()
        };
        let [ours, reloaded, copied] = [0, 1, 2].map(|way| best(&ways[way]));
        let peer = match reloaded.median() > copied.median() {
            true => reloaded,
            false => copied,
        };
        table.head(format!(
            "{count} MariaDB tests that change their data, per second; compared with the better peer's best"
        ));
        let names = [
            "a container each",
            "schema and seed loaded anew for each, one server",
            "the folder copied and a server started for each",
        ];
        for (name, rates) in names.into_iter().zip(&ways) {
            for (jobs, rates) in JOBS.into_iter().zip(rates) {
                let best = name == names[0] && rates.median() >= ours.median();
                let target = best.then(|| Target::Times(peer.clone(), None));
                table.row(format!("-j {jobs}  {name}"), "/s", rates, target);
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

    fn copied(&self, number: usize) -> anyhow::Result<()> {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let name = format!("copy-{}", NEXT.fetch_add(1, Ordering::Relaxed));
        let copy = self.copy(self.memory.path(), &name)?;
        let server = Bare::start(self, &copy, &[])?;
        self.run(
            &server.socket,
            "shop",
            &self.tests[number % self.tests.len()],
        )?;
        drop(server);
        Ok(disk::remove_tree(&copy)?)
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

/// A server without a container; dropping it kills it.
struct Bare {
    child: Child,
    socket: PathBuf,
}

impl Bare {
    /// Starts one on the folder `data`, as the containers' user, and waits for the line that says that it is ready.
    fn start(shop: &Shop<'_>, data: &Path, settings: &[&str]) -> anyhow::Result<Self> {
        let engine = &shop.state.services[0];
        let server = engine.server(false).context("the engine has a server")?;
        // In a folder that is the server's own.
        let socket = data.join(SOCKET);
        let port = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port();
        let own = ["--datadir=", "--socket=", "--port="];
        let arguments = server.exec.args.iter().filter(|argument| {
            let argument = argument.to_string_lossy();
            !own.iter().any(|own| argument.starts_with(own))
        });
        let mut command = Command::new(&server.exec.program);
        command
            .args(arguments)
            .arg(format!("--datadir={}", data.display()))
            .arg(format!("--socket={}", socket.display()))
            .arg(format!("--port={port}"))
            .args(settings)
            .env_clear()
            .envs(base_environment())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let identity = shop.fixture.project.on().identity;
        if identity.is_root() {
            let (uid, gid) = identity.user();
            command.uid(uid).gid(gid);
        }
        let mut child = command.spawn()?;
        let mut log = BufReader::new(child.stderr.take().context("a log")?);
        let Ready::Line(ready) = &server.ready else {
            anyhow::bail!("its log says when it is ready");
        };
        let mut line = String::new();
        while !line.contains(&**ready) {
            line.clear();
            anyhow::ensure!(log.read_line(&mut line)? > 0, "the server has ended");
        }
        std::thread::spawn(move || std::io::copy(&mut log, &mut std::io::sink()));
        Ok(Self { child, socket })
    }

    fn ask(&self, database: &str) -> anyhow::Result<()> {
        Ok(converse(&self.socket, "root", database)?)
    }
}

impl Drop for Bare {
    fn drop(&mut self) {
        // Nothing of it is used again.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_file(&self.socket);
    }
}
