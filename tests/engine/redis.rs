//! What Redis' engine says to run, how it reads commands, and what it proves of a dump. The programs are stand-ins that
//! print a version.

use std::fs;

use cowherd::engine::redis_commands::{Command, Misread, commands};
use cowherd::engine::{Address, Endpoint, Engine, EngineError, for_service, for_services};
use cowherd::spec::Service;

use super::redis_find::{REDIS, install};
use super::{Room, service};

fn described(room: &Room, database: &str, settings: &[(&str, &str)]) -> Service {
    Service {
        bin_dir: Some(install(&room.path("bin"), "Redis", "7.0.15", &REDIS)),
        ..service("redis", database, settings)
    }
}

fn engine(settings: &[(&str, &str)]) -> Box<dyn Engine> {
    for_service(&described(&Room::new(), "0", settings)).unwrap()
}

/// The arguments of a directive, the last time that it is given.
fn directive(engine: &dyn Engine, name: &str) -> Option<Vec<String>> {
    let server = engine.server(false).unwrap();
    let args = server
        .exec
        .args
        .iter()
        .map(|arg| arg.to_string_lossy().into_owned());
    let args: Vec<String> = args.collect();
    let at = args.iter().rposition(|arg| *arg == format!("--{name}"))?;
    let own = args[at + 1..]
        .iter()
        .take_while(|arg| !arg.starts_with("--"));
    Some(own.cloned().collect())
}

#[test]
fn the_server_listens_where_tests_are_told() {
    let engine = engine(&[]);
    assert_eq!(engine.name(), "Redis");
    assert_eq!(engine.version(), "7.0.15 (build abc)");
    assert_eq!(engine.url(&Address::Inside), "redis://127.0.0.1:6379/0");
    assert_eq!(engine.url(&Address::Port(7000)), "redis://127.0.0.1:7000/0");
    assert_eq!(
        engine.url(&Address::Socket("/a b/c".into())),
        "unix:///a%20b/c/redis.sock?db=0"
    );
    let environment = engine.environment(&Address::Inside);
    let url = "redis://127.0.0.1:6379/0".to_owned();
    assert_eq!(environment, [("REDIS_URL".to_owned(), url)]);
    let server = engine.server(false).unwrap();
    let socket = Endpoint::Socket("/run/cowherd/db/redis.sock".into());
    assert_eq!(server.endpoint, Some(socket));
    assert_eq!(directive(&*engine, "bind").unwrap(), ["127.0.0.1"]);
    assert_eq!(
        directive(&*engine, "unixsocket").unwrap(),
        ["/run/cowherd/db/redis.sock"]
    );
}

#[test]
fn further_servers_get_further_ports_valkey_among_them() {
    let room = Room::new();
    let redis = described(&room, "3", &[]);
    install(
        &room.path("bin"),
        "Valkey",
        "8.0.0",
        &["valkey-server", "valkey-cli"],
    );
    let valkey = Service {
        engine: "valkey".to_owned(),
        ..redis.clone()
    };
    let engines = for_services(&[redis.clone(), valkey, redis]).unwrap();
    let urls: Vec<String> = engines.iter().map(|e| e.url(&Address::Inside)).collect();
    assert_eq!(
        urls,
        [
            "redis://127.0.0.1:6379/3",
            "redis://127.0.0.1:6380/3",
            "redis://127.0.0.1:6381/3"
        ]
    );
    assert_eq!(engines[1].name(), "Valkey");
}

#[test]
fn settings_are_directives_and_part_of_the_key() {
    let plain = engine(&[]);
    let tuned = engine(&[
        ("MaxMemory", "10mb"),
        ("client-output-buffer-limit", "normal 0 0 0"),
        ("notify-keyspace-events", "\"\""),
        ("requirepass", "'s p/e:c@'"),
    ]);
    assert_eq!(directive(&*tuned, "maxmemory").unwrap(), ["10mb"]);
    assert_eq!(
        directive(&*tuned, "client-output-buffer-limit").unwrap(),
        ["normal", "0", "0", "0"]
    );
    assert_eq!(directive(&*tuned, "notify-keyspace-events").unwrap(), [""]);
    assert_ne!(plain.base(), tuned.base());
    assert_eq!(
        tuned.url(&Address::Inside),
        "redis://default:s%20p%2Fe%3Ac%40@127.0.0.1:6379/0"
    );
    assert!(!format!("{:?}", tuned.client().args).contains("s p"));
    assert_eq!(
        engine(&[("port", "7000")]).url(&Address::Inside),
        "redis://127.0.0.1:7000/0"
    );
}

#[test]
fn a_server_saves_when_it_is_stopped_whatever_the_user_says() {
    let never = ["2147483647", "2147483647"];
    assert_eq!(directive(&*engine(&[]), "save").unwrap(), never);
    assert_eq!(directive(&*engine(&[("save", "")]), "save").unwrap(), never);
    assert_eq!(
        directive(&*engine(&[("save", "60 1")]), "save").unwrap(),
        ["60", "1"]
    );
}

#[test]
fn what_containers_depend_on_is_refused() {
    let room = Room::new();
    for (name, value) in [
        ("dir", "/x"),
        ("AppendOnly", "yes"),
        ("include", "/etc/redis.conf"),
        ("port", "many"),
        ("bad name", "1"),
        ("maxmemory", "'10mb"),
        ("maxmemory", "1mb --dir /x"),
        ("maxmemory", "1mb\ndir /x"),
    ] {
        let error = for_service(&described(&room, "0", &[(name, value)])).unwrap_err();
        assert!(
            matches!(&error, EngineError::Setting { setting, .. } if setting == name),
            "{error}"
        );
    }
    for (database, settings) in [("shop", &[][..]), ("16", &[]), ("3", &[("databases", "3")])] {
        let error = for_service(&described(&room, database, settings)).unwrap_err();
        assert!(matches!(error, EngineError::Database { .. }), "{error}");
    }
    for_service(&described(&room, "16", &[("databases", "17")])).unwrap();
}

#[track_caller]
fn words(text: &str) -> Vec<Vec<u8>> {
    let mut read = commands(text.as_bytes());
    let words = read.next().unwrap().unwrap().words;
    assert_eq!(read.next(), None);
    words
}

#[test]
fn words_are_divided_and_quoted_as_by_redis_cli() {
    assert_eq!(words("  SET\ta  b \r\n"), [&b"SET"[..], b"a", b"b"]);
    assert_eq!(
        words(r#"SET "\x00\xfF\n\"\q\x1g" 'a\'b\n'"#),
        [&b"SET"[..], b"\x00\xff\n\"qx1g", b"a'b\\n"]
    );
    assert_eq!(words(r#"a pre"fix" """#), [&b"a"[..], b"prefix", b""]);
    assert_eq!(words("GET \u{20ac}"), [b"GET".to_vec(), "\u{20ac}".into()]);
    assert_eq!(words("\u{feff}GET #a"), [&b"GET"[..], b"#a"]);
}

#[test]
fn lines_are_counted_through_comments_and_quotes() {
    let text = "# first\n\n  # second\nEVAL 'a\nb\n' 0\n3 INCR n\nGET n";
    let read: Result<Vec<Command>, Misread> = commands(text.as_bytes()).collect();
    let read = read.unwrap();
    let seen: Vec<(usize, u64, &str)> = read
        .iter()
        .map(|c| (c.line, c.times, c.text.as_str()))
        .collect();
    assert_eq!(
        seen,
        [
            (4, 1, "EVAL 'a\nb\n' 0"),
            (7, 3, "3 INCR n"),
            (8, 1, "GET n")
        ]
    );
}

#[test]
fn what_redis_cli_would_not_understand_is_an_error_at_its_line() {
    for (text, line, why) in [
        ("GET a\nSET b \"c", 2, "a quote is not closed"),
        (
            "SET b 'it's",
            1,
            "a space must follow the end of what is quoted",
        ),
        ("SET b \"c\\", 1, "a quote is not closed"),
        (
            "-1 GET a",
            1,
            "the number in front says how often: it must be positive",
        ),
    ] {
        let misread = commands(text.as_bytes()).find_map(Result::err).unwrap();
        assert_eq!((misread.line, misread.why), (line, why), "{text}");
    }
}

/// What Redis 7.0.15 writes of no keys.
const EMPTY: &[u8] = b"REDIS0010\xfa\x09redis-ver\x067.0.15\xfa\x0aredis-bits\xc0\x40\xfa\x05ctime\xc2\xba\x04\x06\x6b\
\xfa\x08used-mem\xc2\x50\x21\x0e\x00\xfa\x08aof-base\xc0\x00\xff\x2d\xd6\x3c\x07\xd5\x09\x8c\xc4";

fn sealed(dump: &[u8]) -> Result<(), String> {
    let room = Room::new();
    fs::write(room.data().join("dump.rdb"), dump).unwrap();
    engine(&[])
        .seal(&room.data())
        .map_err(|error| error.to_string())
}

#[test]
fn a_whole_dump_is_sealed_and_no_other() {
    sealed(EMPTY).unwrap();
    // What `rdbchecksum no` writes.
    let end = EMPTY.len() - 8;
    sealed(&[&EMPTY[..end], &[0; 8]].concat()).unwrap();
    for length in [0, 5, 9, 40, end, EMPTY.len() - 1] {
        let error = sealed(&EMPTY[..length]).unwrap_err();
        assert!(error.starts_with("can't seal "), "{length}: {error}");
    }
    for place in 0..EMPTY.len() {
        let mut dump = EMPTY.to_vec();
        dump[place] ^= 1;
        assert!(sealed(&dump).is_err(), "byte {place}");
    }
    let error = sealed(&[EMPTY, b"x"].concat()).unwrap_err();
    assert!(
        error.contains("it was cut off") || error.contains("check sum"),
        "{error}"
    );
}

#[test]
fn a_state_without_a_dump_is_refused_and_what_one_run_left_is_removed() {
    let room = Room::new();
    let error = engine(&[]).seal(&room.data()).unwrap_err();
    assert!(
        error
            .to_string()
            .ends_with("the server has not saved its data"),
        "{error}"
    );
    fs::write(room.data().join("dump.rdb"), EMPTY).unwrap();
    fs::write(room.data().join("temp-17.rdb"), "REDIS").unwrap();
    fs::create_dir(room.data().join("appendonlydir")).unwrap();
    fs::write(
        room.data().join("appendonlydir/appendonly.aof.manifest"),
        "",
    )
    .unwrap();
    fs::write(room.data().join("nodes.conf"), "kept").unwrap();
    engine(&[]).seal(&room.data()).unwrap();
    let left = fs::read_dir(room.data()).unwrap();
    let mut left: Vec<_> = left.map(|entry| entry.unwrap().file_name()).collect();
    left.sort();
    assert_eq!(left, ["dump.rdb", "nodes.conf"]);
}

#[test]
fn what_a_layer_does_not_hold_for_long_is_remarked() {
    let room = Room::new();
    let remark = |text: &str| engine(&[]).remark(&room.script("s.redis", text));
    for text in [
        "SET a 1\nEXPIRE a 60",
        "SET b 2\nset a 1 nx ex 60",
        "\nSETEX a 60 1",
        "\nPEXPIRE a 60000",
    ] {
        let said = remark(text).unwrap();
        assert!(
            said.starts_with("line 2 gives a key a time to live"),
            "{said}"
        );
    }
    let said = remark("CONFIG SET maxmemory 1mb").unwrap();
    assert!(said.contains("`settings:`"), "{said}");
    for text in [
        "SET a EX",
        "EXPIREAT a 4102444800",
        "EXPIRE a 999999999",
        "CONFIG GET save",
    ] {
        assert_eq!(remark(text), None);
    }
}
