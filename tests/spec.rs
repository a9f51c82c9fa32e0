//! What `cowherd.yaml` means, and what is said when it is wrong.

mod arbitrary;
mod declare;
mod elsewhere;
mod interpolation;
mod meaning;
mod services;
mod units;
mod yaml;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

use cowherd::spec::{self, CommandLine, Files, Spec, SpecError, StepKind, TestKind};

/// Parses with no variable set.
fn parse(text: impl AsRef<[u8]>) -> Result<Spec, SpecError> {
    spec::parse(Path::new("cowherd.yaml"), text.as_ref(), &|_| None)
}

#[track_caller]
fn good(text: impl AsRef<[u8]>) -> Spec {
    parse(text).unwrap_or_else(|error| panic!("{error}"))
}

/// The problems as `LINE:COLUMN: message`.
#[track_caller]
fn problems(text: impl AsRef<[u8]>) -> Vec<String> {
    let error = parse(text).expect_err("a spec with problems");
    let problems = error.problems().iter();
    problems
        .map(|problem| {
            let at = problem.position;
            format!("{}:{}: {}", at.line, at.column, problem.message)
        })
        .collect()
}

/// The only problem.
#[track_caller]
fn problem(text: impl AsRef<[u8]>) -> String {
    let mut all = problems(text);
    assert_eq!(all.len(), 1, "{all:#?}");
    all.remove(0)
}

/// A spec with one snapshot and this text for its tests.
fn with_tests(tests: &str) -> String {
    format!("version: 1\nsnapshots: {{ shop: {{ engine: postgres }} }}\ntests:\n{tests}")
}

/// A spec with one snapshot and these steps.
fn with_steps(steps: &str) -> String {
    format!("version: 1\nsnapshots:\n  shop:\n    engine: postgres\n    steps:\n{steps}")
}

#[test]
fn every_key_arrives_in_the_model() {
    let spec = good(
        "
version: 1
x-limits: &limits { mem_limit: 64MB, pids_limit: 20, cpus: 1.5 }
snapshots:
  shop:
    engine: postgresql
    database: orders
    settings: { work_mem: 8MB, fsync: on, max_connections: 100 }
    bin_dir: /opt/pg/bin
    <<: *limits
    steps:
      - migrate: migrations
      - migrate: { tool: flyway, dir: sql }
      - sql: seed/*.sql
      - sql: [a.sql, b.sql]
        on: db
      - run: { command: [./load.sh, $HOME], inputs: [data/*.csv], environment: { N: 1 } }
  big:
    from: shop
    mem_limit: 1g
    steps: [ { sql: seed/big.sql } ]
tests:
  - name: orders
    snapshot: shop
    command: ./orders.sh $X
    timeout: 1m30s
    retries: 2
    environment: [A=1, B=x=y]
    working_dir: sub
    files: host
    cpus: 2
  - { name: checks, snapshot: big, each: checks/*.sql }
  - name: pytest
    snapshot: big
    discover: pytest --collect-only -q
    command: [pytest, -q, '{test}']
",
    );
    assert_eq!(spec.file, Path::new("cowherd.yaml"));
    assert_eq!(spec.folder, Path::new("."));

    let [shop, big] = spec.snapshots.as_slice() else {
        panic!("{spec:#?}")
    };
    let service = &shop.services[0];
    assert_eq!(
        (&*service.name, &*service.engine, &*service.database),
        ("db", "postgres", "orders")
    );
    let settings: Vec<_> = service.settings.iter().collect();
    let expected = [
        ("fsync", "on"),
        ("max_connections", "100"),
        ("work_mem", "8MB"),
    ];
    assert!(settings.into_iter().map(|(k, v)| (&**k, &**v)).eq(expected));
    assert_eq!(service.bin_dir.as_deref(), Some(Path::new("/opt/pg/bin")));
    assert_eq!(
        (shop.limits.memory, shop.limits.pids, shop.limits.cpus),
        (Some(64 << 20), Some(20), Some(1.5))
    );
    assert!(shop.steps.iter().all(|step| step.on == "db"));
    let kinds: Vec<_> = shop.steps.iter().map(|step| step.kind.clone()).collect();
    let run = StepKind::Run {
        command: CommandLine::Argv(vec!["./load.sh".into(), "$HOME".into()]),
        inputs: vec!["data/*.csv".into()],
        environment: [("N".into(), "1".into())].into(),
    };
    let flyway = StepKind::Migrate {
        tool: Some("flyway".into()),
        dir: "sql".into(),
        history: true,
        placeholders: BTreeMap::new(),
    };
    let detected = StepKind::Migrate {
        tool: None,
        dir: "migrations".into(),
        history: true,
        placeholders: BTreeMap::new(),
    };
    let sql = |files: &[&str]| StepKind::Sql(files.iter().map(|&file| file.into()).collect());
    assert_eq!(
        kinds,
        [
            detected,
            flyway,
            sql(&["seed/*.sql"]),
            sql(&["a.sql", "b.sql"]),
            run
        ]
    );
    assert_eq!(big.from.as_deref(), Some("shop"));
    assert_eq!(big.services, shop.services);
    assert_eq!(
        (big.limits.memory, big.limits.pids),
        (Some(1 << 30), Some(20))
    );

    let [orders, checks, pytest] = spec.tests.as_slice() else {
        panic!("{spec:#?}")
    };
    let shell = CommandLine::Shell("./orders.sh $X".into());
    assert_eq!(orders.kind, TestKind::Command(shell));
    assert_eq!(orders.timeout, Some(Duration::from_secs(90)));
    assert_eq!(orders.retries, Some(2));
    assert_eq!(orders.environment["A"], "1");
    assert_eq!(orders.environment["B"], "x=y");
    assert_eq!(orders.working_dir.as_deref(), Some(Path::new("sub")));
    assert_eq!((orders.files, checks.files), (Files::Host, Files::Copy));
    assert_eq!(
        (orders.limits.cpus, orders.limits.memory),
        (Some(2.0), None)
    );
    assert_eq!((orders.position.line, orders.position.column), (23, 5));
    assert_eq!(checks.kind, TestKind::Each(vec!["checks/*.sql".into()]));
    let discover = CommandLine::Shell("pytest --collect-only -q".into());
    let command = CommandLine::Argv(["pytest", "-q", "{test}"].map(String::from).to_vec());
    assert_eq!(pytest.kind, TestKind::Discover { discover, command });
}

#[test]
fn a_bad_spec_is_reported_whole_in_the_order_of_the_file() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/golden/spec");
    let text = fs::read(folder.join("wrong.yaml")).unwrap();
    let error = parse(text).unwrap_err();
    let printed = format!("{error}\n");
    let golden = folder.join("wrong.txt");
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&golden, &printed).unwrap();
    }
    assert_eq!(printed, fs::read_to_string(golden).unwrap());

    let positions: Vec<_> = error.problems().iter().map(|one| one.position).collect();
    assert!(positions.is_sorted());
    let mut once: Vec<_> = error.problems().iter().map(|one| &one.message).collect();
    let all = once.len();
    once.sort();
    once.dedup();
    assert_eq!(once.len(), all);
}

#[test]
fn the_spec_is_found_in_the_nearest_folder_above() {
    let folder = tempfile::tempdir().unwrap();
    let deep = folder.path().join("a/b");
    fs::create_dir_all(&deep).unwrap();
    let error = spec::find(&deep).unwrap_err();
    assert!(error.to_string().contains("can't find cowherd.yaml in "));
    assert!(error.hint().unwrap().contains("`cowherd init`"));

    let file = folder.path().join("cowherd.yml");
    fs::write(&file, "").unwrap();
    assert_eq!(spec::find(&deep).unwrap(), file);
    let preferred = folder.path().join("cowherd.yaml");
    fs::write(&preferred, "").unwrap();
    assert_eq!(spec::find(&deep).unwrap(), preferred);
    // A folder of that name is no spec.
    fs::create_dir(folder.path().join("a/cowherd.yaml")).unwrap();
    assert_eq!(spec::find(&deep).unwrap(), preferred);
}

#[test]
fn a_loaded_spec_has_absolute_paths() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("cowherd.yaml");
    fs::write(&file, with_tests("  - { name: a, command: b }\n")).unwrap();
    let spec = spec::load(&file).unwrap();
    assert_eq!((&*spec.file, &*spec.folder), (&*file, folder.path()));

    let error = spec::load(&folder.path().join("missing.yaml")).unwrap_err();
    assert!(matches!(error, SpecError::Unreadable { .. }), "{error}");
}

#[test]
fn a_huge_file_is_refused_unread() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("cowherd.yaml");
    fs::File::create(&file).unwrap().set_len(10 << 20).unwrap();
    let error = spec::load(&file).unwrap_err().to_string();
    assert!(error.contains("it has 10 MiB"), "{error}");
    assert!(error.contains("at most 1 MiB"), "{error}");
    assert!(matches!(
        parse(vec![b' '; (1 << 20) + 1]),
        Err(SpecError::TooLarge { .. })
    ));
}
