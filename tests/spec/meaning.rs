//! What is written must also mean something.

use super::{good, problem, problems, with_steps, with_tests};

#[test]
fn a_missing_version_says_what_to_write() {
    let text = "snapshots: { a: { engine: sqlite } }\n";
    assert!(problem(text).ends_with("missing `version`; write `version: 1` as the first line"));
    good("version: '1'\nsnapshots: { a: { engine: sqlite } }\n");
}

#[test]
fn a_misspelt_key_is_one_problem() {
    assert_eq!(
        problem(
            "version: 1\nsnapshot: { a: { engine: sqlite } }\ntests: [ { name: a, snapshot: a, command: x } ]\n"
        ),
        "2:1: unknown key `snapshot`; did you mean `snapshots`?"
    );
    assert_eq!(
        problem("version: 1\nsnapshots: { a: { egnine: sqlite, steps: [ { on: x, sql: y } ] } }\n"),
        "2:19: unknown key `egnine`; did you mean `engine`?"
    );
    assert_eq!(
        problem(with_steps("      - sqll: a.sql\n")),
        "6:9: unknown key `sqll`; did you mean `sql`?"
    );
    assert_eq!(
        problem(
            with_tests("  - { nam: a, comand: x }\n  - { name: b, command: y }\n")
                .replace("nam:", "name:")
        ),
        "4:16: unknown key `comand`; did you mean `command`?"
    );
}

#[test]
fn a_key_near_none_is_told_all() {
    let problem = problem(with_steps("      - { sql: a, mongo: b }\n"));
    assert_eq!(
        problem,
        "6:19: unknown key `mongo`; known: `migrate`, `sql`, `redis`, `run`, `on`"
    );
}

#[test]
fn a_test_may_leave_out_the_only_snapshot() {
    let spec = good(with_tests("  - { name: a, command: x }\n"));
    assert_eq!(spec.tests[0].snapshot, "shop");
    let two = "version: 1\nsnapshots: { a: { engine: sqlite }, b: { from: a } }\ntests: [ { name: x, command: y } ]\n";
    assert_eq!(
        problem(two),
        "3:10: this test has no `snapshot`; name one of `a`, `b`"
    );
}

#[test]
fn a_service_has_the_name_of_its_snapshot_for_a_database() {
    let spec = good(
        "version: 1
snapshots:
  shop:
    services:
      db: { engine: postgres, database: main }
      archive: { engine: sqlite3 }
    steps:
      - { on: archive, sql: a.sql }
",
    );
    let services = &spec.snapshots[0].services;
    assert_eq!((&*services[0].name, &*services[0].database), ("db", "main"));
    assert_eq!(
        (&*services[1].engine, &*services[1].database),
        ("sqlite", "shop")
    );
    assert_eq!(spec.snapshots[0].steps[0].on, "archive");
}

#[test]
fn with_several_services_a_step_says_where_it_goes() {
    let text = "version: 1
snapshots:
  shop:
    services: { db: { engine: postgres }, log: { engine: sqlite } }
    steps:
      - sql: a.sql
      - { on: lag, sql: a.sql }
";
    assert_eq!(
        problems(text),
        [
            "6:14: this step doesn't say which service it is for; add `on:` with one of `db`, `log`",
            "7:15: unknown service `lag`; did you mean `log`?"
        ]
    );
}

#[test]
fn a_parent_may_stand_below_its_child() {
    let spec = good(
        "version: 1\nsnapshots: { c: { from: b }, b: { from: a, pids_limit: 9 }, a: { engine: sqlite } }\n",
    );
    assert_eq!(spec.snapshots[0].services, spec.snapshots[2].services);
    assert_eq!(spec.snapshots[0].services[0].database, "a");
    assert_eq!(spec.snapshots[0].limits.pids, Some(9));
    assert_eq!(spec.snapshots[2].limits.pids, None);
}

#[test]
fn a_cycle_is_reported_once_with_its_way() {
    let text = "version: 1\nsnapshots: { x: { from: b }, a: { from: c }, b: { from: a }, c: { from: b } }\n";
    assert_eq!(
        problem(text),
        "2:41: snapshot `a` starts from itself: `a` → `c` → `b` → `a`"
    );
    let text = "version: 1\nsnapshots: { a: { from: a } }\n";
    assert_eq!(
        problem(text),
        "2:25: snapshot `a` starts from itself: `a` → `a`"
    );
}

#[test]
fn a_long_chain_of_snapshots_is_followed() {
    let chain = (1..10_000).rev();
    let chain: Vec<_> = chain
        .map(|n| format!("  s{n}: {{ from: s{} }}\n", n - 1))
        .collect();
    let spec = good(format!(
        "version: 1\nsnapshots:\n{}  s0: {{ engine: sqlite }}\n",
        chain.concat()
    ));
    assert_eq!(spec.snapshots[0].services[0].engine, "sqlite");
}

#[test]
fn a_child_has_the_services_of_its_parent() {
    let text = "version: 1\nsnapshots: { a: { engine: sqlite }, b: { from: a, services: { db: { engine: sqlite } } } }\n";
    assert!(problem(text).starts_with("2:51: `services` can't stand here: a snapshot with `from`"));
}

#[test]
fn engine_and_services_exclude_each_other() {
    let text = "version: 1\nsnapshots: { a: { engine: sqlite, database: b, services: { db: { engine: sqlite } } } }\n";
    let all = problems(text);
    assert!(all[0].starts_with("2:19: `engine` can't stand here"));
    assert!(all[1].starts_with("2:35: `database` can't stand here"));
    assert_eq!(all.len(), 2);
}

#[test]
fn unknown_engines_and_tools_are_told_the_known_ones() {
    let text = "version: 1\nsnapshots: { a: { engine: oracle } }\n";
    assert_eq!(
        problem(text),
        "2:27: unknown engine `oracle`; known: `postgres`, `sqlite`, `mariadb`, `mysql`, `redis`, `service`"
    );
    assert_eq!(
        problem(with_steps("      - migrate: { tool: liquibase, dir: m }\n")),
        "6:26: unknown migration tool `liquibase`; known: `sql`, `flyway`, `sqlx`, `refinery`, `diesel`, `golang-migrate`, `dbmate`"
    );
}

#[test]
fn a_run_step_says_why_it_needs_inputs() {
    let problem = problem(with_steps("      - run: { command: ./x }\n"));
    assert!(problem.starts_with("6:9: `run` has no `inputs`; "));
    assert!(problem.contains("their content is part of the step's key"));
    good(with_steps("      - run: { command: ./x, inputs: [] }\n"));
}

#[test]
fn a_step_does_one_thing() {
    assert_eq!(
        problem(with_steps("      - { on: db }\n")),
        "6:9: this step does nothing; write one of `migrate`, `sql`, `redis`, `run`"
    );
    assert_eq!(
        problem(with_steps("      - { migrate: m, sql: a.sql }\n")),
        "6:23: a step does one thing; make `sql` a step of its own"
    );
}

#[test]
fn a_step_is_of_the_services_kind() {
    let spec = |step: &str| {
        let services = "services: { db: { engine: sqlite }, cache: { engine: redis } }";
        format!("version: 1\nsnapshots:\n  a:\n    {services}\n    steps: [ {{ {step} }} ]\n")
    };
    assert_eq!(
        problem(spec("on: db, redis: a.redis")),
        "5:31: `redis` is nothing for the service `db`, which is `engine: sqlite`; fill it with `sql:`, \
         or say `on:` with a service of `engine: redis`"
    );
    for step in [
        "sql: a.sql",
        "migrate: m",
        "migrate: { tool: flyway, dir: m }",
    ] {
        let said = problem(spec(&format!("on: cache, {step}")));
        let (key, _) = step.split_once(':').expect("a key");
        let start = format!(
            "`{key}` is nothing for the service `cache`, which is `engine: redis`; give it commands"
        );
        assert!(said.contains(&start), "{said}");
    }
    good(spec("on: cache, redis: [a.redis, b.redis]"));
    good(spec("on: cache, run: { command: x, inputs: [] }"));
    // One mistake is one problem.
    let unknown = "version: 1\nsnapshots: { a: { engine: oracle, steps: [ { redis: a } ] } }\n";
    assert!(problem(unknown).contains("unknown engine `oracle`"));
}

#[test]
fn a_database_of_redis_is_a_number() {
    let text = "version: 1\nsnapshots: { a: { engine: redis, database: shop } }\n";
    assert_eq!(
        problem(text),
        "2:44: `shop` can't be a database of Redis; its databases are numbers, as in `database: 0`"
    );
    let spec = good(
        "version: 1\nsnapshots: { a: { engine: valkey }, b: { engine: redis, database: 3 } }\n",
    );
    let databases = [0, 1].map(|index| spec.snapshots[index].services[0].database.as_str());
    assert_eq!(databases, ["0", "3"]);
}

#[test]
fn a_test_counts_for_one_unless_it_says_for_how_many() {
    let threads = |keys: &str| {
        let spec = good(with_tests(&format!(
            "  - {{ name: a, command: x{keys} }}\n"
        )));
        spec.tests[0].threads_required
    };
    assert_eq!(threads(""), 1);
    assert_eq!(threads(", threads_required: 4"), 4);
    assert_eq!(threads(", threads_required: num-test-threads"), usize::MAX);
}

#[test]
fn a_test_runs_one_kind_of_thing() {
    for (keys, said) in [
        ("name: a", "this test runs nothing"),
        (
            "name: a, each: x, command: y",
            "`command` can't stand beside `each`",
        ),
        (
            "name: a, each: x, discover: y",
            "`discover` can't stand beside `each`",
        ),
        ("name: a, discover: y", "this test has no `command`"),
        ("name: a, discover: y, command: z", "write `{test}` where"),
        ("name: a, command: [' ']", "`command` is empty"),
        ("name: a, command: []", "`command` is empty"),
        ("name: a, each: []", "`each` is empty"),
        ("command: x", "this test has no `name`"),
        ("name: '', command: x", "can't be the name of a test"),
        (
            "name: \"a\\nb\", command: x",
            "`a\\nb` can't be the name of a test",
        ),
        (
            "name: a, command: x, environment: { '': b }",
            "can't be the name of a variable",
        ),
        (
            "name: a, command: x, environment: [A=1, A=2]",
            "variable `A` is set twice",
        ),
        ("name: a, command: \"x\\0\"", "can't hold a NUL character"),
    ] {
        let problem = problem(with_tests(&format!("  - {{ {keys} }}\n")));
        assert!(problem.contains(said), "{keys}: {problem}");
    }
}

#[test]
fn names_are_plain() {
    for name in ["a b", "a/b", ".hidden", "-x", "é", "'..'", "''"] {
        let text = format!("version: 1\nsnapshots: {{ {name}: {{ engine: sqlite }} }}\n");
        assert!(
            problem(text).contains("can't be the name of a snapshot"),
            "{name}"
        );
    }
    good("version: 1\nsnapshots: { Shop_2.0-b: { engine: sqlite } }\n");
}

#[test]
fn services_with_one_variable_are_refused() {
    let text = "version: 1\nsnapshots: { a: { services: { my-db: { engine: sqlite }, my_db: { engine: sqlite } } } }\n";
    assert!(problem(text).contains("would both have the variable `MY_DB_URL`"));
    let text = "version: 1\nsnapshots: { a: { services: { x: { engine: sqlite }, database: { engine: sqlite } } } }\n";
    assert!(problem(text).contains("would both have the variable `DATABASE_URL`"));
    good("version: 1\nsnapshots: { a: { services: { database: { engine: sqlite } } } }\n");
}

#[test]
fn a_package_gets_a_snapshot_that_there_is() {
    let spec = |packages: &str| {
        format!("version: 1\nsnapshots: {{ a: {{ engine: sqlite }} }}\npackages: {packages}\n")
    };
    let good = good(spec("{ one: a, two-three: a }"));
    assert_eq!(good.packages.len(), 2);
    assert_eq!(good.packages["two-three"], "a");
    for (packages, expected) in [
        ("{ one: shop }", "3:18: unknown snapshot `shop`; known: `a`"),
        ("{ one: }", "3:13: `one` has no value; it must be text"),
        ("[ one ]", "3:11: `packages` must be a map, not a list"),
    ] {
        assert_eq!(problem(spec(packages)), expected);
    }
}

#[test]
fn scratch_names_a_place_for_what_is_written() {
    use cowherd::spec::ScratchPlace;
    let spec =
        |line: &str| format!("version: 1\n{line}\nsnapshots: {{ a: {{ engine: sqlite }} }}\n");
    for (line, place) in [
        ("", ScratchPlace::Auto),
        ("scratch: auto", ScratchPlace::Auto),
        ("scratch: memory", ScratchPlace::Memory),
        ("scratch: store", ScratchPlace::Store),
    ] {
        assert_eq!(good(spec(line)).scratch, place, "{line}");
    }
    assert_eq!(
        problem(spec("scratch: disk")),
        "2:10: unknown value of `scratch` `disk`; known: `auto`, `memory`, `store`"
    );
}
