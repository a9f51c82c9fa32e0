//! Sealing what a server of MariaDB's has left: real files, of a server that stopped and of one that was killed.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

use cowherd::engine::mariadb_find::{Places, Product, Programs};
use cowherd::engine::{Action, Engine, EngineError, for_service};
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, Uid};

use super::{Room, service};
use crate::support::{mariadb, text};

/// A data folder of its own, made as a base layer is, but for where it lies.
struct Data {
    room: Room,
    engine: Box<dyn Engine>,
    programs: Programs,
}

fn user() -> Option<&'static str> {
    Uid::effective().is_root().then_some("--user=root")
}

impl Data {
    fn new() -> Self {
        let room = Room::new();
        let engine = for_service(&service("mariadb", "shop", &[])).unwrap();
        let programs = Places::of_this_host().find(Product::MariaDb, None).unwrap();
        let template = template(&*engine);
        fs::remove_dir(room.data()).unwrap();
        cowherd::disk::copy_tree(template, &room.data()).unwrap();
        Self {
            room,
            engine,
            programs,
        }
    }

    /// Starts a server with the engine's own options, but for where things are; it is ready.
    fn start(&self) -> Child {
        let server = self.engine.server(true).unwrap();
        let places = ["--datadir=", "--socket=", "--port=", "--bind-address="];
        let args = server.exec.args.iter();
        let args = args.filter(|arg| {
            let arg = arg.to_string_lossy();
            !places.iter().any(|place| arg.starts_with(place))
        });
        let mut child = Command::new(&server.exec.program)
            .args(args)
            .arg(format!("--datadir={}", self.room.data().display()))
            .arg(format!("--socket={}", self.socket()))
            .arg("--skip-networking")
            .args(user())
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        while !line.contains("ready for connections") {
            line.clear();
            assert!(log.read_line(&mut line).unwrap() > 0, "it is ready");
        }
        // It stands still when nobody reads.
        std::thread::spawn(move || std::io::copy(&mut log, &mut std::io::sink()));
        child
    }

    fn socket(&self) -> String {
        self.room.path("s").display().to_string()
    }

    fn query(&self, sql: &str) {
        let client = Command::new(&self.programs.client)
            .args(["--no-defaults", "--user=root", "--execute", sql])
            .arg(format!("--socket={}", self.socket()))
            .output()
            .unwrap();
        assert!(client.status.success(), "{client:?}");
    }

    fn seal(&self) -> Result<(), EngineError> {
        self.engine.seal(&self.room.data())
    }
}

/// A folder as `base_actions(0)` makes it; made once.
fn template(engine: &dyn Engine) -> &'static Path {
    static MADE: OnceLock<tempfile::TempDir> = OnceLock::new();
    let made = MADE.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        let data = format!("--datadir={}", folder.path().join("data").display());
        let Some(Action::Exec(exec)) = engine.base_actions(0).pop() else {
            panic!("this is a command")
        };
        let place = exec.args.iter();
        let args = place.filter(|arg| !arg.to_string_lossy().starts_with("--datadir="));
        let log = tempfile::tempfile().unwrap();
        let made = Command::new(exec.program)
            .args(args)
            .arg(data)
            .args(user())
            .stdout(log.try_clone().unwrap())
            .stderr(log.try_clone().unwrap())
            .status()
            .unwrap();
        assert!(made.success(), "{}", text(&log));
        folder
    });
    Box::leak(made.path().join("data").into_boxed_path())
}

fn stop(mut server: Child, signal: Signal) {
    kill(Pid::from_raw(server.id().cast_signed()), signal).unwrap();
    server.wait().unwrap();
}

#[test]
fn a_server_that_stopped_is_sealed_and_one_that_was_killed_is_not() {
    if !mariadb() {
        return;
    }
    let data = Data::new();
    data.seal().unwrap();

    let server = data.start();
    data.query("CREATE DATABASE shop; CREATE TABLE shop.t (x int); INSERT INTO shop.t VALUES (1)");
    stop(server, Signal::SIGKILL);
    let pid_file = data.room.data().join("cowherd.pid");
    let error = data.seal().unwrap_err();
    assert!(error.to_string().contains("cowherd.pid"), "{error}");
    assert!(pid_file.exists());
    // The log says so too.
    fs::remove_file(&pid_file).unwrap();
    let error = data.seal().unwrap_err();
    assert!(error.to_string().contains("InnoDB's log"), "{error}");
    assert!(matches!(error, EngineError::Unclean { .. }));

    stop(data.start(), Signal::SIGTERM);
    data.seal().unwrap();
    for name in [
        "cowherd.pid",
        "ib_buffer_pool",
        "ibtmp1",
        "multi-master.info",
    ] {
        assert!(!data.room.data().join(name).exists(), "{name}");
    }
    // What is sealed can be started from.
    let server = data.start();
    data.query("INSERT INTO shop.t SELECT x + 1 FROM shop.t");
    stop(server, Signal::SIGTERM);
    data.seal().unwrap();
}

/// Each round writes more than the log holds, so that it ends anywhere in the ring.
#[test]
fn a_log_that_went_around_is_known_to_be_at_rest() {
    if !mariadb() {
        return;
    }
    let data = Data::new();
    let server = data.start();
    data.query(
        "CREATE DATABASE shop; USE shop; CREATE TABLE t (id int AUTO_INCREMENT PRIMARY KEY, x longtext)",
    );
    stop(server, Signal::SIGTERM);
    for round in 0..4 {
        let server = data.start();
        data.query(&format!(
            "USE shop; INSERT INTO t (x) SELECT REPEAT('x', 1000 * seq + {round}) FROM seq_1_to_90; DELETE FROM t WHERE id % 2"
        ));
        stop(server, Signal::SIGTERM);
        data.seal().unwrap();
        let server = data.start();
        data.query("USE shop; UPDATE t SET x = CONCAT(x, '!')");
        stop(server, Signal::SIGKILL);
        fs::remove_file(data.room.data().join("cowherd.pid")).unwrap();
        assert!(data.seal().is_err(), "round {round}");
        let server = data.start();
        data.query("USE shop; DELETE FROM t");
        stop(server, Signal::SIGTERM);
    }
}

#[test]
fn what_every_server_copies_is_mostly_holes() {
    if !mariadb() {
        return;
    }
    let data = Data::new();
    stop(data.start(), Signal::SIGTERM);
    let size = |name: &str| fs::metadata(data.room.data().join(name)).unwrap();
    data.seal().unwrap();
    for name in ["ib_logfile0", "ibdata1"] {
        let (length, kept) = (size(name).len(), size(name).blocks() * 512);
        assert!(kept * 2 < length, "{name}: {kept} of {length} bytes");
    }
    data.query_after_start();
}

impl Data {
    /// A server reads its files with the holes in them.
    fn query_after_start(&self) {
        let server = self.start();
        self.query("SELECT * FROM mysql.innodb_table_stats; CREATE DATABASE d");
        stop(server, Signal::SIGTERM);
        self.seal().unwrap();
    }
}
