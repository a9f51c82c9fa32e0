//! Redis in containers, through the binary.

mod conversation;
mod states;

use crate::support::{Project, redis};

const SPEC: &str = "\
version: 1
snapshots:
  cache: { engine: redis, steps: [ { redis: seed.redis } ] }
  more: { from: cache, steps: [ { redis: more.redis } ] }
tests:
  - { name: checks, snapshot: cache, each: 'checks/*.redis' }
  - { name: bad, snapshot: more, command: 'redis-cli set hat 1; redis-cli del queue; redis-cli -n 2 set x y; exit 3' }
";

/// A cache with a value of each type.
pub(crate) fn cache() -> Project {
    Project::new(SPEC)
        .file(
            "seed.redis",
            "\
# A value of each type.
SET hat \"9 \\xe2\\x82\\xac\"
RPUSH queue a b c
HSET cap name cap price 7
ZADD best 1 hat 2.5 cap
SADD tags red blue green
XADD log 1-0 who ada what hat
SET far off EXAT 4102444800
SELECT 3
SET other database
",
        )
        .file("more.redis", "INCR count\n")
        .file(
            "checks/writes.redis",
            "SET hat 1\nEVAL \"assert(redis.call('GET', KEYS[1]) == '1')\" 1 hat\n",
        )
        .file(
            "checks/reads.redis",
            "EVAL \"assert(redis.call('GET', KEYS[1]) == '9 €')\" 1 hat\n",
        )
}

#[test]
fn each_test_has_a_server_of_its_own_and_is_told_where() {
    if !redis() {
        return;
    }
    let project = cache();
    project.run(&["run", "checks"]).code(0).says(": 2 passed\n");
    let script = "redis-cli -u $REDIS_URL ping; redis-cli -s /run/cowherd/db/redis.sock get count; \
                  echo $DATABASE_URL $DB_URL; redis-cli -n 3 get other";
    let seen = project
        .run(&["exec", "-s", "more", "--", "sh", "-c", script])
        .code(0)
        .stdout;
    let url = "redis://127.0.0.1:6379/0";
    assert_eq!(seen, format!("PONG\n1\n{url} {url}\ndatabase\n"));
    let mut shell = project.command(&["shell", "-s", "cache"]);
    let commands = std::fs::File::open(project.folder().join("more.redis")).expect("a file");
    let shell = shell.stdin(commands).output().expect("an output");
    assert_eq!(String::from_utf8_lossy(&shell.stdout), "1\n");
    project.leaves_nothing();
}

#[test]
fn the_database_is_a_number_and_a_password_is_passed_on() {
    if !redis() {
        return;
    }
    let project = Project::new(
        "\
version: 1
snapshots:
  cache:
    engine: redis
    database: 20
    settings: { databases: 32, requirepass: secret }
    steps: [ { redis: seed.redis } ]
tests:
  - { name: checks, snapshot: cache, each: 'checks/*.redis' }
  - { name: url, snapshot: cache, command: 'test \"$(redis-cli -u $REDIS_URL get a)\" = 1 && echo $REDIS_URL | grep -q /20$' }
",
    )
    .file("seed.redis", "SET a 1\n")
    .file("checks/there.redis", "EVAL \"assert(redis.call('GET', 'a') == '1')\" 0\n");
    project.run(&["run"]).code(0).says(": 2 passed\n");
    let mut shell = project.command(&["shell"]);
    let commands = std::fs::File::open(project.folder().join("seed.redis")).expect("a file");
    let shell = shell.stdin(commands).output().expect("an output");
    assert_eq!(String::from_utf8_lossy(&shell.stdout), "OK\n");
}

#[test]
fn redis_stands_beside_another_engine() {
    if !redis() {
        return;
    }
    let project = Project::new(
        "\
version: 1
snapshots:
  shop:
    services: { db: { engine: sqlite, database: shop }, cache: { engine: redis } }
    steps: [ { on: db, sql: shop.sql }, { on: cache, redis: cache.redis } ]
tests:
  - { name: checks, snapshot: shop, each: 'checks/*' }
  - { name: both, snapshot: shop, command: 'test -n \"$SQLITE_FILE\" && redis-cli -u $CACHE_URL get a' }
",
    )
    .file("shop.sql", "CREATE TABLE t (x);")
    .file("cache.redis", "SET a 1")
    .file("checks/a.sql", "INSERT INTO t VALUES (1);")
    .file("checks/b.redis", "INCR a");
    project.run(&["run"]).code(0).says(": 3 passed\n");
}

#[test]
fn the_server_itself_says_what_is_wrong_with_a_setting() {
    if !redis() {
        return;
    }
    let settings = "settings: { maxmemroy: 10mb }";
    let spec = format!("version: 1\nsnapshots: {{ a: {{ engine: redis, {settings} }} }}\n");
    Project::new(&spec)
        .run(&["build"])
        .code(101)
        .says("exited with code 1; its last words:")
        .says(">>> 'maxmemroy \"10mb\"'")
        .says("Bad directive or wrong number of arguments");
}

#[test]
fn a_check_for_an_engine_that_the_snapshot_lacks_is_no_test() {
    let project = Project::new(
        "\
version: 1
snapshots: { lite: { engine: sqlite } }
tests: [ { name: checks, snapshot: lite, each: 'checks/*' } ]
",
    )
    .file("checks/a.redis", "PING");
    project
        .run(&["run"])
        .code(96)
        .says("3:10: can't run `checks/a.redis`: no service of the snapshot `lite` takes `.redis` files")
        .says("hint: a service of `engine: redis` does");
}
