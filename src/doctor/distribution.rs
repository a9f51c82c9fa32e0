//! Which distribution this is, and how it installs things.

use serde::Serialize;

use super::{Facts, Way};

/// What `/etc/os-release` says (os-release(5)).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Distribution {
    /// For people: `Debian GNU/Linux 12 (bookworm)`.
    pub name: String,
    /// `debian`, then what it is like: `ubuntu` `debian`.
    pub ids: Vec<String>,
    /// `22.04`.
    pub version: String,
    /// `bookworm`.
    pub codename: String,
}

/// How packages are installed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Family {
    Debian,
    Fedora,
    Arch,
    Alpine,
    Suse,
    Nix,
}

impl Distribution {
    /// Reads the text of an `os-release` file.
    ///
    /// ```
    /// use cowherd::doctor::Distribution;
    /// let text = "PRETTY_NAME=\"Linux Mint 22\"\nID=linuxmint\nID_LIKE=\"ubuntu debian\"\nVERSION_ID=\"22\"\n";
    /// assert_eq!(Distribution::parse(text).ids, ["linuxmint", "ubuntu", "debian"]);
    /// ```
    pub fn parse(text: &str) -> Self {
        let value = |name: &str| {
            let line = text
                .lines()
                .find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
            line.unwrap_or_default()
                .trim_matches(['"', '\''])
                .to_owned()
        };
        let ids = [value("ID"), value("ID_LIKE")].join(" ");
        Self {
            name: value("PRETTY_NAME"),
            ids: ids.split_whitespace().map(str::to_owned).collect(),
            version: value("VERSION_ID"),
            codename: value("VERSION_CODENAME"),
        }
    }

    pub(super) fn is(&self, id: &str) -> bool {
        self.ids.first().is_some_and(|own| own == id)
    }

    /// Its family; `None` for one that isn't known.
    pub(super) fn family(&self) -> Option<Family> {
        self.ids.iter().find_map(|id| {
            Some(match id.as_str() {
                "debian" | "ubuntu" => Family::Debian,
                "fedora" | "rhel" | "centos" | "amzn" => Family::Fedora,
                "arch" => Family::Arch,
                "alpine" => Family::Alpine,
                "nixos" => Family::Nix,
                id if id.contains("suse") => Family::Suse,
                _ => return None,
            })
        })
    }
}

/// How PostgreSQL is installed here.
pub(super) fn install_postgres(facts: &Facts) -> Way {
    let sudo = facts.sudo();
    let (text, paste) = match facts.distribution.family() {
        Some(Family::Debian) if facts.systemd => (
            "the server that the package starts is not needed",
            format!("{sudo}apt-get install postgresql\n{sudo}systemctl disable --now postgresql"),
        ),
        Some(Family::Debian) => (
            "one package has the server and the client",
            format!("{sudo}apt-get update && {sudo}apt-get install -y postgresql"),
        ),
        Some(Family::Fedora) => (
            "the server and its client",
            format!("{sudo}dnf install postgresql-server postgresql"),
        ),
        Some(Family::Arch) => (
            "one package has the server and the client",
            format!("{sudo}pacman -S postgresql"),
        ),
        Some(Family::Alpine) => (
            "the server and its client",
            format!("{sudo}apk add postgresql postgresql-client"),
        ),
        Some(Family::Suse) => (
            "the server and its client",
            format!("{sudo}zypper install postgresql-server postgresql"),
        ),
        Some(Family::Nix) => ("a shell that has it", "nix-shell -p postgresql".to_owned()),
        None => (
            "install your distribution's package of the PostgreSQL server (13 or newer) and of its client, psql",
            String::new(),
        ),
    };
    Way::new(text, paste)
}

/// How Redis is installed here, or Valkey where that is what there is.
pub(super) fn install_redis(facts: &Facts) -> Way {
    let sudo = facts.sudo();
    let one = "one package has the server and the client";
    let (text, paste) = match facts.distribution.family() {
        Some(Family::Debian) if facts.systemd => (
            "the server that the package starts is not needed",
            format!("{sudo}apt-get install redis\n{sudo}systemctl disable --now redis-server"),
        ),
        Some(Family::Debian) => (
            "the server and its client",
            format!("{sudo}apt-get update && {sudo}apt-get install -y redis"),
        ),
        Some(Family::Fedora) => (one, format!("{sudo}dnf install valkey")),
        Some(Family::Arch) => (one, format!("{sudo}pacman -S valkey")),
        Some(Family::Alpine) => (
            "the server and its client",
            format!("{sudo}apk add valkey valkey-cli"),
        ),
        Some(Family::Suse) => (one, format!("{sudo}zypper install valkey")),
        Some(Family::Nix) => ("a shell that has it", "nix-shell -p redis".to_owned()),
        None => (
            "install your distribution's package of Redis (7.0 or newer) or Valkey",
            String::new(),
        ),
    };
    Way::new(text, paste)
}

/// How MariaDB is installed here.
pub(super) fn install_mariadb(facts: &Facts) -> Way {
    let sudo = facts.sudo();
    let both = "the server and its client";
    let (text, paste) = match facts.distribution.family() {
        Some(Family::Debian) if facts.systemd => (
            "the server that the package starts is not needed",
            format!("{sudo}apt-get install mariadb-server\n{sudo}systemctl disable --now mariadb"),
        ),
        Some(Family::Debian) => (
            both,
            format!("{sudo}apt-get update && {sudo}apt-get install -y mariadb-server"),
        ),
        Some(Family::Fedora) => (both, format!("{sudo}dnf install mariadb-server mariadb")),
        Some(Family::Arch) => (both, format!("{sudo}pacman -S mariadb")),
        Some(Family::Alpine) => (both, format!("{sudo}apk add mariadb mariadb-client")),
        Some(Family::Suse) => (both, format!("{sudo}zypper install mariadb mariadb-client")),
        Some(Family::Nix) => ("a shell that has it", "nix-shell -p mariadb".to_owned()),
        None => (
            "install your distribution's package of the MariaDB server (10.11 or newer) and of its client, mariadb",
            String::new(),
        ),
    };
    Way::new(text, paste)
}

/// How a newer kernel is had here.
pub(super) fn newer_kernel(facts: &Facts) -> Way {
    let sudo = facts.sudo();
    let of = &facts.distribution;
    if facts.is_guest() {
        return Way::told(
            "the kernel is that of the machine which runs this container: it needs a newer one there",
        );
    }
    let reboot = format!("{sudo}reboot");
    if of.is("ubuntu") && of.version.ends_with(".04") {
        let package = format!("linux-generic-hwe-{}", of.version);
        let paste = format!("{sudo}apt-get install --install-recommends {package}\n{reboot}");
        return Way::new("the newest kernel that this release of Ubuntu has", paste);
    }
    if of.is("debian") && !of.codename.is_empty() {
        let paste = format!(
            "{sudo}apt-get install -t {}-backports linux-image-amd64\n{reboot}",
            of.codename
        );
        let text = format!(
            "the kernel of {0}-backports, which must be among the package sources; or the next release of Debian",
            of.codename
        );
        return Way::new(text, paste);
    }
    let upgrade = match of.family() {
        Some(Family::Fedora) => format!("{sudo}dnf upgrade\n{reboot}"),
        Some(Family::Arch) => format!("{sudo}pacman -Syu\n{reboot}"),
        _ => String::new(),
    };
    Way::new(
        "a newer kernel; when the distribution has none, a newer release of it",
        upgrade,
    )
}
