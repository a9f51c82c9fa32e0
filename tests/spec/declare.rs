//! A spec that is declared in code means what the same words mean in YAML.

use std::path::Path;

use cowherd::spec::{
    CommandLine, Declaration, Limits, Position, SnapshotDeclaration, Spec, SpecError, StepKind,
    declare,
};

use super::good;

/// Declares one snapshot in the folder of these tests.
#[track_caller]
fn one(
    content: impl FnOnce(SnapshotDeclaration) -> SnapshotDeclaration,
) -> Result<Spec, SpecError> {
    declare(Path::new(env!("CARGO_MANIFEST_DIR")), |spec| {
        spec.snapshot("shop", content)
    })
}

/// The problems as they are printed, each on one line and without its place and excerpt.
#[track_caller]
fn problems(content: impl FnOnce(SnapshotDeclaration) -> SnapshotDeclaration) -> Vec<String> {
    let error = one(content).expect_err("a spec with problems");
    let problems = error.problems().iter();
    problems.map(|problem| problem.message.clone()).collect()
}

/// The spec without what only its own file can say.
fn placeless(mut spec: Spec) -> Spec {
    let nowhere = Position::default();
    spec.file = "cowherd.yaml".into();
    spec.folder = ".".into();
    for snapshot in &mut spec.snapshots {
        snapshot.position = nowhere;
        for service in &mut snapshot.services {
            service.position = nowhere;
        }
        for step in &mut snapshot.steps {
            step.position = nowhere;
        }
    }
    spec
}

#[test]
fn every_word_means_what_it_means_in_yaml() {
    let written = good(
        "\
version: 1
snapshots:
  shop:
    engine: postgresql
    database: orders
    settings: { work_mem: 8MB, search_path: '\"$$user\", public' }
    bin_dir: /opt/postgres/bin
    mem_limit: 256MB
    pids_limit: 100
    cpus: 1.5
    steps:
      - migrate: migrations
      - migrate: { tool: flyway, dir: more }
      - sql: seed/*.sql
      - run: { command: ./load.sh $DATABASE_URL, inputs: [ data/*.csv ] }
      - run: { command: [ ./load, $HOME ], inputs: [], environment: { RATE: 5$ } }
  big: { from: shop, steps: [ sql: big.sql ] }
  two:
    services:
      db: { engine: postgres, database: shop }
      cache: { engine: sqlite, settings: { page_size: 4096 }, bin_dir: bin }
    steps:
      - { sql: a.sql, on: db }
      - { sql: b.sql, on: cache }
      - { sql: c.sql, on: cache }
  keys: { engine: redis, database: 3, steps: [ { redis: 'seed/*.redis' } ] }
",
    );
    let declared = declare(Path::new("/"), |spec| {
        spec.snapshot("shop", |shop| {
            shop.engine("postgresql")
                .database("orders")
                .setting("work_mem", "8MB")
                .setting("search_path", "\"$user\", public")
                .bin_dir("/opt/postgres/bin")
                .mem_limit(256 << 20)
                .pids_limit(100)
                .cpus(1.5)
                .migrate("migrations")
                .migrate_as("flyway", "more")
                .sql("seed/*.sql")
                .run("./load.sh $DATABASE_URL", ["data/*.csv"])
                .run_with(["./load", "$HOME"], [], &[("RATE", "5$")])
        })
        .snapshot("big", |big| big.from("shop").sql("big.sql"))
        .snapshot("two", |two| {
            two.service("db", |db| db.engine("postgres").database("shop"))
                .service("cache", |cache| {
                    let cache = cache.engine("sqlite").setting("page_size", "4096");
                    cache.bin_dir("bin")
                })
                .on("db")
                .sql("a.sql")
                .on("cache")
                .sql("b.sql")
                .sql("c.sql")
        })
        .snapshot("keys", |keys| {
            keys.engine("redis").database("3").redis("seed/*.redis")
        })
    })
    .expect("a spec");
    assert_eq!(declared.folder, Path::new("/"));
    assert_eq!(placeless(declared), placeless(written));
}

#[test]
fn a_dollar_sign_is_a_dollar_sign() {
    let spec = one(|shop| shop.engine("sqlite").sql("${SEED:-seed}.sql").sql("$$.sql"));
    let steps = spec.expect("a spec").snapshots.remove(0).steps;
    let files = ["${SEED:-seed}.sql", "$$.sql"].map(|file| StepKind::Sql(vec![file.to_owned()]));
    assert_eq!(
        steps.into_iter().map(|step| step.kind).collect::<Vec<_>>(),
        files
    );
}

#[test]
fn what_is_wrong_is_told_at_its_call() {
    let line = line!() + 1;
    let error = one(|shop| shop.engine("sqlite").migrate_as("flywya", "migrations"));
    let code =
        r#"    let error = one(|shop| shop.engine("sqlite").migrate_as("flywya", "migrations"));"#;
    assert_eq!(
        error.expect_err("a spec with a problem").to_string(),
        format!(
            "tests/spec/declare.rs:{line}:50: unknown migration tool `flywya`; did you mean `flyway`? \
             (known: `sql`, `flyway`, `sqlx`, `refinery`, `diesel`, `golang-migrate`, `dbmate`)\n {line} | {code}\n     | {:49}^^^^^^^^^^",
            ""
        )
    );
}

#[test]
fn what_a_call_in_another_file_says_is_told_where_it_is_used() {
    let error = declare(
        Path::new(env!("CARGO_MANIFEST_DIR")),
        super::elsewhere::shop,
    );
    let shown = error.expect_err("a spec with a problem").to_string();
    assert!(shown.starts_with("tests/spec/declare.rs:"), "{shown}");
    assert!(shown.contains("unknown engine `mangodb`"), "{shown}");
}

#[test]
fn all_that_is_wrong_is_told_at_once() {
    assert_eq!(
        problems(|shop| shop
            .engine("postgres")
            .engine("sqlite")
            .sql("")
            .from("shop")
            .cpus(0.0)),
        [
            "`engine` can't stand here: a snapshot with `from` has the services of that snapshot",
            "`engine` is said twice",
            "`sql` is empty",
            "snapshot `shop` starts from itself: `shop` → `shop`",
            "`cpus` must be a number above 0, like `1.5`, not `0`; leave the key out for no limit",
        ]
    );
    assert_eq!(
        problems(|shop| shop.service("a", |a| a.database("x")).on("b").sql("a.sql")),
        [
            "service `a` has no `engine`; write one, as in `engine: postgres`",
            "unknown service `b`; did you mean `a`?",
        ]
    );
    assert_eq!(
        problems(|shop| shop),
        [
            "snapshot `shop` has no `engine`; write one, as in `engine: postgres`, or `from:` with another \
             snapshot"
        ]
    );
    let nothing = declare(Path::new("/"), |spec: Declaration| spec);
    let nothing = nothing.expect_err("no spec").to_string();
    assert!(nothing.contains("`snapshots` is empty"), "{nothing}");
}

#[test]
fn a_command_is_a_line_or_words() {
    assert_eq!(CommandLine::from("ls *"), CommandLine::Shell("ls *".into()));
    let words = CommandLine::Argv(vec!["ls".into(), "*".into()]);
    assert_eq!(CommandLine::from(["ls", "*"]), words);
    let limits = one(|shop| shop.engine("sqlite")).expect("a spec").snapshots[0].limits;
    assert_eq!(limits, Limits::default());
}
