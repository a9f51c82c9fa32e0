//! Servers without an adapter that die, hang or never come up: the one at fault is named, with its last words.

use crate::support::{Project, userns};

/// One test on a snapshot of these services.
fn project(services: &[&str]) -> Project {
    let mut spec = "version: 1\nsnapshots:\n  app:\n    services:\n".to_owned();
    for service in services {
        let (name, keys) = service.split_once(": ").expect("a name");
        spec += &format!("      {name}: {{ engine: service, {keys} }}\n");
    }
    spec += "tests: [ { name: t, snapshot: app, command: 'true' } ]\n";
    Project::new(&spec)
}

/// What is asked only for a moment, in which a slow machine says all the same what it has to say.
const SHORT: &str = "start_period: 1s, interval: 100ms, retries: 2";

#[test]
fn a_service_that_is_never_healthy_fails_the_fixture_and_what_needs_it_is_not_started() {
    if !userns() {
        return;
    }
    let project = project(&[
        &format!(
            "db: command: 'echo what it says; exec sleep 1000', ports: [9], healthcheck: {{ {SHORT} }}"
        ),
        "web: command: 'echo web is here; exit 1', depends_on: [db], healthcheck: { log: x }",
        "other: command: exec sleep 1000",
    ]);
    project
        .run(&["run"])
        .code(101)
        .says("   ERROR [")
        .says("can't use db (service sleep ")
        .says("it was not ready within 1.2s: it was last asked: port 9: Connection refused")
        .says("what it says\n")
        .says("A `healthcheck:` of the spec may ask for the wrong thing")
        .never_says("web is here")
        .never_says("FAIL");
    project.leaves_nothing();
}

#[test]
fn a_service_that_dies_at_its_start_is_not_asked_any_more() {
    if !userns() {
        return;
    }
    let project = project(&[
        "a: command: 'echo a last word >&2; exit 3', ports: [9], healthcheck: { start_period: 10m }",
    ]);
    project
        .run(&["run"])
        .code(101)
        .says("can't go on: a (service ")
        .says("exited with code 3; its last words:")
        .says("a last word\n");
    let project = self::project(&["a: command: 'sleep 0.1 &', ports: [9]"]);
    project
        .run(&["run"])
        .code(101)
        .says("exited with code 0")
        .says("a server must stay in the foreground");
    project.leaves_nothing();
}

#[test]
fn a_log_that_never_says_so_is_quoted() {
    if !userns() {
        return;
    }
    let project = project(&[
        "a: command: 'echo ready to serve; exec sleep 1000', healthcheck: { log: ready to swerve, start_period: 1s, interval: 100ms, retries: 2 }",
    ]);
    project
        .run(&["run"])
        .code(101)
        .says("it was not ready within 1.2s: no line of its log says `ready to swerve`; its last words:")
        .says("ready to serve\n");
}

#[test]
fn a_wait_for_health_ends_with_ctrl_c() {
    if !userns() {
        return;
    }
    let project = project(&[
        "a: command: 'exec sleep 1000', healthcheck: { test: 'echo x >> asked; false', start_period: 1h }",
    ]);
    let mut run = project.start(&["run"]);
    run.until_it_says("running 1 test");
    run.signal(nix::sys::signal::Signal::SIGINT);
    run.until_it_says("press Ctrl-C again");
    run.signal(nix::sys::signal::Signal::SIGINT);
    run.wait().code(130);
    project.leaves_nothing();
}

#[test]
fn a_check_that_hangs_is_ended_and_said_to_hang() {
    if !userns() {
        return;
    }
    let project = project(&[&format!(
        "a: command: exec sleep 1000, healthcheck: {{ test: 'sleep 1000 & wait', timeout: 50ms, {SHORT} }}"
    )]);
    project
        .run(&["run"])
        .code(101)
        .says("it was last asked: no answer within 50ms");
    let project = self::project(&[&format!(
        "a: command: [perl, -MSocket, -e, 'socket(S, PF_INET, SOCK_STREAM, 0); bind(S, sockaddr_in(8080, inet_aton(\"127.0.0.1\"))); listen(S, 9); while (accept(my $one, S)) {{ push @all, $one }}'], ports: [8080], \
         healthcheck: {{ http: 'http://127.0.0.1:8080', timeout: 50ms, {SHORT} }}"
    )]);
    project
        .run(&["run"])
        .code(101)
        .says("it was last asked: no answer within 50ms");
    project.leaves_nothing();
}

#[test]
fn a_check_that_fails_says_what_it_printed_and_one_that_is_not_there_is_not_tried_again() {
    if !userns() {
        return;
    }
    let project = project(&[&format!(
        "a: command: exec sleep 1000, healthcheck: {{ test: 'echo not yet; exit 7', {SHORT} }}"
    )]);
    project
        .run(&["run"])
        .code(101)
        .says("it was last asked: its check exited with code 7: not yet");
    let project = self::project(&[
        "a: command: exec sleep 1000, healthcheck: { test: [CMD, nowhere], start_period: 10m }",
    ]);
    project
        .run(&["run"])
        .code(97)
        .says("can't start the check of a (service sleep ")
        .says("nowhere");
}

#[test]
fn a_service_that_dies_while_its_test_runs_is_that_tests_failure_with_its_last_words() {
    if !userns() {
        return;
    }
    let project = Project::new(
        "\
version: 1
snapshots:
  app:
    services:
      a: { engine: service, command: 'echo $$ > /tmp/a; echo a last word; exec sleep 1000' }
tests: [ { name: t, snapshot: app, command: 'until test -s /tmp/a; do :; done; kill -9 $(cat /tmp/a); while kill -0 $(cat /tmp/a) 2> /dev/null; do :; done; exit 4' } ]
",
    );
    project
        .run(&["run"])
        .code(100)
        .says("t: exit code 4\n")
        .says("a last word\n");
}

#[test]
fn a_service_that_does_not_stop_cleanly_is_never_frozen() {
    if !userns() {
        return;
    }
    let keeps = "healthcheck: { test: test -e /tmp/up }, environment: { KEEP: '{data}' }";
    let build = |keys: &str, script: &str| {
        let spec = format!(
            "version: 1\nsnapshots: {{ app: {{ services: {{ a: {{ engine: service, command: ./a.sh, {keeps}, {keys} }} }} }} }}\n"
        );
        let project = Project::new(&spec).program("a.sh", &format!("#!/bin/sh\n{script}\n"));
        let built = project.run(&["build"]).code(101);
        assert_eq!(project.count("layers"), 0);
        project.leaves_nothing();
        built
    };
    let stays = "trap 'echo no' TERM; touch /tmp/up; while :; do sleep 0.01; done";
    build("stop_grace_period: 200ms", stays)
        .says("can't stop a (service a.sh ")
        .says(") within 200ms; its last words:")
        .says("no\n");
    build("stop_grace_period: 5s, stop: 'echo cannot; exit 9'", stays)
        .says(": exited with code 9; its last words:")
        .says("cannot\n");
    build("stop_grace_period: 200ms, stop: 'true'", stays).says(") within 200ms");
    build(
        "stop_signal: SIGINT",
        "trap 'echo half done; exit 4' INT; touch /tmp/up; while :; do sleep 0.01; done",
    )
    .says("cleanly: it exited with code 4; its last words:")
    .says("half done\n");
}

#[test]
fn an_init_that_fails_says_what_it_printed() {
    if !userns() {
        return;
    }
    let project = project(&["a: command: exec sleep 1000, init: 'echo no such thing >&2; exit 5'"]);
    project
        .run(&["run"])
        .code(101)
        .says("init of a: can't prepare the data of `a`: no such thing");
    project.leaves_nothing();
}

#[test]
fn a_server_that_is_not_installed_is_97_and_says_where_it_was_looked_for() {
    let project = project(&["a: command: [no-such-server, --flag]"]);
    project
        .run(&["run"])
        .code(97)
        .says("can't find no-such-server: looked in PATH, /usr/local/sbin, /usr/sbin, /sbin")
        .says("install it, or name it by its path in `command:`");
}

#[test]
fn a_folder_for_data_that_is_not_there_is_named() {
    if !userns() {
        return;
    }
    let project = project(&["a: command: exec sleep 1000, data_dir: /no/such/folder"]);
    project.run(&["run"]).says("/no/such/folder");
}
