//! Finds the programs of a MariaDB or MySQL installation.
//!
//! The server is off an ordinary user's `PATH` on most systems: Debian has it in `/usr/sbin`, Red Hat in `/usr/libexec`;
//! archives of the projects bring a whole tree, with the script that initialises in a folder of its own. Both servers may be
//! called `mysqld`: what one is, its version says.

use std::collections::HashMap;
use std::env;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::SystemTime;

use super::EngineError;

/// Whose server it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Product {
    /// MariaDB's.
    MariaDb,
    /// MySQL's own.
    Mysql,
}

impl Product {
    /// What people call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::MariaDb => "MariaDB",
            Self::Mysql => "MySQL",
        }
    }

    /// What `engine:` calls it.
    pub fn key(self) -> &'static str {
        match self {
            Self::MariaDb => "mariadb",
            Self::Mysql => "mysql",
        }
    }

    /// The oldest version that works: the format of the redo log that a seal reads came with MariaDB 10.8, and
    /// 10.11 is the oldest with long support that has it; MySQL 8.0 is the oldest that starts without a log of its own.
    fn oldest(self) -> (u32, u32, &'static str) {
        match self {
            Self::MariaDb => (10, 11, "10.11"),
            Self::Mysql => (8, 0, "8.0"),
        }
    }

    fn servers(self) -> &'static [&'static str] {
        match self {
            Self::MariaDb => &["mariadbd", "mysqld"],
            Self::Mysql => &["mysqld"],
        }
    }

    fn clients(self) -> &'static [&'static str] {
        match self {
            Self::MariaDb => &["mariadb", "mysql"],
            Self::Mysql => &["mysql"],
        }
    }
}

/// The programs of one installation, by absolute path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Programs {
    /// Whose they are.
    pub product: Product,
    /// The folder that the installation lies in: `/usr`.
    pub base: PathBuf,
    /// `mariadbd` or `mysqld`.
    pub server: PathBuf,
    /// `mariadb-install-db`; MySQL's server initialises a folder itself.
    pub install: Option<PathBuf>,
    /// `mariadb` or `mysql`, which may lie elsewhere.
    pub client: PathBuf,
    /// The exact version, such as `10.11.19-MariaDB-0+deb12u1`.
    pub version: String,
}

/// Where to look.
#[derive(Debug, Clone, Default)]
pub struct Places {
    /// The search path for programs.
    pub path: Option<OsString>,
    /// Folders of servers.
    pub folders: Vec<PathBuf>,
}

impl Places {
    /// The usual places of this host.
    pub fn of_this_host() -> Self {
        let mut folders: Vec<PathBuf> = [
            "/usr/sbin",
            "/usr/libexec",
            "/usr/local/sbin",
            "/usr/local/libexec",
            "/usr/local/mariadb/bin",
            "/usr/local/mysql/bin",
            "/opt/mariadb/bin",
            "/opt/mysql/bin",
        ]
        .map(PathBuf::from)
        .into();
        for prefix in ["/home/linuxbrew/.linuxbrew", "/opt/homebrew", "/usr/local"] {
            for name in ["mariadb", "mysql"] {
                folders.push(Path::new(prefix).join("opt").join(name).join("bin"));
            }
        }
        Self {
            path: env::var_os("PATH"),
            folders,
        }
    }

    /// The programs in `bin_dir` if that is given, else the first server of the product that the places have.
    ///
    /// # Errors
    /// When there is none, when a program is missing, or when it is too old.
    pub fn find(&self, product: Product, bin_dir: Option<&Path>) -> Result<Programs, EngineError> {
        let folders: Vec<PathBuf> = match bin_dir {
            Some(folder) => vec![folder.to_owned()],
            None => self.path_folders().chain(self.folders.clone()).collect(),
        };
        let (mut other, mut failed) = (None, None);
        for folder in &folders {
            for name in product.servers() {
                let server = folder.join(name);
                if !is_program(&server) {
                    continue;
                }
                match version(&server) {
                    Ok(version) if product_of(&version) == product => {
                        return self.programs(product, &server, version);
                    }
                    Ok(_) => other = other.or(Some(server)),
                    Err(error) => failed = failed.or(Some(error)),
                }
            }
        }
        match (other, failed) {
            (None, Some(error)) => Err(error),
            (other, _) => Err(EngineError::NotFound {
                program: product.name().to_owned(),
                looked: match bin_dir {
                    Some(folder) => vec![folder.display().to_string()],
                    None => self.looked(),
                },
                remedy: remedy(product, other.as_deref(), bin_dir),
            }),
        }
    }

    fn programs(
        &self,
        product: Product,
        server: &Path,
        version: String,
    ) -> Result<Programs, EngineError> {
        // A link leads to where the other programs are.
        let real = fs::canonicalize(server).unwrap_or_else(|_| server.to_owned());
        let folder = real.parent().unwrap_or(Path::new("/")).to_owned();
        let base = folder.parent().unwrap_or(Path::new("/")).to_owned();
        let (major, minor, oldest) = product.oldest();
        let mut numbers = version.split(|c: char| !c.is_ascii_digit());
        let mut next = || numbers.next().and_then(|n| n.parse().ok()).unwrap_or(0);
        if (next(), next()) < (major, minor) {
            return Err(EngineError::TooOld {
                program: product.name(),
                version,
                place: folder,
                oldest,
            });
        }
        let near = ["bin", "sbin", "scripts"].map(|name| base.join(name));
        let near: Vec<PathBuf> = [folder].into_iter().chain(near).collect();
        let find = |names: &[&str]| {
            let folders = near.iter().cloned().chain(self.path_folders());
            let mut programs =
                folders.flat_map(|folder| names.iter().map(move |name| folder.join(name)));
            programs.find(|program| is_program(program))
        };
        let missing = |program: &str, package: &str| EngineError::NotFound {
            program: program.to_owned(),
            looked: near
                .iter()
                .map(|folder| folder.display().to_string())
                .chain(["PATH".to_owned()])
                .collect(),
            remedy: format!("install it ({})", install(package)),
        };
        let install = match product {
            Product::MariaDb => Some(
                find(&["mariadb-install-db", "mysql_install_db"])
                    .ok_or_else(|| missing("mariadb-install-db", "mariadb-server"))?,
            ),
            Product::Mysql => None,
        };
        let client = find(product.clients()).ok_or_else(|| {
            let [name, ..] = product.clients() else {
                return missing(product.key(), product.key());
            };
            missing(name, &format!("{}-client", product.key()))
        })?;
        Ok(Programs {
            product,
            base,
            server: real,
            install,
            client,
            version,
        })
    }

    fn path_folders(&self) -> impl Iterator<Item = PathBuf> {
        let path = self.path.as_deref();
        let folders: Vec<_> = path.map(env::split_paths).into_iter().flatten().collect();
        folders.into_iter().filter(|folder| folder.is_absolute())
    }

    fn looked(&self) -> Vec<String> {
        let folders = self.folders.iter();
        let folders = folders.map(|folder| folder.display().to_string());
        ["PATH".to_owned()].into_iter().chain(folders).collect()
    }
}

/// What to do where there is no server of the product, but perhaps one of the other.
fn remedy(product: Product, other: Option<&Path>, bin_dir: Option<&Path>) -> String {
    let (theirs, package) = match product {
        Product::MariaDb => (Product::Mysql, "mariadb-server"),
        Product::Mysql => (Product::MariaDb, "mysql-server"),
    };
    match (other, bin_dir) {
        (Some(server), _) => format!(
            "{} is {}'s: say `engine: {}` to use that, or install {}",
            server.display(),
            theirs.name(),
            theirs.key(),
            product.name()
        ),
        (None, Some(_)) => format!(
            "`bin_dir:` must name the folder that has {}",
            product.servers().join(" or ")
        ),
        (None, None) => format!(
            "install it ({}), or name the folder of its server with `bin_dir:`",
            install(package)
        ),
    }
}

fn product_of(version: &str) -> Product {
    match version.to_ascii_lowercase().contains("mariadb") {
        true => Product::MariaDb,
        false => Product::Mysql,
    }
}

fn is_program(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

fn install(package: &str) -> String {
    let tools = [
        ("/usr/bin/apt-get", "apt-get install"),
        ("/usr/bin/dnf", "dnf install"),
        ("/sbin/apk", "apk add"),
        ("/usr/bin/pacman", "pacman -S"),
        ("/usr/bin/zypper", "zypper install"),
    ];
    let tool = tools
        .into_iter()
        .find(|(program, _)| Path::new(program).exists());
    // Without the ending on these.
    let package = match tool {
        Some((_, "pacman -S" | "apk add" | "zypper install")) => {
            package.trim_end_matches("-server")
        }
        _ => package,
    };
    format!(
        "{} {package}",
        tool.map_or("apt-get install", |(_, command)| command)
    )
}

/// A program as it is on disk.
type Stamp = (PathBuf, Option<SystemTime>, u64);

/// Versions that were asked for already, so that a process that sets up many services asks once.
static VERSIONS: LazyLock<Mutex<HashMap<Stamp, String>>> = LazyLock::new(Mutex::default);

fn version(server: &Path) -> Result<String, EngineError> {
    let failed = |source| EngineError::Run {
        program: server.to_owned(),
        source,
    };
    let meta = fs::metadata(server).map_err(failed)?;
    let stamp = (server.to_owned(), meta.modified().ok(), meta.len());
    let mut versions = VERSIONS.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(version) = versions.get(&stamp) {
        return Ok(version.clone());
    }
    let version = printed_version(server).map_err(failed)?;
    versions.insert(stamp, version.clone());
    Ok(version)
}

/// Reads `mariadbd  Ver 10.11.19-MariaDB-0+deb12u1 for debian-linux-gnu on x86_64 (Debian 12)`.
fn printed_version(server: &Path) -> io::Result<String> {
    // The host's configuration may have options that a version does not know.
    let output = Command::new(server)
        .args(["--no-defaults", "--version"])
        .env("LC_ALL", "C")
        .output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let version = text.split_once("Ver ").map_or("", |(_, rest)| rest);
    match version.split_whitespace().next() {
        Some(version)
            if output.status.success() && version.starts_with(|c: char| c.is_ascii_digit()) =>
        {
            Ok(version.to_owned())
        }
        _ => Err(io::Error::new(
            io::ErrorKind::InvalidData,
            format!("its version is {:?}", text.trim()),
        )),
    }
}
