//! Containers that were started ahead of need: how long it takes until a test has one.

use std::time::{Duration, Instant};

use cowherd::container::Order;
use cowherd::pool::client::Client;
use cowherd::pool::protocol::Wanted;
use cowherd::pool::{Budget, Pool};
use cowherd::schedule::Stop;
use cowherd::serve::{Options, Server};
use postgres::NoTls;

use crate::bare::{self, Bare, PEER};
use crate::fixture::{Fixture, client, port};
use crate::table::{Samples, Table, Target};

/// How many are kept ready; a test takes one when that many are and the pool is at rest: handing over is measured.
const READY: usize = 4;

const BUDGET: Budget = Budget {
    containers: 2 * READY,
    parked: READY,
    starters: 2,
    reserve: 0,
};

pub(crate) fn pool(fixture: &Fixture, table: &mut Table) -> anyhow::Result<()> {
    let rounds = fixture.rounds(200);
    let order = Order::unseen(fixture.project.on(), &fixture.shop);
    let (taken, answered) = in_process(&order, rounds)?;
    let (served, queried) = over_the_socket(fixture, rounds)?;
    let floor = running(fixture, rounds)?;
    table.head("PostgreSQL from a warm pool (p95 of the handing over is to be at most 3 ms)");
    table.peer(
        "one server for all, running and warm: SELECT 1 answered to a new connection",
        "ms",
        &floor,
        None,
    );
    table.row(
        "taken in the same process",
        "ms",
        &taken,
        Some(Target::AtMost(1.0)),
    );
    table.promise(3, "taken from a warm pool, in the same process");
    table.row(
        "taken in the same process: SELECT 1 answered",
        "ms",
        &answered,
        Some(Target::AtMost(5.0)),
    );
    table.row(
        "taken over the socket, connection and all",
        "ms",
        &served,
        Some(Target::AtMost(1.0)),
    );
    table.promise(3, "taken from a warm pool, over the socket");
    table.row(
        "taken over the socket: SELECT 1 answered",
        "ms",
        &queried,
        Some(Target::AtMost(5.0)),
    );
    Ok(())
}

/// What a new connection and its first query take of a server that has answered others before: nobody who hands out a
/// server of its own can be faster.
fn running(fixture: &Fixture, rounds: usize) -> anyhow::Result<Samples> {
    let state = &fixture.shop;
    let memory = fixture.peers_folder(state)?;
    let data = memory.path().join("server");
    bare::flatten(fixture, state, &data)?;
    let mut server = Bare::start(fixture, state, &data, &PEER)?;
    server.drain();
    let mut answered = Samples::default();
    for round in 0..=rounds {
        std::thread::sleep(Duration::from_millis(5));
        let begun = Instant::now();
        server.connect("shop")?.query_one("SELECT 1", &[])?;
        if round > 0 {
            answered.time(begun.elapsed());
        }
    }
    server.stop()?;
    Ok(answered)
}

/// Handed over, and the first query answered.
pub(crate) fn in_process(order: &Order, rounds: usize) -> anyhow::Result<(Samples, Samples)> {
    let [mut taken, mut answered] = [const { Samples(Vec::new()) }; 2];
    let state = &order.state;
    let pool = Pool::new(BUDGET)?;
    pool.expect(order, rounds + READY);
    for _ in 0..rounds {
        while pool.parked() < READY || !pool.is_at_rest() {
            std::thread::sleep(Duration::from_millis(1));
        }
        let begun = Instant::now();
        let handed = pool.take(order, None)?;
        taken.time(begun.elapsed());
        let sockets = handed.reach(&state.services[0].place().sockets());
        client(&sockets, port(state), "shop")?.query_one("SELECT 1", &[])?;
        answered.time(begun.elapsed());
    }
    Ok((taken, answered))
}

fn over_the_socket(fixture: &Fixture, rounds: usize) -> anyhow::Result<(Samples, Samples)> {
    let [mut served, mut queried] = [const { Samples(Vec::new()) }; 2];
    let stop = Stop::new()?;
    let socket = fixture.dir.join("pool.sock");
    let server = Server::bind(&socket, Options::new(BUDGET, stop.clone()))?;
    let wanted = Wanted {
        spec: Some(fixture.spec.clone()),
        snapshot: Some("shop".to_owned()),
    };
    std::thread::scope(|scope| {
        let serving = scope.spawn(|| server.run(None));
        let mut measure = || {
            // A pool that knows nothing of what is to come parks as many as were in use at once.
            let first: Vec<_> = (0..READY)
                .map(|_| {
                    let mut client = Client::connect(&socket)?;
                    client.take(wanted.clone())?;
                    anyhow::Ok(client)
                })
                .collect::<anyhow::Result<_>>()?;
            drop(first);
            for _ in 0..rounds {
                while server.pool().parked() < READY || !server.pool().is_at_rest() {
                    std::thread::sleep(Duration::from_millis(1));
                }
                let begun = Instant::now();
                let mut client = Client::connect(&socket)?;
                let address = client.take(wanted.clone())?;
                served.time(begun.elapsed());
                postgres::Client::connect(&address.url, NoTls)?.query_one("SELECT 1", &[])?;
                queried.time(begun.elapsed());
                anyhow::ensure!(address.parked, "it was started only now");
            }
            anyhow::Ok(())
        };
        let measured = measure();
        stop.kill(0);
        serving.join().expect("a server that doesn't panic")?;
        measured
    })?;
    Ok((served, queried))
}
