//! Servers without an adapter: what they keep, what they wait for, and how they are asked whether they are ready.

use std::path::Path;

use crate::support::{Project, etcd, nginx, postgres, userns};

/// Keeps the lines that it is sent in a file, and gives them all to who asks: `keeper.pl PORT FILE`.
const KEEPER: &str = r"
use Socket; my ($port, $file) = @ARGV;
$SIG{TERM} = sub { open F, '>', qq($file.stopped); exit 0 };
die qq(it runs: $file.pid) if -e qq($file.pid) or -e qq($file.socket);
open F, '>', qq($file.pid); print F qq($$\n); close F;
socket(U, PF_UNIX, SOCK_STREAM, 0) or die; bind(U, sockaddr_un(qq($file.socket))) or die;
socket(S, PF_INET, SOCK_STREAM, 0) or die; setsockopt(S, SOL_SOCKET, SO_REUSEADDR, 1);
bind(S, sockaddr_in($port, inet_aton('127.0.0.1'))) or die $!; listen(S, 9) or die;
while (accept(C, S)) {
    my $line = <C>;
    if ($line =~ /^give/) { open F, '<', $file; print C <F>; close F }
    else { open F, '>>', $file; print F $line; close F; print C qq(kept\n) }
    close C;
}
";

/// Says a line to a port, and prints the answer: `say.sh PORT LINE`.
const SAY: &str =
    "#!/bin/bash\nexec 3<> /dev/tcp/127.0.0.1/$1 && printf '%s\\n' \"$2\" >&3 && cat <&3\n";

/// A snapshot with these services, and the rest of a spec.
fn project(services: &[&str], rest: &str) -> Project {
    let mut spec = "version: 1\nsnapshots:\n  app:\n    services:\n".to_owned();
    for service in services {
        let (name, keys) = service.split_once(": ").expect("a name");
        spec += &format!("      {name}: {{ engine: service, {keys} }}\n");
    }
    Project::new(&(spec + rest))
        .file("keeper.pl", KEEPER)
        .program("say.sh", SAY)
}

const KEEPS: &str = "keeper: command: [perl, keeper.pl, \"4000\", \"{data}/lines\"], ports: [4000]";

#[test]
fn what_a_server_keeps_is_frozen_by_a_clean_stop_and_each_test_has_its_own() {
    if !userns() {
        return;
    }
    let project = project(
        &[&format!("{KEEPS}, init: 'echo first > {{data}}/lines'")],
        "    steps: [ { on: keeper, run: { command: ./say.sh 4000 second, inputs: [] } } ]
tests:
  - { name: a, snapshot: app, command: './test.sh' }
  - { name: b, snapshot: app, command: './test.sh' }
",
    )
    .program(
        "test.sh",
        "#!/bin/sh\nset -e; test $KEEPER_URL = tcp://127.0.0.1:4000; test -e /run/cowherd/keeper/data/lines.stopped
test \"$(./say.sh 4000 give | xargs)\" = 'first second'; ./say.sh 4000 third; test \"$(./say.sh 4000 give | xargs)\" = 'first second third'\n",
    );
    project
        .run(&["run"])
        .code(0)
        .says("   build app 1/3 init of keeper")
        .says("   build app 2/3 first start of keeper")
        .says("   build app 3/3 run ./say.sh 4000 second")
        .says(": 2 passed\n");
    project.run(&["run"]).code(0).never_says("building");
    project.leaves_nothing();
}

#[test]
fn a_service_is_started_when_what_it_waits_for_is_healthy_and_has_its_address() {
    if !userns() {
        return;
    }
    let project = project(
        &[
            "last: command: 'test -e /tmp/second || exit 9; echo up; exec sleep 1000', healthcheck: { test: 'test -n \"$FIRST_URL\"' }, depends_on: [second, first]",
            "second: command: 'test -e /tmp/first && test $FIRST_URL = http://127.0.0.1:80/x || exit 8; sleep 0.1; touch /tmp/second; echo up; exec sleep 1000', healthcheck: { log: up }, depends_on: { first: {} }",
            "first: command: 'sleep 0.1; touch /tmp/first; exec sleep 1000', healthcheck: { test: [CMD, test, -e, /tmp/first] }, ports: [80], url: 'http://127.0.0.1:80/x'",
        ],
        "tests: [ { name: t, snapshot: app, command: 'true' } ]\n",
    );
    project.run(&["run"]).code(0).says(": 1 passed\n");
    project.leaves_nothing();
}

#[test]
fn a_service_that_others_only_have_to_be_started_for_is_not_waited_for() {
    if !userns() {
        return;
    }
    // Each of the two is healthy only once the other runs.
    let project = project(
        &[
            "a: command: 'touch /tmp/a; exec sleep 1000', healthcheck: { test: test -e /tmp/b }",
            "b: command: 'touch /tmp/b; exec sleep 1000', healthcheck: { test: test -e /tmp/a }, depends_on: { a: { condition: service_started } }",
        ],
        "tests: [ { name: t, snapshot: app, command: 'true' } ]\n",
    );
    project.run(&["run"]).code(0).says(": 1 passed\n");
}

#[test]
fn those_that_need_others_are_stopped_before_them() {
    if !userns() {
        return;
    }
    let waits = |name: &str, at_the_end: &str| {
        format!(
            "trap '{at_the_end}; exit 0' TERM; touch /tmp/{name}; echo up; while :; do sleep 0.01; done"
        )
    };
    let project = project(
        &[
            "base: command: ./base.sh, healthcheck: { log: up }",
            "upper: command: './upper.sh {data}', healthcheck: { log: up }, depends_on: [base], environment: { KEEP: '{data}' }",
        ],
        "    steps: [ { on: upper, run: { command: 'true', inputs: [] } } ]
tests: [ { name: t, snapshot: app, command: 'grep stands /run/cowherd/upper/data/base' } ]
",
    )
    .program(
        "base.sh",
        &format!("#!/bin/sh\n{}\n", waits("base", "rm /tmp/base")),
    )
    .program(
        "upper.sh",
        &format!(
            "#!/bin/sh\n{}\n",
            waits("upper", "sleep 0.2; if test -e /tmp/base; then echo stands; else echo gone; fi > $KEEP/base")
        ),
    );
    project.run(&["run"]).code(0).says(": 1 passed\n");
}

#[test]
fn a_step_runs_with_all_services_but_those_that_need_its_own() {
    if !userns() {
        return;
    }
    // What needs the keeper is healthy only once the step has filled it.
    let project = project(
        &[
            KEEPS,
            "beside: command: exec sleep 1000, ports: [], healthcheck: { test: touch /tmp/beside }",
            "api: command: exec sleep 1000, healthcheck: { test: './say.sh 4000 give | grep filled' }, depends_on: [keeper]",
        ],
        "    steps: [ { on: keeper, run: { command: 'test -e /tmp/beside && ./say.sh 4000 filled', inputs: [] } } ]
tests: [ { name: t, snapshot: app, command: 'test -z \"$API_URL\"' } ]
",
    );
    project.run(&["run"]).code(0).says(": 1 passed\n");
}

#[test]
fn a_page_is_asked_until_its_status_is_a_good_one() {
    if !userns() {
        return;
    }
    let project = project(
        &[
            "web: command: [perl, web.pl], ports: [80], healthcheck: { http: \"http://localhost/health?x=1\" }",
        ],
        "tests: [ { name: t, snapshot: app, command: 'grep -x \"GET /health?x=1 HTTP/1.0 3\" /tmp/asked' } ]\n",
    )
    // Hangs up, answers badly in two pieces, then well; a port below 1024 is one like others.
    .file(
        "web.pl",
        r"
use Socket; $| = 1;
socket(S, PF_INET, SOCK_STREAM, 0) or die;
bind(S, sockaddr_in(80, inet_aton('127.0.0.1'))) or die $!; listen(S, 9) or die;
for my $n (1 .. 9) {
    accept(C, S) or die; my $line = <C>; $line =~ s/\r\n//;
    open F, '>>', '/tmp/asked'; print F qq($line $n\n); close F;
    select C; $| = 1;
    if ($n == 2) { print C 'HTTP/1.0 5'; select undef, undef, undef, 0.05; print C qq(03 Not yet\r\n\r\n) }
    if ($n > 2) { print C qq(HTTP/1.0 204 No Content\r\n\r\n) }
    close C;
}",
    );
    project.run(&["run"]).code(0).says(": 1 passed\n");
}

#[test]
fn data_are_also_where_the_server_wants_them() {
    if !userns() {
        return;
    }
    let project = project(
        &["a: command: 'echo more >> /tmp/its/own/place; touch /tmp/up; exec sleep 1000', data_dir: /tmp/its/own, healthcheck: { test: test -e /tmp/up }"],
        "    steps: [ { on: a, run: { command: echo step >> /tmp/its/own/place, inputs: [] } } ]
tests: [ { name: t, snapshot: app, command: 'test \"$(xargs < /run/cowherd/a/data/place)\" = \"more more step more\"' } ]
",
    );
    project.run(&["run"]).code(0).says(": 1 passed\n");
}

#[test]
fn a_command_stops_what_no_signal_does() {
    if !userns() {
        return;
    }
    let project = project(
        &[
            "a: command: ./a.sh, stop: touch /tmp/stop, environment: { KEEP: '{data}' }, healthcheck: { test: test -e /tmp/up }, client: [cat, \"{data}/end\"]",
        ],
        "",
    )
    .program(
        "a.sh",
        "#!/bin/sh\ntrap : TERM; rm -f $KEEP/end; touch /tmp/up; until test -e /tmp/stop; do sleep 0.01; done; echo by command > $KEEP/end\n",
    );
    project.run(&["build"]).code(0);
    // The server of this very container has removed it by then, or not yet.
    let shown = project.run(&["shell"]);
    assert!(
        shown.stdout == "by command\n" || shown.code == 1,
        "{shown:?}"
    );
}

#[test]
fn a_snapshot_of_servers_is_carried_and_planned_upon() {
    if !userns() {
        return;
    }
    let here = project(
        &[KEEPS],
        "    steps: [ { on: keeper, run: { command: ./say.sh 4000 one, inputs: [] } } ]\n",
    );
    here.run(&["export", "app", "app.tar"]).code(0);
    let services = "      keeper: { engine: service, command: [perl, keeper.pl, \"4000\", \"{data}/lines\"], ports: [4000] }\n";
    let there = Project::empty()
        .file("keeper.pl", KEEPER)
        .program("say.sh", SAY);
    let file = here.folder().join("app.tar");
    let file = file.to_str().expect("text");
    there.run(&["import", file]).code(0);
    let given = there
        .run(&["exec", "-s", "app", "--", "./say.sh", "4000", "give"])
        .code(0);
    assert_eq!(given.stdout, "one\n");
    let two = [
        "exec", "-s", "app", "--commit", "two", "--", "./say.sh", "4000", "two",
    ];
    there.run(&two).code(0);
    let there = there.file(
        "cowherd.yaml",
        format!(
            "\
version: 1
snapshots:
  three:
    stored: two
    services:
{services}    steps: [ {{ on: keeper, run: {{ command: ./say.sh 4000 three, inputs: [] }} }} ]
tests: [ {{ name: t, snapshot: three, command: 'test \"$(./say.sh 4000 give | xargs)\" = \"one two three\"' }} ]
"
        ),
    );
    there.run(&["run"]).code(0).says(": 1 passed\n");
}

#[test]
fn what_a_test_leaves_in_a_server_is_kept() {
    if !userns() {
        return;
    }
    let project = project(
        &[KEEPS],
        "tests: [ { name: t, snapshot: app, command: './say.sh 4000 left; exit 1' } ]\n",
    );
    project.run(&["run", "--keep", "failed"]).code(100);
    let kept = project.run(&["kept"]).code(0).stdout;
    let id = kept.lines().nth(1).and_then(|line| line.split(' ').next());
    let id = id.expect("a kept state");
    let given = project.run(&["enter", id, "--", "./say.sh", "4000", "give"]);
    assert_eq!(given.code(0).stdout, "left\n");
}

#[test]
fn a_database_and_a_server_stand_side_by_side() {
    if !postgres() {
        return;
    }
    let project = Project::new(
        "\
version: 1
snapshots:
  app:
    services:
      db: { engine: postgres, database: shop, depends_on: [keeper] }
      keeper: { engine: service, command: [perl, keeper.pl, '4000', '{data}/lines'], ports: [4000] }
      api: { engine: service, command: 'psql $DB_URL -Atc \"SELECT x FROM t\" && exec sleep 1000', healthcheck: { log: '7' }, depends_on: [db] }
    steps:
      - { on: db, sql: shop.sql }
      - { on: db, run: { command: 'psql -XAqc \"UPDATE t SET x = 7\" && ./say.sh 4000 seven', inputs: [] } }
tests:
  - name: both
    snapshot: app
    command: test $DATABASE_URL = $DB_URL && test \"$(psql -XAtc 'SELECT x FROM t')\" = 7 && test \"$(./say.sh 4000 give)\" = seven
",
    )
    .file("keeper.pl", KEEPER)
    .program("say.sh", SAY)
    .file("shop.sql", "CREATE TABLE t (x int); INSERT INTO t VALUES (1);");
    project.run(&["run"]).code(0).says(": 1 passed\n");
    project.leaves_nothing();
}

/// The example of nginx and etcd, with a store of its own.
fn example() -> Project {
    let project = Project::empty();
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/services");
    cowherd::disk::copy_tree(&source, &project.folder()).expect("a copy of the example");
    project
}

#[test]
fn nginx_and_etcd_are_one_snapshot() {
    if !nginx() || !etcd() {
        return;
    }
    let project = example();
    project.run(&["run"]).code(0).says(": 4 passed\n");
    project
        .run(&["run"])
        .code(0)
        .never_says("building")
        .says(": 4 passed\n");
    // Nothing was built with the page, so a new one asks for nothing to be built.
    let project = project.file("html/index.html", "The shop is open, and new.");
    project
        .run(&["run", "page.sh"])
        .code(0)
        .never_says("building");
    project.leaves_nothing();
}
