//! What tests get, when it goes, and what comes of those that take too long: by the functions that the attribute
//! calls.

use std::process::ExitCode;
use std::sync::mpsc;
use std::time::Duration;

use cowherd::testing::{Flavor, Given, Test};
use cowherd::{Container, DatabaseFile, DatabaseUrl, SqliteCopy};

use super::{PROJECT, served, shop};
use crate::support::processes::{children, own};
use crate::support::{Project, alone, alone_under, inside, postgres};

const SHOP: Test = Test::new("it::a_test").herd(shop);
/// Longer than anything takes that comes to an end.
const LONG: Duration = Duration::from_secs(600);
/// For bodies that never end by themselves.
const SHORT: Duration = Duration::from_millis(20);

#[test]
fn a_copy_beside_something_else_is_refused() {
    let failed = SHOP
        .arguments(2)
        .run(
            |given| Ok((given.get::<DatabaseUrl>()?, given.get::<SqliteCopy>()?)),
            |_| (),
        )
        .expect_err("no fixtures");
    let told = format!("{failed:?}");
    assert!(
        told.contains("`SqliteCopy` beside other arguments"),
        "{told}"
    );
    assert!(
        told.contains("hint: ask for a `rusqlite::Connection`"),
        "{told}"
    );
}

#[test]
fn the_files_of_a_test_go_with_it_even_if_it_panics() {
    let outcome = std::panic::catch_unwind(|| {
        SHOP.arguments(2).run(
            |given| Ok((given.get::<DatabaseFile>()?, given.get::<Container>()?)),
            |(file, _container)| {
                assert!(file.exists());
                panic!("{}", file.display())
            },
        )
    });
    let payload = outcome.expect_err("a panic");
    let file = payload.downcast::<String>().expect("a text");
    assert!(file.ends_with(".db"), "{file}");
    assert!(!std::path::Path::new(&*file).exists(), "{file}");
    PROJECT.with(Project::leaves_nothing);
}

#[test]
fn a_container_goes_with_the_test_that_panics() {
    if !inside() && !postgres() {
        return;
    }
    alone(
        "attribute::fixtures::a_container_goes_with_the_test_that_panics",
        || {
            let test = Test::new("it::a_test").herd(served).arguments(1);
            let outcome = std::panic::catch_unwind(|| {
                test.run(cowherd::testing::Given::get::<DatabaseUrl>, |_url| {
                    assert_ne!(children(own()), []);
                    panic!("a panic")
                })
            });
            outcome.expect_err("a panic");
            assert_eq!(children(own()), []);
        },
    );
}

#[test]
fn a_body_that_takes_too_long_fails_and_the_database_goes_from_under_it() {
    if !inside() && !postgres() {
        return;
    }
    alone(
        "attribute::fixtures::a_body_that_takes_too_long_fails_and_the_database_goes_from_under_it",
        || {
            let (ended, end) = mpsc::channel();
            let failed = Test::new("it::a_test")
                .herd(served)
                .arguments(1)
                .run_within(
                    SHORT,
                    cowherd::testing::Given::get::<DatabaseUrl>,
                    move |url| {
                        let client = postgres::Client::connect(&url, postgres::NoTls);
                        let asleep = client
                            .and_then(|mut client| client.batch_execute("SELECT pg_sleep(100000)"));
                        ended.send(asleep.is_err()).expect("a listener");
                    },
                )
                .expect_err("too long");
            let told = format!("{failed:?}");
            assert!(told.contains("longer than its time limit, 20ms"), "{told}");
            assert_eq!(children(own()), []);
            // The body's thread, still there, learns of it by its connection.
            assert_eq!(end.recv_timeout(LONG), Ok(true));
        },
    );
}

/// Tells when it is dropped.
struct Bell(mpsc::Sender<()>);

impl Drop for Bell {
    fn drop(&mut self) {
        let _ = self.0.send(());
    }
}

#[test]
fn an_async_body_that_takes_too_long_is_dropped() {
    let (ended, end) = mpsc::channel();
    let bell = Bell(ended);
    let failed = SHOP
        .arguments(1)
        .run_async_within(
            SHORT,
            Flavor::MultiThread(Some(1)),
            async |given| given.get_async::<SqliteCopy>().await,
            async move |_copy| {
                let _bell = bell;
                std::future::pending::<()>().await;
            },
        )
        .expect_err("too long");
    assert!(format!("{failed:?}").contains("longer than its time limit"));
    assert_eq!(end.recv_timeout(LONG), Ok(()));
}

#[test]
fn what_an_async_body_has_spawned_is_dropped_with_the_test() {
    let (ended, end) = mpsc::channel();
    let code = SHOP.run_async(
        Flavor::default(),
        async |_| Ok(()),
        async move |()| {
            let bell = Bell(ended);
            tokio::spawn(async move {
                let _bell = bell;
                std::future::pending::<()>().await;
            });
        },
    );
    assert_eq!(code.expect("an end"), ExitCode::SUCCESS);
    assert_eq!(end.try_recv(), Ok(()));
}

#[test]
fn a_panic_within_the_limit_is_that_of_the_test() {
    let outcome = std::panic::catch_unwind(|| {
        SHOP.run_within(LONG, |_| Ok(()), |()| panic!("a panic"))
            .map(|_: ExitCode| ())
    });
    let payload = outcome.expect_err("a panic");
    assert_eq!(payload.downcast_ref::<&str>(), Some(&"a panic"));
}

/// How many rows the database has that a test in this package gets, or why there is none.
fn rows(project: &Project, package: &str) -> Result<i64, String> {
    let folder = project.folder().join(package);
    let folder: &'static str = folder.to_str().expect("text").to_owned().leak();
    let test = Test::new("it::a_test").package(Some(folder)).arguments(1);
    let mut rows = Err("the body has not run".to_owned());
    let outcome = test.run(Given::get::<SqliteCopy>, |copy| {
        rows = Ok(super::count(&copy));
    });
    match outcome {
        Ok(_) => rows,
        Err(failed) => Err(format!("{failed:?}")),
    }
}

#[test]
fn a_test_that_names_no_snapshot_gets_that_of_its_package() {
    let store = tempfile::tempdir().expect("a folder");
    let variable = format!("COWHERD_STORE={}", store.path().display());
    alone_under(
        &["env", "-u", "COWHERD_FILE", &variable],
        "attribute::fixtures::a_test_that_names_no_snapshot_gets_that_of_its_package",
        || {
            let manifest = |name: &str| format!("[package]\nname = \"{name}\"\n");
            let named = "metadata.cowherd.snapshot = \"one\"\n";
            let elsewhere = "metadata.cowherd = { snapshot = \"one\", file = \"spec.yaml\" }\n";
            let project = Project::new(
                "\
version: 1
snapshots:
  one: { engine: sqlite, steps: [ { sql: seed.sql } ] }
  two: { from: one, steps: [ { sql: more.sql } ] }
packages: { by-spec: two, by-itself: two }
",
            )
            .file(
                "seed.sql",
                "CREATE TABLE t (x INT); INSERT INTO t VALUES (1);",
            )
            .file("more.sql", "INSERT INTO t VALUES (2);")
            .file("a/Cargo.toml", manifest("by-itself") + named)
            .file("b/Cargo.toml", manifest("by-spec"))
            .file("c/Cargo.toml", manifest("by-nobody"))
            .file("d/Cargo.toml", manifest("by-itself") + elsewhere)
            .file(
                "d/spec.yaml",
                "version: 1\nsnapshots: { one: { engine: sqlite, steps: [ sql: ../none.sql ] } }\n",
            )
            .file("none.sql", "CREATE TABLE t (x INT);");
            assert_eq!(rows(&project, "a"), Ok(1));
            assert_eq!(rows(&project, "b"), Ok(2));
            assert_eq!(rows(&project, "d"), Ok(0));
            let told = rows(&project, "c").expect_err("two snapshots");
            assert!(
                told.contains("can't tell which snapshot to copy: the spec has one, two"),
                "{told}"
            );
            assert!(told.contains("#[cowherd::test(snapshot = "), "{told}");
        },
    );
}
