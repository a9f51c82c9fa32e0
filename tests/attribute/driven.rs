//! Tests whose database can't be had, and what is told: each passes, until it is run once more by another one with
//! a snapshot that can't be built.

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use cowherd::{Cowherd, Error};

use crate::support::Project;

/// The folder of the project, where it is a broken one.
const BROKEN: &str = "COWHERD_TEST_BROKEN";

fn perhaps_broken() -> Result<Cowherd, Error> {
    static HERD: OnceLock<Result<Cowherd, Error>> = OnceLock::new();
    let Some(folder) = std::env::var_os(BROKEN) else {
        return super::shop();
    };
    let open = || {
        let folder = Path::new(&folder);
        Cowherd::open_in(&folder.join("cowherd.yaml"), &folder.join("store"))
    };
    HERD.get_or_init(open).clone()
}

mod asking {
    use cowherd::rusqlite::Connection;
    use cowherd::{DatabaseFile, Error, SqliteCopy};

    use super::{BROKEN, perhaps_broken};

    #[cowherd::test(herd = perhaps_broken)]
    fn one(_copy: SqliteCopy) {}

    #[cowherd::test(herd = perhaps_broken)]
    async fn two(_connection: Connection, _file: DatabaseFile) {
        std::future::ready(()).await;
    }

    #[cowherd::test(herd = perhaps_broken)]
    #[should_panic(expected = "a panic")]
    fn panics(_file: DatabaseFile) {
        panic!("a panic");
    }

    #[cowherd::test(herd = perhaps_broken, timeout = "10m")]
    fn returns(_copy: SqliteCopy) -> Result<(), Error> {
        match std::env::var_os(BROKEN) {
            Some(_) => Err(Error::other("it got a database")),
            None => Ok(()),
        }
    }
}

/// What the four tests print, with the project's folder called `FOLDER`.
fn again(project: &Project, tests: &str) -> String {
    let output = Command::new(std::env::current_exe().expect("the test program"))
        .args([tests, "--test-threads=1"])
        .env(BROKEN, project.folder())
        .env("RUST_BACKTRACE", "0")
        .stdin(Stdio::null())
        .output()
        .expect("the test program");
    assert_eq!(output.status.code(), Some(101), "{output:?}");
    let folder = project.folder();
    let text = String::from_utf8_lossy(&output.stdout);
    text.replace(folder.to_str().expect("text"), "FOLDER")
}

#[test]
fn a_snapshot_that_can_not_be_built_fails_every_test_and_is_told_in_full_once() {
    let project = Project::new(super::SHOP).file("seed.sql", "INSERT INTO nowhere VALUES (1);");
    let printed = again(&project, "attribute::driven::asking::");
    let told = "can't build `shop`: step 2 of 2";
    assert_eq!(printed.matches(told).count(), 1, "{printed}");
    assert_eq!(
        printed.matches("no such table: nowhere").count(),
        1,
        "{printed}"
    );
    // In the order of their names; the first has the whole story.
    let short = "no database, for the cause that test `attribute::driven::asking::one` tells";
    assert_eq!(printed.matches(short).count(), 3, "{printed}");
    assert!(printed.contains("0 passed; 4 failed"), "{printed}");
}

#[test]
fn a_test_that_should_panic_does_not_pass_by_a_missing_database() {
    let project = Project::new(super::SHOP);
    let printed = again(&project, "attribute::driven::asking::panics");
    assert!(printed.contains("can't find `seed.sql`"), "{printed}");
    assert!(
        printed.contains("test did not panic as expected"),
        "{printed}"
    );
    assert!(printed.contains("0 passed; 1 failed"), "{printed}");
}

#[test]
fn an_error_that_a_test_returns_fails_it() {
    let project = Project::new(super::SHOP).file("seed.sql", "CREATE TABLE t (x);");
    let printed = again(&project, "attribute::driven::asking::returns");
    assert!(printed.contains("0 passed; 1 failed"), "{printed}");
    assert!(!printed.contains("no database"), "{printed}");
}
