//! The pool over its Unix socket: as the library uses it, and as any language does.

mod limits;

use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Barrier;
use std::time::Duration;

use cowherd::pool::Budget;
use cowherd::pool::client::Client;
use cowherd::pool::protocol::{Ended, Inside, Wanted};
use cowherd::schedule::Stop;
use cowherd::serve::{Options, Server};
use cowherd::{Container, Cowherd, Error};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::support::{Project, Started, postgres, processes, userns};

const SPEC: &str = "\
version: 1
snapshots:
  lite: { engine: sqlite, steps: [ { sql: lite.sql } ] }
  shop: { engine: postgres, database: shop, steps: [ { sql: shop.sql } ] }
  broken: { engine: sqlite, steps: [ { sql: broken.sql } ] }
";

fn shop() -> Project {
    Project::new(SPEC)
        .file(
            "lite.sql",
            "CREATE TABLE t (x); INSERT INTO t VALUES (1), (2);",
        )
        .file(
            "shop.sql",
            "CREATE TABLE t (x int); INSERT INTO t VALUES (1), (2);",
        )
        .file("broken.sql", "SELECT 1;\nINSERT INTO nowhere VALUES (1);")
}

/// A server of the project, as `cowherd serve` runs it, and its socket.
fn serve(project: &Project, more: &[&str]) -> (Started, PathBuf) {
    let socket = project.folder().join("pool.sock");
    let mut args = vec!["serve", "--socket", socket.to_str().expect("a plain path")];
    args.extend(more);
    let mut server = project.start(&args);
    server.until("listening socket", |_| UnixStream::connect(&socket).is_ok());
    (server, socket)
}

fn wanted(project: &Project, snapshot: &str) -> Wanted {
    Wanted {
        spec: Some(project.folder().join("cowherd.yaml")),
        snapshot: Some(snapshot.to_owned()),
    }
}

/// A client of any language: lines out, lines in.
struct Lines(BufReader<UnixStream>);

impl Lines {
    fn connect(socket: &Path) -> Self {
        let stream = UnixStream::connect(socket).expect("a connection");
        let longest = Some(std::time::Duration::from_secs(60));
        stream.set_read_timeout(longest).expect("a time limit");
        Self(BufReader::new(stream))
    }

    fn ask(&mut self, request: &str) -> String {
        use ErrorKind::{BrokenPipe, ConnectionReset};
        let mut stream = self.0.get_ref();
        let sent = stream.write_all(format!("{request}\n").as_bytes());
        let mut answer = String::new();
        match sent.and_then(|()| self.0.read_line(&mut answer)) {
            Ok(_) => answer,
            // Closed by the server.
            Err(error) if matches!(error.kind(), BrokenPipe | ConnectionReset) => answer,
            Err(error) => panic!("no answer: {error}"),
        }
    }
}

const HELLO: &str = r#"{"hello":{"protocol":1,"cowherd":"any"}}"#;

#[test]
fn any_language_takes_reaches_and_drops_containers_by_lines_of_json() {
    if !postgres() {
        return;
    }
    let project = shop();
    let (server, socket) = serve(&project, &[]);
    let mut lines = Lines::connect(&socket);
    assert!(lines.ask(HELLO).contains(r#""protocol":1"#));
    // The spec is the one of the server's folder.
    let answer = lines.ask(r#"{"take":{"snapshot":"shop"}}"#);
    let answer: serde_json::Value = serde_json::from_str(&answer).expect("JSON");
    let container = &answer["container"];
    assert_eq!(container["id"], 1, "{answer}");
    let count = |url: &str| {
        let mut client = postgres::Client::connect(url, postgres::NoTls).expect("a connection");
        let row = client.query_one("SELECT count(*) FROM t", &[]);
        row.expect("a count").get::<_, i64>(0)
    };
    assert_eq!(count(container["url"].as_str().expect("a url")), 2);
    let variables = &container["environment"];
    assert_eq!(variables["DATABASE_URL"], container["url"]);
    assert_eq!(variables["PGHOST"], container["socket_folder"]);
    assert_eq!(variables["PGDATABASE"], "shop");
    let forwarded = lines.ask(r#"{"forward":{"container":1}}"#);
    let forwarded: serde_json::Value = serde_json::from_str(&forwarded).expect("JSON");
    let url = forwarded["forwarded"]["url"].as_str().expect("a url");
    assert!(url.starts_with("postgres://postgres@127.0.0.1:"), "{url}");
    assert_eq!(count(url), 2);
    assert_eq!(
        lines.ask(r#"{"drop":{"container":1}}"#),
        "{\"dropped\":{\"container\":1}}\n"
    );
    assert!(postgres::Client::connect(url, postgres::NoTls).is_err());
    let unknown = lines.ask(r#"{"drop":{"container":1}}"#);
    assert!(unknown.contains("can't find that container"), "{unknown}");
    server.signal(Signal::SIGINT);
    server.wait().code(130);
    assert!(!socket.exists());
    project.leaves_nothing();
}

#[test]
fn who_does_not_greet_or_greets_from_another_version_is_refused_with_the_remedy() {
    let project = shop();
    let (_server, socket) = serve(&project, &[]);
    let mut lines = Lines::connect(&socket);
    let answer = lines.ask(r#"{"take":{"snapshot":"lite"}}"#);
    assert!(
        answer.contains("doesn't greet") && answer.contains("hello"),
        "{answer}"
    );
    let answer = lines.ask(r#"{"hello":{"protocol":7,"cowherd":"9.9.9"}}"#);
    assert!(
        answer.contains("can't serve Cowherd 9.9.9 (protocol 7)"),
        "{answer}"
    );
    assert!(
        answer.contains("cargo install cowherd --version 9.9.9"),
        "{answer}"
    );
    // It goes on with one who then greets rightly, and ends with nonsense.
    assert!(lines.ask(HELLO).starts_with(r#"{"hello""#));
    assert!(lines.ask("nonsense").contains("can't read the request"));
    assert_eq!(lines.ask(HELLO), "");
}

#[test]
fn the_library_takes_its_copies_from_a_pool() {
    if !postgres() {
        return;
    }
    let project = shop();
    let (_server, socket) = serve(&project, &["--parked", "2"]);
    let herd = Cowherd::open_by_pool(&project.folder().join("cowherd.yaml"), &socket);
    let herd = herd.expect("a project");
    let served = herd.snapshot("shop").expect("a snapshot");
    let (one, two) = (
        served.container().expect("one"),
        served.container().expect("two"),
    );
    for container in [&one, &two] {
        let url = container.url();
        let mut client = postgres::Client::connect(&url, postgres::NoTls).expect("a connection");
        let changed = client
            .execute("INSERT INTO t VALUES (3)", &[])
            .expect("a change");
        let count: i64 = client
            .query_one("SELECT count(*) FROM t", &[])
            .expect("a row")
            .get(0);
        assert_eq!((changed, count), (1, 3));
    }
    assert!(one.tcp_url().expect("a port").contains("127.0.0.1"));
    assert_eq!(one.environment()["DATABASE_URL"], one.url());
    let lite = herd.snapshot("lite").expect("a snapshot");
    let copy = lite.sqlite().expect("a copy");
    copy.execute("DELETE FROM t", []).expect("a change");
    let file = lite.sqlite_file().expect("a file");
    let other = cowherd::rusqlite::Connection::open(file.path()).expect("a connection");
    let count: i64 = other
        .query_row("SELECT count(*) FROM t", [], |row| row.get(0))
        .expect("a count");
    assert_eq!(count, 2);
    let path = file.path().to_owned();
    drop((other, file));
    let left = processes::until_none(|| path.exists().then_some(&path).into_iter().collect());
    assert_eq!(left, Vec::<&PathBuf>::new());
}

#[test]
fn a_thread_that_holds_a_container_never_waits_for_itself() {
    if !postgres() {
        return;
    }
    let project = shop();
    let (_server, socket) = serve(&project, &["--containers", "1"]);
    let spec = project.folder().join("cowherd.yaml");
    let herd = Cowherd::open_by_pool(&spec, &socket).expect("a project");
    let (told, heard) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let shop = herd.snapshot("shop").expect("a snapshot");
        let both = [(); 2].map(|()| shop.container().expect("a container"));
        told.send(both.each_ref().map(Container::url))
    });
    let both = heard.recv_timeout(Duration::from_secs(60));
    let [one, two] = both.expect("two containers at once");
    assert_ne!(one, two);
}

#[test]
fn what_can_not_be_built_is_told_to_every_client() {
    let project = shop();
    let (_server, socket) = serve(&project, &[]);
    for _ in 0..2 {
        let herd = Cowherd::open_by_pool(&project.folder().join("cowherd.yaml"), &socket);
        let error = herd
            .expect("a project")
            .snapshot("broken")
            .expect_err("no snapshot");
        assert!(matches!(error, Error::Pool(_)), "{error:?}");
        assert!(error.to_string().contains("nowhere"), "{error}");
        assert_eq!(error.exit_code(), 101);
    }
}

#[test]
fn an_edited_file_is_built_by_the_next_take() {
    let project = shop();
    let (_server, socket) = serve(&project, &[]);
    let herd = Cowherd::open_by_pool(&project.folder().join("cowherd.yaml"), &socket);
    let herd = herd.expect("a project");
    let count = || {
        let copy = herd
            .snapshot("lite")
            .expect("a snapshot")
            .sqlite()
            .expect("a copy");
        copy.query_row("SELECT count(*) FROM t", [], |row| row.get::<_, i64>(0))
            .expect("a count")
    };
    assert_eq!(count(), 2);
    let project = project.file(
        "lite.sql",
        "CREATE TABLE t (x); INSERT INTO t VALUES (1), (2), (3);",
    );
    // The server trusts what it saw for half a second.
    let missing = || {
        if count() == 3 {
            Vec::new()
        } else {
            vec![project.folder()]
        }
    };
    assert_eq!(processes::until_none(missing), Vec::<PathBuf>::new());
}

#[test]
fn a_program_runs_in_a_container_with_its_clients_own_output() {
    if !userns() {
        return;
    }
    let project = shop();
    let (_server, socket) = serve(&project, &[]);
    let mut client = Client::connect(&socket).expect("a pool");
    let taken = client.take_inside(wanted(&project, "lite"), Inside::default());
    let taken = taken.expect("a container");
    let null = std::fs::File::open("/dev/null").expect("/dev/null");
    let mut run = |script: &str| {
        let output = tempfile::tempfile().expect("a file");
        let command = ["sh", "-c", script];
        let variables = [("PATH", "/usr/bin:/bin"), ("GREETING", "moo")];
        let stdio: [&dyn AsFd; 3] = [&null, &output, &output];
        let ended = client.run(taken.id, &command, &project.folder(), variables, stdio);
        (ended.expect("an end"), crate::support::text(&output))
    };
    let (ended, said) = run("echo $GREETING $COWHERD_SNAPSHOT; exit 3");
    assert_eq!((ended, said.as_str()), (Ended::Code(3), "moo lite\n"));
    assert_eq!(run("kill -9 $$").0, Ended::Signal(9));
    // The project is the host's own.
    run("echo kept > kept.txt");
    let kept = project.folder().join("kept.txt").exists();
    assert!(
        kept || nix::unistd::geteuid().is_root(),
        "nobody can't write to root's folder"
    );
}

/// The client of the test below, in a process of its own.
fn holds_three_until_it_is_killed() {
    let variable = |name| PathBuf::from(std::env::var_os(name).expect("the other test"));
    let herd = Cowherd::open_by_pool(&variable("HELD_SPEC"), &variable("HELD_SOCKET"));
    let snapshot = herd
        .expect("a project")
        .snapshot("shop")
        .expect("a snapshot");
    let _held = [(); 3].map(|()| snapshot.container().expect("a container"));
    std::fs::write(variable("HELD_SAID"), "three").expect("a file");
    loop {
        std::thread::park();
    }
}

#[test]
fn a_client_that_is_killed_leaves_none_of_its_containers() {
    if std::env::var_os("HELD_SAID").is_some() {
        return holds_three_until_it_is_killed();
    }
    if !postgres() {
        return;
    }
    let project = shop();
    let (server, socket) = serve(&project, &["--parked", "0"]);
    let own = std::env::current_exe().expect("the test program");
    let said = tempfile::NamedTempFile::new().expect("a file");
    let mut holder = Command::new(own)
        .args([
            "serve::a_client_that_is_killed_leaves_none_of_its_containers",
            "--exact",
        ])
        .env("HELD_SPEC", project.folder().join("cowherd.yaml"))
        .env("HELD_SOCKET", &socket)
        .env("HELD_SAID", said.path())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .expect("a process");
    let servers = || {
        let mut below = processes::descendants(server.pid());
        below.retain(|process| process.name == "postgres");
        below
    };
    let three = || match std::fs::read(said.path()).is_ok_and(|text| !text.is_empty()) {
        true => Vec::new(),
        false => vec![()],
    };
    assert_eq!(processes::until_none(three), []);
    assert!(servers().len() >= 3);
    kill(Pid::from_raw(holder.id() as i32), Signal::SIGKILL).expect("a signal");
    holder.wait().expect("an end");
    assert_eq!(processes::until_none(servers), []);
}

#[test]
fn a_pool_that_is_killed_takes_everything_with_it_and_its_clients_are_told() {
    if !postgres() {
        return;
    }
    let project = shop();
    let (server, socket) = serve(&project, &[]);
    let mut client = Client::connect(&socket).expect("a pool");
    let taken = client.take(wanted(&project, "shop")).expect("a container");
    assert!(Path::new(&format!("/proc/{}", taken.pid.expect("an init"))).exists());
    server.signal(Signal::SIGKILL);
    drop(server.wait());
    let error = client.take(wanted(&project, "shop")).expect_err("no pool");
    assert!(error.to_string().contains("is gone"), "{error}");
    assert!(error.hint().is_some());
    // The socket that it left is nobody's, and the next server takes its place.
    assert!(Client::connect(&socket).is_err() && socket.exists());
    let left = processes::until_none(|| project.processes());
    assert_eq!(left, []);
    let (_server, socket) = serve(&project, &[]);
    assert!(Client::connect(&socket).is_ok());
    let taken = project.run(&["serve", "--socket", socket.to_str().expect("a plain path")]);
    taken.code(97).says("another pool does");
}

#[test]
fn two_hundred_clients_share_a_budget_of_eight_and_one_that_holds_some_never_waits_for_itself() {
    if !userns() {
        return;
    }
    let project = shop();
    let stop = Stop::new().expect("an order to stop");
    let options = Options {
        spec: Some(project.folder().join("cowherd.yaml")),
        ..Options::new(
            Budget {
                containers: 8,
                parked: 0,
                starters: 0,
                reserve: 0,
            },
            stop.clone(),
        )
    };
    let socket = project.folder().join("pool.sock");
    let server = Server::bind(&socket, options).expect("a server");
    std::thread::scope(|scope| {
        scope.spawn(|| server.run(None).expect("a server that serves"));
        let begun = Barrier::new(200);
        std::thread::scope(|clients| {
            for number in 0..200 {
                let (begun, project, socket) = (&begun, &project, &socket);
                clients.spawn(move || {
                    let mut client = Client::connect(socket).expect("a pool");
                    begun.wait();
                    let first = client.take_inside(wanted(project, "lite"), Inside::default());
                    first.expect("a container");
                    if number % 20 == 0 {
                        let second = client.take_inside(wanted(project, "lite"), Inside::default());
                        second.expect("another container");
                    }
                });
            }
        });
        stop.kill(15);
    });
}

#[test]
fn a_command_has_the_pool_for_as_long_as_it_runs() {
    let project = shop();
    let script = "test -S \"$COWHERD_POOL\" && echo \"$COWHERD_POOL\" && exit 7";
    let finished = project
        .run(&["serve", "--socket", "pool.sock", "--", "sh", "-c", script])
        .code(7);
    let socket = project.folder().join("pool.sock");
    assert_eq!(
        finished.stdout.trim_end(),
        socket.to_str().expect("a plain path")
    );
    assert!(!socket.exists());
    let missing = project
        .run(&["serve", "--socket", "pool.sock", "--", "./nothing"])
        .code(97);
    missing.says("can't run ./nothing");
    let mut running = project.start(&["serve", "--socket", "pool.sock", "--", "sleep", "600"]);
    running.until("socket", |_| socket.exists());
    running.signal(Signal::SIGTERM);
    running.wait().code(143);
}

#[test]
fn what_a_server_without_an_adapter_reads_is_as_it_was_edited_by_the_next_take() {
    if !userns() {
        return;
    }
    let spec = "\
version: 1
snapshots:
  app:
    services:
      a: { engine: service, command: [perl, server.pl], inputs: [word], ports: [4000] }
";
    let project = Project::new(spec).file("word", "old").file(
        "server.pl",
        "use Socket; open W, 'word'; my $word = <W>;
        socket(S, PF_INET, SOCK_STREAM, 0) or die; setsockopt(S, SOL_SOCKET, SO_REUSEADDR, 1);
        bind(S, sockaddr_in(4000, inet_aton('127.0.0.1'))) or die $!; listen(S, 9) or die;
        while (accept(C, S)) { print C $word; close C }\n",
    );
    let (_server, socket) = serve(&project, &[]);
    let herd = Cowherd::open_by_pool(&project.folder().join("cowherd.yaml"), &socket);
    let herd = herd.expect("a project");
    let said = || {
        let snapshot = herd.snapshot("app").expect("a snapshot");
        let container = snapshot.container().expect("a container");
        let url = container.url();
        let address = url.strip_prefix("tcp://").expect("an address");
        let mut stream = std::net::TcpStream::connect(address).expect("a connection");
        let mut word = String::new();
        std::io::Read::read_to_string(&mut stream, &mut word).expect("a word");
        word
    };
    assert_eq!(said(), "old");
    let project = project.file("word", "new");
    // The server trusts what it saw for half a second.
    let missing = || match said().as_str() {
        "new" => Vec::new(),
        _ => vec![project.folder()],
    };
    assert_eq!(processes::until_none(missing), Vec::<PathBuf>::new());
}
