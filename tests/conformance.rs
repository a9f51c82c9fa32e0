//! What every engine has to do, whatever it is: the same cases over all of them, through the binary.
//!
//! An engine has a [`Kind`] and one line in the table at the end. Each case is a function in a file of `conformance/`.

mod adding;
mod copies;
mod faults;
mod versions;

use std::path::PathBuf;

use cowherd::engine::{postgres_find, redis_find};

use crate::support::{self, Project};

/// What the cases have to know of an engine.
pub(crate) struct Kind {
    /// Its name in a spec.
    engine: &'static str,
    /// Whether it is there.
    available: fn() -> bool,
    /// A step that makes a database of one number, 1: its key, and what is in its file.
    seed: (&'static str, &'static str),
    /// A line of shell that prints the sum of all numbers, and fails without a database.
    read: &'static str,
    /// A line of shell that adds 1.
    write: &'static str,
    /// A line of shell after which the database can't be sealed.
    spoil: &'static str,
    /// What is said of that.
    spoilt: &'static str,
    /// The file of the data folder without which nothing goes, and what is said when it is damaged.
    heart: (&'static str, &'static str),
    /// How the names of files begin or end that belong to one run of a server.
    of_one_run: &'static [&'static str],
    /// The server, where there is one.
    server: Option<Served>,
}

/// What the cases have to know of a server.
struct Served {
    /// Its process, by the name that the kernel has for it.
    process: &'static str,
    /// The folder of its programs.
    programs: fn() -> PathBuf,
    /// The programs that are asked for the version.
    asked: &'static [&'static str],
    /// What they print for the first version of two, and for the second.
    printed: fn(u32) -> String,
}

const POSTGRES: Kind = Kind {
    engine: "postgres",
    available: support::postgres,
    seed: ("sql", "CREATE TABLE t (x int); INSERT INTO t VALUES (1);"),
    read: "psql -XAtc 'SELECT sum(x) FROM t'",
    write: "psql -XAqc 'INSERT INTO t VALUES (1)'",
    spoil: "kill_server",
    spoilt: "Connection refused",
    heart: ("global/pg_control", "PG_CONTROL_VERSION"),
    of_one_run: &[
        "postmaster.pid",
        "postmaster.opts",
        "pg_internal.init",
        ".s.PGSQL",
    ],
    server: Some(Served {
        process: "postgres",
        programs: || {
            let found = postgres_find::Places::of_this_host().find(None);
            found.expect("PostgreSQL").folder
        },
        asked: &["postgres", "pg_controldata"],
        printed: |version| {
            let found = postgres_find::Places::of_this_host().find(None);
            let major = found.expect("PostgreSQL").major;
            format!("postgres (PostgreSQL) {major}.9{version}")
        },
    }),
};

const SQLITE: Kind = Kind {
    engine: "sqlite",
    available: support::userns,
    seed: ("sql", "CREATE TABLE t (x int); INSERT INTO t VALUES (1);"),
    read: "sqlite 'SELECT sum(x) FROM t'",
    write: "sqlite 'INSERT INTO t VALUES (1)'",
    // A transaction that is too large for the cache, and whose program dies.
    spoil: "(echo 'PRAGMA cache_size = 2; BEGIN; WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 50000)
            INSERT INTO t SELECT i FROM n;'; sleep 1000) | /run/cowherd/bin/cowherd sqlite-client $SQLITE_FILE &
            until test \"$(head -c 1 $SQLITE_FILE-journal | od -An -tx1)\" = ' d9'; do sleep 0.01; done; kill -9 $!",
    spoilt: "holds an unfinished transaction",
    heart: ("app.db", "file is not a database"),
    of_one_run: &["-wal", "-shm", "-journal"],
    server: None,
};

const REDIS: Kind = Kind {
    engine: "redis",
    available: support::redis,
    seed: ("redis", "SET t 1"),
    read: "redis-cli -e get t",
    write: "redis-cli -e incr t > /dev/null",
    spoil: "kill_server",
    spoilt: "Connection refused",
    heart: ("dump.rdb", "Wrong signature trying to load DB from file"),
    of_one_run: &["temp-", ".pid", ".aof", ".sock"],
    server: Some(Served {
        process: "redis-server",
        programs: || {
            let found = redis_find::Places::of_this_host().find(None, None);
            found.expect("Redis").folder
        },
        asked: &["redis-server"],
        printed: |version| {
            format!("Redis server v=7.0.9{version} sha=0 malloc=libc bits=64 build=0")
        },
    }),
};

/// What lines of shell may use.
const SHELL: &str = "\
sqlite() { echo \"$1;\" | /run/cowherd/bin/cowherd sqlite-client $SQLITE_FILE; }
kill_server() {
    for process in /proc/[0-9]*; do
        test \"$(cat $process/comm 2> /dev/null)\" != \"$SERVER\" || kill -9 ${process#/proc/} || :
    done
}
";

impl Kind {
    /// A project with this snapshot and no tests; `steps` follow the first.
    fn project(&self, steps: &str, more: &str) -> Project {
        let (key, seed) = self.seed;
        let database = if self.server.is_some() && key == "redis" {
            "0"
        } else {
            "app"
        };
        let spec = format!(
            "\
version: 1
snapshots:
  app:
    engine: {}
    database: {database}
    steps:
      - {key}: seed.{key}
{steps}
{more}",
            self.engine
        );
        let server = self.server.as_ref().map_or("", |server| server.process);
        Project::new(&spec)
            .file(&format!("seed.{key}"), seed)
            .program(
                "shell",
                &format!("#!/bin/sh\nSERVER={server}\n{SHELL}\nset -e\neval \"$1\"\n"),
            )
            .env("READ", self.read)
            .env("WRITE", self.write)
            .env("SPOIL", self.spoil)
    }

    /// What a line of shell prints in a copy of the snapshot.
    #[track_caller]
    fn exec(project: &Project, line: &str) -> String {
        project
            .run(&["exec", "-s", "app", "--", "./shell", line])
            .code(0)
            .stdout
    }
}

/// A test of each case for each engine.
macro_rules! conformance {
    ($($name:ident: $kind:ident,)*) => { $(
        mod $name {
            conformance! { @cases super::$kind;
                copies::a_hundred_copies_at_once_see_nothing_of_each_other,
                copies::many_programs_start_copies_of_one_layer_at_once,
                copies::nothing_that_belongs_to_one_run_is_in_a_layer,
                copies::what_a_stopped_server_left_starts_again,
                faults::a_state_that_is_not_at_rest_is_refused,
                faults::a_server_that_is_killed_fails_its_test_and_no_other,
                faults::damaged_data_are_told_in_time_in_the_words_of_the_database,
                versions::a_layer_of_another_version_is_not_found,
                versions::a_snapshot_of_another_version_is_not_imported,
            }
        }
    )* };
    (@cases $kind:path; $($file:ident::$case:ident,)*) => { $(
        #[test]
        fn $case() {
            if ($kind.available)() {
                super::$file::$case(&$kind);
            }
        }
    )* };
}

conformance! {
    postgres: POSTGRES,
    sqlite: SQLITE,
    redis: REDIS,
}
