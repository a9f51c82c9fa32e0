//! Every step of the set-up fails once, and nothing is left of the container.

use std::fs;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Barrier, Mutex};

use cowherd::sandbox::{Overlay, Sandbox, SandboxError, Upper};
use nix::errno::Errno;

use super::{given, identity, prints, sandbox};
use crate::support::{alone, alone_with_ipc, processes, userns};

/// What could be left of a container, as this process sees it.
#[derive(Debug, PartialEq, Eq)]
struct Traces {
    children: Vec<processes::Process>,
    descriptors: Vec<String>,
    mounts: usize,
    ipc: usize,
    files: Vec<std::ffi::OsString>,
}

fn traces(folder: &std::path::Path) -> Traces {
    let own = i32::try_from(std::process::id()).expect("a pid");
    let links = fs::read_dir("/proc/self/fd").expect("descriptors");
    let mut descriptors: Vec<String> = links
        .filter_map(|entry| fs::read_link(entry.ok()?.path()).ok())
        .map(|link| link.display().to_string())
        .filter(|link| !link.contains("/proc/"))
        .collect();
    descriptors.sort();
    let names = fs::read_dir(folder).expect("files");
    let mut files: Vec<_> = names
        .map(|entry| entry.expect("a file").file_name())
        .collect();
    files.sort();
    Traces {
        children: processes::children(own),
        descriptors,
        mounts: fs::read_to_string("/proc/self/mountinfo")
            .expect("mounts")
            .lines()
            .count(),
        ipc: processes::ipc_objects(),
        files,
    }
}

/// A sandbox with one of everything, over `folder`.
fn of_everything(folder: &std::path::Path) -> Sandbox {
    let mut sandbox = Sandbox::new(identity());
    let overlay = |name: &str, upper: Upper| Overlay {
        name: name.to_owned(),
        target: format!("/run/cowherd/{name}/data").into(),
        from: folder.to_owned(),
        lower: vec!["layer-1".into(), "layer-0".into()],
        copied: vec!["written".into()],
        upper,
        mode: 0o700,
    };
    sandbox
        .folder("/run/cowherd/db")
        .overlay(overlay("db", Upper::Scratch))
        .folder("/run/cowherd/cache")
        .overlay(overlay(
            "cache",
            Upper::Folder {
                path: folder.join("scratch"),
                upper: "upper".into(),
                work: "work".into(),
            },
        ))
        .project(folder.join("project"), false)
        .show(folder)
        .program("/bin/true", "tool");
    sandbox
}

#[test]
fn a_failure_at_any_step_is_told_and_leaves_nothing() {
    if !userns() {
        return;
    }
    alone_with_ipc(
        "sandbox::faults::a_failure_at_any_step_is_told_and_leaves_nothing",
        || {
            let root = tempfile::tempdir().expect("a folder");
            for name in ["project", "layer-0", "layer-1"] {
                fs::create_dir_all(root.path().join(name)).expect("a folder");
            }
            fs::write(root.path().join("layer-0/written"), "text").expect("a file");
            // A work folder of overlayfs serves once.
            let scratch = || {
                cowherd::disk::remove_tree(&root.path().join("scratch")).expect("no scratch");
                fs::create_dir_all(root.path().join("scratch/upper")).expect("a folder");
                fs::create_dir_all(root.path().join("scratch/work")).expect("a folder");
                given(root.path());
            };
            let sandbox = of_everything(root.path());
            let mut steps = 0;
            scratch();
            let whole = sandbox.start_changed(|program| steps = program.len());
            prints(&mut whole.expect("a container"), "true");
            assert!(steps > 50, "{steps} steps");
            let before = traces(root.path());
            assert_eq!(before.children, []);
            for index in 0..steps {
                scratch();
                let mut step = String::new();
                let error = sandbox
                    .start_changed(|program| {
                        program.fail_at(index);
                        step = program.step(index);
                    })
                    .expect_err("a fault");
                match error {
                    SandboxError::Step {
                        index: told,
                        step: words,
                        errno,
                    } => {
                        assert_eq!((told, errno), (index, Errno::ENOENT));
                        assert_eq!(words, step);
                    }
                    other => panic!("step {index}: {other:?}"),
                }
                assert_eq!(traces(root.path()), before, "after a fault at step {index}");
            }
            // And all is as well as before.
            scratch();
            scratch();
            prints(&mut sandbox.start().expect("a container"), "true");
            assert_eq!(traces(root.path()), before);
        },
    );
}

#[test]
fn every_step_has_words() {
    if !userns() {
        return;
    }
    let root = tempfile::tempdir().expect("a folder");
    let mut words = Vec::new();
    let sandbox = of_everything(root.path());
    let result = sandbox.start_changed(|program| {
        words = (0..program.len())
            .map(|index| program.step(index))
            .collect();
        program.fail_at(0);
    });
    assert!(result.is_err());
    for expected in [
        "close inherited descriptors",
        "make the mounts below / private",
        "make / read-only",
        "mount proc on /proc",
        "mount overlay on /run/cowherd/db/data",
        "create a network namespace",
        "bring up the loopback interface",
        "drop all capabilities",
    ] {
        assert!(
            words.iter().any(|step| step == expected),
            "no {expected:?} in {words:#?}"
        );
    }
}

const CONTAINERS: usize = 500;
const STARTERS: usize = 8;

/// A prototype whose child allocated after `clone` dead-locked within a few hundred starts, since
/// another thread had malloc's lock when it was copied.
#[test]
fn containers_start_while_other_threads_hold_every_lock() {
    if !userns() {
        return;
    }
    alone(
        "sandbox::faults::containers_start_while_other_threads_hold_every_lock",
        || {
            let (started, over) = (AtomicUsize::new(0), AtomicBool::new(false));
            let (lock, begin) = (Mutex::new(Vec::new()), Barrier::new(STARTERS + 3));
            std::thread::scope(|scope| {
                for hammer in 0..3 {
                    let (lock, over, begin) = (&lock, &over, &begin);
                    scope.spawn(move || {
                        begin.wait();
                        let mut size = 1 + hammer;
                        while !over.load(Ordering::Relaxed) {
                            size = size * 31 % 100_003;
                            let mut held = lock.lock().expect("a lock");
                            held.push(vec![0_u8; size]);
                            if held.len() > 64 {
                                held.clear();
                            }
                            let _ = std::env::var("HOME");
                            eprint!("");
                        }
                    });
                }
                let starters: Vec<_> = (0..STARTERS)
                    .map(|_| {
                        let (started, begin) = (&started, &begin);
                        scope.spawn(move || {
                            begin.wait();
                            while started.fetch_add(1, Ordering::Relaxed) < CONTAINERS {
                                drop(sandbox().start().expect("a container"));
                            }
                        })
                    })
                    .collect();
                for starter in starters {
                    starter.join().expect("containers");
                }
                over.store(true, Ordering::Relaxed);
            });
            let own = i32::try_from(std::process::id()).expect("a pid");
            assert_eq!(processes::children(own), []);
        },
    );
}
