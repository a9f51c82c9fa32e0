//! `postgres` without Cowherd: the same program with the same settings, on a copied data folder.

use std::fs::{self, Permissions};
use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use cowherd::container::{State, base_environment};
use cowherd::disk::{self, Copied};
use cowherd::engine::Ready;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use postgres::Client;

use crate::fixture::{self, Fixture};

/// What a server for all tests gets on top of a container's settings: nothing that it does for safety or for replication,
/// more memory, and no checkpoint but those that it is asked for.
pub(crate) const PEER: [&str; 8] = [
    "shared_buffers=256MB",
    "max_files_per_process=1000",
    "wal_level=minimal",
    "max_wal_senders=0",
    "autovacuum=off",
    "checkpoint_timeout=1h",
    "max_wal_size=4GB",
    "log_checkpoints=off",
];

/// A running server.
pub(crate) struct Bare {
    child: Child,
    log: Option<BufReader<ChildStderr>>,
    sockets: PathBuf,
    port: u16,
}

/// How a server is started: as a container's, but on another folder and port.
pub(crate) struct Invocation {
    pub(crate) program: PathBuf,
    pub(crate) args: Vec<String>,
    pub(crate) environment: Vec<(String, String)>,
    /// The folder of its socket.
    pub(crate) sockets: PathBuf,
    /// The user that it runs as, where that is not who runs this program.
    pub(crate) user: Option<(u32, u32)>,
    port: u16,
    ready: String,
}

impl Invocation {
    /// A server on the folder `data`, with the arguments of a container's and then `settings`.
    pub(crate) fn new(
        fixture: &Fixture,
        state: &State,
        data: &Path,
        settings: &[&str],
    ) -> anyhow::Result<Self> {
        let engine = &state.services[0];
        let server = engine.server(false).context("the engine has a server")?;
        let sockets = fixture.dir.join("sockets");
        let port = free_port()?;
        fs::create_dir_all(&sockets)?;
        fs::set_permissions(&sockets, Permissions::from_mode(0o777))?;
        let place = engine.place();
        let swaps = [
            (text(&place.data())?, text(data)?),
            (text(&place.sockets())?, text(&sockets)?),
            (
                format!("port={}", fixture::port(state)),
                format!("port={port}"),
            ),
        ];
        let mut args = Vec::new();
        for argument in &server.exec.args {
            let argument = argument.to_str().context("an argument is no UTF-8")?;
            let swap = |text: String, (from, to): &(String, String)| text.replace(from, to);
            args.push(swaps.iter().fold(argument.to_owned(), swap));
        }
        for setting in settings {
            args.extend(["-c".to_owned(), (*setting).to_owned()]);
        }
        let Ready::Line(ready) = &server.ready else {
            anyhow::bail!("a server that doesn't say when it is ready");
        };
        let base = base_environment().map(|(name, value)| (name.to_owned(), value));
        let own = server.exec.environment.iter().cloned();
        let identity = fixture.project.on().identity;
        Ok(Self {
            program: server.exec.program.clone(),
            args,
            environment: base.into_iter().chain(own).collect(),
            sockets,
            user: identity.is_root().then(|| identity.user()),
            port,
            ready: ready.to_string(),
        })
    }

    /// Starts `command`, which is or becomes the server, and waits for the line that says that it takes connections.
    pub(crate) fn launch(&self, mut command: Command, as_user: bool) -> anyhow::Result<Bare> {
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        if let Some((uid, gid)) = self.user.filter(|_| as_user) {
            command.uid(uid).gid(gid);
        }
        command.env_clear().envs(self.environment.iter().cloned());
        let mut child = command.spawn()?;
        let log = until_ready(&mut child, &self.ready).with_context(|| format!("{command:?}"))?;
        Ok(Bare {
            child,
            log: Some(log),
            sockets: self.sockets.clone(),
            port: self.port,
        })
    }
}

/// Waits for the line of its log, on standard error, by which a server says that it is ready; gives what follows it.
pub(crate) fn until_ready(
    child: &mut Child,
    ready: &str,
) -> anyhow::Result<BufReader<ChildStderr>> {
    let mut log = BufReader::new(child.stderr.take().context("a log")?);
    let (mut said, mut line) = (String::new(), String::new());
    while !line.contains(ready) {
        line.clear();
        if log.read_line(&mut line)? == 0 {
            let status = child.wait()?;
            anyhow::bail!("the server has ended: {status}\n{said}");
        }
        said += &line;
    }
    Ok(log)
}

impl Bare {
    /// Starts a server on the folder `data`, with the arguments of a container's and then `settings`, as the
    /// containers' user, and waits for the line that says that it takes connections.
    pub(crate) fn start(
        fixture: &Fixture,
        state: &State,
        data: &Path,
        settings: &[&str],
    ) -> anyhow::Result<Self> {
        let invocation = Invocation::new(fixture, state, data, settings)?;
        let mut command = Command::new(&invocation.program);
        command.args(&invocation.args);
        invocation.launch(command, true)
    }

    /// Reads the log from now on, for a server that has more to say than a pipe holds.
    pub(crate) fn drain(&mut self) {
        if let Some(mut log) = self.log.take() {
            std::thread::spawn(move || std::io::copy(&mut log, &mut std::io::sink()));
        }
    }

    pub(crate) fn connect(&self, database: &str) -> anyhow::Result<Client> {
        fixture::client(&self.sockets, self.port, database)
    }

    /// Where clients find a database of it.
    pub(crate) fn url(&self, database: &str) -> anyhow::Result<String> {
        let sockets = text(&self.sockets)?.replace('/', "%2F");
        Ok(format!(
            "postgres://postgres@{sockets}:{}/{database}",
            self.port
        ))
    }

    /// How `CREATE DATABASE` can copy a template here, as the end of the statement.
    pub(crate) fn strategies(&self) -> anyhow::Result<&'static [&'static str]> {
        let mut client = self.connect("postgres")?;
        let version = client.query_one("SHOW server_version_num", &[])?;
        let version: String = version.try_get(0)?;
        Ok(match version.parse::<u32>()? {
            150_000.. => &[" STRATEGY file_copy", " STRATEGY wal_log"],
            _ => &[""],
        })
    }

    fn pid(&self) -> i32 {
        self.child.id() as i32
    }

    /// Ends the server and waits for it: "immediate shutdown", with no last checkpoint (postgres(1)).
    pub(crate) fn stop(self) -> anyhow::Result<()> {
        // The rest is done by `drop`.
        Ok(kill(Pid::from_raw(self.pid()), Signal::SIGQUIT)?)
    }

    /// Ends the server cleanly and waits for it: "fast shutdown" (postgres(1)).
    pub(crate) fn shut_down(mut self) -> anyhow::Result<()> {
        kill(Pid::from_raw(self.pid()), Signal::SIGINT)?;
        let status = self.child.wait()?;
        anyhow::ensure!(status.success(), "the server ended with {status}");
        Ok(())
    }
}

impl Drop for Bare {
    fn drop(&mut self) {
        // A server that was killed outright would leave its shared memory.
        let _ = kill(Pid::from_raw(self.pid()), Signal::SIGQUIT);
        let _ = self.child.wait();
    }
}

/// How long PostgreSQL's own tools take, as whoever does it by hand would use them, to start a server, run `sql` in a
/// database and stop it cleanly. Both wait until that is done (`pg_ctl(1)`).
pub(crate) fn by_tools(
    fixture: &Fixture,
    state: &State,
    data: &Path,
    database: &str,
    sql: &str,
) -> anyhow::Result<Duration> {
    let server = state.services[0].server(false).context("a server")?;
    let programs = server.exec.program.parent().context("a folder")?;
    let sockets = text(&fixture.dir.join("sockets"))?;
    let identity = fixture.project.on().identity;
    let run = |program: &str, arguments: &[&str]| -> anyhow::Result<()> {
        let mut command = Command::new(programs.join(program));
        command.args(arguments).current_dir(&fixture.dir);
        // A server that lives on with a pipe of ours would hold up who reads it.
        command.stdin(Stdio::null()).stdout(Stdio::null());
        command.stderr(Stdio::null());
        if identity.is_root() {
            let (uid, gid) = identity.user();
            command.uid(uid).gid(gid);
        }
        let status = command.status()?;
        anyhow::ensure!(status.success(), "{program} ended with {status}");
        Ok(())
    };
    let data = text(data)?;
    let options = format!("-k {sockets} -c listen_addresses= -c fsync=off");
    let begun = Instant::now();
    run(
        "pg_ctl",
        &["start", "-w", "-s", "-D", &data, "-o", &options],
    )?;
    run(
        "psql",
        &[
            "-qXh", &sockets, "-U", "postgres", "-d", database, "-c", sql,
        ],
    )?;
    run("pg_ctl", &["stop", "-w", "-s", "-m", "fast", "-D", &data])?;
    Ok(begun.elapsed())
}

/// Makes `to` the data folder of a state, for the user that servers run as.
pub(crate) fn flatten(fixture: &Fixture, state: &State, to: &Path) -> anyhow::Result<Copied> {
    let service = state.services[0].place().service();
    let mut copied = Copied::default();
    // From the lowest on: what lies above is laid over it.
    for layer in state.layers.iter().rev() {
        if let Some(files) = layer.files(service) {
            let part = disk::copy_tree(&files, to)?;
            copied.files += part.files;
            copied.bytes += part.bytes;
            copied.reflinked += part.reflinked;
        }
    }
    own(fixture, to)?;
    Ok(copied)
}

/// Copies a data folder.
pub(crate) fn copy(fixture: &Fixture, from: &Path, to: &Path) -> anyhow::Result<Copied> {
    let copied = disk::copy_tree(from, to)?;
    own(fixture, to)?;
    Ok(copied)
}

fn own(fixture: &Fixture, folder: &Path) -> anyhow::Result<()> {
    let identity = fixture.project.on().identity;
    if identity.is_root() {
        let (uid, gid) = identity.user();
        disk::chown_tree(folder, uid, gid)?;
        chown(folder, Some(uid), Some(gid))?;
    }
    Ok(fs::set_permissions(folder, Permissions::from_mode(0o700))?)
}

/// A port that nobody listens on, below those that the kernel gives out, and another one each time.
pub(crate) fn free_port() -> anyhow::Result<u16> {
    static NEXT: AtomicU16 = AtomicU16::new(20_000);
    loop {
        let port = NEXT.fetch_add(1, Ordering::Relaxed);
        anyhow::ensure!(port < 32_000, "no port is free");
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return Ok(port);
        }
    }
}

fn text(path: &Path) -> anyhow::Result<String> {
    let text = path.to_str().context("a path is no UTF-8")?;
    Ok(text.to_owned())
}
