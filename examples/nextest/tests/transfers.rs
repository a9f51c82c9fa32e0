//! Each test has a PostgreSQL server of its own: it may do what it likes to it.

use accounts::{connect, transfer};
use postgres::Client;

fn balance(database: &mut Client, owner: &str) -> i64 {
    let row = database.query_one("SELECT balance FROM account WHERE owner = $1", &[&owner]);
    row.expect("an account").get(0)
}

#[test]
fn money_is_moved() {
    let mut database = connect().expect("a database");
    assert!(transfer(&mut database, "Ada", "Grace", 30).expect("a transfer"));
    assert_eq!(balance(&mut database, "Ada"), 70);
    assert_eq!(balance(&mut database, "Grace"), 80);
}

#[test]
fn there_is_no_credit() {
    let mut database = connect().expect("a database");
    assert!(!transfer(&mut database, "Grace", "Ada", 51).expect("an answer"));
    assert_eq!(balance(&mut database, "Ada"), 100);
}

#[test]
fn a_setting_of_the_whole_server_is_the_tests_own() {
    let mut database = connect().expect("a database");
    for statement in [
        "ALTER SYSTEM SET work_mem = '1MB'",
        "SELECT pg_reload_conf()",
    ] {
        database.batch_execute(statement).expect("a superuser");
    }
}

#[test]
fn a_first_attempt_leaves_nothing_to_the_second() {
    let mut database = connect().expect("a database");
    // Both find the role missing.
    database
        .batch_execute("CREATE ROLE auditor")
        .expect("no such role");
    let attempt = std::env::var("NEXTEST_ATTEMPT").unwrap_or_default();
    assert_ne!(attempt, "1", "flaky, for once");
}
