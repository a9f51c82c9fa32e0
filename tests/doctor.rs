//! `cowherd doctor` on this host, and on hosts that are made to refuse something.

mod causes;

use std::process::{Command, Stdio};

use crate::support::{Finished, OWN_HOST, Project, own_host, userns};

const PROGRAM: &str = env!("CARGO_BIN_EXE_cowherd");

/// An empty spec is enough: doctor reads none.
fn project() -> Project {
    Project::new("version: 1\n")
}

/// Runs a shell line in which `doctor` stands for the program, with a store of its own.
#[track_caller]
fn line(project: &Project, before: &[&str], line: &str) -> Finished {
    let mut command = match before {
        [] => Command::new("sh"),
        [program, args @ ..] => {
            let mut command = Command::new(program);
            command.args(args).arg("sh");
            command
        }
    };
    let output = command
        .arg("-c")
        .arg(line.replace("doctor", &format!("{PROGRAM} doctor")))
        .current_dir(project.folder())
        .env("COWHERD_STORE", project.store())
        .env_remove("CLICOLOR_FORCE")
        .stdin(Stdio::null())
        .output()
        .expect("a shell");
    Finished {
        code: output.status.code().unwrap_or(128),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// As [`OWN_HOST`], with a root that is the only user.
const OWN_ROOT: [&str; 3] = ["unshare", "-Urm", "--"];

#[track_caller]
fn shows(finished: &Finished, texts: &[&str]) {
    for text in texts {
        assert!(
            finished.stdout.contains(text),
            "no {text:?} in:\n{}\n{}",
            finished.stdout,
            finished.stderr
        );
    }
}

/// The line of the table about `name`.
#[track_caller]
fn row<'a>(finished: &'a Finished, name: &str) -> &'a str {
    let row = finished.stdout.lines().find(|line| {
        line.get(6..)
            .is_some_and(|rest| rest.starts_with(&format!("{name} ")))
    });
    row.unwrap_or_else(|| panic!("no row {name:?} in:\n{}", finished.stdout))
}

#[test]
fn a_host_that_runs_containers_passes() {
    if !userns() {
        return;
    }
    let finished = project().run(&["doctor"]).code(0);
    shows(
        &finished,
        &["Everything that `cowherd run` needs works here."],
    );
    // The others may have advice on any host: the kernel's age, room, block sharing, limits.
    for name in [
        "user",
        "namespaces",
        "mounts",
        "/proc",
        "/dev",
        "network",
        "rights",
        "data in memory",
        "data on disk",
        "speed",
        "store",
        "SQLite",
    ] {
        assert!(
            row(&finished, name).starts_with("  ok  "),
            "{}",
            finished.stdout
        );
    }
    assert!(!finished.stdout.contains('\u{1b}'), "{}", finished.stdout);
}

#[test]
fn it_leaves_nothing_in_the_store_but_the_store() {
    if !userns() {
        return;
    }
    let project = project();
    project.run(&["doctor"]).code(0);
    for folder in ["scratch", "layers", "keys"] {
        let folder = project.store().join(folder);
        let left: Vec<_> = std::fs::read_dir(folder).expect("a folder").collect();
        assert!(left.is_empty(), "{left:?}");
    }
}

#[test]
fn its_json_is_one_object_with_what_the_table_says() {
    let finished = project().run(&["doctor", "--json"]);
    let found: serde_json::Value =
        serde_json::from_str(&finished.stdout).expect("JSON on standard output");
    assert_eq!(found["version"], 1);
    assert_eq!(found["cowherd"], env!("CARGO_PKG_VERSION"));
    assert_eq!(found["works"], finished.code == 0);
    let checks = found["checks"].as_array().expect("a list of checks");
    for check in checks {
        for key in ["area", "name", "status", "finding"] {
            assert!(check[key].is_string(), "{key} of {check}");
        }
        if let Some(remedy) = check.get("remedy") {
            assert!(remedy["cause"].is_string(), "{check}");
            let way = &remedy["ways"][0];
            assert!(
                way["text"].is_string() && way["paste"].is_string(),
                "{check}"
            );
        }
    }
    let store = &found["facts"]["store"];
    assert!(
        store["kind"].is_string() && store["free"].is_u64(),
        "{store}"
    );
    assert!(found["facts"]["kernel"]["release"].is_string());
}

#[test]
fn colours_are_for_terminals_or_for_who_asks_for_them() {
    let project = project();
    let coloured = |text| line(&project, &[], text).stdout.contains("\u{1b}[");
    assert!(!coloured("doctor"));
    assert!(coloured("doctor --color always"));
    assert!(coloured("CLICOLOR_FORCE=1 doctor"));
    assert!(!coloured("CLICOLOR_FORCE=1 NO_COLOR=1 doctor"));
    assert!(!coloured("CLICOLOR_FORCE=1 doctor --color never"));
    let json = line(&project, &[], "doctor --json --color always");
    assert!(!json.stdout.contains('\u{1b}'));
}

#[test]
fn a_store_that_cannot_be_made_is_needed_and_named() {
    // Not even root can make a folder there.
    let finished = project()
        .env("COWHERD_STORE", "/proc/cowherd")
        .run(&["doctor"])
        .code(97);
    assert!(
        row(&finished, "store").starts_with("  no  store"),
        "{}",
        finished.stdout
    );
    shows(
        &finished,
        &[
            "can't create the store /proc/cowherd",
            "\nSomething that `cowherd run` needs does not work here.",
            "COWHERD_STORE=",
        ],
    );
    if userns() {
        assert!(row(&finished, "data on disk").starts_with("  --  "));
    }
}

#[test]
fn a_store_that_the_user_may_not_enter_is_to_be_given_to_them() {
    if !own_host() {
        return;
    }
    let project = project();
    // Nobody in the inner namespace has the capabilities that would make up for the mode.
    let finished = line(
        &project,
        &OWN_ROOT,
        "mount -t tmpfs none /mnt && chmod 700 /mnt && export COWHERD_STORE=/mnt &&
         exec unshare -U --map-user=1000 --map-group=1000 sh -c 'chmod 0 /mnt; exec doctor'",
    )
    .code(97);
    assert!(
        row(&finished, "store").contains("Permission denied"),
        "{}",
        finished.stdout
    );
    shows(
        &finished,
        &[
            "\nsudo chown -R \"$(id -u):$(id -g)\" /mnt\n",
            "COWHERD_STORE=",
        ],
    );
}

#[test]
fn a_host_without_user_namespaces_is_told_the_parameter() {
    if !own_host() {
        return;
    }
    let finished = line(
        &project(),
        &OWN_HOST,
        "echo 0 > /proc/sys/user/max_user_namespaces; exec doctor",
    )
    .code(97);
    assert_eq!(
        row(&finished, "namespaces"),
        "  no  namespaces      can't create namespaces: No space left on device"
    );
    assert!(row(&finished, "mounts").starts_with("  --  "));
    shows(
        &finished,
        &[
            "user.max_user_namespaces = 0.",
            // In the first column, as all that is to be pasted.
            "\nsudo sysctl -w user.max_user_namespaces=65536\n",
        ],
    );
}

#[test]
fn a_covered_proc_is_told_and_the_other_parts_are_tried_all_the_same() {
    if !own_host() {
        return;
    }
    // A namespace in a namespace, so that what covers /proc can't be taken away.
    let finished = line(
        &project(),
        &OWN_ROOT,
        "mount -t tmpfs none /proc/irq && exec unshare -U --map-user=1000 --map-group=1000 doctor",
    )
    .code(97);
    assert_eq!(
        row(&finished, "/proc"),
        "  no  /proc           can't mount proc on /proc: Operation not permitted"
    );
    shows(&finished, &["(/proc/irq)"]);
    for name in [
        "namespaces",
        "network",
        "rights",
        "data in memory",
        "data on disk",
    ] {
        assert!(
            row(&finished, name).starts_with("  ok  "),
            "{}",
            finished.stdout
        );
    }
}

#[test]
fn root_without_anybody_to_run_tests_as_is_told_so() {
    if !own_host() {
        return;
    }
    let finished = line(&project(), &OWN_ROOT, "exec doctor").code(97);
    assert!(
        row(&finished, "user").starts_with("  no  user"),
        "{}",
        finished.stdout
    );
    shows(
        &finished,
        &["Run as an ordinary user, not through `unshare -r`"],
    );
}

#[test]
fn a_full_store_is_told_where_to_make_room() {
    if !own_host() {
        return;
    }
    let project = project();
    std::fs::create_dir(project.store()).expect("a folder");
    // A store that is there already, on a file system that was filled up later.
    let finished = line(
        &project,
        &OWN_ROOT,
        "mount -t tmpfs -o size=128k none $COWHERD_STORE &&
         exec unshare -U --map-user=1000 --map-group=1000 sh -c '
             doctor > /dev/null; cat /dev/zero > $COWHERD_STORE/scratch/full 2> /dev/null; exec doctor'",
    )
    .code(97);
    assert!(
        row(&finished, "store").contains("No space left on device"),
        "{}",
        finished.stdout
    );
    shows(
        &finished,
        &[
            "The store's file system has no space left.",
            "
df -h ",
        ],
    );
}

#[test]
fn a_store_on_an_overlay_is_told_to_move() {
    if !own_host() {
        return;
    }
    let project = project();
    std::fs::create_dir(project.store()).expect("a folder");
    let finished = line(
        &project,
        &OWN_ROOT,
        "mount -t tmpfs none /mnt && mkdir /mnt/lower /mnt/upper /mnt/work &&
         mount -t overlay -o userxattr,lowerdir=/mnt/lower,upperdir=/mnt/upper,workdir=/mnt/work none $COWHERD_STORE &&
         exec unshare -U --map-user=1000 --map-group=1000 doctor",
    )
    .code(97);
    assert!(
        row(&finished, "data in memory").starts_with("  ok  "),
        "{}",
        finished.stdout
    );
    assert_eq!(
        row(&finished, "data on disk"),
        "  no  data on disk    can't mount overlay on /run/cowherd/doctor/data: Invalid argument"
    );
    shows(
        &finished,
        &["The store lies on an overlay itself, which can't be a writable layer."],
    );
}

#[test]
fn a_low_limit_on_open_files_is_told_as_the_cause_of_what_fails() {
    if !userns() {
        return;
    }
    let finished = line(&project(), &[], "ulimit -n 8; exec doctor").code(97);
    shows(
        &finished,
        &[
            "Too many open files",
            "A limit on open files is reached.",
            "\nulimit -n 4096\n",
        ],
    );
    assert!(row(&finished, "open files").starts_with("  !!  open files      8, "));
}

#[test]
fn limits_are_held_against_the_number_of_tests_that_is_asked_for() {
    if !own_host() {
        return;
    }
    let project = project();
    let few = |asked: &str| {
        let limit = "echo 60 > /proc/sys/user/max_net_namespaces";
        line(&project, &OWN_HOST, &format!("{limit}; exec doctor{asked}")).code(0)
    };
    let enough = "namespace limit user.max_net_namespaces is 60, enough for 60 PostgreSQL containers at once";
    let asked = few(" -j 100");
    assert_eq!(row(&asked, "namespace limit"), format!("  !!  {enough}"));
    shows(
        &asked,
        &[
            "\nsudo sysctl -w user.max_net_namespaces=4096\n",
            "tests at once rather than 100, by ",
        ],
    );
    assert_eq!(row(&few(""), "namespace limit"), format!("  ok  {enough}"));
}
