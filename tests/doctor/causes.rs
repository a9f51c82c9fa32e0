//! From refusals to causes and remedies, for hosts that are only described.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::process::{Command, Stdio};

use cowherd::doctor::{
    Changes, ContainerHost, Distribution, Facts, Kernel, Part, Refused, Remedy, StoreFacts, explain,
};
use cowherd::sandbox::{Identity, Overlay, Sandbox, Upper};
use nix::errno::Errno;

/// A host that refuses nothing by itself.
fn host() -> Facts {
    Facts {
        kernel: Kernel::parse("6.8.0-45-generic"),
        distribution: Distribution::parse(
            "PRETTY_NAME=\"Ubuntu 24.04.1 LTS\"\nID=ubuntu\nID_LIKE=debian\nVERSION_ID=\"24.04\"\n\
             VERSION_CODENAME=noble\n",
        ),
        user: 1000,
        user_is_mapped: true,
        kinds: ["ipc", "mnt", "net", "pid", "user", "uts"]
            .map(str::to_owned)
            .to_vec(),
        most_namespaces: BTreeMap::from([("user".to_owned(), 60_000), ("net".to_owned(), 60_000)]),
        overlay: true,
        systemd: true,
        program: "/home/ann/.cargo/bin/cowherd".into(),
        store: Some(StoreFacts {
            path: "/home/ann/.local/share/cowherd".into(),
            nearest: "/home/ann".into(),
            kind: "ext4".to_owned(),
            ..StoreFacts::default()
        }),
        ..Facts::default()
    }
}

/// A container of Docker with its defaults, as the user 1000.
fn docker() -> Facts {
    Facts {
        container: Some(ContainerHost::Docker),
        seccomp: true,
        covered: vec!["/proc/kcore".into(), "/proc/keys".into()],
        systemd: false,
        store: Some(StoreFacts {
            kind: "overlay".to_owned(),
            ..StoreFacts::default()
        }),
        ..host()
    }
}

/// The capabilities that Docker leaves to root, and those of a root on a machine.
const OF_DOCKER: u64 = 0xa804_25fb;
const ALL: u64 = 0x1ff_ffff_ffff;

fn step(step: &str, errno: Errno) -> Refused {
    Refused::Step {
        step: step.to_owned(),
        errno,
        changes: None,
    }
}

fn overlay(errno: Errno, changes: Changes) -> Refused {
    Refused::Step {
        step: "mount overlay on /run/cowherd/db/data".to_owned(),
        errno,
        changes: Some(changes),
    }
}

const CLONE: Refused = Refused::Namespaces {
    errno: Errno::EPERM,
};

#[track_caller]
fn says(remedy: &Remedy, texts: &[&str]) {
    let mut all = remedy.cause.clone();
    for way in &remedy.ways {
        all += &format!("\n{}\n{}", way.text, way.paste);
    }
    for text in texts {
        assert!(all.contains(text), "no {text:?} in:\n{all}");
    }
    pastes_are_shell(remedy);
}

/// What is to be pasted is at least well-formed for a shell, here-documents included; parts of YAML
/// and of units are too.
#[track_caller]
fn pastes_are_shell(remedy: &Remedy) {
    for way in remedy.ways.iter().filter(|way| !way.paste.is_empty()) {
        let mut shell = Command::new("sh")
            .arg("-n")
            .stdin(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("a shell");
        let mut stdin = shell.stdin.take().expect("its input");
        stdin
            .write_all(format!("{}\n", way.paste).as_bytes())
            .expect("its input");
        drop(stdin);
        let output = shell.wait_with_output().expect("its end");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{}\n{said}", way.paste);
        assert!(said.is_empty(), "{}\n{said}", way.paste);
    }
}

#[test]
fn every_step_of_a_container_belongs_to_a_part() {
    let mut sandbox = Sandbox::new(Identity::of_caller().expect("an identity"));
    for (name, upper) in [
        ("one", Upper::Scratch),
        (
            "two",
            Upper::Folder {
                path: "/var".into(),
                upper: "upper".into(),
                work: "work".into(),
            },
        ),
    ] {
        sandbox.overlay(Overlay {
            name: name.to_owned(),
            target: format!("/run/cowherd/{name}/data").into(),
            from: "/".into(),
            lower: vec!["etc".into()],
            copied: match upper {
                Upper::Scratch => vec!["passwd".into()],
                Upper::Folder { .. } => Vec::new(),
            },
            upper,
            mode: 0o700,
        });
    }
    sandbox
        .project("/usr/share", false)
        .show("/var/tmp")
        .program("/bin/sh", "cowherd")
        .folder("/run/cowherd/one");
    let mut unknown = Vec::new();
    let mut seen = Vec::new();
    // Whether it can be started here doesn't matter.
    let _ = sandbox.start_changed(|program| {
        for step in (0..program.len()).map(|index| program.step(index)) {
            match Part::of_step(&step) {
                Some(part) => seen.push(part),
                None => unknown.push(step),
            }
        }
    });
    assert_eq!(unknown, [""; 0]);
    for part in [
        Part::Namespaces,
        Part::Mounts,
        Part::Processes,
        Part::Devices,
        Part::Overlay,
        Part::Network,
        Part::User,
    ] {
        assert!(seen.contains(&part), "no step of {part:?}");
    }
}

#[test]
fn ubuntu_24_04_gets_an_apparmor_profile_for_the_real_path() {
    let facts = Facts {
        apparmor_restricts_namespaces: true,
        program: "/home/ann/my tools/cow[1]".into(),
        ..host()
    };
    // The kernel lets the namespace be made and denies the first thing that is done with it.
    let remedy = explain(&step("write /proc/self/setgroups", Errno::EACCES), &facts);
    says(
        &remedy,
        &[
            "kernel.apparmor_restrict_unprivileged_userns is 1",
            "sudo tee /etc/apparmor.d/cowherd >/dev/null <<'END'\nabi <abi/4.0>,\n",
            "\nprofile cowherd \"/home/ann/my tools/cow\\[1\\]\" flags=(unconfined) {\n  userns,\n",
            "\nEND\nsudo apparmor_parser -r /etc/apparmor.d/cowherd",
            "sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0",
        ],
    );
    // In a container on such a host a profile would be of no use.
    let inside = Facts {
        container: Some(ContainerHost::Docker),
        systemd: false,
        ..facts
    };
    let remedy = explain(&step("write /proc/self/setgroups", Errno::EACCES), &inside);
    says(&remedy, &["on the machine that runs this container"]);
    assert_eq!(remedy.ways.len(), 1);
}

#[test]
fn a_hardened_debian_gets_its_own_parameter() {
    let facts = Facts {
        unprivileged_namespaces_off: true,
        ..host()
    };
    says(
        &explain(&CLONE, &facts),
        &[
            "sudo sysctl -w kernel.unprivileged_userns_clone=1",
            "echo 'kernel.unprivileged_userns_clone = 1' | sudo tee /etc/sysctl.d/60-",
        ],
    );
}

#[test]
fn dockers_defaults_get_the_options_to_start_it_with() {
    says(
        &explain(&CLONE, &docker()),
        &[
            "docker run --security-opt seccomp=unconfined --security-opt apparmor=unconfined \\\n  \
             --security-opt systempaths=unconfined",
            "security_opt: [",
        ],
    );
    let root = Facts {
        root: true,
        user: 65534,
        capabilities: OF_DOCKER,
        ..docker()
    };
    says(
        &explain(&CLONE, &root),
        &[
            "this root lacks capabilities: SYS_ADMIN, NET_ADMIN",
            "docker run --cap-add SYS_ADMIN \\\n  --cap-add NET_ADMIN \\\n  --security-opt",
            "cap_add: [SYS_ADMIN, NET_ADMIN]",
        ],
    );
    let more = Facts {
        capabilities: OF_DOCKER | 1 << 21,
        ..root
    };
    says(
        &explain(
            &step("bring up the loopback interface", Errno::EPERM),
            &more,
        ),
        &["this root lacks capabilities: NET_ADMIN"],
    );
    let masked = explain(&step("mount proc on /proc", Errno::EPERM), &docker());
    says(
        &masked,
        &["(/proc/kcore, /proc/keys)", "systempaths=unconfined"],
    );
}

#[test]
fn other_containers_get_their_own_options() {
    let of = |container| {
        explain(
            &CLONE,
            &Facts {
                container: Some(container),
                ..docker()
            },
        )
    };
    says(&of(ContainerHost::Podman), &["podman run", "unmask=ALL"]);
    says(&of(ContainerHost::Kubernetes), &["privileged: true"]);
    says(&of(ContainerHost::Other), &["security.nesting=true"]);
}

#[test]
fn a_kernel_that_is_too_old_is_named_with_what_it_lacks() {
    let focal = Facts {
        kernel: Kernel::parse("5.4.0-216-generic"),
        distribution: Distribution::parse("ID=ubuntu\nVERSION_ID=\"20.04\"\n"),
        ..host()
    };
    let newer = "sudo apt-get install --install-recommends linux-generic-hwe-20.04\nsudo reboot";
    for refused in [
        overlay(Errno::EPERM, Changes::Memory),
        overlay(Errno::EINVAL, Changes::Store),
    ] {
        says(
            &explain(&refused, &focal),
            &["5.4.0-216-generic", "5.11", newer],
        );
    }
    says(
        &explain(&step("make / read-only", Errno::ENOSYS), &focal),
        &["mount_setattr came with 5.12", newer],
    );
    says(
        &explain(&step("close inherited descriptors", Errno::ENOSYS), &focal),
        &["close_range came with 5.9", newer],
    );
    // The number is no oracle: a filter may hide the call.
    says(
        &explain(&step("make / read-only", Errno::ENOSYS), &docker()),
        &["a seccomp filter older than it hides it", "docker run"],
    );
}

#[test]
fn removing_a_folder_before_6_6_is_told_as_the_tmpfs_that_it_is() {
    let bookworm = Facts {
        kernel: Kernel::parse("6.1.0-26-amd64"),
        distribution: Distribution::parse("ID=debian\nVERSION_CODENAME=bookworm\n"),
        ..host()
    };
    let refused = Refused::Work {
        work: "remove a folder of a layer".to_owned(),
        said: "rm: cannot remove 'folder': Input/output error".to_owned(),
        changes: Changes::Memory,
    };
    says(
        &explain(&refused, &bookworm),
        &[
            "6.1.0-26-amd64",
            "6.6",
            "apt-get install -t bookworm-backports",
        ],
    );
    says(&explain(&refused, &host()), &["dmesg"]);
}

#[test]
fn a_missing_module_is_loaded_where_the_kernel_is() {
    let refused = overlay(Errno::ENODEV, Changes::Memory);
    says(
        &explain(&refused, &host()),
        &[
            "sudo modprobe overlay\n",
            "| sudo tee /etc/modules-load.d/overlay.conf",
        ],
    );
    says(
        &explain(&refused, &docker()),
        &[
            "on the machine that runs this container",
            "sudo modprobe overlay",
        ],
    );
}

#[test]
fn a_store_without_room_or_on_an_overlay_is_told_what_to_do() {
    let full = explain(&overlay(Errno::ENOSPC, Changes::Store), &host());
    says(
        &full,
        &["no space left", "df -h /home/ann\n", "COWHERD_STORE="],
    );
    let work = Refused::Work {
        work: "change a file of a layer".to_owned(),
        said: "sh: write error: No space left on device".to_owned(),
        changes: Changes::Store,
    };
    assert_eq!(explain(&work, &host()), full);
    says(
        &explain(&overlay(Errno::EINVAL, Changes::Store), &docker()),
        &[
            "the store lies on an overlay itself",
            "docker run -v cowherd:/cowherd -e COWHERD_STORE=/cowherd",
            "--tmpfs /cowherd",
        ],
    );
    let nfs = Facts {
        store: Some(StoreFacts {
            kind: "nfs".to_owned(),
            ..StoreFacts::default()
        }),
        ..host()
    };
    says(
        &explain(&overlay(Errno::EINVAL, Changes::Store), &nfs),
        &["the store lies on nfs", "export COWHERD_STORE="],
    );
}

#[test]
fn limits_are_told_by_their_names() {
    let refused = Refused::Namespaces {
        errno: Errno::ENOSPC,
    };
    let none = Facts {
        most_namespaces: BTreeMap::from([
            ("user".to_owned(), 0),
            ("net".to_owned(), 0),
            ("pid".to_owned(), 9),
        ]),
        ..host()
    };
    says(
        &explain(&refused, &none),
        &[
            "user.max_net_namespaces = 0, user.max_user_namespaces = 0",
            "sysctl -w user.max_net_namespaces=65536\n",
            "sysctl -w user.max_user_namespaces=65536\n",
        ],
    );
    let few = Facts {
        most_namespaces: BTreeMap::from([("user".to_owned(), 60_000), ("net".to_owned(), 4)]),
        ..host()
    };
    says(
        &explain(&refused, &few),
        &[
            "user.max_net_namespaces = 4",
            "sysctl -w user.max_net_namespaces=65536",
        ],
    );
    let many = Refused::Namespaces {
        errno: Errno::EAGAIN,
    };
    says(&explain(&many, &host()), &["ulimit -u"]);
    says(
        &explain(&step("mount tmpfs on /tmp", Errno::ENOSPC), &host()),
        &["fs.mount-max"],
    );
}

#[test]
fn a_kernel_without_a_kind_of_namespaces_is_told_which() {
    let refused = Refused::Namespaces {
        errno: Errno::EINVAL,
    };
    let mut facts = host();
    facts.kinds.retain(|kind| kind != "user");
    says(
        &explain(&refused, &facts),
        &["without namespaces of these kinds: user", "CONFIG_USER_NS"],
    );
}

#[test]
fn a_changed_root_and_a_filter_are_told_apart() {
    let chroot = Facts {
        chroot: true,
        ..host()
    };
    says(
        &explain(&CLONE, &chroot),
        &["chroot", "sudo systemd-nspawn -D"],
    );
    let root = Facts {
        root: true,
        capabilities: ALL,
        ..chroot
    };
    says(
        &explain(
            &step("make the mounts below / private", Errno::EINVAL),
            &root,
        ),
        &["chroot", "systemd-nspawn -D"],
    );
    let unit = Facts {
        seccomp: true,
        ..host()
    };
    says(&explain(&CLONE, &unit), &["RestrictNamespaces=no"]);
}

#[test]
fn what_nothing_explains_is_looked_up_in_the_kernels_log() {
    says(
        &explain(&step("become user 65534, group 65534", Errno::EIO), &host()),
        &[
            "nothing that is known about this host explains it",
            "sudo dmesg",
        ],
    );
}

#[test]
fn root_alone_in_its_namespace_is_told_so_whatever_failed() {
    let facts = Facts {
        root: true,
        user: 65534,
        user_is_mapped: false,
        ..host()
    };
    for refused in [
        step("mount tmpfs on /run", Errno::EINVAL),
        step("create the folder /run/cowherd", Errno::EINVAL),
    ] {
        says(
            &explain(&refused, &facts),
            &["no user 65534", "--add-subuids"],
        );
    }
}
