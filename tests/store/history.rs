//! The run history: useful while it lasts, no loss when it is gone.

use std::fs;
use std::path::Path;
use std::time::Duration;

use cowherd::store::TestResult;

use super::Fixture;

fn result(name: &str, millis: u64, flaky: bool) -> TestResult {
    let duration = Duration::from_millis(millis);
    TestResult {
        name: name.to_owned(),
        duration,
        passed: true,
        flaky,
    }
}

#[test]
fn the_expected_duration_is_the_mean_of_the_last_five() {
    let fixture = Fixture::new();
    let spec = Path::new("/project/cowherd.yaml");
    let mut history = fixture.store.history().unwrap();
    assert!(history.expected(spec).unwrap().is_empty());
    for millis in [10_000, 10, 20, 30, 40, 50] {
        history
            .record(
                spec,
                &[result("a", millis, millis == 10), result("b", 7, false)],
            )
            .unwrap();
    }
    history
        .record(Path::new("/other/cowherd.yaml"), &[result("a", 1, false)])
        .unwrap();
    drop(history);
    let mut history = fixture.store.history().unwrap();
    assert!(!history.was_replaced());
    let expected = history.expected(spec).unwrap();
    let millis = Duration::from_millis;
    assert_eq!(
        expected,
        [("a".to_owned(), millis(30)), ("b".to_owned(), millis(7))]
    );
    assert_eq!(history.flakiness(spec, "a").unwrap(), Some((1, 6)));
    assert_eq!(history.flakiness(spec, "b").unwrap(), Some((0, 6)));
    assert_eq!(history.flakiness(spec, "c").unwrap(), None);
}

#[test]
fn only_the_last_twenty_results_of_a_test_are_kept() {
    let fixture = Fixture::new();
    let spec = Path::new("/project/cowherd.yaml");
    let mut history = fixture.store.history().unwrap();
    let many: Vec<_> = (0..30)
        .map(|index| result("a", index, index < 15))
        .collect();
    history.record(spec, &many).unwrap();
    assert_eq!(history.flakiness(spec, "a").unwrap(), Some((5, 20)));
}

#[test]
fn a_damaged_history_is_replaced() {
    let fixture = Fixture::new();
    let spec = Path::new("/project/cowherd.yaml");
    let file = fixture.store.path().join("history.sqlite");
    let mut other = fixture.folder.path().join("other.sqlite");
    rusqlite::Connection::open(&other)
        .unwrap()
        .execute_batch("CREATE TABLE something (else_); PRAGMA user_version = 1;")
        .unwrap();
    let foreign = fs::read(&other).unwrap();
    other.set_extension("gone");
    for bad in [
        &[b'x'; 5000][..],
        b"SQLite format 3\0 and no more",
        &foreign,
    ] {
        fs::write(&file, bad).unwrap();
        let mut history = fixture.store.history().unwrap();
        assert!(history.was_replaced());
        history.record(spec, &[result("a", 5, false)]).unwrap();
        assert_eq!(history.expected(spec).unwrap().len(), 1);
        assert_eq!(fs::read(file.with_extension("damaged")).unwrap(), bad);
        assert!(!fixture.store.history().unwrap().was_replaced());
    }
}

#[test]
fn damage_that_shows_only_in_use_is_repaired_too() {
    let fixture = Fixture::new();
    let spec = Path::new("/project/cowherd.yaml");
    let file = fixture.store.path().join("history.sqlite");
    let results: Vec<_> = (0..2000)
        .map(|index| result(&format!("test {index}"), 5, false))
        .collect();
    fixture
        .store
        .history()
        .unwrap()
        .record(spec, &results)
        .unwrap();
    // The first page, with the tables' names, stays; all the rest is overwritten.
    let mut bytes = fs::read(&file).unwrap();
    bytes[4096..].fill(0xaa);
    fs::write(&file, bytes).unwrap();
    let mut history = fixture.store.history().unwrap();
    assert!(!history.was_replaced());
    assert!(history.expected(spec).unwrap().is_empty());
    assert!(history.was_replaced());
    history.record(spec, &results).unwrap();
    assert_eq!(history.expected(spec).unwrap().len(), 2000);
}

#[test]
fn processes_may_write_at_the_same_time() {
    let fixture = Fixture::new();
    let spec = Path::new("/project/cowherd.yaml");
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let store = &fixture.store;
            scope.spawn(move || {
                for _ in 0..5 {
                    let mut history = store.history().unwrap();
                    history
                        .record(spec, &[result(&format!("{thread}"), 5, false)])
                        .unwrap();
                }
            });
        }
    });
    let mut history = fixture.store.history().unwrap();
    assert!(!history.was_replaced());
    for thread in 0..8 {
        let counts = history.flakiness(spec, &format!("{thread}")).unwrap();
        assert_eq!(counts, Some((0, 5)));
    }
}
