//! What a run costs beside its tests, and how many tests at once are most a second.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use cowherd::event::{Attempt, Event, Outcome, Output};
use cowherd::report::{self, Plain, Reports};
use cowherd::schedule::{self, Options, Scheduled, Stop};
use cowherd::store::TestResult;

use crate::cargo::run;
use crate::fixture::{Fixture, TESTS};
use crate::meter::Meter;
use crate::table::{Samples, Table, Target};

/// Tests that do nothing.
const MANY: usize = 10_000;

/// What a test may cost that does nothing, in milliseconds.
const LIMIT: f64 = 0.2;

/// How many at once.
const JOBS: [usize; 4] = [1, 2, 4, 8];

/// Tests of a run that has a container for each.
const SMALL: usize = 200;

pub(crate) fn scheduler(fixture: &Fixture, table: &mut Table) -> anyhow::Result<()> {
    nothing(fixture, table)?;
    curve(fixture, table)
}

/// The reports of a run, from none to all.
const REPORTS: [(&str, &[&str]); 3] = [
    ("the console's report, to a file", &[]),
    ("JSON lines too", &["json"]),
    ("JUnit too", &["json", "junit"]),
];

/// Tests that do nothing, through the scheduler, the reports and the history.
fn nothing(fixture: &Fixture, table: &mut Table) -> anyhow::Result<()> {
    let count = if fixture.quick { MANY / 10 } else { MANY };
    let tests: Vec<Scheduled> = (0..count).map(test).collect();
    // Each has run before, for another time.
    let expected = tests.iter().zip(0..);
    let expected =
        expected.map(|(test, n)| (test.name.clone(), Duration::from_nanos(n * 7919 % 99_991)));
    let options = Options {
        jobs: std::thread::available_parallelism()?.get(),
        expected: expected.collect(),
        ..Options::default()
    };
    let mut history = fixture.project.store().history()?;
    let meter = Meter::new();
    let mut taken = REPORTS.map(|_| [const { Samples(Vec::new()) }; 2]);
    for _ in 0..fixture.rounds(10) {
        for ((_, kinds), [wall, cpu]) in REPORTS.iter().zip(&mut taken) {
            let mut reports = reports(&fixture.dir, kinds)?;
            let (begun, before) = (Instant::now(), meter.used()?);
            let stop = Stop::new()?;
            let watch = schedule::watch(&stop)?;
            let attempt = Arc::new(|_, _, _: &Stop| passed());
            let mut results = Vec::new();
            let mut sink = |event: Event| {
                if let Event::AttemptFinished { test, attempt, .. } = &event {
                    results.push(TestResult {
                        name: test.name.clone(),
                        duration: attempt.body,
                        passed: true,
                        flaky: false,
                    });
                }
                reports.event(&event);
            };
            let totals = schedule::run(&tests, &options, &stop, watch, attempt, &mut sink)?;
            history.record(&fixture.spec, &results)?;
            anyhow::ensure!(totals.passed == count && reports.finish().is_empty());
            wall.0
                .push(begun.elapsed().as_secs_f64() * 1e3 / count as f64);
            cpu.0.push((meter.used()? - before) / count as f64);
        }
    }
    table.head(format!("{count} tests that do nothing, for each of them"));
    for ((what, _), [wall, cpu]) in REPORTS.iter().zip(&taken) {
        table.row(*what, "ms", wall, Some(Target::AtMost(LIMIT)));
        let what = format!("{what}, processor time");
        table.row(what, "ms", cpu, Some(Target::AtMost(LIMIT)));
    }
    Ok(())
}

fn test(number: usize) -> Scheduled {
    Scheduled {
        name: format!("checks::a test that does nothing, number {number}"),
        entry: "checks".to_owned(),
        snapshot: "shop".to_owned(),
        ..Scheduled::default()
    }
}

fn passed() -> Attempt {
    Attempt {
        outcome: Outcome::Passed,
        fixture: Duration::from_micros(100),
        body: Duration::from_micros(100),
        copied_up: 0,
        files: Vec::new(),
        output: Output::default(),
        service_log: None,
        kept: None,
    }
}

fn reports(dir: &Path, kinds: &[&str]) -> anyhow::Result<Reports> {
    let console = File::create(dir.join("console"))?;
    let mut reports = Reports::new(Box::new(Plain::new(Box::new(console), false)));
    for kind in kinds {
        reports.add(*kind, report::to_file(kind, &dir.join(kind))?);
    }
    Ok(reports)
}

/// `cowherd run` of small tests, by how many run at once, turn by turn.
fn curve(fixture: &Fixture, table: &mut Table) -> anyhow::Result<()> {
    let (rounds, count) = if fixture.quick { (1, 20) } else { (3, SMALL) };
    let own = std::thread::available_parallelism()?.get();
    for engine in ["postgres", "sqlite"] {
        let spec = suite(&fixture.dir, engine, count)?;
        let command = |jobs: usize| {
            let mut command = Command::new(env!("CARGO_BIN_EXE_cowherd"));
            command.args(["run", "-j", &jobs.to_string(), "-f"]);
            command.arg(&spec);
            command
        };
        // Builds the snapshot, and gives the tests a history.
        run(&mut command(own))?;
        let mut rates = JOBS.map(|_| Samples::default());
        for _ in 0..rounds {
            for (jobs, rates) in JOBS.iter().zip(&mut rates) {
                let begun = Instant::now();
                run(&mut command(*jobs))?;
                rates.0.push(count as f64 / begun.elapsed().as_secs_f64());
            }
        }
        table.head(format!(
            "`cowherd run` of {count} tests on {engine}, per second; compared with -j {own}, one for each core"
        ));
        let usual = JOBS
            .iter()
            .position(|jobs| *jobs == own)
            .map(|at| rates[at].clone());
        for (jobs, rates) in JOBS.iter().zip(&rates) {
            let usual = usual.clone().filter(|_| *jobs != own);
            let target = usual.map(|usual| Target::Times(usual, None));
            table.row(format!("-j {jobs}"), "/s", rates, target);
        }
    }
    Ok(())
}

/// The shop and tests that change it, over and over; gives the spec's file.
fn suite(dir: &Path, engine: &str, count: usize) -> anyhow::Result<PathBuf> {
    let shop = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fixtures/shop")
        .join(engine);
    let folder = dir.join(format!("curve-{engine}"));
    cowherd::disk::copy_tree(&shop, &folder)?;
    let files = fs::read_dir(folder.join(TESTS))?;
    let mut files: Vec<PathBuf> = files
        .map(|file| Ok(file?.path()))
        .collect::<anyhow::Result<_>>()?;
    files.sort();
    fs::create_dir(folder.join("many"))?;
    for number in 0..count {
        let to = folder.join(format!("many/{number:03}.sql"));
        fs::copy(&files[number % files.len()], to)?;
    }
    let spec = format!(
        "version: 1\nsnapshots:\n  curve: {{ engine: {engine}, database: shop, steps: [ {{ migrate: migrations }}, {{ sql: seed.sql }} ] }}
tests:\n  - {{ name: many, each: many/*.sql }}\n"
    );
    let file = folder.join("curve.yaml");
    fs::write(&file, spec)?;
    Ok(file)
}
