//! `cowherd store init`, as root and with real loop devices. Each test is alone in a mount namespace, with its files in
//! memory: whatever becomes of it, its mounts go with it, and the loop devices with them.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};

use cowherd::disk;
use cowherd::sandbox::Identity;
use nix::mount::MsFlags;
use nix::sys::signal::Signal;

use crate::support::traced::{End, kill_before, traceable};
use crate::support::{Finished, Project, Started, alone_under, inside, like, require, userns, xfs};

/// Runs `body` in such a namespace. There the temporary files share no blocks by themselves, whatever the host's do.
#[track_caller]
fn with_mounts(name: &str, body: impl FnOnce()) {
    if !(inside() || xfs()) {
        return;
    }
    let wrapper = "mount -t tmpfs none /mnt && TMPDIR=/mnt exec \"$@\"";
    alone_under(
        &["unshare", "--mount", "sh", "-c", wrapper, "sh"],
        name,
        body,
    );
}

/// What is beside the project's folder: the store and its image.
fn beside(project: &Project) -> Vec<String> {
    let entries = fs::read_dir(project.store().parent().expect("a folder")).expect("a folder");
    let names = entries.map(|entry| entry.expect("an entry").file_name());
    let mut names: Vec<String> = names
        .map(|name| name.into_string().expect("text"))
        .collect();
    names.sort();
    names
}

fn is_mounted(folder: &Path) -> bool {
    let table = fs::read_to_string("/proc/self/mountinfo").expect("a table");
    let folder = folder.to_str().expect("text");
    table
        .lines()
        .any(|line| line.split(' ').nth(4) == Some(folder))
}

/// The files on loop devices of this machine that have to do with the project.
fn attached(project: &Project) -> Vec<PathBuf> {
    let root = project.store();
    let root = root.parent().expect("a folder");
    let devices = fs::read_dir("/sys/block").expect("devices").flatten();
    let files = devices
        .filter_map(|device| fs::read_to_string(device.path().join("loop/backing_file")).ok());
    files
        .map(|file| PathBuf::from(file.trim_end()))
        .filter(|file| file.starts_with(root))
        .collect()
}

fn unmount(folder: &Path) {
    nix::mount::umount(folder).expect("a mount");
}

fn init(project: &Project) -> Finished {
    project.run(&["store", "init", "--size", "300M"])
}

#[test]
fn a_store_is_made_once_and_mounted_again_after_a_reboot() {
    with_mounts(
        "loop_store::a_store_is_made_once_and_mounted_again_after_a_reboot",
        || {
            let project = Project::empty();
            let (store, image) = (project.store(), project.store().with_extension("xfs"));
            let first = init(&project).code(0).stdout;
            assert!(
                first.starts_with(&format!("made {} for root", store.display())),
                "{first}"
            );
            let line = format!(
                "{} {} xfs loop,nosuid,nodev,nofail 0 0\n",
                image.display(),
                store.display()
            );
            assert!(first.contains(&line), "{first}");
            // Nobody else can write what the kernel reads as a file system, and it takes what is used of it.
            let facts = fs::metadata(&image).expect("an image");
            assert_eq!((facts.mode() & 0o7777, facts.len()), (0o600, 300 << 20));
            assert!(
                facts.blocks() * 512 < 100 << 20,
                "{} blocks",
                facts.blocks()
            );
            assert!(disk::can_reflink(&store).expect("an answer"));
            assert!(is_mounted(&store));
            assert_eq!(attached(&project), [image.as_path()]);

            let status = project.run(&["store"]).code(0).stdout;
            assert!(
                status.contains(&format!("xfs in {}", image.display())),
                "{status}"
            );
            assert!(status.contains("blocks           shared"), "{status}");
            let again = init(&project).code(0).stdout;
            assert!(again.contains("is there already"), "{again}");

            unmount(&store);
            assert_eq!(attached(&project), [] as [&Path; 0]);
            assert!(!store.join("format").exists());
            let later = init(&project).code(0).stdout;
            assert!(later.starts_with("mounted "), "{later}");
            assert!(store.join("format").exists());
            unmount(&store);
        },
    );
}

#[test]
fn a_store_with_layers_in_it_is_not_hidden() {
    with_mounts(
        "loop_store::a_store_with_layers_in_it_is_not_hidden",
        || {
            let project = Project::new(
                "version: 1\nsnapshots: { app: { engine: sqlite, steps: [ { sql: a.sql } ] } }\n",
            )
            .file("a.sql", "CREATE TABLE a (b);");
            let status = project.run(&["store"]).code(0).stdout;
            assert!(status.contains("blocks           not shared"), "{status}");
            project.run(&["build"]).code(0);
            let store = project.store();
            init(&project)
                .code(2)
                .says("the store has layers in it")
                .says(&format!("  mv {0} {0}.old\n", store.display()));
            assert_eq!(beside(&project), ["project", "store"]);
            // What the hint says.
            let old = store.with_extension("old");
            fs::rename(&store, &old).expect("a new name");
            init(&project).code(0);
            disk::copy_tree(&old, &store).expect("a copy");
            let built = project.run(&["build"]).code(0);
            assert!(!built.stderr.contains("sql a.sql ("), "{}", built.stderr);
            unmount(&store);
        },
    );
}

#[test]
fn a_folder_with_something_else_in_it_and_a_file_that_is_no_image_are_refused() {
    with_mounts(
        "loop_store::a_folder_with_something_else_in_it_and_a_file_that_is_no_image_are_refused",
        || {
            let project = Project::empty();
            let (store, image) = (project.store(), project.store().with_extension("xfs"));
            fs::create_dir(&store).expect("a folder");
            fs::write(store.join("letter"), "").expect("a file");
            init(&project).code(97).says("the folder is not empty");
            fs::remove_file(store.join("letter")).expect("a file");

            fs::write(&image, vec![0; 300 << 20]).expect("a file");
            init(&project).code(97).says("is it an XFS?");
            fs::set_permissions(&image, Permissions::from_mode(0o666)).expect("a mode");
            init(&project)
                .code(97)
                .says("no file that only root can write to");
            assert_eq!(beside(&project), ["project", "store", "store.xfs"]);
            assert!(!is_mounted(&store));
            assert_eq!(attached(&project), [] as [&Path; 0]);
        },
    );
}

#[test]
fn a_link_to_a_store_is_followed_and_the_image_is_beside_what_it_leads_to() {
    with_mounts(
        "loop_store::a_link_to_a_store_is_followed_and_the_image_is_beside_what_it_leads_to",
        || {
            let (project, elsewhere) = (Project::empty(), Project::empty());
            fs::create_dir(elsewhere.store()).expect("a folder");
            std::os::unix::fs::symlink(elsewhere.store(), project.store()).expect("a link");
            init(&project).code(0);
            assert!(is_mounted(&elsewhere.store()));
            assert_eq!(beside(&elsewhere), ["project", "store", "store.xfs"]);
            unmount(&elsewhere.store());
        },
    );
}

#[test]
fn a_missing_mkfs_is_named_with_its_package() {
    with_mounts(
        "loop_store::a_missing_mkfs_is_named_with_its_package",
        || {
            let path = std::env::var_os("PATH").expect("a path");
            let folders = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/sbin".into()]);
            // Covered by what is no program.
            for program in folders
                .map(|folder| folder.join("mkfs.xfs"))
                .filter(|it| it.is_file())
            {
                let none = None::<&str>;
                nix::mount::mount(Some("/dev/null"), &program, none, MsFlags::MS_BIND, none)
                    .expect("a mount");
            }
            let project = Project::empty();
            init(&project)
                .code(97)
                .says("can't find mkfs.xfs")
                .says("hint: install the package xfsprogs");
            assert_eq!(beside(&project), ["project"]);
        },
    );
}

/// The project, with programs that come before the system's.
fn with_programs(project: Project) -> Project {
    let path = std::env::var("PATH").expect("a path");
    let first = project.folder().join("bin");
    project.env("PATH", &format!("{}:{path}", first.display()))
}

#[test]
fn a_step_that_fails_or_is_interrupted_is_undone_with_those_before_it() {
    with_mounts(
        "loop_store::a_step_that_fails_or_is_interrupted_is_undone_with_those_before_it",
        || {
            let project = with_programs(Project::empty()).program(
                "bin/losetup",
                "#!/bin/sh\necho 'no device left' >&2\nexit 1\n",
            );
            init(&project).code(97).says(&format!(
                "can't attach {}.xfs: no device left",
                project.store().display()
            ));
            assert_eq!(beside(&project), ["project"]);

            let project = with_programs(Project::empty()).program(
                "bin/losetup",
                "#!/bin/sh\necho > attached; while [ -e attached ]; do sleep 0.01; done\nPATH=${PATH#*:} exec losetup \"$@\"\n",
            );
            for (signal, code) in [(Signal::SIGINT, 130), (Signal::SIGTERM, 143)] {
                let flag = project.folder().join("attached");
                let mut started = project.start(&["store", "init", "--size", "300M"]);
                started.until("a program to attach", |_| flag.exists());
                started.signal(signal);
                // Once for each of the two calls.
                fs::remove_file(&flag).expect("a file");
                started.until("a program to mark", |_| flag.exists());
                fs::remove_file(&flag).expect("a file");
                started.wait().code(code).says("interrupted");
                assert_eq!(beside(&project), ["project"]);
                assert!(!is_mounted(&project.store()));
                assert_eq!(attached(&project), [] as [&Path; 0]);
            }
        },
    );
}

#[test]
fn killed_at_any_moment_it_leaves_no_mount_and_no_device_and_the_next_call_goes_on() {
    if !inside() && xfs() && !traceable() {
        return;
    }
    with_mounts(
        "loop_store::killed_at_any_moment_it_leaves_no_mount_and_no_device_and_the_next_call_goes_on",
        || {
            let user = Identity::of_caller().expect("an identity").user();
            let init = ["store", "init", "--size", "300M", "--user", "nobody"];
            let mut kills = 0;
            for nth in 1.. {
                let project = Project::empty();
                let end = kill_before(&project.command(&init), nth);
                if end == End::Exited(0) {
                    unmount(&project.store());
                    break;
                }
                assert_eq!(end, End::Killed);
                kills += 1;
                assert!(!is_mounted(&project.store()), "killed before change {nth}");
                assert_eq!(
                    attached(&project),
                    [] as [&Path; 0],
                    "killed before change {nth}"
                );
                let next = project.run(&init).code(0).stdout;
                assert!(
                    next.starts_with("made ") || next.starts_with("mounted "),
                    "{next}"
                );
                let store = fs::metadata(project.store()).expect("a store");
                assert_eq!((store.uid(), store.mode() & 0o7777), (user.0, 0o700));
                assert!(disk::can_reflink(&project.store()).expect("an answer"));
                unmount(&project.store());
            }
            assert!(kills > 3, "{kills}");
        },
    );
}

#[test]
fn who_may_not_mount_is_told_what_root_has_to_call() {
    let root = nix::unistd::geteuid().is_root();
    let ordinary = (!root)
        .then_some(())
        .ok_or_else(|| "it is root who runs the tests".to_owned());
    if !require("ordinary-user", ordinary) {
        return;
    }
    let project = Project::empty();
    init(&project).code(97).says("only root may").says(&format!(
        "`sudo env COWHERD_STORE={} \"$(command -v cowherd)\" store init --size 300M`",
        project.store().display()
    ));
    assert_eq!(beside(&project), ["project"]);
}

/// Some 300 MB in one file, none of it holes.
const LARGE: &str = "\
CREATE TABLE filler AS WITH RECURSIVE n(id) AS (SELECT 1 UNION ALL SELECT id + 1 FROM n WHERE id < 300)
SELECT id, randomblob(1000000) AS bytes FROM n;
";

/// Writes one row, and then waits.
const TEST: &str = "\
#!/bin/sh -e
/run/cowherd/bin/cowherd sqlite-client /run/cowherd/db/data/app.db --script row.sql
touch written
while [ -e written ]; do sleep 0.01; done
";

#[test]
fn an_ordinary_user_writes_a_row_to_a_large_file_without_room_for_a_copy() {
    let name = "loop_store::an_ordinary_user_writes_a_row_to_a_large_file_without_room_for_a_copy";
    let identity = Identity::of_caller().expect("an identity");
    let allowed = identity.has_user_namespace().then_some(());
    let allowed = allowed.ok_or_else(|| "ordinary users can't have them here".to_owned());
    if !(inside() || userns() && require("user-namespaces", allowed)) {
        return;
    }
    with_mounts(name, || {
        let spec = "\
version: 1
snapshots: { app: { engine: sqlite, steps: [ { sql: large.sql } ] } }
tests: [ { name: row, snapshot: app, files: host, command: ./test.sh } ]
";
        let project = Project::new(spec)
            .file("large.sql", LARGE)
            .file("row.sql", "UPDATE filler SET id = -1 WHERE id = 150;")
            .program("test.sh", TEST);
        let (store, user) = (project.store(), identity.user());
        let init = ["store", "init", "--size", "2G", "--user", "nobody"];
        project.run(&init).code(0);
        let given = fs::metadata(&store).expect("a store");
        assert_eq!((given.uid(), given.mode() & 0o7777), (user.0, 0o700));
        // Where the program and the project are, another user may not be able to go.
        let root = store.parent().expect("a folder");
        let program = root.join("cowherd");
        fs::copy(project.command(&[]).get_program(), &program).expect("a copy");
        fs::set_permissions(root, Permissions::from_mode(0o755)).expect("a mode");
        disk::chown_tree(&project.folder(), user.0, user.1).expect("an owner");
        let as_user = |args: &[&str]| {
            let own = project.command(args);
            let mut command = like(&own, &program);
            command.args(own.get_args()).uid(user.0).gid(user.1);
            Started::new(command)
        };
        as_user(&["build"]).wait().code(0);
        let free = || {
            let folder = File::open(&store).expect("a folder");
            disk::sync_file_system(&folder, &store).expect("a flush");
            disk::file_system(&store).expect("a file system").free
        };
        let before = free();
        let mut run = as_user(&["run", "--report", "json=-"]);
        let written = project.folder().join("written");
        run.until("row", |_| written.exists());
        let taken = before.saturating_sub(free());
        let mut copies = Vec::new();
        let look = &mut |entry: &disk::Entry| {
            if entry.path.ends_with("upper/app.db") {
                copies.push(entry.metadata.len());
            }
            Ok::<(), disk::DiskError>(())
        };
        disk::walk(&store.join("scratch"), disk::Reach::Force, look).expect("scratch folders");
        fs::remove_file(&written).expect("a file");
        let ended = run.wait().code(0);
        unmount(&store);
        // The copy is whole, lies beside the layers, and has next to no blocks of its own.
        assert!(
            matches!(copies[..], [size] if size > 300_000_000),
            "{copies:?}"
        );
        assert!(taken < 30_000_000, "{taken} bytes for one row");
        assert!(
            ended.stdout.contains("\"path\":\"db/app.db\""),
            "{}",
            ended.stdout
        );
    });
}
