//! A set of migrations as several layers, and chains that stay short.

use super::{app, query};
use crate::support::{Project, postgres, userns};

fn migration(number: usize) -> String {
    format!("migrations/{number:03}_m.sql")
}

/// A project whose migrations from 1 on each note their number.
fn migrated(engine: &str, migrations: usize, more: &str) -> Project {
    let steps = format!("[ {{ migrate: migrations }}{more} ]");
    let project = app(engine, &steps).file(
        &migration(1),
        "CREATE TABLE done (number integer); INSERT INTO done VALUES (1);",
    );
    (2..=migrations).fold(project, |project, number| note(project, number, number))
}

fn note(project: Project, number: usize, noted: usize) -> Project {
    let sql = format!("INSERT INTO done VALUES ({noted});");
    project.file(&migration(number), sql)
}

/// The layers of `app`, from `cowherd build`.
#[track_caller]
fn layers(project: &Project) -> usize {
    let ended = project.run(&["build"]).code(0);
    let count = ended.stdout.strip_prefix("app: ").map(str::trim_end);
    let count = count.and_then(|text| text.strip_suffix(" layers"));
    count.expect("a count").parse().expect("a number")
}

fn sum(numbers: impl IntoIterator<Item = usize>) -> String {
    numbers.into_iter().sum::<usize>().to_string()
}

const SUM: &str = "SELECT sum(number) FROM done";

#[test]
fn the_last_migration_is_built_alone_and_an_old_one_with_those_after_it() {
    if !userns() {
        return;
    }
    let project = migrated("sqlite", 60, "");
    project
        .run(&["build"])
        .code(0)
        .says("   build app 2/2 migrate migrations: 001_m.sql to 028_m.sql (")
        .says("   build app 2/2 migrate migrations: 029_m.sql to 044_m.sql (")
        .says("   build app 2/2 migrate migrations: 045_m.sql to 052_m.sql (")
        .says("   build app 2/2 migrate migrations: 053_m.sql to 056_m.sql (")
        .says("   build app 2/2 migrate migrations: 057_m.sql to 058_m.sql (")
        .says("   build app 2/2 migrate migrations: 059_m.sql (")
        .says("   build app 2/2 migrate migrations: 060_m.sql (");
    assert_eq!(layers(&project), 8);

    let project = note(project, 61, 61);
    let ended = project.run(&["build"]).code(0);
    assert_eq!(built(&ended.stderr), ["migrate migrations: 061_m.sql"]);

    let project = note(project, 61, 1000);
    let ended = project.run(&["build"]).code(0);
    assert_eq!(built(&ended.stderr), ["migrate migrations: 061_m.sql"]);
    assert_eq!(query(&project, "sqlite", SUM), sum((1..=60).chain([1000])));

    let project = note(project, 30, 2000);
    let ended = project.run(&["build"]).code(0);
    let again = built(&ended.stderr);
    assert_eq!(again[0], "migrate migrations: 029_m.sql to 045_m.sql");
    assert_eq!(
        query(&project, "sqlite", SUM),
        sum((1..=60).filter(|n| *n != 30).chain([1000, 2000]))
    );

    // What was there before is still there.
    let project = note(note(project, 30, 30), 61, 61);
    project.run(&["build"]).code(0).never_says("build");
    assert_eq!(query(&project, "sqlite", SUM), sum(1..=61));

    // And one that is taken away leaves what was before it.
    std::fs::remove_file(project.folder().join(migration(61))).expect("a file");
    project.run(&["build"]).code(0).never_says("build");
    assert_eq!(query(&project, "sqlite", SUM), sum(1..=60));
}

/// What was built, in words.
fn built(stderr: &str) -> Vec<&str> {
    let lines = stderr.lines().filter_map(|line| {
        let line = line.trim_start().strip_prefix("build app ")?;
        let (_, label) = line.split_once(' ')?;
        Some(label.rsplit_once(" (").map_or(label, |(label, _)| label))
    });
    lines.collect()
}

/// Adds files one by one: each is built alone, the chain stays short, and nothing of it gets lost.
fn grows(engine: &str, from: usize, to: usize) {
    let steps = ", { sql: seed.sql }";
    let mut project = migrated(engine, from, steps).file(
        "seed.sql",
        "DROP TABLE IF EXISTS seeded; CREATE TABLE seeded AS SELECT sum(number) AS sum FROM done;",
    );
    assert!(layers(&project) <= 10);
    let (mut before, mut shortened) = (0, 0);
    for number in from + 1..=to {
        // A table less and a table more: merged layers have files that are gone.
        let sql = format!(
            "INSERT INTO done VALUES ({number}); CREATE TABLE t{number} (x integer); DROP TABLE IF EXISTS t{};",
            number - 1
        );
        project = project.file(&migration(number), sql);
        let ended = project.run(&["build"]).code(0);
        let file = format!("migrate migrations: {number:03}_m.sql");
        assert_eq!(built(&ended.stderr), [&file, "sql seed.sql"], "{engine}");
        let now = layers(&project);
        assert!(now <= 10, "{engine}: {now} layers with {number} migrations");
        shortened += usize::from(now < before);
        before = now;
    }
    assert!(shortened > 0, "{engine}");
    assert_eq!(query(&project, engine, SUM), sum(1..=to));
    assert_eq!(
        query(&project, engine, "SELECT sum FROM seeded"),
        sum(1..=to)
    );
    let tables = match engine {
        "postgres" => "SELECT count(*) FROM pg_tables WHERE tablename ~ '^t[0-9]'",
        _ => "SELECT count(*) FROM sqlite_schema WHERE name LIKE 't%'",
    };
    assert_eq!(query(&project, engine, tables), "1");
    // The last one is alone in its layer whenever the chain is made shorter.
    let project = note(project, to, 5000);
    let ended = project.run(&["build"]).code(0);
    let last = format!("migrate migrations: {to:03}_m.sql");
    assert_eq!(built(&ended.stderr), [&last, "sql seed.sql"], "{engine}");
    project.leaves_nothing();
}

#[test]
fn a_chain_never_gets_deeper_than_ten_layers_however_many_migrations_are_added() {
    if userns() {
        grows("sqlite", 30, 50);
    }
}

#[test]
fn layers_of_postgres_are_made_one_and_lead_to_the_same_state() {
    if userns() && postgres() {
        grows("postgres", 9, 15);
    }
}

#[test]
fn a_chain_of_many_steps_is_made_shorter() {
    if !userns() {
        return;
    }
    let names: Vec<String> = (1..=14).map(|n| format!("{{ sql: s{n}.sql }}")).collect();
    let mut project = app("sqlite", &format!("[ {} ]", names.join(", ")))
        .file("s1.sql", "CREATE TABLE done (number integer);");
    for number in 2..=14 {
        let sql = format!("INSERT INTO done VALUES ({number});");
        project = project.file(&format!("s{number}.sql"), sql);
    }
    let ended = project.run(&["build"]).code(0);
    assert_eq!(built(&ended.stderr).len(), 15);
    assert_eq!(layers(&project), 7);
    assert_eq!(query(&project, "sqlite", SUM), sum(2..=14));
    project.run(&["build"]).code(0).never_says("build");
    // A step below the merged layers is found all the same.
    let project = project.file("s14.sql", "INSERT INTO done VALUES (1000);");
    let ended = project.run(&["build"]).code(0);
    assert_eq!(built(&ended.stderr), ["sql s14.sql"]);
}

#[test]
fn what_is_built_of_a_set_is_told() {
    if !userns() {
        return;
    }
    let project = migrated("sqlite", 5, "");
    project.run(&["build"]).code(0);
    let json: serde_json::Value = inspected(&project);
    assert_eq!(json["built"], true);
    let step = &json["steps"][1];
    assert_eq!(step["label"], "migrate migrations");
    let labels: Vec<&str> = step["layers"]
        .as_array()
        .expect("layers")
        .iter()
        .filter_map(|layer| layer["label"].as_str())
        .collect();
    assert_eq!(
        labels,
        [
            "migrate migrations: 001_m.sql to 003_m.sql",
            "migrate migrations: 004_m.sql",
            "migrate migrations: 005_m.sql"
        ]
    );
    assert_eq!(step["layer"], step["layers"][2]["digest"]);
    let project = note(project, 5, 50);
    let json = inspected(&project);
    assert_eq!(json["built"], false);
    assert_eq!(json["next"], "migrate migrations");
    assert_eq!(json["steps"][1]["cached"], false);
    let ended = project.run(&["inspect"]).code(0);
    assert!(ended.stdout.contains("4 of 5"), "{}", ended.stdout);
    assert!(
        ended.stdout.contains("1 of 2 steps are built"),
        "{}",
        ended.stdout
    );
    let ended = project.run(&["list"]).code(0);
    assert!(ended.stdout.contains("partly"), "{}", ended.stdout);
}

fn inspected(project: &Project) -> serde_json::Value {
    let ended = project.run(&["inspect", "--json"]).code(0);
    serde_json::from_str(&ended.stdout).expect("JSON")
}
