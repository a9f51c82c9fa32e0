//! Whoever starts a container: its oddities don't reach inside, and its end is the container's end.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use cowherd::sandbox::{Exit, Sandbox, SandboxError};
use nix::errno::Errno;
use nix::sys::resource::{Resource, getrlimit, setrlimit};

use super::{container, identity, line, null, prints, run, sandbox};
use crate::support::{alone, alone_under, inside, require, userns};

#[test]
fn ignored_signals_and_an_odd_umask_stay_outside() {
    if !userns() {
        return;
    }
    let odd = [
        "sh",
        "-c",
        "umask 0777; exec env --ignore-signal=PIPE,HUP,INT,CHLD,USR1,TTOU --block-signal=TERM,USR2,CHLD \"$@\"",
        "sh",
    ];
    alone_under(
        &odd,
        "sandbox::parents::ignored_signals_and_an_odd_umask_stay_outside",
        || {
            let mut container = container();
            let seen = prints(
                &mut container,
                "umask; grep -E '^Sig(Ign|Blk)' /proc/self/status",
            );
            assert_eq!(
                seen,
                "0022\nSigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n"
            );
            assert_eq!(
                prints(&mut container, "stat -c %a /run/cowherd /tmp /dev/shm"),
                "755\n1777\n1777\n"
            );
            // Children that nobody waits for are no trouble to init, which does.
            assert_eq!(
                run(&mut container, &line("sh -c 'exit 3'; exit $?")).0,
                Exit::Code(3)
            );
            assert_eq!(
                run(&mut container, &line("kill -TERM $$")).0,
                Exit::Signal(15)
            );
            let pid = container.pid();
            drop(container);
            assert!(
                !fs::exists(format!("/proc/{pid}")).expect("/proc"),
                "gone when it was dropped"
            );
        },
    );
}

#[test]
fn a_caller_whose_folder_was_removed_starts_containers() {
    if !userns() {
        return;
    }
    alone(
        "sandbox::parents::a_caller_whose_folder_was_removed_starts_containers",
        || {
            let folder = tempfile::tempdir().expect("a folder");
            std::env::set_current_dir(folder.path()).expect("a folder");
            drop(folder);
            assert_eq!(prints(&mut container(), "pwd"), "/\n");
        },
    );
}

#[test]
fn a_container_starts_containers() {
    if !userns() {
        return;
    }
    if !identity().has_user_namespace() {
        return;
    }
    let program = std::env::current_exe().expect("this program");
    let mut sandbox = sandbox();
    sandbox.program(&program, "tests");
    let mut container = sandbox.start().expect("a container");
    // In there this process is an ordinary user's in PID, user and network namespaces of another's.
    let inner = "COWHERD_REQUIRE=userns /run/cowherd/bin/tests --exact --nocapture \
                 sandbox::rights::nothing_runs_as_uid_0 sandbox::programs::exit_codes_come_back \
                 sandbox::rights::all_six_namespaces_are_the_containers_own";
    let printed = prints(&mut container, inner);
    assert!(printed.contains("3 passed"), "{printed}");
}

#[test]
fn a_limit_on_processes_is_told_with_a_remedy() {
    if !userns() {
        return;
    }
    // The limit doesn't bind who may administer the system (getrlimit(2)).
    let ordinary = (!identity().is_root())
        .then_some(())
        .ok_or("root has no such limit".into());
    if !require("ordinary-user", ordinary) {
        return;
    }
    alone(
        "sandbox::parents::a_limit_on_processes_is_told_with_a_remedy",
        || {
            let (_, hard) = getrlimit(Resource::RLIMIT_NPROC).expect("a limit");
            setrlimit(Resource::RLIMIT_NPROC, 0, hard).expect("a limit");
            let error = sandbox().start().expect_err("no process to be had");
            assert!(
                matches!(error, SandboxError::Clone(Errno::EAGAIN)),
                "{error:?}"
            );
            assert_eq!(error.to_string(), "can't create the container's namespaces");
            assert!(error.hint().expect("a hint").contains("ulimit -u"));
            setrlimit(Resource::RLIMIT_NPROC, hard, hard).expect("a limit");
            prints(&mut container(), "true");
        },
    );
}

#[test]
fn a_limit_on_namespaces_is_told_with_a_remedy() {
    if !inside() && !userns() {
        return;
    }
    // Within a user namespace of its own, so that nobody else has the limit.
    let ordinary = (!identity().is_root())
        .then_some(())
        .ok_or("root makes none".into());
    if !require("ordinary-user", ordinary) {
        return;
    }
    let limited = [
        "unshare",
        "--user",
        "--map-current-user",
        "--keep-caps",
        "sh",
        "-c",
        "echo 0 > /proc/sys/user/max_net_namespaces; exec \"$@\"",
        "sh",
    ];
    alone_under(
        &limited,
        "sandbox::parents::a_limit_on_namespaces_is_told_with_a_remedy",
        || {
            let error = sandbox().start().expect_err("no namespace to be had");
            assert!(
                matches!(error, SandboxError::Clone(Errno::ENOSPC)),
                "{error:?}"
            );
            assert!(error.hint().expect("a hint").contains("max_*_namespaces"));
        },
    );
}

#[test]
fn a_limit_on_descriptors_is_an_error_and_nothing_else() {
    if !userns() {
        return;
    }
    alone(
        "sandbox::parents::a_limit_on_descriptors_is_an_error_and_nothing_else",
        || {
            // Looking the user up takes descriptors too.
            let identity = identity();
            let mut container = container();
            let file = null();
            let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).expect("a limit");
            setrlimit(Resource::RLIMIT_NOFILE, 64.min(soft), hard).expect("a limit");
            let mut held = Vec::new();
            while let Ok(fd) = file.try_clone() {
                held.push(fd);
            }
            for left in 0..6 {
                match Sandbox::new(identity).start() {
                    Ok(_) => assert!(left >= 2, "started with {left} descriptors left"),
                    Err(error) => assert!(
                        matches!(
                            error,
                            SandboxError::Conversation(_) | SandboxError::Describe(_)
                        ),
                        "{error:?}"
                    ),
                }
                held.pop();
            }
            drop(held);
            prints(&mut container, "true");
            prints(&mut super::container(), "true");
        },
    );
}

/// As in some CI containers.
#[test]
fn root_of_a_namespace_that_allows_no_others_does_without() {
    const NAME: &str = "sandbox::parents::root_of_a_namespace_that_allows_no_others_does_without";
    let root = nix::unistd::geteuid().is_root();
    let root = root.then_some(()).ok_or("not root".to_owned());
    if !(inside() || require("root", root) && userns()) {
        return;
    }
    // The process waits for its map of ids, which only its starter may write; neither waits for ever.
    let mapped = [
        "sh",
        "-c",
        "until_true() { n=0; while ! eval \"$1\" && [ $n -lt 500 ]; do n=$((n + 1)); sleep 0.01; done; }
         unshare --user sh -c 'n=0
             while [ $(id -u) != 0 ] && [ $n -lt 500 ]; do n=$((n + 1)); sleep 0.01; done
             exec \"$@\"' sh \"$@\" & child=$!
         until_true '! [ /proc/$child/ns/user -ef /proc/self/ns/user ]'
         echo 0 0 65536 > /proc/$child/gid_map; echo 0 0 65536 > /proc/$child/uid_map; wait $child",
        "sh",
        "sh",
        "-c",
        "echo 0 > /proc/sys/user/max_user_namespaces; exec \"$@\"",
        "sh",
    ];
    alone_under(&mapped, NAME, || {
        let (identity, folder) = (identity(), tempfile::tempdir().expect("a folder"));
        assert!(identity.is_root() && !identity.has_user_namespace());
        fs::write(folder.path().join("file"), "shown\n").expect("a file");
        let mode = fs::Permissions::from_mode(0o755);
        fs::set_permissions(folder.path(), mode).expect("a mode");
        let mut sandbox = Sandbox::new(identity);
        sandbox.project(folder.path(), false);
        let mut container = sandbox.start().expect("a container");
        let shown = format!("cat '{}/file'", folder.path().display());
        assert_eq!(prints(&mut container, &shown), "shown\n");
        let (uid, _) = identity.user();
        assert_eq!(prints(&mut container, "id -u"), format!("{uid}\n"));
        let rights = "grep -E '^(Cap|NoNewPrivs)' /proc/self/status | tr -d '\\t\\n'";
        let none = ["Inh", "Prm", "Eff", "Bnd", "Amb"].map(|set| format!("Cap{set}:{:016}", 0));
        assert_eq!(
            prints(&mut container, rights),
            format!("{}NoNewPrivs:1", none.concat())
        );
    });
}
