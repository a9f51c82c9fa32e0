//! The front door for tests in Rust: copies of snapshots inside a test process.

mod asynchronous;
mod declared;

use std::process::{Command, Stdio};

use cowherd::{Cowherd, Error};

use crate::support::processes::wait_until_childless;
use crate::support::{Project, alone, inside, postgres, userns};

const SHOP: &str = "\
version: 1
snapshots:
  shop: { engine: sqlite, steps: [ { sql: seed.sql } ] }
  shop-pg: { engine: postgres, database: shop, steps: [ { sql: seed.sql } ] }
  broken: { engine: sqlite, steps: [ { sql: broken.sql } ] }
";

fn shop() -> Project {
    Project::new(SHOP)
        .file(
            "seed.sql",
            "CREATE TABLE t (x INT); INSERT INTO t VALUES (1), (2);",
        )
        .file("broken.sql", "SELECT 1;\nINSERT INTO nowhere VALUES (1);")
}

/// Opens the project with its own store: the library reads the store's place from the environment, which a
/// test process must not change, so that each test asks for it through a file of its own.
fn open(project: &Project) -> Cowherd {
    Cowherd::open_in(&project.folder().join("cowherd.yaml"), &project.store()).expect("a project")
}

fn count(connection: &cowherd::rusqlite::Connection) -> i64 {
    connection
        .query_row("SELECT count(*) FROM t", [], |row| row.get(0))
        .expect("a count")
}

#[test]
fn copies_in_the_process_do_not_meet() {
    let project = shop();
    let snapshot = open(&project).snapshot("shop").expect("a snapshot");
    let (one, two) = (
        snapshot.sqlite().expect("a copy"),
        snapshot.sqlite().expect("a copy"),
    );
    one.execute("DELETE FROM t", []).expect("a deletion");
    assert_eq!((count(&one), count(&two)), (0, 2));
}

#[test]
fn a_sqlite_container_is_a_file_that_goes_with_it() {
    let project = shop();
    let snapshot = open(&project).snapshot("shop").expect("a snapshot");
    let container = snapshot.container().expect("a container");
    let path = container.file().expect("a file").to_owned();
    assert_eq!(container.url(), format!("sqlite://{}", path.display()));
    let connection = cowherd::rusqlite::Connection::open(&path).expect("a connection");
    connection
        .pragma_update(None, "journal_mode", "wal")
        .expect("a mode");
    connection
        .execute("INSERT INTO t VALUES (3)", [])
        .expect("a row");
    assert_eq!(count(&connection), 3);
    drop(connection);
    drop(container);
    assert!(!path.exists());
    assert_eq!(count(&snapshot.sqlite().expect("a copy")), 2);
}

#[test]
fn postgres_containers_are_reached_by_their_sockets_at_the_same_time() {
    if !postgres() {
        return;
    }
    let project = shop();
    let snapshot = open(&project).snapshot("shop-pg").expect("a snapshot");
    let containers = [(); 3].map(|()| snapshot.container().expect("a container"));
    for (index, container) in containers.iter().enumerate() {
        let mut client =
            postgres::Client::connect(&container.url(), postgres::NoTls).expect("a connection");
        for _ in 0..index {
            client
                .execute("INSERT INTO t VALUES (9)", &[])
                .expect("a row");
        }
    }
    for (index, container) in containers.iter().enumerate() {
        let mut client =
            postgres::Client::connect(&container.url(), postgres::NoTls).expect("a connection");
        let count: i64 = client
            .query_one("SELECT count(*) FROM t", &[])
            .expect("a count")
            .get(0);
        assert_eq!(count, 2 + index as i64);
    }
    let url = containers[0].url();
    if let Ok(output) = Command::new("psql")
        .args(["-Atc", "SELECT 7", &url])
        .stdin(Stdio::null())
        .output()
    {
        assert_eq!(String::from_utf8_lossy(&output.stdout), "7\n", "{output:?}");
    }
}

#[test]
fn a_chatty_server_that_nobody_waits_for_does_not_stand_still() {
    if !postgres() {
        return;
    }
    let project = shop();
    let snapshot = open(&project).snapshot("shop-pg").expect("a snapshot");
    let container = snapshot.container().expect("a container");
    let mut client =
        postgres::Client::connect(&container.url(), postgres::NoTls).expect("a connection");
    // Each of these writes a kilobyte to the log; a pipe takes 64.
    for _ in 0..500 {
        let long = "x".repeat(1000);
        client
            .batch_execute(&format!("DO $$ BEGIN RAISE LOG '{long}'; END $$"))
            .expect("a line in the log");
    }
}

#[test]
fn a_snapshot_that_can_not_be_built_gives_everybody_the_same_error() {
    let project = shop();
    let herd = open(&project);
    let first = herd.snapshot("broken").expect_err("no snapshot");
    let second = herd.snapshot("broken").expect_err("no snapshot");
    assert_eq!(
        cowherd::event::in_words(&first),
        cowherd::event::in_words(&second)
    );
    assert!(
        cowherd::event::in_words(&first).contains("line 2"),
        "{first:?}"
    );
    let unknown = herd.snapshot("nothing").expect_err("no snapshot");
    assert!(matches!(unknown, Error::Project(_)), "{unknown:?}");
}

#[test]
fn a_panic_a_leaked_connection_and_a_thread_that_outlives_the_test_keep_no_container() {
    if !inside() && !postgres() {
        return;
    }
    alone(
        "front::a_panic_a_leaked_connection_and_a_thread_that_outlives_the_test_keep_no_container",
        || {
            let project = shop();
            let herd = open(&project);
            let snapshot = herd.snapshot("shop-pg").expect("a snapshot");
            let connect = |url: &str| postgres::Client::connect(url, postgres::NoTls);
            let panicked = std::thread::scope(|scope| {
                let test = scope.spawn(|| {
                    let container = snapshot.container().expect("a container");
                    connect(&container.url().replace("/shop", "/nothing"))
                        .expect("no such database");
                });
                test.join().is_err()
            });
            assert!(panicked);
            let container = snapshot.container().expect("a container");
            std::mem::forget(connect(&container.url()).expect("a connection"));
            let mut kept = connect(&container.url()).expect("a connection");
            let (ended, end) = std::sync::mpsc::channel();
            let outliving = std::thread::spawn(move || {
                end.recv().expect("the end of the test");
                kept.query_one("SELECT 1", &[]).map(drop)
            });
            drop((container, snapshot, herd));
            wait_until_childless();
            ended.send(()).expect("a thread");
            // It is told, and waits for nobody.
            assert!(outliving.join().expect("a thread").is_err());
        },
    );
}

#[test]
fn servers_without_an_adapter_are_reached_by_ports_of_this_host() {
    use std::io::{Read as _, Write as _};

    if !userns() {
        return;
    }
    let server = |name: &str| {
        format!(
            "      {name}: {{ engine: service, command: [perl, server.pl, {name}], ports: [80{}], url: 'http://127.0.0.1:80{}/x' }}\n",
            name.len(),
            name.len()
        )
    };
    let spec = "version: 1\nsnapshots:\n  app:\n    services:\n".to_owned();
    let project = Project::new(&(spec + &server("one") + &server("other"))).file(
        "server.pl",
        "use Socket; my $name = shift; my $port = '80' . length $name;
        socket(S, PF_INET, SOCK_STREAM, 0) or die; setsockopt(S, SOL_SOCKET, SO_REUSEADDR, 1);
        bind(S, sockaddr_in($port, inet_aton('127.0.0.1'))) or die $!; listen(S, 9) or die;
        while (accept(C, S)) { my $line = <C>; print C \"$name: $line\"; close C }\n",
    );
    let snapshot = open(&project).snapshot("app").expect("a snapshot");
    let containers = [snapshot.container(), snapshot.container()];
    let containers = containers.map(|container| container.expect("a container"));
    let mut ports = Vec::new();
    for container in &containers {
        let environment = container.environment();
        assert_eq!(environment["DATABASE_URL"], container.url());
        assert_eq!(container.tcp_url().expect("a port"), container.url());
        for name in ["one", "other"] {
            let url = &environment[&format!("{}_URL", name.to_uppercase())];
            let port = url
                .strip_prefix("http://127.0.0.1:")
                .and_then(|rest| rest.strip_suffix("/x"));
            let port: u16 = port.and_then(|port| port.parse().ok()).expect("a port");
            let mut stream =
                std::net::TcpStream::connect(("127.0.0.1", port)).expect("a connection");
            stream.write_all(b"hello\n").expect("a line");
            let mut answer = String::new();
            stream.read_to_string(&mut answer).expect("an answer");
            assert_eq!(answer, format!("{name}: hello\n"));
            ports.push(port);
        }
    }
    ports.sort_unstable();
    ports.dedup();
    assert_eq!(ports.len(), 4);
}
