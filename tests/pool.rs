//! Containers ahead of need, through the library.

use std::os::fd::AsFd;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use cowherd::container::{ContainerError, Ended, Order, ProjectFiles};
use cowherd::pool::{Budget, Handed, Pool};
use cowherd::sandbox::Command;
use cowherd::sandbox::cgroup::Limits;
use cowherd::schedule::Stop;
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, getpid};

use crate::support::{Project, alone, postgres, processes, userns};

const SPEC: &str = "\
version: 1
snapshots:
  one: { engine: sqlite, steps: [ { sql: one.sql } ] }
  two: { engine: sqlite, steps: [ { sql: two.sql } ] }
  served: { engine: postgres }
";

/// A project with an order for each of some of its snapshots.
fn orders<const N: usize>(snapshots: [&str; N]) -> (Project, [Order; N]) {
    let project = Project::new(SPEC)
        .file("one.sql", "CREATE TABLE t (x); INSERT INTO t VALUES (1);")
        .file("two.sql", "CREATE TABLE t (x); INSERT INTO t VALUES (2);");
    let file = project.folder().join("cowherd.yaml");
    let opened = cowherd::project::Project::open_in(&file, &project.store()).expect("a project");
    let stop = Stop::new().expect("an order to stop");
    let orders = snapshots.map(|snapshot| {
        let prepared = opened.prepare(&[snapshot], &stop, &mut |_| {});
        let state = prepared.expect("an answer").remove(0).1.expect("a state");
        Order {
            host: Arc::clone(opened.on()),
            state: Arc::clone(&state),
            project: ProjectFiles::Unseen,
            shown: Vec::new(),
            shared: Vec::new(),
            limits: Limits::default(),
        }
    });
    (project, orders)
}

/// More memory is to be left than there is, with room for eight containers, so many of them parked.
fn short_of_memory(parked: usize) -> Budget {
    Budget {
        reserve: u64::MAX / 2,
        ..budget(8, parked)
    }
}

fn budget(containers: usize, parked: usize) -> Budget {
    Budget {
        containers,
        parked,
        starters: 1,
        reserve: 0,
    }
}

/// Waits until the pool says that so many are parked: it tells nobody.
#[track_caller]
fn until_parked(pool: &Pool, count: usize) {
    let late = Instant::now() + Duration::from_secs(60);
    while pool.parked() != count {
        assert!(
            Instant::now() < late,
            "{} parked, not {count}",
            pool.parked()
        );
        std::thread::yield_now();
    }
}

fn sh(container: &mut Handed, script: &str) -> Ended {
    let mut command = Command::new("/bin/sh");
    command.args(["-c", script]);
    let null = std::fs::File::open("/dev/null").expect("/dev/null");
    let stdio = [&null as &dyn AsFd, &null, &null];
    container.run(&command, stdio, None, None).expect("an end")
}

#[test]
fn what_is_expected_is_parked_and_handed_over_and_none_is_left() {
    if !userns() {
        return;
    }
    let (_project, [one]) = orders(["one"]);
    let pool = Pool::new(budget(8, 2)).expect("a pool");
    pool.expect(&one, 3);
    until_parked(&pool, 2);
    let first = pool.take(&one, None).expect("a container");
    assert!(first.was_parked());
    until_parked(&pool, 2);
    let (second, third) = (pool.take(&one, None), pool.take(&one, None));
    assert!(second.expect("a container").was_parked() && third.expect("a container").was_parked());
    // A fourth, which nobody foresaw, is started when it is asked for.
    assert!(!pool.take(&one, None).expect("a container").was_parked());
    assert_eq!(pool.parked(), 0);
}

#[test]
fn what_is_asked_for_next_is_parked_first_however_many_kinds_there_are() {
    if !userns() {
        return;
    }
    let (_project, [one, two]) = orders(["one", "two"]);
    let pool = Pool::new(budget(4, 1)).expect("a pool");
    let next = [&one, &two, &two, &one, &two, &one];
    pool.expect_in_order(next);
    for order in next {
        until_parked(&pool, 1);
        assert!(pool.take(order, None).expect("a container").was_parked());
    }
    assert_eq!(pool.parked(), 0);
}

#[test]
fn each_is_a_copy_of_its_own_parked_or_not() {
    if !userns() {
        return;
    }
    let (_project, [one, two]) = orders(["one", "two"]);
    let pool = Pool::new(budget(8, 2)).expect("a pool");
    pool.expect(&one, 2);
    until_parked(&pool, 2);
    let mut used = pool.take(&one, None).expect("a container");
    let spoil = "echo spoilt > /run/cowherd/db/data/one.db";
    assert!(matches!(sh(&mut used, spoil), Ended::Exited(exit) if exit.success()));
    let mut fresh = pool.take(&one, None).expect("a container");
    let whole = "test $(wc -c < /run/cowherd/db/data/one.db) -gt 1000";
    assert!(matches!(sh(&mut fresh, whole), Ended::Exited(exit) if exit.success()));
    let mut other = pool.take(&two, None).expect("a container");
    let own = "test -e /run/cowherd/db/data/two.db && test ! -e /run/cowherd/db/data/one.db";
    assert!(matches!(sh(&mut other, own), Ended::Exited(exit) if exit.success()));
}

#[test]
fn a_lane_of_which_nobody_knows_parks_as_many_as_were_in_use_at_once() {
    if !userns() {
        return;
    }
    let (_project, [one]) = orders(["one"]);
    let pool = Pool::new(budget(16, 8)).expect("a pool");
    let taken: Vec<Handed> = (0..3)
        .map(|_| pool.take(&one, None).expect("a container"))
        .collect();
    until_parked(&pool, 3);
    drop(taken);
    assert!(pool.take(&one, None).expect("a container").was_parked());
    pool.forget_copies_of(&one.state);
    assert_eq!(pool.parked(), 0);
}

#[test]
fn no_more_than_the_budget_live_and_whoever_asks_for_more_waits_for_a_place() {
    if !userns() {
        return;
    }
    let (_project, [one]) = orders(["one"]);
    let pool = Pool::new(budget(8, 0)).expect("a pool");
    let live = std::sync::atomic::AtomicUsize::new(0);
    let most = std::sync::atomic::AtomicUsize::new(0);
    let pair = std::sync::Barrier::new(2);
    std::thread::scope(|scope| {
        for _ in 0..200 {
            scope.spawn(|| {
                use std::sync::atomic::Ordering::SeqCst;
                let taken = pool.take(&one, None).expect("a container");
                most.fetch_max(live.fetch_add(1, SeqCst) + 1, SeqCst);
                // Nobody goes on alone: two live at once.
                pair.wait();
                live.fetch_sub(1, SeqCst);
                drop(taken);
            });
        }
    });
    let most = most.into_inner();
    assert!((2..=8).contains(&most), "{most} at once");
}

#[test]
fn an_order_to_stop_ends_the_wait_for_a_place() {
    if !userns() {
        return;
    }
    let (_project, [one]) = orders(["one"]);
    let pool = Pool::new(budget(1, 0)).expect("a pool");
    let _only = pool.take(&one, None).expect("a container");
    let (stop, order) = std::io::pipe().expect("a pipe");
    drop(order);
    let refused = pool.take(&one, Some(stop.as_fd())).map(drop);
    assert!(
        matches!(refused, Err(ContainerError::Interrupted)),
        "{refused:?}"
    );
}

#[test]
fn what_is_parked_gives_way_to_what_is_needed() {
    if !userns() {
        return;
    }
    let (_project, [one, two]) = orders(["one", "two"]);
    let pool = Pool::new(budget(2, 2)).expect("a pool");
    pool.expect(&one, 2);
    until_parked(&pool, 2);
    pool.expect(&two, 1);
    let needed = pool.take(&two, None).expect("a container");
    assert!(!needed.was_parked());
    assert_eq!(pool.parked(), 1);
}

#[test]
fn nothing_is_parked_when_memory_is_short_but_who_asks_is_served() {
    if !userns() {
        return;
    }
    let (_project, [one]) = orders(["one"]);
    let pool = Pool::new(short_of_memory(8)).expect("a pool");
    pool.expect(&one, 8);
    for _ in 0..3 {
        assert!(!pool.take(&one, None).expect("a container").was_parked());
    }
    assert_eq!(pool.parked(), 0);
}

#[test]
fn a_start_waits_while_memory_is_short_and_others_live() {
    if !userns() {
        return;
    }
    let (_project, [one]) = orders(["one"]);
    let pool = Pool::new(short_of_memory(0)).expect("a pool");
    // With none to wait for, one is let in however short it is.
    let first = pool.take(&one, None).expect("a container");
    let (stop, order) = std::io::pipe().expect("a pipe");
    drop(order);
    let refused = pool.take(&one, Some(stop.as_fd())).map(drop);
    assert!(
        matches!(refused, Err(ContainerError::Interrupted)),
        "{refused:?}"
    );
    std::thread::scope(|scope| {
        let second = scope.spawn(|| pool.take(&one, None).map(drop));
        drop(first);
        second.join().expect("no panic").expect("a container");
    });
}

#[test]
fn a_parked_server_that_died_is_not_handed_over() {
    if !postgres() {
        return;
    }
    alone("pool::a_parked_server_that_died_is_not_handed_over", || {
        let (_project, [served]) = orders(["served"]);
        let pool = Pool::new(budget(2, 1)).expect("a pool");
        pool.expect(&served, 2);
        until_parked(&pool, 1);
        for init in processes::children(getpid().as_raw()) {
            kill(Pid::from_raw(init.pid), Signal::SIGKILL).expect("a signal");
        }
        let left = processes::until_none(|| {
            let mut servers = processes::descendants(getpid().as_raw());
            servers.retain(|process| process.name == "postgres");
            servers
        });
        assert_eq!(left, []);
        let mut alive = pool.take(&served, None).expect("a container");
        assert!(!alive.was_parked());
        assert!(alive.is_well());
    });
}

#[test]
fn a_pool_that_is_dropped_leaves_no_process_and_no_folder() {
    if !userns() {
        return;
    }
    let (project, [one]) = orders(["one"]);
    let pool = Pool::new(budget(8, 4)).expect("a pool");
    pool.expect(&one, 4);
    until_parked(&pool, 4);
    let taken = pool.take(&one, None).expect("a container");
    let init = taken.pid();
    drop(pool);
    // What was handed over is its holder's.
    assert!(Path::new(&format!("/proc/{init}")).exists());
    drop(taken);
    assert!(!Path::new(&format!("/proc/{init}")).exists());
    // The store's own folder goes with the last who has it open.
    drop(one);
    let left: Vec<_> = std::fs::read_dir(project.store().join("scratch"))
        .expect("a folder")
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn a_parked_server_is_used_once_when_nobody_needs_the_time() {
    if !postgres() {
        return;
    }
    alone(
        "pool::a_parked_server_is_used_once_when_nobody_needs_the_time",
        || {
            let (_project, [served]) = orders(["served"]);
            let pool = Pool::new(budget(2, 1)).expect("a pool");
            pool.expect(&served, 1);
            until_parked(&pool, 1);
            // The first backend of a server writes it.
            let cache = "root/run/cowherd/db/data/global/pg_internal.init";
            let init = processes::children(getpid().as_raw()).remove(0).pid;
            let cache = Path::new("/proc").join(init.to_string()).join(cache);
            let missing = || (!cache.exists()).then_some(()).into_iter().collect();
            assert_eq!(processes::until_none(missing), []);
            let taken = pool.take(&served, None).expect("a container");
            assert!(taken.was_parked() && taken.pid() == init);
        },
    );
}
