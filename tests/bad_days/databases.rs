//! Servers that die, or never come up.

use super::one_row;
use crate::support::{Project, postgres};

#[test]
fn a_server_that_its_test_killed_is_the_tests_own_failure_and_its_last_words_are_shown() {
    if !postgres() {
        return;
    }
    let kill = "kill -9 $(head -1 /run/cowherd/db/data/postmaster.pid)";
    let project = one_row(
        "postgres",
        &[
            &format!(
                "name: kills, command: 'psql -XAqc \"DO \\$\\$ BEGIN RAISE LOG ''a last word''; END \\$\\$\"; {kill}; psql -XAtc \"SELECT 1\"'"
            ),
            "name: stops, command: 'pid=$(head -1 /run/cowherd/db/data/postmaster.pid); kill -INT $pid; while kill -0 $pid 2> /dev/null; do sleep 0.01; done; exit 4'",
            "name: next, command: 'psql -XAtc \"SELECT x FROM t\"'",
        ],
    );
    project
        .run(&["run", "-j", "1"])
        .code(100)
        .says("kills: exit code 2\n")
        .says("the services' logs end with:\n")
        .says("LOG:  a last word")
        .says("database system is shut down")
        .says("stops: exit code 4\n")
        .says(": 1 passed, 2 failed\n");
    project.leaves_nothing();
}

#[test]
fn a_server_that_crashes_comes_back_or_its_test_fails_but_no_other() {
    if !postgres() {
        return;
    }
    let project = one_row(
        "postgres",
        &[
            "name: crash, command: 'psql -XAtc \"SELECT pg_backend_pid()\" ; psql -XAtc \"DO LANGUAGE plpgsql $$ BEGIN EXECUTE format(''COPY (SELECT 1) TO PROGRAM %L'', ''kill -9 $PPID''); END $$\"'",
            "name: next, command: 'psql -XAtc \"SELECT x FROM t\"'",
        ],
    );
    project
        .run(&["run"])
        .code(100)
        .says(": 1 passed, 1 failed\n");
    project.leaves_nothing();
}

/// A folder of PostgreSQL's programs whose server is this script.
fn with_server(script: &str) -> Project {
    let found = cowherd::engine::postgres_find::Places::of_this_host().find(None);
    let real = found.expect("PostgreSQL").folder;
    let project = Project::new("").program(
        "bin/postgres",
        &format!("#!/bin/sh\nREAL={}\n{script}\n", real.display()),
    );
    let bin = project.folder().join("bin");
    for program in std::fs::read_dir(&real).expect("programs").flatten() {
        if program.file_name() != "postgres" {
            std::os::unix::fs::symlink(program.path(), bin.join(program.file_name()))
                .expect("a link");
        }
    }
    let spec = format!(
        "\
version: 1
snapshots:
  app:
    services: {{ db: {{ engine: postgres, bin_dir: {} }} }}
tests:
  - {{ name: one, snapshot: app, command: 'true' }}
  - {{ name: two, snapshot: app, command: 'true' }}
",
        bin.display()
    );
    project.file("cowherd.yaml", spec)
}

#[test]
fn a_server_that_never_listens_can_be_interrupted_and_leaves_nothing() {
    if !postgres() {
        return;
    }
    // Only the server hangs: initdb starts its own with --boot, --single and -V.
    let project = with_server(
        "case \"$*\" in *listen_addresses*) echo it hangs >&2; exec sleep 1000 ;; esac; exec $REAL/postgres \"$@\"",
    );
    let mut started = project.start(&["run"]);
    started.until("server that hangs", |_| {
        project
            .processes()
            .iter()
            .any(|process| process.name == "sleep")
    });
    started.signal(nix::sys::signal::Signal::SIGINT);
    started.wait().code(130);
    assert_eq!(project.count("keys"), 1);
    project.leaves_nothing();
}

#[test]
fn a_server_that_never_listens_is_given_up_after_a_minute_with_its_last_words() {
    if !postgres() {
        return;
    }
    let project = with_server(
        "case \"$*\" in *listen_addresses*) echo it hangs >&2; exec sleep 1000 ;; esac; exec $REAL/postgres \"$@\"",
    );
    project
        .run(&["run"])
        .code(101)
        .says("it was not ready within 60s")
        .says("it hangs")
        .says("is the machine overloaded?");
    project.leaves_nothing();
}

#[test]
fn a_server_that_dies_in_a_run_is_no_verdict_on_the_tests() {
    if !postgres() {
        return;
    }
    // While building it works, told apart by a setting that only building has.
    let project = with_server(
        "case \"$*\" in *listen_addresses*max_wal_size*) ;; *listen_addresses*) echo it would rather not >&2; exit 7 ;; esac; exec $REAL/postgres \"$@\"",
    );
    project
        .run(&["run"])
        .code(101)
        .says("2 tests could not be run, for one reason (the tests are not to blame)")
        .says("exited with code 7; its last words:")
        .says("it would rather not")
        .says(": 0 passed, 2 errors\n");
    project.leaves_nothing();
}
