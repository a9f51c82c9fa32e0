//! The project's folder as a container sees it.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use cowherd::sandbox::{Running, SandboxError};
use nix::mount::MsFlags;

use super::{given, identity, line, prints, run, sandbox};
use crate::support::{alone_under, require, userns};

/// A folder with a file, a folder with a file in it, and nothing else.
fn filled(folder: PathBuf) -> PathBuf {
    fs::create_dir_all(folder.join("below/deep")).expect("folders");
    for (path, text) in [
        ("file", "one\n"),
        ("below/file", "two\n"),
        ("below/deep/file", "three\n"),
    ] {
        fs::write(folder.join(path), text).expect("a file");
    }
    given(&folder);
    folder
}

/// All that is in a folder, in words.
fn picture(folder: &Path) -> String {
    let list = "find . -printf '%p %y %m %s %l %T@\\n' | sort; cat $(find . -type f | sort)";
    let output = std::process::Command::new("/bin/sh")
        .args(["-c", list])
        .current_dir(folder)
        .output()
        .expect("a shell");
    assert!(output.status.success());
    String::from_utf8(output.stdout).expect("text")
}

fn with_project(folder: &Path, host: bool) -> Running {
    let mut sandbox = sandbox();
    sandbox.project(folder, host);
    sandbox.start().expect("a container")
}

/// Runs a shell line in `folder`.
#[track_caller]
fn there(container: &mut Running, folder: &Path, text: &str) -> String {
    let mut command = line(text);
    command.current_dir(folder);
    let (exit, printed) = run(container, &command);
    assert!(exit.success(), "{text}: {exit:?}: {printed}");
    printed
}

const CHANGES: &str = "\
    echo changed >> file && echo new > new && mkdir made && echo inside > made/file &&
    rm below/file && mv below/deep below/moved && cat below/moved/file &&
    rm -r below && [ ! -e below ] && mkdir below && [ -z \"$(ls -A below)\" ] && echo again > below/file &&
    mv file renamed && ln -s renamed link && ln renamed hard && chmod 600 renamed &&
    mv made below/ && rm -r below && mkdir -p below/deep && echo four > below/deep/file &&
    cat link hard new below/deep/file";

#[test]
fn a_copy_on_write_view_leaves_the_hosts_files_as_they_are() {
    if !userns() {
        return;
    }
    let root = tempfile::tempdir().expect("a folder");
    let folder = filled(root.path().join("project"));
    let before = picture(&folder);
    let (mut one, mut other) = (with_project(&folder, false), with_project(&folder, false));
    let printed = there(&mut one, &folder, CHANGES);
    assert_eq!(printed, "three\none\nchanged\none\nchanged\nnew\nfour\n");
    assert_eq!(
        there(&mut one, &folder, "find . -type f | sort"),
        "\
        ./below/deep/file\n./hard\n./new\n./renamed\n"
    );
    assert_eq!(picture(&folder), before);
    // Neither does another container see it.
    assert_eq!(
        there(&mut other, &folder, "cat file below/file"),
        "one\ntwo\n"
    );
    drop((one, other));
    assert_eq!(picture(&folder), before);
}

#[test]
fn the_hosts_own_files_are_written_through() {
    if !userns() {
        return;
    }
    let root = tempfile::tempdir().expect("a folder");
    let folder = filled(root.path().join("project"));
    let mut container = with_project(&folder, true);
    there(&mut container, &folder, CHANGES);
    assert_eq!(
        fs::read_to_string(folder.join("link")).expect("a file"),
        "one\nchanged\n"
    );
    assert_eq!(
        fs::read_to_string(folder.join("below/deep/file")).expect("a file"),
        "four\n"
    );
    assert!(!folder.join("below/file").exists());
    // And only they.
    let outside = root.path().join("outside");
    let mut command = line(&format!("echo > '{}'", outside.display()));
    command.current_dir(&folder);
    run(&mut container, &command);
    assert!(!outside.exists());
}

#[test]
fn the_hosts_own_files_are_written_as_their_owner_by_roots_tests_too() {
    if !userns() {
        return;
    }
    let root = tempfile::tempdir().expect("a folder");
    let (folder, further) = (root.path().join("project"), root.path().join("further"));
    for folder in [&folder, &further] {
        fs::create_dir(folder).expect("a folder");
        fs::write(folder.join("file"), "one\n").expect("a file");
        // Nobody else may do anything with it.
        fs::set_permissions(folder.join("file"), fs::Permissions::from_mode(0o600))
            .expect("a mode");
    }
    let mut sandbox = sandbox();
    sandbox.project(&folder, true).share(&further);
    let mut container = sandbox.start().expect("a container");
    let printed = there(
        &mut container,
        &folder,
        "for f in . ../further; do echo two >> $f/file && cat $f/file && cp $f/file $f/new; done",
    );
    assert_eq!(printed, "one\ntwo\none\ntwo\n");
    drop(container);
    for folder in [&folder, &further] {
        let owner = |path: &Path| fs::metadata(path).map(|file| (file.uid(), file.gid()));
        let new = owner(&folder.join("new")).expect("a file");
        assert_eq!(new, owner(&folder.join("file")).expect("a file"));
    }
}

#[test]
fn a_shared_folder_stays_the_hosts_own_around_and_beside_the_project() {
    if !userns() {
        return;
    }
    let root = tempfile::tempdir().expect("a folder");
    let folder = filled(root.path().join("around/project"));
    given(&root.path().join("around"));
    let mut sandbox = sandbox();
    sandbox
        .project(&folder, true)
        .share(root.path().join("around"))
        // Further in, so that it is part of the former.
        .share(root.path().join("around/project/below"))
        .show(root.path().join("around/project"));
    let mut container = sandbox.start().expect("a container");
    there(
        &mut container,
        &folder,
        "echo new > ../beside && echo new > below/new",
    );
    for path in ["around/beside", "around/project/below/new"] {
        assert_eq!(
            fs::read_to_string(root.path().join(path)).expect("a file"),
            "new\n"
        );
    }
    // The rest of the private folder is not there.
    let (exit, _) = run(
        &mut container,
        &line(&format!("touch '{}'", root.path().join("x").display())),
    );
    assert!(exit.success() && !root.path().join("x").exists());
}

#[test]
fn a_project_lies_where_it_lies_on_the_host() {
    if !userns() {
        return;
    }
    let root = tempfile::tempdir().expect("a folder");
    let deep: PathBuf = (0..40)
        .map(|level| format!("a-rather-long-name-{level}"))
        .collect();
    let names = [
        "plain".into(),
        "with blanks and\ttabs".into(),
        "colon:comma,both:,".into(),
        "back\\slash\\".into(),
        "\\054\\072 octal".into(),
        "quotes'\"`$HOME".into(),
        "ünïcødé-\u{1f411}-羊".into(),
        "-leading".into(),
        "new\nline".into(),
        deep,
    ];
    for name in names {
        let folder = filled(root.path().join(&name));
        for host in [false, true] {
            let mut container = with_project(&folder, host);
            assert_eq!(
                there(
                    &mut container,
                    &folder,
                    "cat file; echo more > more; cat more"
                ),
                "one\nmore\n"
            );
            let pwd = there(&mut container, &folder, "pwd; echo .");
            assert_eq!(pwd, format!("{}\n.\n", folder.display()));
        }
        assert!(folder.join("more").exists());
    }
}

#[test]
fn a_name_that_is_no_text_is_a_name_all_the_same() {
    use std::os::unix::ffi::OsStrExt;
    if !userns() {
        return;
    }
    let root = tempfile::tempdir().expect("a folder");
    let name = std::ffi::OsStr::from_bytes(b"latin-\xe4\xff");
    let folder = filled(root.path().join(name));
    for host in [false, true] {
        let mut container = with_project(&folder, host);
        assert_eq!(there(&mut container, &folder, "cat below/file"), "two\n");
    }
}

#[test]
fn nothing_else_of_a_private_folder_appears_beside_the_project() {
    if !userns() {
        return;
    }
    let root = tempfile::tempdir_in("/tmp").expect("a folder");
    let folder = filled(root.path().join("a/project"));
    fs::write(root.path().join("a/secret"), "").expect("a file");
    let mut container = with_project(&folder, false);
    assert_eq!(prints(&mut container, "ls -A /tmp | wc -l"), "1\n");
    let beside = format!("ls -A '{}'", folder.parent().expect("a parent").display());
    assert_eq!(prints(&mut container, &beside), "project\n");
}

#[test]
fn a_project_below_dev_shm_is_shown() {
    if !userns() {
        return;
    }
    let Ok(root) = tempfile::tempdir_in("/dev/shm") else {
        return;
    };
    let folder = filled(root.path().join("project"));
    for host in [false, true] {
        let mut container = with_project(&folder, host);
        assert_eq!(there(&mut container, &folder, "cat file"), "one\n");
        prints(&mut container, "echo > /dev/shm/other");
    }
}

#[test]
fn a_project_below_a_closed_folder_is_shown_to_roots_tests() {
    if !userns() {
        return;
    }
    let root = require(
        "root",
        nix::unistd::geteuid()
            .is_root()
            .then_some(())
            .ok_or("not root".into()),
    );
    if !root {
        return;
    }
    let root = tempfile::tempdir_in("/var").expect("a folder");
    fs::set_permissions(root.path(), fs::Permissions::from_mode(0o700)).expect("a mode");
    let folder = filled(root.path().join("home/project"));
    fs::write(root.path().join("secret"), "").expect("a file");
    for host in [false, true] {
        let mut container = with_project(&folder, host);
        assert_eq!(
            there(&mut container, &folder, "cat below/deep/file; ls ../.."),
            "three\nhome\n"
        );
        there(&mut container, &folder, "echo more > more");
    }
    assert_eq!(
        fs::read_to_string(folder.join("more")).expect("a file"),
        "more\n"
    );
}

#[test]
fn file_systems_mounted_below_a_project() {
    if !userns() {
        return;
    }
    let root = identity().is_root();
    // A mount namespace of the test's own, in which it may mount.
    let wrapper: &[&str] = match root {
        true => &["unshare", "--mount"],
        false => &[
            "unshare",
            "--user",
            "--map-current-user",
            "--keep-caps",
            "--mount",
        ],
    };
    alone_under(
        wrapper,
        "sandbox::project::file_systems_mounted_below_a_project",
        || {
            let none = None::<&str>;
            let parent = tempfile::tempdir().expect("a folder");
            let folder = filled(parent.path().join("a project"));
            let mount = |name: &str| {
                let target = folder.join(name);
                fs::create_dir_all(&target).expect("a folder");
                let kind = Some("tmpfs");
                nix::mount::mount(kind, &target, kind, MsFlags::empty(), Some("mode=777"))
                    .expect("a mount");
                fs::write(target.join("kept"), "kept\n").expect("a file");
                target
            };
            // A table of mounts that was read before is not believed afterwards.
            let look = || drop(with_project(&folder, true));
            look();
            let open = mount("an open one");
            let closed = mount("closed");
            look();
            let flags = MsFlags::MS_REMOUNT | MsFlags::MS_BIND | MsFlags::MS_RDONLY;
            nix::mount::mount(none, &closed, none, flags, none).expect("a read-only mount");
            let nested = mount("an open one/nested");

            let mut host = with_project(&folder, true);
            there(
                &mut host,
                &folder,
                "echo new > 'an open one/new' && echo new > 'an open one/nested/new'",
            );
            assert_eq!(
                fs::read_to_string(nested.join("new")).expect("a file"),
                "new\n"
            );
            let (exit, printed) = run(
                &mut host,
                line("echo new > closed/new").current_dir(&folder),
            );
            assert!(
                !exit.success() && printed.contains("Read-only"),
                "{printed}"
            );

            if !root {
                let error = sandbox()
                    .project(&folder, false)
                    .start()
                    .expect_err("no copy");
                assert!(
                    matches!(error, SandboxError::MountedInside { .. }),
                    "{error:?}"
                );
                assert_eq!(
                    error.to_string(),
                    format!(
                        "can't show a copy of {}: another file system is mounted in it, on an open one",
                        folder.display()
                    )
                );
                assert!(error.hint().expect("a hint").contains("files: host"));
                return;
            }
            let mut copy = with_project(&folder, false);
            let seen = there(
                &mut copy,
                &folder,
                "cat file 'an open one/kept' 'an open one/nested/kept' closed/kept",
            );
            assert_eq!(seen, "one\nkept\nkept\nkept\n");
            let (exit, printed) = run(
                &mut copy,
                line("rm 'an open one/kept'").current_dir(&folder),
            );
            assert!(
                !exit.success() && printed.contains("Read-only"),
                "{printed}"
            );
            there(&mut copy, &folder, "rm file; echo > new");
            assert!(folder.join("file").exists() && open.join("kept").exists());
        },
    );
}

#[test]
fn a_project_that_is_not_there_is_said_to_be_missing() {
    if !userns() {
        return;
    }
    let mut sandbox = sandbox();
    sandbox.project("/nonexistent/project", false);
    let error = sandbox.start().expect_err("no project");
    let SandboxError::Step { step, errno, .. } = &error else {
        panic!("{error:?}");
    };
    assert_eq!(step, "enter /nonexistent/project");
    assert_eq!(*errno, nix::errno::Errno::ENOENT);
}
