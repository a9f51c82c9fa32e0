//! What a host may lack: a missing ability is a skip that is printed and counted.

use std::sync::OnceLock;

use cowherd::engine::mariadb_find;
use cowherd::engine::postgres_find::Places;
use cowherd::engine::redis_find;
use cowherd::sandbox::{Identity, Sandbox};

/// Whether a test may go on that needs `ability`. A missing one is printed and counted, and is a
/// failure when the variable `COWHERD_REQUIRE` names it.
pub(crate) fn require(ability: &str, available: Result<(), String>) -> bool {
    let Err(reason) = available else { return true };
    let required = std::env::var("COWHERD_REQUIRE").unwrap_or_default();
    assert!(
        !required.split(',').any(|name| name.trim() == ability),
        "COWHERD_REQUIRE names {ability}, but: {reason}"
    );
    eprintln!("SKIP {ability}: {reason}");
    false
}

/// Whether containers can be started here.
pub(crate) fn userns() -> bool {
    static PROBE: OnceLock<Result<(), String>> = OnceLock::new();
    let probe = PROBE.get_or_init(|| {
        let identity = Identity::of_caller().map_err(|error| error.to_string())?;
        Sandbox::new(identity)
            .start()
            .map(drop)
            .map_err(|error| error.to_string())
    });
    require("userns", probe.clone())
}

/// Whether containers can be started and Cargo is there to build what is run in them.
pub(crate) fn cargo() -> bool {
    static PROBE: OnceLock<Result<(), String>> = OnceLock::new();
    let probe = PROBE.get_or_init(|| answers(&["--version"]));
    userns() && require("cargo", probe.clone())
}

/// As [`cargo`], and nextest is there too.
pub(crate) fn nextest() -> bool {
    static PROBE: OnceLock<Result<(), String>> = OnceLock::new();
    let probe = PROBE.get_or_init(|| answers(&["nextest", "--version"]));
    cargo() && require("nextest", probe.clone())
}

fn answers(args: &[&str]) -> Result<(), String> {
    let program = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    match std::process::Command::new(program).args(args).output() {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
        Err(error) => Err(format!("cargo: {error}")),
    }
}

/// Whether containers can be started and PostgreSQL is installed.
pub(crate) fn postgres() -> bool {
    static PROBE: OnceLock<Result<(), String>> = OnceLock::new();
    let probe = PROBE.get_or_init(|| {
        Places::of_this_host()
            .find(None)
            .map(drop)
            .map_err(|error| error.to_string())
    });
    userns() && require("postgres", probe.clone())
}

/// Whether containers can be started and Redis, or Valkey in its place, is installed.
pub(crate) fn redis() -> bool {
    static PROBE: OnceLock<Result<(), String>> = OnceLock::new();
    let probe = PROBE.get_or_init(|| {
        redis_find::Places::of_this_host()
            .find(None, None)
            .map(drop)
            .map_err(|error| error.to_string())
    });
    userns() && require("redis", probe.clone())
}

/// Whether dbmate is installed.
pub(crate) fn dbmate() -> bool {
    require("dbmate", installed("dbmate"))
}

/// Whether containers can be started and nginx is installed.
pub(crate) fn nginx() -> bool {
    userns() && require("nginx", installed("nginx"))
}

/// Whether containers can be started and etcd is installed.
pub(crate) fn etcd() -> bool {
    userns() && require("etcd", installed("etcd"))
}

/// Whether a server is there, which some distributions keep off an ordinary user's `PATH`.
fn installed(program: &str) -> Result<(), String> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/sbin".into()]);
    match folders.any(|folder| folder.join(program).is_file()) {
        true => Ok(()),
        false => Err(format!("{program} is not installed")),
    }
}

/// Whether containers can be started and MariaDB is installed.
pub(crate) fn mariadb() -> bool {
    static PROBE: OnceLock<Result<(), String>> = OnceLock::new();
    let probe = PROBE.get_or_init(|| {
        mariadb_find::Places::of_this_host()
            .find(mariadb_find::Product::MariaDb, None)
            .map(drop)
            .map_err(|error| error.to_string())
    });
    userns() && require("mariadb", probe.clone())
}

/// Whether an XFS in a file can be made and mounted: as root, and where the loop devices are not another machine's.
pub(crate) fn xfs() -> bool {
    static PROBE: OnceLock<Result<(), String>> = OnceLock::new();
    let root = nix::unistd::geteuid().is_root().then_some(());
    let root = root.ok_or_else(|| "an ordinary user can't mount an XFS".to_owned());
    let probe = PROBE.get_or_init(|| {
        let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
        let script = "truncate -s 300M image && mkfs.xfs -q image && mkdir mount && \
                      unshare --mount mount -o loop image mount";
        let mut command = std::process::Command::new("sh");
        let path = std::env::var("PATH").unwrap_or_default();
        command.args(["-c", script]).current_dir(folder.path());
        match command.env("PATH", path + ":/usr/sbin:/sbin").output() {
            Ok(output) if output.status.success() => Ok(()),
            Ok(output) => Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
            Err(error) => Err(error.to_string()),
        }
    });
    require("root", root) && require("xfs", probe.clone())
}

/// A user namespace in which an ordinary user, 1000, has every capability: a host to be changed at will.
pub(crate) const OWN_HOST: [&str; 6] = [
    "unshare",
    "-Um",
    "--map-user=1000",
    "--map-group=1000",
    "--keep-caps",
    "--",
];

/// Whether such a host can be had: it takes unshare(1) of util-linux 2.36 or newer.
pub(crate) fn own_host() -> bool {
    let made = std::process::Command::new("unshare")
        .args(&OWN_HOST[1..])
        .arg("true")
        .output();
    let available = match made {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
        Err(error) => Err(error.to_string()),
    };
    userns() && require("unshare", available)
}
