//! What of the host's files a container sees, and where it may write.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::{container, prints, refuses, sandbox};
use crate::support::{require, userns};

#[test]
fn the_hosts_files_are_read_only() {
    if !userns() {
        return;
    }
    let mut container = container();
    for folder in [
        "/",
        "/etc",
        "/usr",
        "/usr/local/bin",
        "/var",
        "/sys",
        "/opt",
    ] {
        if Path::new(folder).is_dir() {
            refuses(
                &mut container,
                &format!("mkdir {folder}/cowherd-test"),
                "Read-only file system",
            );
            assert!(!Path::new(folder).join("cowherd-test").exists());
        }
    }
}

#[test]
fn a_file_that_its_rights_would_let_be_changed_is_read_only() {
    if !userns() {
        return;
    }
    let home = std::env::home_dir().unwrap_or_default();
    let open = |parent: &Path| {
        let hidden = ["/tmp", "/var/tmp", "/run", "/dev"]
            .iter()
            .any(|top| parent.starts_with(top));
        let folder = tempfile::tempdir_in(parent).ok().filter(|_| !hidden)?;
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).ok()?;
        fs::write(folder.path().join("file"), "as it was").ok()?;
        let file = folder.path().join("file");
        fs::set_permissions(file, fs::Permissions::from_mode(0o666)).ok()?;
        Some(folder)
    };
    let parents = [
        Path::new("/var"),
        Path::new("/opt"),
        Path::new("/usr/local"),
        &home,
    ];
    let Some(folder) = parents.into_iter().find_map(open) else {
        require(
            "folder-on-disk",
            Err("no folder outside of /tmp to write to".into()),
        );
        return;
    };
    let mut container = container();
    let file = folder.path().join("file");
    for change in [
        "echo changed >",
        "touch",
        "chmod 600",
        "rm -f",
        "mkdir -p new/",
    ] {
        let text = format!("cd '{}' && {change} file", folder.path().display());
        refuses(&mut container, &text, "Read-only file system");
    }
    assert_eq!(fs::read_to_string(file).expect("the file"), "as it was");
}

#[test]
fn every_writable_mount_is_the_containers_own() {
    if !userns() {
        return;
    }
    let mut container = container();
    let writable = prints(
        &mut container,
        "awk '$6 !~ /(^|,)ro(,|$)/ { print $5 }' /proc/self/mountinfo | sort -u",
    );
    let known = ["/dev", "/dev/pts", "/proc", "/run", "/tmp", "/var/tmp"];
    for mount in writable.lines() {
        assert!(known.contains(&mount), "{mount} is writable");
    }
}

#[test]
fn files_in_memory_take_as_much_as_they_are_long_also_where_large_ones_are_expected() {
    if !userns() {
        return;
    }
    let mut large = sandbox();
    large.large_files();
    let known = Path::new("/sys/kernel/mm/transparent_hugepage/shmem_enabled").exists();
    for (sandbox, pieces) in [(sandbox(), false), (large, known)] {
        let mut container = sandbox.start().expect("a container");
        let mounted = prints(
            &mut container,
            "awk '$5 == \"/run\" { print $NF }' /proc/self/mountinfo",
        );
        assert_eq!(mounted.contains("huge=within_size"), pieces, "{mounted}");
        // 64 pages, and 8 MiB with one byte more.
        let written = "\
            used() { echo $(($(stat -f -c '(%b - %f) * %S' /run))); }
            cd /run/cowherd/scratch && before=$(used) &&
            for n in $(seq 64); do echo > $n; done &&
            dd if=/dev/zero of=large bs=1M count=8 2> dd && : > dd && printf . >> large &&
            echo $(($(used) - before))";
        let page = 4096;
        assert_eq!(
            prints(&mut container, written).trim(),
            (64 * page + (8 << 20) + page).to_string()
        );
    }
}

#[test]
fn temporary_folders_are_private_and_empty() {
    if !userns() {
        return;
    }
    let outside = tempfile::Builder::new()
        .prefix("cowherd-outside-")
        .tempfile_in("/tmp")
        .expect("a file");
    let (mut one, mut other) = (container(), container());
    for folder in ["/tmp", "/var/tmp", "/dev/shm"] {
        assert_eq!(prints(&mut one, &format!("ls -A {folder}")), "", "{folder}");
        assert_eq!(prints(&mut one, &format!("stat -c %a {folder}")), "1777\n");
    }
    assert!(outside.path().exists());
    prints(
        &mut one,
        "echo mine > /tmp/cowherd-mine; echo mine > /dev/shm/cowherd-mine",
    );
    for path in ["/tmp/cowherd-mine", "/dev/shm/cowherd-mine"] {
        assert!(!Path::new(path).exists(), "{path} on the host");
        refuses(&mut other, &format!("cat {path}"), "No such file");
    }
}

#[test]
fn temporary_folders_are_bounded() {
    if !userns() {
        return;
    }
    let free = |path: &str| {
        let status = nix::sys::statvfs::statvfs(path).expect("a file system");
        status.blocks_available() * status.fragment_size()
    };
    let mut small = sandbox();
    small.temporary_bytes(1 << 20);
    let mut container = small.start().expect("a container");
    let before = free("/tmp");
    for folder in ["/tmp", "/dev/shm"] {
        refuses(
            &mut container,
            &format!("head -c 3000000 /dev/zero > {folder}/big"),
            "No space left on device",
        );
        let written: u64 = prints(&mut container, &format!("stat -c %s {folder}/big"))
            .trim()
            .parse()
            .expect("a size");
        assert!(
            (1 << 19..=1 << 20).contains(&written),
            "{folder}: {written}"
        );
        prints(
            &mut container,
            &format!("rm {folder}/big && echo again > {folder}/small"),
        );
    }
    // Others use the disk meanwhile: the margin is wide, but the file would have been as large.
    assert!(free("/tmp") + (1 << 30) > before);
}

#[test]
fn only_the_containers_own_processes_are_seen() {
    if !userns() {
        return;
    }
    let mut container = container();
    let pids = prints(&mut container, "echo /proc/[0-9]*");
    let pids: Vec<&str> = pids.split_whitespace().collect();
    assert_eq!(pids.len(), 2, "init and the shell: {pids:?}");
    assert_eq!(pids[0], "/proc/1");
    assert_eq!(prints(&mut container, "cat /proc/1/comm"), "cowherd-init\n");
    // The host's processes can't be named, let alone be sent signals.
    let own = std::process::id();
    refuses(&mut container, &format!("kill -0 {own}"), "No such process");
    assert_eq!(
        prints(&mut container, "kill -9 1; kill -15 1; echo alive"),
        "alive\n",
        "init can't be killed from inside"
    );
}

#[test]
fn there_are_few_devices() {
    if !userns() {
        return;
    }
    let mut container = container();
    let known = [
        "fd", "full", "null", "ptmx", "pts", "random", "shm", "stderr", "stdin", "stdout", "tty",
        "urandom", "zero",
    ];
    let found = prints(&mut container, "ls -A /dev");
    for name in found.lines() {
        assert!(known.contains(&name), "/dev/{name}");
    }
    assert!(
        found.contains("null\n") && found.contains("urandom\n"),
        "{found}"
    );
    prints(
        &mut container,
        "echo gone > /dev/null; head -c 4 /dev/urandom | wc -c | grep -qx 4",
    );
    prints(
        &mut container,
        "head -c 4 /dev/zero > /tmp/zeroes; echo out > /dev/stdout",
    );
    refuses(
        &mut container,
        "head -c 9 /dev/zero > /dev/full",
        "No space left",
    );
    refuses(&mut container, "mknod /tmp/sda b 8 0", "not permitted");
    assert_eq!(
        prints(&mut container, "ls -A /dev/pts"),
        "ptmx\n",
        "no terminal of the host's"
    );
}

#[test]
fn the_containers_own_folders_are_as_they_were_asked_for() {
    if !userns() {
        return;
    }
    let mut sandbox = sandbox();
    sandbox.folder("/run/cowherd/db");
    let program = std::env::current_exe().expect("this program");
    sandbox.program(&program, "tool");
    let mut container = sandbox.start().expect("a container");
    assert_eq!(
        prints(&mut container, "stat -c %a /run/cowherd/db"),
        "700\n"
    );
    prints(
        &mut container,
        "touch /run/cowherd/db/socket && [ -x /run/cowherd/bin/tool ]",
    );
    refuses(&mut container, "echo > /run/cowherd/bin/tool", "");
    let seen = container.reach(Path::new("/run/cowherd/db/socket"));
    assert!(seen.exists(), "from the host: {}", seen.display());
    assert!(!Path::new("/run/cowherd/db/socket").exists(), "on the host");
    assert_eq!(fs::metadata(&program).expect("this program").len(), {
        let size = prints(&mut container, "stat -c %s /run/cowherd/bin/tool");
        size.trim().parse::<u64>().expect("a size")
    });
}
