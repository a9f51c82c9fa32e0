//! Services that wait for each other, and servers without an adapter.

use std::time::Duration;

use cowherd::spec::{
    CommandLine, Dependency, Health, HealthTest, Position, Service, ServiceProgram, SpecError,
    declare, run_beside,
};

use super::{good, problem, problems};

/// A spec with these services, the first on line 5.
fn services(text: &str) -> String {
    format!("version: 1\nsnapshots:\n  shop:\n    services:\n{text}")
}

const EVERYTHING: &str = "      \
      db: { engine: sqlite }
      kv:
        engine: service
        command: [kv, --data, \"{data}\", $HOME]
        init: kv --init {data}
        stop: [kv, stop]
        client: [kv, client]
        environment: { A: \"1$$\", B: }
        inputs: [kv.conf, conf/**]
        data_dir: /var/lib/kv
        ports: [4000, 4001/tcp]
        url: kv://127.0.0.1:4000/x
        healthcheck: { test: [CMD, kv, ping], start_interval: 5ms, interval: 2s, timeout: 3s, retries: 4, start_period: 1m }
        stop_signal: SIGINT
        stop_grace_period: 1m30s
        depends_on: { db: { condition: service_started }, web: {} }
      web: { engine: service, command: nginx, healthcheck: { http: \"http://127.0.0.1:8080/up\" }, depends_on: [db] }
";

fn command(words: &[&str]) -> CommandLine {
    CommandLine::Argv(words.iter().map(|word| (*word).to_owned()).collect())
}

#[test]
fn every_key_of_a_server_arrives_in_the_model() {
    let spec = good(services(EVERYTHING));
    let [_, kv, web] = spec.snapshots[0].services.as_slice() else {
        panic!("{spec:#?}")
    };
    let dependency = |service: &str, healthy| Dependency {
        service: service.to_owned(),
        healthy,
    };
    assert_eq!(
        kv.depends_on,
        [dependency("db", false), dependency("web", true)]
    );
    assert_eq!(web.depends_on, [dependency("db", true)]);
    assert_eq!((kv.engine.as_str(), kv.database.as_str()), ("service", ""));
    let program = ServiceProgram {
        command: command(&["kv", "--data", "{data}", "$HOME"]),
        init: Some(CommandLine::Shell("kv --init {data}".to_owned())),
        stop: Some(command(&["kv", "stop"])),
        client: Some(command(&["kv", "client"])),
        environment: [("A".to_owned(), "1$".to_owned())].into(),
        inputs: vec!["kv.conf".to_owned(), "conf/**".to_owned()],
        data_dir: Some("/var/lib/kv".into()),
        ports: vec![4000, 4001],
        url: Some("kv://127.0.0.1:4000/x".to_owned()),
        health: Health {
            test: HealthTest::Command(command(&["kv", "ping"])),
            start_interval: Duration::from_millis(5),
            interval: Duration::from_secs(2),
            timeout: Duration::from_secs(3),
            retries: 4,
            start_period: Duration::from_secs(60),
        },
        stop_signal: 2,
        stop_grace_period: Duration::from_secs(90),
        folder: ".".into(),
    };
    assert_eq!(kv.program.as_deref(), Some(&program));
    let web = web.program.as_deref().expect("a program");
    let page = HealthTest::Http {
        port: 8080,
        path: "/up".to_owned(),
    };
    assert_eq!(web.health.test, page);
    assert_eq!((web.stop_signal, web.stop_grace_period.as_secs()), (15, 10));
}

#[test]
fn a_server_that_is_declared_in_code_is_the_same() -> Result<(), SpecError> {
    let declared = declare(std::path::Path::new("/srv"), |spec| {
        spec.snapshot("shop", |shop| {
            shop.service("db", |db| db.engine("sqlite"))
                .service("kv", |kv| {
                    kv.engine("service")
                        .command(["kv", "--data", "{data}", "$HOME"])
                        .init("kv --init {data}")
                        .stop(["kv", "stop"])
                        .client(["kv", "client"])
                        .environment("A", "1$")
                        .inputs(["kv.conf", "conf/**"])
                        .data_dir("/var/lib/kv")
                        .port(4000)
                        .port(4001)
                        .url("kv://127.0.0.1:4000/x")
                        .healthcheck(|health| {
                            health
                                .test(["kv", "ping"])
                                .start_interval(Duration::from_millis(5))
                                .interval(Duration::from_secs(2))
                                .timeout(Duration::from_secs(3))
                                .retries(4)
                                .start_period(Duration::from_secs(60))
                        })
                        .stop_signal("SIGINT")
                        .stop_grace_period(Duration::from_secs(90))
                        .depends_on_started("db")
                        .depends_on("web")
                })
                .service("web", |web| {
                    web.engine("service")
                        .command("nginx")
                        .healthcheck(|health| health.http("http://127.0.0.1:8080/up"))
                        .depends_on("db")
                })
        })
    })?;
    let placeless = |services: &[Service]| -> Vec<Service> {
        let services = services.iter().cloned();
        let services = services.map(|mut service| {
            service.position = Position::default();
            if let Some(program) = &mut service.program {
                program.folder = ".".into();
            }
            service
        });
        services.collect()
    };
    let written = good(services(EVERYTHING));
    assert_eq!(
        placeless(&declared.snapshots[0].services),
        placeless(&written.snapshots[0].services)
    );
    Ok(())
}

#[test]
fn what_is_wrong_with_a_server_is_told_at_its_place() {
    let all = problems(services(
        "      \
      a: { engine: service, comand: x, ports: [80:81, 0, http], healthcheck: { tcp: 1, log: x, intervall: 1s } }
      b: { engine: service, command: '', settings: { x: y }, stop_signal: KILL, ports: [80], url: 'http://127.0.0.1:8080' }
      c: { engine: service, command: x, healthcheck: { http: 'https://example.org' }, data_dir: here, stop_grace_period: 5 }
      d: { engine: service, command: x, healthcheck: { test: [kv, ping] }, url: x }
      e: { engine: sqlite, command: x }
      f: { engine: mariadb, healthcheck: { tcp: 3306 } }
",
    ));
    let expected = [
        "5:29: unknown key `comand`; did you mean `command`?",
        "5:48: `80:81` is no port; nothing is published: write `81` alone",
        "5:55: `0` is no port; write a number from 1 to 65535",
        "5:58: `http` is no port; write a number from 1 to 65535",
        "5:88: a service is asked in one way; `tcp` stands here too",
        "5:96: unknown key `intervall`; did you mean `interval`?",
        "6:38: `command` is empty; it needs a program to run",
        "6:42: `settings` can't stand here: a server without an adapter has no databases that Cowherd knows of",
        "6:75: unknown signal for a clean stop `KILL`; known: `SIGTERM`, `SIGINT`, `SIGQUIT`, `SIGHUP`, `SIGUSR1`, `SIGUSR2`, `SIGWINCH`",
        "6:99: `http://127.0.0.1:8080` can't be the form of the service's URL: that has the first of its `ports` in it, as in `http://127.0.0.1:80`",
        "7:62: `https://example.org` can't be asked; write `http://127.0.0.1:PORT/PATH`",
        "7:97: `data_dir` must be an absolute path; a server that can be told takes `{data}`",
        "7:122: `stop_grace_period`: can't read `5` as a duration: it has no unit; write `5s` for seconds",
        "8:62: `test` must be a list that begins with `CMD` and a program, with `CMD-SHELL` and a line, or is `[NONE]`",
        "8:81: `x` can't be the form of the service's URL: that has the first of its `ports` in it, as in `http://127.0.0.1:PORT`",
        "9:28: `command` can't stand here: the engine `sqlite` has its own; it is for `engine: service`",
        "10:29: `healthcheck` can't stand here: the engine `mariadb` has its own; it is for `engine: service`",
    ];
    assert_eq!(all, expected);
}

#[test]
fn a_server_without_a_command_or_a_name_of_its_own_is_told_what_to_write() {
    assert!(
        problem(services("      a: { engine: service }\n"))
            .starts_with("5:7: a service has a `command`")
    );
    let short = problem("version: 1\nsnapshots: { a: { engine: service } }\n");
    assert!(
        short.starts_with(
            "2:27: a server without an adapter needs a name; write `services: { NAME:"
        ),
        "{short}"
    );
}

#[test]
fn two_services_cannot_have_one_port() {
    let taken = |services: &str| problem(self::services(services));
    let server = |name: &str, port: u16| {
        format!("      {name}: {{ engine: service, command: x, ports: [9{name}, {port}] }}\n")
            .replace("9a", "7")
            .replace("9b", "8")
    };
    assert_eq!(
        taken(&(server("a", 80) + &server("b", 80))),
        "6:52: service `a` listens on port 80 already; the services of a snapshot share one network"
    );
    let databases = "      one: { engine: postgres }\n      two: { engine: postgresql }\n";
    assert!(
        taken(&(server("b", 5433) + databases))
            .starts_with("5:52: service `two` listens on port 5433 already")
    );
    good(self::services(&(server("b", 5434) + databases)));
}

#[test]
fn services_that_wait_for_each_other_are_drawn() {
    let waits =
        |name: &str, on: &str| format!("      {name}: {{ engine: sqlite, depends_on: [{on}] }}\n");
    assert_eq!(
        problem(services(
            &(waits("a", "b") + &waits("b", "c, d") + &waits("c", "b") + &waits("d", ""))
        )),
        "7:41: services wait for each other: `b` → `c` → `b`"
    );
    assert_eq!(
        problem(services(&waits("a", "a"))),
        "5:41: services wait for each other: `a` → `a`"
    );
    assert_eq!(
        problems(services(&(waits("a", "dbb, a2") + &waits("db", "")))),
        [
            "5:41: unknown service `dbb`; did you mean `db`?",
            "5:46: unknown service `a2`; known: `db`"
        ]
    );
    let condition = "      a: { engine: sqlite }\n      b: { engine: sqlite, depends_on: { a: { condition: healthy } } }\n";
    assert_eq!(
        problem(services(condition)),
        "6:58: unknown condition `healthy`; known: `service_healthy`, `service_started`"
    );
}

#[test]
fn a_server_takes_no_sql() {
    let text = services(
        "      a: { engine: service, command: x }\n    steps: [ { sql: a.sql }, { migrate: m } ]\n",
    );
    assert_eq!(
        problems(text),
        [
            "6:21: `sql` is nothing for the service `a`, which is `engine: service`; say with `run:` what is to be done to it",
            "6:41: `migrate` is nothing for the service `a`, which is `engine: service`; say with `run:` what is to be done to it"
        ]
    );
}

#[test]
fn a_step_runs_beside_what_does_not_need_its_service() {
    let spec = good(services(
        "      \
      db: { engine: sqlite }
      cache: { engine: sqlite }
      api: { engine: sqlite, depends_on: [db] }
      web: { engine: sqlite, depends_on: [api, cache] }
",
    ));
    let services = &spec.snapshots[0].services;
    assert_eq!(run_beside(services, "db"), ["db", "cache"]);
    assert_eq!(run_beside(services, "cache"), ["db", "cache", "api"]);
    assert_eq!(run_beside(services, "web"), ["db", "cache", "api", "web"]);
}
