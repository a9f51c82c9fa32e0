//! What a test sees: its variables, its folder, its files, its user.

use super::{SHOP, shop};
use crate::support::{Project, userns};

/// The lines that a failed test printed.
fn printed(stderr: &str) -> Vec<&str> {
    stderr
        .lines()
        .filter_map(|line| line.strip_prefix("  │ "))
        .collect()
}

#[test]
fn a_string_goes_through_a_shell_and_a_list_is_executed_as_it_stands() {
    if !userns() {
        return;
    }
    let project = shop(&[
        "name: string, command: 'test \"$(echo a b)\" = \"a b\" && exit 3'",
        "name: list, command: ['/usr/bin/printf', '%s|', '$HOME', 'a b', '*', '']",
        "name: fails, command: ['/bin/sh', '-c', 'printf \"%s|\" \"$@\"; exit 1', 'me', '$HOME', 'a b', '*', '']",
    ]);
    let ended = project
        .run(&["run"])
        .code(100)
        .says("string: exit code 3\n");
    assert_eq!(printed(&ended.stderr), ["$HOME|a b|*||"]);
}

#[test]
fn a_test_knows_its_name_its_snapshot_and_its_database() {
    if !userns() {
        return;
    }
    let spec = SHOP.to_owned()
        + "  - name: a name: with 'quotes'
    snapshot: shop
    command: env | grep -E '^(COWHERD_(TEST|SNAPSHOT)|DATABASE_URL|DB_URL|SQLITE_FILE|OWN|PG.*|TMPDIR)=' | sort; exit 1
    environment: { OWN: value with spaces, EMPTY: '' }
";
    let project = Project::new(&spec.replace(
        "name: a name: with 'quotes'",
        "name: \"a name: with 'quotes'\"",
    ))
    .file("seed.sql", "")
    .env("PGHOST", "elsewhere")
    .env("DATABASE_URL", "postgres://elsewhere/db")
    .env("TMPDIR", "/nowhere")
    .env("COWHERD_TEST", "another");
    let ended = project.run(&["run"]).code(100);
    assert_eq!(
        printed(&ended.stderr),
        [
            "COWHERD_SNAPSHOT=shop",
            "COWHERD_TEST=a name: with 'quotes'",
            "DATABASE_URL=sqlite:///run/cowherd/db/data/shop.db",
            "DB_URL=sqlite:///run/cowherd/db/data/shop.db",
            "OWN=value with spaces",
            "SQLITE_FILE=/run/cowherd/db/data/shop.db",
        ]
    );
}

#[test]
fn the_working_folder_is_the_specs_own_or_what_it_says() {
    if !userns() {
        return;
    }
    let project = shop(&[
        "name: here, command: test -f cowherd.yaml && test ! -e inner.txt",
        "name: there, command: test -f inner.txt && test -f ../../cowherd.yaml, working_dir: deep/inner",
    ])
    .file("deep/inner/inner.txt", "");
    project.run(&["run"]).code(0);
    // Where the program was started doesn't matter.
    let mut elsewhere = project.command(&["run", "-f", "../../cowherd.yaml"]);
    elsewhere.current_dir(project.folder().join("deep/inner"));
    let output = elsewhere.output().expect("a run");
    assert_eq!(
        output.status.code(),
        Some(0),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let mut found = project.command(&["run"]);
    found.current_dir(project.folder().join("deep/inner"));
    let output = found.output().expect("a run");
    assert_eq!(output.status.code(), Some(0));

    let project = shop(&["name: nowhere, command: 'true', working_dir: absent"]);
    project
        .run(&["run"])
        .code(100)
        .says("  │ cowherd: can't run /bin/sh in ")
        .says("/absent: ENOENT");
}

#[test]
fn what_a_test_writes_in_the_project_is_gone_unless_it_asked_for_the_hosts_own_files() {
    if !userns() {
        return;
    }
    let project = shop(&[
        "name: copy, command: 'echo changed > kept.txt && echo new > open/copy.txt && mv gone elsewhere && echo more >> deep/er/file.txt && rm -r deep'",
        "name: again, command: 'test \"$(cat kept.txt)\" = original && test ! -e open/copy.txt && test -d gone'",
        "name: host, command: 'echo new > open/host.txt', files: host",
    ])
    .file("kept.txt", "original\n")
    .file("deep/er/file.txt", "deep")
    .open_folder("gone")
    .open_folder("open");
    project.run(&["run", "-j", "1"]).code(0);
    assert_eq!(project.read("kept.txt"), "original\n");
    assert_eq!(project.read("deep/er/file.txt"), "deep");
    assert!(project.folder().join("gone").exists());
    assert!(!project.folder().join("open/copy.txt").exists());
    assert_eq!(project.read("open/host.txt"), "new\n");
}

#[test]
fn a_test_reads_nothing_from_standard_input_and_is_never_root() {
    if !userns() {
        return;
    }
    let project = shop(&[
        "name: stdin, command: 'test -z \"$(cat)\" && ! read line'",
        "name: user, command: 'test $(id -u) != 0 && test $(id -g) != 0 && id -un'",
        "name: rights, command: 'grep -q \"^CapEff:.0*$\" /proc/self/status && grep -q \"^NoNewPrivs:.1\" /proc/self/status'",
    ]);
    project.run(&["run"]).code(0);
}

#[test]
fn each_makes_a_test_of_every_file_and_runs_sql_with_the_engines_client() {
    if !userns() {
        return;
    }
    let project = shop(&["name: checks, each: ['sql/*.sql', 'more/*']"])
        .file("sql/1_reads.sql", "SELECT * FROM t;")
        .file(
            "sql/2_fails.sql",
            "INSERT INTO t VALUES (2);\nSELECT nonsense\nFROM t;",
        )
        .file(
            "sql/10_counts.sql",
            "SELECT 'rows', count(*) FROM t; SELECT * FROM absent;",
        )
        .program(
            "more/run.sh",
            "#!/bin/sh\ntest \"$0\" != run.sh && test -f cowherd.yaml\n",
        )
        .program("more/fail.sh", "#!/bin/sh\necho $COWHERD_TEST; exit 9\n");
    let ended = project.run(&["run", "-j", "1"]).code(100);
    let order: Vec<&str> = ended
        .stderr
        .lines()
        .filter(|line| line.starts_with("    PASS [") || line.starts_with("    FAIL ["))
        .filter_map(|line| line.split("] ").nth(1))
        .collect();
    assert_eq!(
        order,
        [
            "checks::sql/1_reads.sql",
            "checks::sql/2_fails.sql: exit code 1",
            "checks::sql/10_counts.sql: exit code 1",
            "checks::more/fail.sh: exit code 9",
            "checks::more/run.sh"
        ]
    );
    ended
        .says("2_fails.sql: line 2: no such column: nonsense")
        .says("rows|1\n")
        .says("  │ checks::more/fail.sh\n");
}

#[test]
fn each_that_matches_no_file_is_a_wrong_spec() {
    let project = shop(&["name: checks, each: 'absent/*.sql'"]);
    project
        .run(&["run"])
        .code(96)
        .says("cowherd.yaml:5:")
        .says("absent/*.sql");
}

#[test]
fn discover_makes_a_test_of_every_line_and_fills_it_in() {
    if !userns() {
        return;
    }
    let project = shop(&[
        "name: found, discover: 'printf \"%s\\n\" one \"two words\" \"\" three', command: ['./check.sh', '{test}', 'x{test}y']",
        "name: database, discover: ['sh', '-c', 'test -f $SQLITE_FILE && echo there'], command: 'test {test} = there'",
    ])
    .program("check.sh", "#!/bin/sh\necho \"$COWHERD_TEST|$1|$2\"; test \"$1\" = one\n");
    project
        .run(&["run", "-j", "1"])
        .code(100)
        .says("found::one\n")
        .says("found::two words: exit code 1\n  │ found::two words|two words|xtwo wordsy\n")
        .says("found::three: exit code 1\n")
        .says("database::there\n")
        .says("done 4 tests in ");
    project
        .run(&["run", "found::one"])
        .code(0)
        .says(": 1 passed\n");
}

#[test]
fn a_test_may_write_through_the_names_of_its_standard_output_and_error() {
    if !userns() {
        return;
    }
    let project = shop(&[
        "name: one, command: 'echo first; echo second > /dev/stderr; echo third > /dev/stdout; echo fourth; exit 1'",
    ]);
    let ended = project.run(&["run"]).code(100);
    assert_eq!(
        printed(&ended.stderr),
        ["first", "second", "third", "fourth"]
    );
}

#[test]
fn discover_that_fails_is_no_test_result() {
    if !userns() {
        return;
    }
    let project = shop(&[
        "name: found, discover: 'echo half; echo broken import >&2; exit 4', command: [x, '{test}']",
    ]);
    project
        .run(&["run"])
        .code(101)
        .says("can't discover the tests of `found`: its command exited with code 4")
        .says("broken import");
    let project = shop(&["name: found, discover: 'true', command: [x, '{test}']"]);
    project.run(&["run"]).code(4);
    let project = shop(&["name: found, discover: [absent-program], command: [x, '{test}']"]);
    project.run(&["run"]).code(101).says("absent-program");
}
