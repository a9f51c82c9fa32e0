//! A scripted run, and what each format makes of it.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cowherd::event::{Attempt, BuildStep, Event, Outcome, Output, RunStart, TestRef, Totals};
use cowherd::report::{Json, Junit, Plain, Report};
use tempfile::TempDir;

/// A writer whose text can be read while the report still owns it.
#[derive(Clone, Default)]
pub(super) struct Shared(Arc<Mutex<Vec<u8>>>);

impl Shared {
    pub(super) fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

pub(super) fn printed(bytes: &[u8]) -> Output {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    Output::new(file)
}

pub(super) fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

pub(super) fn step(index: usize, label: &str) -> BuildStep {
    BuildStep {
        snapshot: "shop".into(),
        label: label.into(),
        index,
        of: 3,
    }
}

pub(super) fn test(id: usize, name: &str) -> TestRef {
    TestRef {
        id,
        name: name.into(),
        entry: name.split("::").next().unwrap().into(),
        snapshot: "shop".into(),
        attempt: 1,
        attempts: 3,
    }
}

pub(super) fn attempt(outcome: Outcome, body: u64, output: &[u8]) -> Attempt {
    Attempt {
        outcome,
        fixture: millis(18),
        body: millis(body),
        copied_up: 1_572_864,
        files: vec![(PathBuf::from("base/16384/1259"), 1_572_864)],
        output: printed(output),
        service_log: None,
        kept: None,
    }
}

pub(super) fn started(test: &TestRef) -> Event {
    Event::AttemptStarted(test.clone())
}

pub(super) fn finished(test: &TestRef, attempt: Attempt) -> Event {
    Event::AttemptFinished {
        test: test.clone(),
        attempt,
        retry: false,
    }
}

pub(super) fn error() -> Outcome {
    Outcome::Error {
        message:
            "can't start the service db\ncan't mount overlay on /data: No space left on device"
                .into(),
        hint: Some("free some space, or name another store with COWHERD_STORE".into()),
    }
}

/// A run with something of everything.
pub(super) fn script() -> Vec<Event> {
    let mut events = vec![
        Event::RunStarted(RunStart {
            tests: 11,
            jobs: 2,
            isolation: "namespaces + overlay".into(),
            limits: "enforced (cgroup v2)".into(),
            expected: vec![("orders".into(), Duration::from_secs(40))],
        }),
        Event::BuildFinished {
            step: step(1, "initdb (PostgreSQL 15.6)"),
            duration: Duration::ZERO,
            cached: true,
            bytes: 1,
        },
        Event::BuildStarted(step(2, "migrate migrations")),
        Event::BuildFinished {
            step: step(2, "migrate migrations"),
            duration: millis(1236),
            cached: false,
            bytes: 1_572_864,
        },
        Event::BuildWaiting {
            step: step(3, "sql seed/*.sql"),
            holder: "`cowherd build shop` (process 71)".into(),
        },
        Event::BuildFinished {
            step: step(3, "sql seed/*.sql"),
            duration: millis(310),
            cached: true,
            bytes: 1_572_864,
        },
    ];

    let big = BuildStep {
        snapshot: "shop-big".into(),
        label: "sql seed/big.sql".into(),
        index: 4,
        of: 4,
    };
    events.extend([
        Event::BuildStarted(big.clone()),
        Event::BuildFailed {
            step: big,
            message: "psql ended with exit code 3\nseed/big.sql:7: ERROR:  relation \"order\" does not exist".into(),
            hint: Some("run `cowherd shell -s shop` to look at the state before this step".into()),
        },
    ]);

    let orders = test(0, "orders");
    events.extend([
        started(&orders),
        finished(&orders, attempt(Outcome::Passed, 34, b"fine\n")),
    ]);

    let mut flaky = test(1, "checks::stock.sql");
    events.extend([
        started(&flaky),
        Event::AttemptFinished {
            test: flaky.clone(),
            attempt: attempt(Outcome::Failed { code: 3 }, 51, b"deadlock detected\n"),
            retry: true,
        },
    ]);
    flaky.attempt = 2;
    events.extend([
        started(&flaky),
        finished(&flaky, attempt(Outcome::Passed, 48, b"")),
    ]);

    let failing = test(2, "checks::totals.sql");
    let mut failed = attempt(
        Outcome::Failed { code: 1 },
        1204,
        b"\x1b[31mERROR: \xff 3 <> 4\nstill red\x1b[0m\x1b[2J\x07\r\nno newline at ]]> the end",
    );
    failed.copied_up = 34 << 20;
    failed
        .files
        .insert(0, (PathBuf::from("base/16384/16397"), 32 << 20));
    events.extend([started(&failing), finished(&failing, failed)]);

    let slow = test(3, "it's slow");
    events.extend([
        started(&slow),
        finished(
            &slow,
            attempt(
                Outcome::TimedOut {
                    after: Duration::from_secs(30),
                },
                30_002,
                b"",
            ),
        ),
    ]);

    let crash = test(4, "crash");
    let mut crashed = attempt(
        Outcome::Signalled {
            signal: 11,
            out_of_memory: false,
        },
        7,
        b"",
    );
    crashed.service_log = Some("LOG:  server process was terminated\nLOG:  shutting down\n".into());
    events.extend([started(&crash), finished(&crash, crashed)]);

    for id in 5..8 {
        let errant = test(id, &format!("checks::{id}.sql"));
        events.extend([
            started(&errant),
            finished(&errant, attempt(error(), 0, b"")),
        ]);
    }

    let (eighth, ninth) = (test(8, "slow::a"), test(9, "slow::b"));
    events.extend([
        started(&eighth),
        started(&ninth),
        Event::Interrupted { forced: false },
        finished(&eighth, attempt(Outcome::Passed, 80, b"")),
        Event::Interrupted { forced: true },
        finished(&ninth, attempt(Outcome::Interrupted, 90, b"")),
        Event::RunFinished(Totals {
            passed: 3,
            flaky: 1,
            failed: 3,
            errors: 3,
            not_run: 2,
            wall: millis(32_410),
            fixture: millis(198),
            body: millis(31_516),
            build: millis(1236),
            copied_up: 50 << 20,
        }),
    ]);
    events
}

#[track_caller]
pub(super) fn assert_golden(name: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fixtures/golden/report")
        .join(name);
    if std::env::var_os("UPDATE").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
    }
    let golden = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        golden == text,
        "{name} differs (UPDATE=1 rewrites it):\n{text}"
    );
}

pub(super) fn plain(events: &[Event], colours: bool) -> String {
    let to = Shared::default();
    let mut report = Plain::new(Box::new(to.clone()), colours);
    for event in events {
        report.event(event).unwrap();
    }
    to.text()
}

pub(super) fn json(events: &[Event]) -> String {
    let to = Shared::default();
    let mut report = Json::new(Box::new(to.clone()));
    for event in events {
        report.event(event).unwrap();
    }
    to.text()
}

pub(super) fn junit(events: &[Event]) -> String {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("new/folder/junit.xml");
    let mut report = Junit::create(&path).unwrap();
    for event in events {
        report.event(event).unwrap();
    }
    fs::read_to_string(path).unwrap()
}
