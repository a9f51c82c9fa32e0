//! What every engine has to do, whatever it is: the same cases over all of them, through the binary.
//!
//! An engine has a [`Kind`] and one line in the table at the end. Each case is a function in a file of `conformance/`.

mod adding;
mod copies;
mod faults;
mod versions;

use std::path::PathBuf;

use cowherd::engine::{mariadb_find, postgres_find, redis_find};

use crate::support::{self, Project};

/// What the cases have to know of an engine.
pub(crate) struct Kind {
    /// The keys of the service in a spec.
    service: &'static str,
    /// Whether it is there.
    available: fn() -> bool,
    /// A step that makes a database of one number, 1, and what is in the file `seed` that it may read.
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
    /// What its log says when it is ready.
    ready: &'static str,
    /// The folder of its programs.
    programs: fn() -> PathBuf,
    /// The programs that are asked for the version, where there are such.
    asked: &'static [&'static str],
    /// What they print for the first version of two, and for the second.
    printed: fn(u32) -> String,
}

const POSTGRES: Kind = Kind {
    service: "engine: postgres, database: app",
    available: support::postgres,
    seed: (
        "sql: seed",
        "CREATE TABLE t (x int); INSERT INTO t VALUES (1);",
    ),
    read: "psql -XAtc 'SELECT sum(x) FROM t'",
    write: "psql -XAqc 'INSERT INTO t VALUES (1)'",
    spoil: "kill_server",
    spoilt: "; the logs end with:",
    heart: ("global/pg_control", "PG_CONTROL_VERSION"),
    of_one_run: &[
        "postmaster.pid",
        "postmaster.opts",
        "pg_internal.init",
        ".s.PGSQL",
    ],
    server: Some(Served {
        process: "postgres",
        ready: "ready to accept connections",
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
    service: "engine: sqlite, database: app",
    available: support::userns,
    seed: ("sql: seed", "CREATE TABLE t (x int); INSERT INTO t VALUES (1);"),
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
    service: "engine: redis",
    available: support::redis,
    seed: ("redis: seed", "SET t 1"),
    read: "redis-cli -e get t",
    write: "redis-cli -e incr t > /dev/null",
    spoil: "kill_server",
    spoilt: "; the logs end with:",
    heart: ("dump.rdb", "Wrong signature trying to load DB from file"),
    of_one_run: &["temp-", ".pid", ".aof", ".sock"],
    server: Some(Served {
        process: "redis-server",
        ready: "Ready to accept connections",
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

const MARIADB: Kind = Kind {
    service: "engine: mariadb, database: app",
    available: support::mariadb,
    seed: (
        "sql: seed",
        "CREATE TABLE t (x int); INSERT INTO t VALUES (1);",
    ),
    read: "mariadb --no-defaults -uroot -Dapp -Ne 'SELECT sum(x) FROM t'",
    write: "mariadb --no-defaults -uroot -Dapp -e 'INSERT INTO t VALUES (1)'",
    spoil: "kill_server",
    spoilt: "; the logs end with:",
    heart: ("ibdata1", "ibdata1"),
    of_one_run: &[".pid", "ib_buffer_pool", "ibtmp1", ".sock"],
    server: Some(Served {
        process: "mariadbd",
        ready: "ready for connections",
        programs: || {
            let found =
                mariadb_find::Places::of_this_host().find(mariadb_find::Product::MariaDb, None);
            let server = found.expect("MariaDB").server;
            server.parent().expect("a folder").to_owned()
        },
        asked: &["mariadbd"],
        printed: |version| format!("mariadbd  Ver 10.11.9{version}-MariaDB for Linux on x86_64"),
    }),
};

/// Redis as a server that nothing is known of but its command.
const SERVICE: Kind = Kind {
    // It takes connections before it has read its dump, and ends when it can't.
    service: "engine: service, ports: [6379], healthcheck: { log: Ready to accept connections }, \
              command: [redis-server, --dir, '{data}', --save, '3600 1000000']",
    seed: ("run: { command: redis-cli -e set t 1, inputs: [] }", ""),
    spoilt: "it was ended by signal 9",
    server: Some(Served {
        process: "redis-server",
        ready: "Ready to accept connections",
        programs: PathBuf::new,
        asked: &[],
        printed: |_| String::new(),
    }),
    ..REDIS
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
        let (step, seed) = self.seed;
        let service = self.service;
        let spec = format!(
            "\
version: 1
snapshots:
  app:
    services: {{ db: {{ {service} }} }}
    steps:
      - {{ {step} }}
{steps}
{more}"
        );
        let server = self.server.as_ref().map_or("", |server| server.process);
        Project::new(&spec)
            .file("seed", seed)
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

/// A test of each case for each engine: those for all, and those for the words behind its name.
macro_rules! conformance {
    ($($name:ident: $kind:ident $(, $more:ident)*;)*) => { $(
        mod $name {
            conformance! { @cases super::$kind;
                copies::a_hundred_copies_at_once_see_nothing_of_each_other,
                copies::many_programs_start_copies_of_one_layer_at_once,
                copies::nothing_that_belongs_to_one_run_is_in_a_layer,
                copies::what_a_stopped_server_left_starts_again,
                faults::a_state_that_is_not_at_rest_is_refused,
                faults::damaged_data_are_told_in_time_in_the_words_of_the_database,
            }
            $(conformance! { @$more super::$kind })*
        }
    )* };
    (@served $kind:path) => {
        conformance! { @cases $kind;
            faults::a_server_that_is_killed_fails_its_test_and_no_other,
        }
    };
    (@versioned $kind:path) => {
        conformance! { @cases $kind;
            versions::a_layer_of_another_version_is_not_found,
            versions::a_snapshot_of_another_version_is_not_imported,
        }
    };
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
    postgres: POSTGRES, served, versioned;
    sqlite: SQLITE;
    mariadb: MARIADB, served, versioned;
    redis: REDIS, served, versioned;
    service: SERVICE, served;
}
