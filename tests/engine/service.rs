//! Servers without an adapter: what the spec's words become.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::time::Duration;

use cowherd::engine::{
    Address, Check, Endpoint, Engine, EngineError, Exec, Probe, Ready, for_service,
};
use cowherd::spec::{self, Service};

use super::{Room, args};

/// The service of a spec in this folder.
fn written(folder: &Path, keys: &str) -> Service {
    let text = format!(
        "version: 1\nsnapshots: {{ a: {{ services: {{ kv: {{ engine: service, {keys} }} }} }} }}\n"
    );
    let spec = spec::parse(&folder.join("cowherd.yaml"), text.as_bytes(), &|_| None);
    spec.unwrap().snapshots[0].services[0].clone()
}

fn engine(room: &Room, keys: &str) -> Box<dyn Engine> {
    for_service(&written(room.folder.path(), keys)).unwrap()
}

fn words(exec: &Exec) -> Vec<String> {
    let args = exec.args.iter().map(|arg| arg.to_string_lossy());
    let program = exec.program.to_string_lossy();
    [program]
        .into_iter()
        .chain(args)
        .map(String::from)
        .collect()
}

fn program(room: &Room, name: &str, text: &str) {
    let path = room.path(name);
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn its_commands_are_told_where_its_data_are() {
    let room = Room::new();
    let engine = engine(
        &room,
        "command: [sh, -c, \"x {data}/y\"], init: 'mkdir {data}/z', stop: [stop, '{data}'], ports: [1], environment: { AT: '{data}' }",
    );
    let data = "/run/cowherd/kv/data";
    let server = engine.server(false).unwrap();
    assert_eq!(words(&server.exec)[1..], ["-c", &format!("x {data}/y")]);
    assert!(server.exec.program.is_absolute());
    let variables = &server.exec.environment;
    assert!(variables.contains(&("AT".to_owned(), data.to_owned())));
    assert_eq!(server.exec.folder.as_deref(), Some(room.folder.path()));
    assert_eq!(words(&server.stop.command.unwrap()), ["stop", data]);
    let init = engine.base_actions(0);
    assert_eq!(args(&init[0]), ["-c", &format!("mkdir {data}/z")]);
    let steps: Vec<_> = engine
        .base()
        .into_iter()
        .map(|step| step.with_server)
        .collect();
    assert_eq!(steps, [false, true]);
}

#[test]
fn a_server_that_keeps_nothing_is_not_asked_or_waits_for_others_is_not_started_for_its_own_sake() {
    let room = Room::new();
    let started = |service: &Service| {
        let engine = for_service(service).unwrap();
        engine.base().iter().any(|step| step.with_server)
    };
    let service = |keys: &str| written(room.folder.path(), keys);
    assert!(!started(&service("command: [sh], ports: [1]")));
    assert!(!started(&service("command: [sh, '{data}']")));
    let mut keeps = service("command: [sh, '{data}'], ports: [1]");
    assert!(started(&keeps));
    keeps.depends_on.push(spec::Dependency {
        service: "other".to_owned(),
        healthy: true,
    });
    assert!(!started(&keeps));
}

#[test]
fn a_line_that_is_one_program_takes_the_shells_place() {
    let room = Room::new();
    let line = |line: &str| {
        let engine = engine(&room, &format!("command: \"{line}\""));
        words(&engine.server(false).unwrap().exec).pop().unwrap()
    };
    assert_eq!(line("sleep $N > x"), "exec sleep $N > x");
    for other in [
        "sleep 1; x",
        "N=1 sleep 1",
        "exec sleep 1",
        "until x",
        "a | sleep 1",
        "no-such 1",
    ] {
        assert_eq!(line(other), other);
    }
}

#[test]
fn its_version_is_that_of_the_programs_bytes() {
    let room = Room::new();
    let version = |keys: &str| engine(&room, keys).version().to_owned();
    program(&room, "server", "#!/bin/sh\nexit 0\n");
    let one = version("command: [./server, x]");
    assert!(one.starts_with("server "), "{one}");
    assert_eq!(version("command: './server y'"), one);
    assert_eq!(
        version("command: 'test -e x || true; A=1 exec ./server y'"),
        one
    );
    program(&room, "server", "#!/bin/sh\nexit 01\n");
    assert_ne!(version("command: [./server, x]"), one);
    let shell = version("command: 'for x in y; do :; done'");
    assert!(shell.starts_with("sh "), "{shell}");
    let missing = written(room.folder.path(), "command: [./missing]");
    let error = for_service(&missing).unwrap_err();
    assert!(
        matches!(&error, EngineError::NotFound { looked, .. } if looked[0].ends_with("missing"))
    );
}

#[test]
fn it_is_asked_as_the_spec_says() {
    let room = Room::new();
    let ready = |keys: &str| {
        let engine = engine(&room, &format!("command: [sh], {keys}"));
        engine.server(false).unwrap().ready
    };
    let probe = |keys: &str| match ready(keys) {
        Ready::Check(check) => check.probe,
        other => panic!("{other:?}"),
    };
    assert_eq!(ready("ports: []"), Ready::Started);
    assert_eq!(
        ready("ports: [80], healthcheck: { test: [NONE] }"),
        Ready::Started
    );
    assert_eq!(
        ready("ports: [80], healthcheck: { log: ' up ' }"),
        Ready::Line(" up ".into())
    );
    assert_eq!(probe("ports: [81, 80]"), Probe::Tcp(81));
    assert_eq!(
        probe("healthcheck: { http: 'http://localhost?a' }"),
        Probe::Http {
            port: 80,
            path: "/?a".to_owned(),
        }
    );
    let Probe::Command(exec) = probe("healthcheck: { test: 'x {data}' }") else {
        panic!("no command")
    };
    assert_eq!(words(&exec), ["/bin/sh", "-c", "x /run/cowherd/kv/data"]);
    let check = Check {
        probe: Probe::Tcp(80),
        timeout: Duration::from_secs(2),
        start_period: Duration::from_secs(3),
        start_interval: Duration::from_millis(4),
        interval: Duration::from_secs(5),
    };
    let keys = "healthcheck: { tcp: 80, timeout: 2s, start_period: 3s, start_interval: 4ms, interval: 5s, retries: 7 }";
    assert_eq!(ready(keys), Ready::Check(check));
    let engine = engine(&room, &format!("command: [sh], {keys}"));
    assert_eq!(
        engine.server(true).unwrap().ready_within,
        Duration::from_secs(38)
    );
}

#[test]
fn its_url_is_the_specs_with_the_port_that_leads_to_it() {
    let room = Room::new();
    let at = |keys: &str, address: &Address| {
        engine(&room, &format!("command: [sh], {keys}")).url(address)
    };
    let (inside, port) = (Address::Inside, Address::Port(4711));
    assert_eq!(at("ports: [80, 81]", &inside), "tcp://127.0.0.1:80");
    let keys = "ports: [80], url: 'http://u:80x@localhost:80/80'";
    assert_eq!(
        at("ports: [80], url: 'amqp://localhost:80/:80'", &port),
        "amqp://localhost:4711/:80"
    );
    assert_eq!(at(keys, &inside), "http://u:80x@localhost:80/80");
    assert_eq!(at(keys, &port), "http://u:80x@localhost:4711/80");
    let socket = "url: 'unix://{data}/../socket'";
    assert_eq!(at(socket, &inside), "unix:///run/cowherd/kv/data/../socket");
    assert_eq!(at("ports: []", &inside), "");
    let endpoint = engine(&room, "command: [sh], ports: [80]")
        .server(false)
        .unwrap()
        .endpoint;
    assert_eq!(endpoint, Some(Endpoint::Port(80)));
}

#[test]
fn what_belongs_to_one_run_only_is_not_sealed() {
    let room = Room::new();
    let engine = engine(&room, "command: [sh]");
    let (data, sub) = (room.data(), room.data().join("sub"));
    fs::create_dir(&sub).unwrap();
    let _socket = UnixListener::bind(sub.join("socket")).unwrap();
    fs::write(sub.join("server.pid"), "17\n").unwrap();
    fs::write(data.join("notes.pid"), "Process 17 is mine.\n").unwrap();
    fs::write(data.join("count"), "17\n").unwrap();
    engine.seal(&data).unwrap();
    let left = |folder: &Path| {
        let entries = fs::read_dir(folder).unwrap();
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        names
    };
    assert_eq!(left(&data), ["count", "notes.pid", "sub"]);
    assert_eq!(left(&sub).len(), 0);
}
