//! A thousand PostgreSQL containers live at once, and thousands of SQLite containers in one run: what each takes of the
//! machine, and what is left afterwards.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use cowherd::container::State;
use cowherd::disk;
use nix::sys::statvfs::statvfs;

use crate::concurrent::rate;
use crate::fixture::{Fixture, Live, ask, connect};
use crate::process;
use crate::table::{Samples, Table, Target};

const MB: f64 = 1024.0 * 1024.0;

/// How many PostgreSQL containers, unless the variable `COWHERD_BENCH_CONTAINERS` says otherwise.
const CONTAINERS: usize = 1_000;

/// No more are started when this many MB are left to everybody else.
const LEFT: f64 = 3.0 * 1024.0;

pub(crate) fn thousand(fixture: &Fixture, table: &mut Table) -> anyhow::Result<()> {
    at_once(fixture, table)?;
    in_one_run(fixture, table)
}

/// The state of the machine, as far as containers change it.
struct Seen {
    /// In MB.
    available: f64,
    /// Free room of the store's file system, in MB.
    room: f64,
    descriptors: usize,
    /// What the machine's memory is used for, in MB, by the names of `/proc/meminfo`.
    parts: BTreeMap<&'static str, f64>,
    /// Namespaces that some process is in, by kind.
    namespaces: BTreeMap<&'static str, BTreeSet<PathBuf>>,
    mounts: usize,
    /// System V IPC objects.
    shared: usize,
}

const PARTS: [&str; 6] = [
    "AnonPages",
    "Shmem",
    "Slab",
    "PageTables",
    "KernelStack",
    "Percpu",
];

impl Seen {
    fn now(fixture: &Fixture) -> anyhow::Result<Self> {
        let store = statvfs(fixture.project.store().path())?;
        let lines = |file: &str| fs::read_to_string(file).unwrap_or_default().lines().count();
        let mut namespaces = BTreeMap::new();
        for kind in ["net", "mnt", "pid", "ipc", "user"] {
            let of = |pid| fs::read_link(format!("/proc/{pid}/ns/{kind}")).ok();
            namespaces.insert(kind, process::all()?.into_iter().filter_map(of).collect());
        }
        let mut parts = BTreeMap::new();
        for name in PARTS {
            let part = process::field("/proc/meminfo", &format!("{name}:"))?;
            parts.insert(name, part);
        }
        Ok(Self {
            available: process::available_memory()?,
            room: store.blocks_free() as f64 * store.fragment_size() as f64 / MB,
            descriptors: fs::read_dir("/proc/self/fd")?.count(),
            parts,
            namespaces,
            mounts: lines("/proc/self/mountinfo"),
            shared: ["shm", "sem", "msg"]
                .map(|kind| lines(&format!("/proc/sysvipc/{kind}")))
                .iter()
                .sum(),
        })
    }

    /// What there is now that there wasn't `before`, in words; nothing where nothing is left.
    fn left_since(&self, before: &Self) -> Vec<String> {
        let mut left = Vec::new();
        for (kind, now) in &self.namespaces {
            match now.difference(&before.namespaces[kind]).count() {
                0 => {}
                more => left.push(format!("{more} {kind} namespaces")),
            }
        }
        let counts = [
            ("mounts", self.mounts, before.mounts),
            ("IPC objects", self.shared, before.shared),
            ("descriptors", self.descriptors, before.descriptors),
        ];
        for (what, now, before) in counts {
            if now > before {
                left.push(format!("{} {what}", now - before));
            }
        }
        left
    }
}

/// What each container takes at one moment.
#[derive(Default)]
struct Taken {
    /// Memory of its processes, what is shared divided among those who share it, in MB.
    mapped: Samples,
    /// Files of its writable layer, in MB.
    files: Samples,
    both: Samples,
    processes: Samples,
}

impl Taken {
    fn of(live: &[Live], in_memory: bool) -> Self {
        let mut taken = Self::default();
        for live in live {
            let family = process::family(live.container.pid());
            taken.processes.0.push(family.len() as f64);
            // One may have ended meanwhile, such as a worker of autovacuum.
            let mapped = family.into_iter().map(process::proportional_memory);
            let mapped: f64 = mapped.flatten().sum();
            let files = live.container.copied_up().bytes as f64 / MB;
            taken.mapped.0.push(mapped);
            taken.files.0.push(files);
            taken
                .both
                .0
                .push(mapped + if in_memory { files } else { 0.0 });
        }
        taken
    }
}

/// PostgreSQL containers, all live at once: each answers, then writes.
fn at_once(fixture: &Fixture, table: &mut Table) -> anyhow::Result<()> {
    let (state, over) = match &fixture.large {
        Some((state, size)) => (state, format!("a snapshot with a table of {size} MB")),
        None => (&fixture.shop, "the shop".to_owned()),
    };
    let wanted = std::env::var("COWHERD_BENCH_CONTAINERS").ok();
    let wanted = match wanted.map(|number| number.parse()) {
        Some(number) => number?,
        None if fixture.quick => 10,
        None => CONTAINERS,
    };
    let reflink = disk::can_reflink(fixture.project.store().path())?;
    let in_memory = !fixture.beside_the_layers(state)?;
    // What is opened once, by the first of all containers.
    ask(&mut connect(state, &fixture.container(state)?)?)?;
    let before = Seen::now(fixture)?;
    let begun = Instant::now();
    let live = start(fixture, state, wanted)?;
    let started = begun.elapsed();
    let count = live.len();
    let answered = Seen::now(fixture)?;
    let first = Taken::of(&live, in_memory);
    // A table of that size is written to only where that doesn't copy it.
    let large = fixture.large.is_some() && reflink;
    let begun = Instant::now();
    let writers = write(state, &live, large)?;
    let wrote = begun.elapsed();
    let written = Seen::now(fixture)?;
    let second = Taken::of(&live, in_memory);
    let begun = Instant::now();
    take_down(live);
    let gone = begun.elapsed();
    let left = until_nothing_is_left(fixture, &before)?;

    let each = |one: f64| Samples(vec![one / count as f64]);
    let time = |whole: Duration| each(whole.as_secs_f64() * 1e3);
    table.head(format!(
        "{count} PostgreSQL containers live at once over {over}, for each; the writable layer {}",
        if in_memory {
            "in memory"
        } else {
            "beside the layers"
        },
    ));
    let alive = Samples(vec![count as f64]);
    table.row("live at once", "", &alive, None);
    table.row(
        "time to get there, with the first answer",
        "ms",
        &time(started),
        None,
    );
    let files = "files written or copied up before the test writes";
    table.row(files, "MB", &first.files, Some(Target::AtMost(4.0)));
    table.promise(6, format!("{count} live containers: new files of each"));
    table.row(
        "memory that its processes map (PSS)",
        "MB",
        &first.mapped,
        None,
    );
    if in_memory {
        table.row("both", "MB", &first.both, Some(Target::AtMost(16.0)));
    }
    let less = |seen: &Seen| each(before.available - seen.available);
    let what = "what the machine has less available, kernel included";
    table.row(what, "MB", &less(&answered), Some(Target::AtMost(16.0)));
    table.promise(6, format!("{count} live containers: memory of each"));
    table.row("processes", "", &first.processes, None);
    let descriptors = answered.descriptors - before.descriptors;
    table.row(
        "descriptors of this process",
        "",
        &each(descriptors as f64),
        None,
    );
    table.row("after it has written: files", "MB", &second.files, None);
    table.row("after it has written: PSS", "MB", &second.mapped, None);
    let what = "after it has written: what the machine has less available";
    table.row(what, "MB", &less(&written), None);
    if !in_memory {
        let room = each(before.room - written.room);
        table.row(
            "after it has written: less room on the disk",
            "MB",
            &room,
            None,
        );
    }
    table.row("time to write", "ms", &time(wrote), None);
    table.row("time to take it down", "ms", &time(gone), None);
    nothing_left(table, &left);
    table.promise(
        7,
        format!("{count} live containers taken down: kinds of things left"),
    );
    for (when, seen) in [
        ("after its first answer", &answered),
        ("after it has written", &written),
    ] {
        let part = |name: &&str| {
            let more = (seen.parts[name] - before.parts[name]) / count as f64;
            format!("{name} {more:.2}")
        };
        let parts: Vec<String> = PARTS.iter().map(part).collect();
        table.note(format!(
            "of the machine's memory {when}, in MB each: {}",
            parts.join(", ")
        ));
    }
    table.note(format!(
        "the oldest was {:.0} s old when it was looked at; from a minute on autovacuum copies up more",
        started.as_secs_f64()
    ));
    if writers < wanted {
        table.note(format!(
            "of {wanted}, {count} were started and {writers} wrote: less than {LEFT:.0} MB would have been left"
        ));
    }
    Ok(())
}

/// Starts containers, one on each core at a time, until there are as many as `wanted` or memory is short.
fn start(fixture: &Fixture, state: &State, wanted: usize) -> anyhow::Result<Vec<Live>> {
    let live = Mutex::new(Vec::new());
    let cores = thread::available_parallelism()?.get();
    rate(
        wanted,
        cores,
        || Ok(()),
        |(), _| {
            if process::available_memory()? < LEFT {
                return Ok(());
            }
            let container = fixture.container(state)?;
            ask(&mut connect(state, &container)?)?;
            // Nothing can panic while the lock is held.
            live.lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(container);
            Ok(())
        },
    )?;
    Ok(live.into_inner().unwrap_or_else(PoisonError::into_inner))
}

/// Writes in each, as long as memory is not short, and says in how many.
fn write(state: &State, live: &[Live], large: bool) -> anyhow::Result<usize> {
    let mut change = "UPDATE payment SET amount_cents = amount_cents + 1; \
                      INSERT INTO category (name) VALUES ('written');"
        .to_owned();
    if large {
        change.push_str("UPDATE filler SET text = 'written' WHERE ctid = '(0,1)';");
    }
    let cores = thread::available_parallelism()?.get();
    let writers = AtomicUsize::new(0);
    rate(
        live.len(),
        cores,
        || Ok(()),
        |(), number| {
            if process::available_memory()? > LEFT {
                connect(state, &live[number])?.batch_execute(&change)?;
                writers.fetch_add(1, Ordering::Relaxed);
            }
            Ok(())
        },
    )?;
    Ok(writers.into_inner())
}

/// Takes containers apart, as many at a time as they were started.
fn take_down(mut live: Vec<Live>) {
    let half = live.split_off(live.len() / 2);
    thread::scope(|scope| {
        scope.spawn(move || drop(half));
        drop(live);
    });
}

/// Looks at what is left until that is nothing, for a while: the kernel ends what is killed by and by.
fn until_nothing_is_left(fixture: &Fixture, before: &Seen) -> anyhow::Result<Vec<String>> {
    let late = Instant::now() + Duration::from_secs(20);
    loop {
        let mut left = Seen::now(fixture)?.left_since(before);
        let children = process::own_children()?.len();
        if children > 0 {
            left.push(format!("{children} processes"));
        }
        if left.is_empty() || Instant::now() > late {
            return Ok(left);
        }
        thread::sleep(Duration::from_millis(100));
    }
}

fn nothing_left(table: &mut Table, left: &[String]) {
    let kinds = Samples(vec![left.len() as f64]);
    let what = "kinds of things that are left";
    table.row(what, "", &kinds, Some(Target::AtMost(0.0)));
    if !left.is_empty() {
        table.note(format!("left: {}", left.join(", ")));
    }
}

/// How many tests there are in a long run, and in the short one that it is compared with.
const TESTS: [usize; 2] = [5_000, 500];

/// SQLite containers, one for each test of a run that discovers them.
fn in_one_run(fixture: &Fixture, table: &mut Table) -> anyhow::Result<()> {
    let counts = match fixture.quick {
        true => [100, 20],
        false => TESTS,
    };
    let mut times = [const { Samples(Vec::new()) }; 2];
    let before = Seen::now(fixture)?;
    for _ in 0..fixture.rounds(3) {
        for (count, times) in counts.iter().zip(&mut times) {
            times.time(run(fixture, *count)? / *count as u32);
        }
    }
    let left = until_nothing_is_left(fixture, &before)?;
    let [many, few] = times;
    table.head(
        "`cowherd run` of tests that `discover:` finds, a SQLite container each, for each test",
    );
    table.row(format!("{} tests", counts[1]), "ms", &few, None);
    let as_few = Some(Target::Times(few, Some(1.2)));
    table.row(format!("{} tests", counts[0]), "ms", &many, as_few);
    nothing_left(table, &left);
    Ok(())
}

fn run(fixture: &Fixture, count: usize) -> anyhow::Result<Duration> {
    let folder = fixture.dir.join(format!("many-{count}"));
    fs::create_dir_all(&folder)?;
    fs::copy(
        fixture.spec.with_file_name("lite.sql"),
        folder.join("lite.sql"),
    )?;
    let spec = format!(
        "version: 1
snapshots: {{ lite: {{ engine: sqlite, database: lite, steps: [ {{ sql: lite.sql }} ] }} }}
tests:
  - name: many
    snapshot: lite
    discover: seq {count}
    command: 'test ! -e written && echo {{test}} > written && echo {{test}} >> \"$SQLITE_FILE\"'
"
    );
    fs::write(folder.join("cowherd.yaml"), spec)?;
    let begun = Instant::now();
    let output = Command::new(env!("CARGO_BIN_EXE_cowherd"))
        .arg("run")
        .current_dir(&folder)
        .stdin(Stdio::null())
        .output()?;
    let took = begun.elapsed();
    let said = String::from_utf8_lossy(&output.stderr);
    anyhow::ensure!(
        output.status.success() && said.contains(&format!(": {count} passed")),
        "a run of {count} ended with {}: {said}",
        output.status
    );
    Ok(took)
}
