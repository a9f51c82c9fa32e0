//! `cowherd diff`: what it prints, and its exit codes.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::Stdio;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::sqlite_shop;
use crate::support::processes::until_none;
use crate::support::{Project, golden, postgres, userns};

fn output(project: &Project, args: &[&str]) -> String {
    project.run(args).code(0).stdout
}

#[test]
fn sqlite_snapshots_are_compared_by_schema_and_rows() {
    let project = sqlite_shop();
    let text = output(&project, &["diff", "plain", "changed"]);
    golden("diff/sqlite.txt", &text);
    let json = output(&project, &["diff", "plain", "changed", "--json"]);
    golden("diff/sqlite.jsonl", &json);
    for line in json.lines() {
        let event: serde_json::Value = serde_json::from_str(line).expect("JSON");
        assert_eq!(event["v"], 1, "{line}");
    }
}

#[test]
fn colours_are_for_terminals_only() {
    let project = sqlite_shop();
    let plain = output(&project, &["diff", "plain", "changed"]);
    assert!(!plain.contains('\x1b'), "{plain}");
    let coloured = output(&project, &["diff", "plain", "changed", "--color", "always"]);
    assert!(
        coloured.contains("  \x1b[31m-\x1b[0m id=1, name='hat', x=1\n"),
        "{coloured}"
    );
}

#[test]
fn the_code_tells_of_differences_when_it_is_asked_to() {
    let project = sqlite_shop();
    let code = |args: &[&str], code| {
        let mut all = vec!["diff", "--exit-code"];
        all.extend(args);
        project.run(&all).code(code).stdout
    };
    code(&["plain", "changed"], 1);
    let same = code(&["plain", "plain"], 0);
    assert_eq!(same, "the same: it has the same layers in both\n");
    code(&["plain", "changed", "--rows", "--stat"], 1);
    code(&["plain", "changed", "--schema", "--json"], 1);
    code(&["plain", "changed", "--files"], 1);
    let untouched = code(&["plain", "changed", "--table", "untouched"], 0);
    assert_eq!(untouched, "rows: the same in 1 table\n");
}

#[test]
fn rows_are_limited_and_numbers_are_not() {
    let project = sqlite_shop();
    let diff = |args: &[&str]| {
        let mut all = vec!["diff", "plain", "changed", "--table", "item"];
        all.extend(args);
        output(&project, &all)
    };
    let one = diff(&["--limit", "1"]);
    assert!(
        one.contains("item  1 inserted, 2 updated, 1 deleted\n"),
        "{one}"
    );
    assert!(
        one.ends_with("  … 3 more; --limit all shows them\n"),
        "{one}"
    );
    let none = diff(&["--limit", "0"]);
    assert_eq!(none, diff(&["--stat"]));
    // All are written as they are found, and numbers come last.
    let all = diff(&["--limit", "all"]);
    assert!(all.starts_with("item (key: id)\n"), "{all}");
    assert!(
        all.ends_with("item  1 inserted, 2 updated, 1 deleted\n"),
        "{all}"
    );
    let json = diff(&["--json", "--limit", "1"]);
    let events = |name: &str| json.matches(&format!("\"event\":\"{name}\"")).count();
    assert_eq!((events("row"), events("table")), (1, 1), "{json}");
}

#[test]
fn the_rows_of_a_table_on_one_side_are_told_when_it_is_named() {
    let project = sqlite_shop();
    let gone = output(&project, &["diff", "plain", "changed", "--table", "gone"]);
    assert!(
        gone.contains("\ngone (key: id)\n  - id=1\n  - id=2\n"),
        "{gone}"
    );
    let brought = output(
        &project,
        &["diff", "plain", "changed", "--table", "brought"],
    );
    assert!(brought.contains("\n  + id=1\n"), "{brought}");
}

#[test]
fn a_table_that_is_nowhere_is_a_usage_error() {
    sqlite_shop()
        .run(&["diff", "plain", "changed", "--table", "itm"])
        .code(2)
        .says("can't find a table `itm` on either side")
        .says("the tables are brought, counted, ");
}

#[test]
fn what_can_not_be_compared_is_told_and_counts_as_a_difference() {
    let project = Project::new(
        "\
version: 1
snapshots:
  two: { services: { db: { engine: sqlite }, more: { engine: sqlite } }, steps: [ { on: db, sql: a.sql } ] }
  one: { engine: sqlite, steps: [ { sql: a.sql } ] }
  wide: { engine: sqlite, settings: { encoding: UTF-16 }, steps: [ { sql: a.sql } ] }
",
    )
    .file("a.sql", "CREATE TABLE t (x TEXT PRIMARY KEY);");
    let text = project.run(&["diff", "two", "one", "--exit-code"]).code(1);
    assert!(
        text.stdout
            .ends_with("service more\nnot compared: only two has it\n"),
        "{}",
        text.stdout
    );
    project
        .run(&["diff", "one", "wide"])
        .code(2)
        .says("can't compare the databases: they store text in different encodings");
}

#[test]
fn long_values_are_cut_where_they_differ() {
    let project = Project::new(
        "\
version: 1
snapshots:
  a: { engine: sqlite, steps: [ { sql: a.sql } ] }
  b: { from: a, steps: [ { sql: b.sql } ] }
",
    )
    .file(
        "a.sql",
        "CREATE TABLE t (id INTEGER PRIMARY KEY, x); INSERT INTO t VALUES (1, printf('%0100d', 0) || 'one' || printf('%0100d', 0));",
    )
    .file("b.sql", "UPDATE t SET x = replace(x, 'one', 'two');");
    let text = output(&project, &["diff", "a", "b"]);
    assert!(text.contains("x '…000000000000one0"), "{text}");
    assert!(text.contains("0…' → '…000000000000two0"), "{text}");
}

const MANY: &str = "\
version: 1
snapshots:
  none: { engine: sqlite, steps: [ { sql: none.sql } ] }
  many: { from: none, steps: [ { sql: many.sql } ] }
";

/// Many rows that differ, so that what is printed about them fills every pipe.
fn many() -> Project {
    Project::new(MANY)
    .file("none.sql", "CREATE TABLE t (id INTEGER PRIMARY KEY);")
    .file(
        "many.sql",
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000) INSERT INTO t SELECT i FROM n;",
    )
}

#[test]
fn a_reader_that_goes_wanted_no_more() {
    let project = many();
    output(&project, &["build"]);
    for format in [&["--json"][..], &["--limit", "all"]] {
        let mut args = vec!["diff", "none", "many"];
        args.extend(format);
        let mut command = project.command(&args);
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program");
        let mut reader = BufReader::new(child.stdout.take().expect("a pipe"));
        let mut line = String::new();
        reader.read_line(&mut line).expect("a line");
        drop(reader);
        let ended = child.wait_with_output().expect("an end");
        assert_eq!(ended.status.code(), Some(0));
        assert_eq!(String::from_utf8_lossy(&ended.stderr), "");
    }
}

/// Signals a comparison whose output fills a pipe that nobody reads on; its exit code.
fn signalled(project: &Project, signal: Signal) -> Option<i32> {
    output(project, &["build"]);
    let mut command = project.command(&["diff", "none", "many", "--json"]);
    let mut child = command.stdout(Stdio::piped()).spawn().expect("the program");
    let mut pipe = child.stdout.take().expect("a pipe");
    // From the first byte on it has much to write, and a pipe that takes no more soon.
    pipe.read_exact(&mut [0]).expect("a byte");
    let pid = Pid::from_raw(i32::try_from(child.id()).expect("a pid"));
    kill(pid, signal).expect("a process to signal");
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        if let Some(status) = child.try_wait().expect("a status") {
            return status.code();
        }
        if Instant::now() > deadline {
            child.kill().expect("an end");
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn a_signal_ends_it_even_where_nobody_reads_what_it_prints() {
    assert_eq!(signalled(&many(), Signal::SIGTERM), Some(143));
}

#[test]
fn a_signal_ends_the_containers_too() {
    if !postgres() {
        return;
    }
    let project = Project::new(&MANY.replace("sqlite", "postgres"))
        .file("none.sql", "CREATE TABLE t (id int PRIMARY KEY);")
        .file(
            "many.sql",
            "INSERT INTO t SELECT generate_series(1, 20000);",
        );
    assert_eq!(signalled(&project, Signal::SIGINT), Some(130));
    assert_eq!(until_none(|| project.processes()), []);
}

#[test]
fn the_files_of_a_snapshot_are_told_with_their_sizes() {
    if !userns() {
        return;
    }
    let project = sqlite_shop();
    let text = output(&project, &["diff", "plain", "changed", "--files"]);
    assert!(
        text.starts_with("files: 1 changed\n  ~ shop.db  "),
        "{text}"
    );
    assert!(text.contains(" KiB → "), "{text}");
    let json = output(&project, &["diff", "plain", "changed", "--files", "--json"]);
    let file: serde_json::Value = serde_json::from_str(json.lines().nth(1).unwrap()).unwrap();
    assert_eq!(file["event"], "file");
    assert_eq!(file["path"], "shop.db");
    assert!(file["after"]["bytes"].as_u64() > file["before"]["bytes"].as_u64());
}
