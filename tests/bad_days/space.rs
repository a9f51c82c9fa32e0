//! No room: for a layer, or for what a test prints.

use std::process::Stdio;

use super::one_row;
use crate::support::{Project, like, postgres, redis, userns};

/// Runs a shell script with the project's store on a tmpfs of this size, mounted in a namespace of its own;
/// `cowherd` is the program. What comes back is its standard output and error.
fn on_small_store(project: &Project, size: &str, script: &str) -> (String, String) {
    std::fs::create_dir_all(project.store()).expect("a folder");
    let mount = format!("mount -t tmpfs -o size={size},mode=755 none \"$COWHERD_STORE\"");
    let grow = "grow() { mount -o remount,size=$1 none \"$COWHERD_STORE\"; }";
    let (uid, gid) = (nix::unistd::geteuid(), nix::unistd::getegid());
    // Who is not root becomes it to mount the store, and then themselves again.
    let (unshare, back) = match uid.is_root() {
        true => ("-m", String::new()),
        false => (
            "-Urm",
            format!("unshare -U --map-user={uid} --map-group={gid} "),
        ),
    };
    let script = format!(
        "set -e\n{mount}\n{grow}\ncowherd() {{ {back}\"$0\" \"$@\" || echo \"ended with $?\"; }}\n{script}"
    );
    let run = project.command(&[]);
    let mut command = like(&run, "unshare");
    command
        .args([unshare, "sh", "-c", &script])
        .arg(run.get_program())
        .stdin(Stdio::null());
    let output = command.output().expect("unshare");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (text(&output.stdout), text(&output.stderr))
}

/// What the script prints about the store, so that a half sealed layer would show.
const LOOK: &str = "echo $(ls $COWHERD_STORE/keys | wc -l) keys, $(ls $COWHERD_STORE/layers | wc -l) layers, $(ls $COWHERD_STORE/scratch | wc -l) scratch";

#[test]
fn a_layer_that_does_not_fit_is_an_error_with_a_hint_and_fits_when_there_is_room() {
    if !userns() {
        return;
    }
    let big = "CREATE TABLE big (x); INSERT INTO big VALUES (zeroblob(4000000));";
    let project = one_row("sqlite", &["name: t, command: 'true'"]);
    let spec = project
        .read("cowherd.yaml")
        .replace("{ sql: seed.sql }", "{ sql: seed.sql }, { sql: big.sql }");
    let project = project.file("cowherd.yaml", spec).file("big.sql", big);
    let script = format!("cowherd run\n{LOOK}\ngrow 32m\ncowherd run\n{LOOK}");
    let (out, err) = on_small_store(&project, "3m", &script);
    assert_eq!(
        out, "ended with 101\n2 keys, 2 layers, 0 scratch\n3 keys, 3 layers, 0 scratch\n",
        "{err}"
    );
    assert!(err.contains("can't build app 3/3 sql big.sql: "), "{err}");
    assert!(err.contains("full"), "{err}");
    assert!(
        err.contains("hint: ") && err.contains("COWHERD_STORE"),
        "{err}"
    );
    assert!(err.contains(": 1 passed\n"), "{err}");
}

#[test]
fn a_command_that_finds_no_room_is_an_error_with_a_hint() {
    if !userns() {
        return;
    }
    let project = one_row("sqlite", &["name: t, command: 'true'"]);
    let spec = project.read("cowherd.yaml").replace("{ sql: seed.sql }", "{ sql: seed.sql }, { run: { command: 'head -c 8M /dev/zero > $(dirname $SQLITE_FILE)/big', inputs: [seed.sql] } }");
    let project = project.file("cowherd.yaml", spec);
    let (out, err) = on_small_store(
        &project,
        "3m",
        &format!("cowherd build\n{LOOK}\ngrow 32m\ncowherd run"),
    );
    assert!(
        out.starts_with("ended with 101\n2 keys, 2 layers, 0 scratch\n"),
        "{out}{err}"
    );
    assert!(err.contains("No space left on device"), "{err}");
    assert!(
        err.contains("hint: ") && err.contains("COWHERD_STORE"),
        "{err}"
    );
    assert!(err.contains(": 1 passed\n"), "{err}");
}

#[test]
fn a_server_that_finds_no_room_while_it_is_built_is_an_error_with_a_hint() {
    if !postgres() {
        return;
    }
    let project = one_row("postgres", &["name: t, command: 'true'"]);
    let sizes = ["16m", "32m", "38m"];
    let again = sizes[1..]
        .iter()
        .map(|size| format!("grow {size}\ncowherd run\n{LOOK}\n"));
    let script = format!(
        "cowherd run\n{LOOK}\n{}grow 400m\ncowherd run",
        again.collect::<String>()
    );
    let (out, err) = on_small_store(&project, sizes[0], &script);
    let lines: Vec<&str> = out.lines().collect();
    assert!(lines.len() == 6, "{out}{err}");
    for line in [0, 2, 4] {
        assert_eq!(lines[line], "ended with 101", "{out}{err}");
        let numbers: Vec<&str> = lines[line + 1].split_whitespace().collect();
        assert_eq!((numbers[0], numbers[4]), (numbers[2], "0"), "{out}{err}");
    }
    assert_eq!(err.matches("hint: ").count(), 6, "{err}");
    assert!(err.contains(": 1 passed\n"), "{err}");
}

#[test]
fn a_test_that_prints_more_than_there_is_room_for_is_an_error_with_a_hint() {
    if !userns() {
        return;
    }
    let project = one_row(
        "sqlite",
        &[
            "name: loud, command: 'head -c 8M /dev/zero'",
            "name: quiet, command: 'true'",
        ],
    );
    let (out, err) = on_small_store(&project, "3m", "cowherd run -j 1\ngrow 32m\ncowherd run");
    assert_eq!(out, "ended with 97\n", "{err}");
    assert!(
        err.contains("can't keep what a program prints: No space left on device"),
        "{err}"
    );
    assert!(
        err.contains("hint: ") && err.contains("COWHERD_STORE"),
        "{err}"
    );
    assert!(err.contains(": 1 passed, 1 error\n"), "{err}");
    assert!(err.contains(": 2 passed\n"), "{err}");
}

#[test]
fn a_store_with_no_room_at_all_is_97() {
    if !userns() {
        return;
    }
    let project = one_row("sqlite", &["name: t, command: 'true'"]);
    let (out, err) = on_small_store(&project, "4k", "cowherd run");
    assert!(
        out == "ended with 97\n" || out == "ended with 101\n",
        "{out}{err}"
    );
    assert!(
        err.contains("hint: ") || err.contains("hint\u{1b}"),
        "{err}"
    );
}

#[test]
fn an_import_that_does_not_fit_and_an_export_that_finds_no_room_leave_nothing() {
    if !userns() {
        return;
    }
    // Random bytes, which no compression makes smaller.
    let big = "CREATE TABLE big (x); INSERT INTO big VALUES (randomblob(2000000));";
    let project = one_row("sqlite", &["name: t, command: 'true'"]).file("seed.sql", big);
    let here = "\
COWHERD_STORE=$PWD/elsewhere cowherd export app app.tar
cowherd import app.tar
echo $(ls $COWHERD_STORE/layers | wc -l) layers, $(find $COWHERD_STORE/scratch -mindepth 2 | wc -l) scratch
grow 3500k
cowherd import app.tar
cowherd export app $COWHERD_STORE/app.tar
ls $COWHERD_STORE
grow 32m
cowherd export app $COWHERD_STORE/app.tar
cmp app.tar $COWHERD_STORE/app.tar && echo same
";
    let (out, err) = on_small_store(&project, "1500k", here);
    let lines: Vec<&str> = out.lines().collect();
    assert!(
        lines[0].starts_with("app.tar: 2 layers of app, "),
        "{out}{err}"
    );
    assert_eq!(
        lines[1..3],
        ["ended with 97", "0 layers, 0 scratch"],
        "{out}{err}"
    );
    assert!(lines[3].starts_with("app: 2 layers, 2 new, "), "{out}{err}");
    assert_eq!(lines[4], "ended with 97", "{out}{err}");
    assert!(
        !lines.contains(&"app.tar") && lines.contains(&"layers"),
        "{out}{err}"
    );
    assert_eq!(lines.last(), Some(&"same"), "{out}{err}");
    assert!(
        err.contains("error: can't import app.tar: it takes "),
        "{err}"
    );
    assert!(err.contains("app.tar: No space left on device"), "{err}");
    assert_eq!(err.matches("hint: ").count(), 2, "{err}");
}

#[test]
fn a_dump_that_does_not_fit_is_told_at_once_in_the_words_of_the_server() {
    if !redis() {
        return;
    }
    let project = Project::new(
        "version: 1\nsnapshots: { cache: { engine: redis, steps: [ { redis: big.redis } ] } }\n",
    )
    .file(
        "big.redis",
        "CONFIG SET rdbcompression no\nEVAL \"redis.call('SET', 'a', string.rep('x', 4000000))\" 0\n",
    );
    let script = format!("cowherd build\n{LOOK}\ngrow 32m\ncowherd build\n{LOOK}");
    let (out, err) = on_small_store(&project, "2m", &script);
    assert_eq!(
        out,
        "ended with 101\n1 keys, 1 layers, 0 scratch\ncache: 2 layers\n2 keys, 2 layers, 0 scratch\n",
        "{err}"
    );
    assert!(err.contains("can't save the database: "), "{err}");
    assert!(err.contains("No space left on device"), "{err}");
    assert!(
        err.contains("hint: ") && err.contains("COWHERD_STORE"),
        "{err}"
    );
}
