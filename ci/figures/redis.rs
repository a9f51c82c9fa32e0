//! A Redis container against the same server without one, and from the pool.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use cowherd::container::{Order, State, base_environment};
use cowherd::disk;
use cowherd::engine::redis_find::Places;
use cowherd::engine::redis_resp::{Connection, Reply};
use cowherd::engine::{Ready, Socket};
use cowherd::pool::{Budget, Pool};
use cowherd::project::Project;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::fixture::{Fixture, Live, build};
use crate::table::{Samples, Table, Target};

/// How many containers are kept ready.
const READY: usize = 4;

/// Cold and from a warm pool, with few keys and with many.
pub(crate) fn redis(fixture: &Fixture, table: &mut Table) -> anyhow::Result<()> {
    table.head("Redis: from nothing to the first answer");
    if let Err(error) = Places::of_this_host().find(None, None) {
        table.note(error.to_string());
        return Ok(());
    }
    let many = if fixture.quick { 10_000 } else { 1_000_000 };
    let (project, states) = states(fixture, many)?;
    let [small, large] = states.as_slice() else {
        anyhow::bail!("two states were asked for");
    };
    let [mut bare, mut ours, mut gone] = [const { Samples(Vec::new()) }; 3];
    for _ in 0..fixture.rounds(200) {
        bare.time(without(fixture, small)?);
        let begun = Instant::now();
        let live = fixture.container(small)?;
        ask(small, &live)?;
        ours.time(begun.elapsed());
        let ending = Instant::now();
        drop(live);
        gone.time(ending.elapsed());
    }
    table.peer(
        "bare redis-server on a copied dump: PING answered",
        "ms",
        &bare,
        None,
    );
    table.row(
        "container, 1,000 keys: PING answered",
        "ms",
        &ours,
        Some(Target::AtMost(10.0)),
    );
    table.row("container dropped", "ms", &gone, None);
    let mut loaded = Samples::default();
    for _ in 0..fixture.rounds(10) {
        let begun = Instant::now();
        let live = fixture.container(large)?;
        ask(large, &live)?;
        loaded.time(begun.elapsed());
    }
    table.row(
        format!("container, {many} keys, which it reads all"),
        "ms",
        &loaded,
        None,
    );
    let (taken, answered) = pooled(&project, small, fixture.rounds(200))?;
    table.row(
        "taken from a warm pool",
        "ms",
        &taken,
        Some(Target::AtMost(1.0)),
    );
    table.row(
        "taken from a warm pool: PING answered",
        "ms",
        &answered,
        Some(Target::AtMost(1.0)),
    );
    Ok(())
}

/// Snapshots with 1,000 keys and with `many`.
fn states(fixture: &Fixture, many: u32) -> anyhow::Result<(Project, Vec<Arc<State>>)> {
    let folder = fixture.dir.join("redis");
    fs::create_dir_all(&folder)?;
    for (name, keys) in [("few.redis", 1_000), ("many.redis", many)] {
        let set = "redis.call('SET', 'key:' .. i, 'a value of some length: ' .. i)";
        fs::write(
            folder.join(name),
            format!("EVAL \"for i = 1, {keys} do {set} end\" 0\n"),
        )?;
    }
    let spec = folder.join("cowherd.yaml");
    let snapshot =
        |name: &str| format!("{name}: {{ engine: redis, steps: [ {{ redis: {name}.redis }} ] }}");
    let snapshots = [snapshot("few"), snapshot("many")].join(", ");
    fs::write(&spec, format!("version: 1\nsnapshots: {{ {snapshots} }}\n"))?;
    let project = Project::open(Some(&spec))?;
    let states = build(&project, &["few", "many"])?;
    Ok((project, states))
}

/// Asks the container's server from outside, through its Unix socket.
fn ask(state: &State, live: &Live) -> anyhow::Result<()> {
    ping(&live.container.reach(&state.services[0].place().sockets()))
}

fn ping(sockets: &Path) -> anyhow::Result<()> {
    let mut connection = Connection::over(Socket::connect(&sockets.join("redis.sock"))?);
    let reply = connection.ask(&["PING"])?;
    anyhow::ensure!(
        reply == Reply::Status(b"PONG".to_vec()),
        "PING gave {reply:?}"
    );
    Ok(())
}

/// A server with the arguments of a container's, on a data folder that was copied before.
fn without(fixture: &Fixture, state: &State) -> anyhow::Result<Duration> {
    let engine = &state.services[0];
    let server = engine.server(false).context("the engine has a server")?;
    let (data, sockets) = (
        fixture.dir.join("redis-data"),
        fixture.dir.join("redis-sockets"),
    );
    let top = state.layers.first().context("a layer")?;
    disk::copy_tree(
        &top.files(engine.place().service()).context("files")?,
        &data,
    )?;
    fs::create_dir_all(&sockets)?;
    let mut command = Command::new(&server.exec.program);
    for argument in &server.exec.args {
        let argument = argument.to_str().context("an argument is no UTF-8")?;
        let place = engine.place();
        let argument = argument
            .replace(
                place.data().to_str().context("a path")?,
                data.to_str().context("a path")?,
            )
            .replace(
                place.sockets().to_str().context("a path")?,
                sockets.to_str().context("a path")?,
            );
        // Not the port of a server that this machine may have.
        command.arg(if argument == "6379" {
            "0".to_owned()
        } else {
            argument
        });
    }
    command
        .env_clear()
        .envs(base_environment())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    let identity = fixture.project.on().identity;
    if identity.is_root() {
        let (uid, gid) = identity.user();
        disk::chown_tree(&data, uid, gid)?;
        for folder in [&data, &sockets] {
            chown(folder, Some(uid), Some(gid))?;
        }
        command.uid(uid).gid(gid);
    }
    let Ready::Line(ready) = &server.ready else {
        anyhow::bail!("its log says when it is ready");
    };
    let begun = Instant::now();
    let mut child = command.spawn()?;
    let mut log = BufReader::new(child.stdout.take().context("a log")?).lines();
    let is_ready = log.any(|line| line.is_ok_and(|line| line.contains(&**ready)));
    let asked = ping(&sockets);
    let took = begun.elapsed();
    kill(Pid::from_raw(child.id() as i32), Signal::SIGKILL)?;
    child.wait()?;
    anyhow::ensure!(is_ready, "the server has ended");
    asked?;
    disk::remove_tree(&data)?;
    disk::remove_tree(&sockets)?;
    Ok(took)
}

fn pooled(
    project: &Project,
    state: &Arc<State>,
    rounds: usize,
) -> anyhow::Result<(Samples, Samples)> {
    let [mut taken, mut answered] = [const { Samples(Vec::new()) }; 2];
    let order = Order::unseen(project.on(), state);
    let pool = Pool::new(Budget {
        containers: 2 * READY,
        parked: READY,
        starters: 2,
        reserve: 0,
    })?;
    pool.expect(&order, rounds + READY);
    for _ in 0..rounds {
        while pool.parked() < READY || !pool.is_at_rest() {
            std::thread::sleep(Duration::from_millis(1));
        }
        let begun = Instant::now();
        let handed = pool.take(&order, None)?;
        taken.time(begun.elapsed());
        ping(&handed.reach(&state.services[0].place().sockets()))?;
        answered.time(begun.elapsed());
    }
    Ok((taken, answered))
}
