//! Finds the programs of a PostgreSQL installation.
//!
//! Distributions keep the server's programs off `PATH`, several versions side by side: Debian under
//! `/usr/lib/postgresql/VERSION/bin`, the PGDG packages of Red Hat under `/usr/pgsql-VERSION/bin`, Homebrew and pip wheels in
//! places of their own. A `psql` on Debian's `PATH` is a Perl wrapper: the one beside the server is preferred.

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

/// The oldest major version that works: `initdb --wal-segsize` is older, but 12 and before are no longer maintained.
const OLDEST: (u32, &str) = (13, "13");

/// The programs of one installation, by absolute path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Programs {
    /// The folder of the server's programs.
    pub folder: PathBuf,
    /// `postgres`.
    pub postgres: PathBuf,
    /// `initdb`.
    pub initdb: PathBuf,
    /// `pg_controldata`.
    pub controldata: PathBuf,
    /// `psql`, which may be in another folder.
    pub psql: PathBuf,
    /// The exact version, such as `15.18 (Debian 15.18-0+deb12u1)`.
    pub version: String,
    /// Its first number.
    pub major: u32,
}

/// Where to look.
#[derive(Debug, Clone, Default)]
pub struct Places {
    /// The search path for programs.
    pub path: Option<OsString>,
    /// Folders that hold one folder per version, as `(folder, start of the name, way on to the programs)`.
    pub versioned: Vec<(PathBuf, &'static str, &'static str)>,
    /// Folders of programs.
    pub folders: Vec<PathBuf>,
}

impl Places {
    /// The usual places of this host.
    pub fn of_this_host() -> Self {
        let mut versioned = vec![
            ("/usr/lib/postgresql".into(), "", "bin"),
            ("/usr".into(), "pgsql-", "bin"),
            ("/usr/lib".into(), "postgresql", "bin"),
            ("/usr/libexec".into(), "postgresql", ""),
            ("/opt".into(), "postgresql", "bin"),
        ];
        for prefix in ["/home/linuxbrew/.linuxbrew", "/opt/homebrew", "/usr/local"] {
            versioned.push((Path::new(prefix).join("opt"), "postgresql", "bin"));
        }
        // Wheels such as pgserver bring a whole installation.
        if let Some(venv) = env::var_os("VIRTUAL_ENV").map(PathBuf::from) {
            for python in children(&venv.join("lib"), "python") {
                versioned.push((python.join("site-packages"), "", "pginstall/bin"));
            }
        }
        Self {
            path: env::var_os("PATH"),
            versioned,
            folders: vec!["/usr/local/pgsql/bin".into()],
        }
    }

    /// The programs in `bin_dir` if that is given, else the first installation that the places have:
    /// of what `PATH` has, the first; of the versions side by side, the highest.
    ///
    /// # Errors
    /// When there is none, when a program is missing, or when it is too old.
    pub fn find(&self, bin_dir: Option<&Path>) -> Result<Programs, EngineError> {
        if let Some(folder) = bin_dir {
            return self.programs(folder);
        }
        let folder = self
            .on_path()
            .or_else(|| self.side_by_side())
            .or_else(|| self.by_config());
        let Some(folder) = folder else {
            return Err(EngineError::NotFound {
                program: "PostgreSQL".to_owned(),
                looked: self.looked(),
                remedy: format!(
                    "install it ({}), or name the folder of its programs with `bin_dir:`",
                    install("postgresql")
                ),
            });
        };
        self.programs(&folder)
    }

    /// A folder of `PATH` that has the pair of programs that no client package has.
    fn on_path(&self) -> Option<PathBuf> {
        self.path_folders().find_map(|folder| {
            let postgres = folder.join("postgres");
            if !is_program(&postgres) || !is_program(&folder.join("initdb")) {
                return None;
            }
            // A link leads to where the other programs are.
            let real = fs::canonicalize(postgres).ok()?.parent()?.to_owned();
            if is_program(&real.join("initdb")) {
                Some(real)
            } else {
                Some(folder)
            }
        })
    }

    fn side_by_side(&self) -> Option<PathBuf> {
        let mut found: Vec<(Vec<u32>, PathBuf)> = Vec::new();
        for (folder, start, on) in &self.versioned {
            for child in children(folder, start) {
                let programs = child.join(on);
                if is_program(&programs.join("postgres")) && is_program(&programs.join("initdb")) {
                    found.push((numbers(&child), programs));
                }
            }
        }
        found.sort_by(|a, b| a.0.cmp(&b.0));
        let highest = found.pop().map(|(_, programs)| programs);
        highest.or_else(|| {
            self.folders
                .iter()
                .find(|folder| is_program(&folder.join("postgres")))
                .cloned()
        })
    }

    fn by_config(&self) -> Option<PathBuf> {
        let config = self
            .path_folders()
            .map(|folder| folder.join("pg_config"))
            .find(|path| is_program(path))?;
        let output = Command::new(config).arg("--bindir").output().ok()?;
        let folder = PathBuf::from(String::from_utf8(output.stdout).ok()?.trim());
        is_program(&folder.join("postgres")).then_some(folder)
    }

    fn programs(&self, folder: &Path) -> Result<Programs, EngineError> {
        let beside = |name: &str| {
            let program = folder.join(name);
            if is_program(&program) {
                return Ok(program);
            }
            Err(EngineError::NotFound {
                program: name.to_owned(),
                looked: vec![folder.display().to_string()],
                remedy:
                    "`bin_dir:` must name the folder that has postgres, initdb and pg_controldata"
                        .to_owned(),
            })
        };
        let (postgres, initdb, controldata) = (
            beside("postgres")?,
            beside("initdb")?,
            beside("pg_controldata")?,
        );
        let psql = beside("psql").or_else(|_| {
            self.path_folders()
                .map(|folder| folder.join("psql"))
                .find(|path| is_program(path))
                .ok_or_else(|| EngineError::NotFound {
                    program: "psql".to_owned(),
                    looked: vec![folder.display().to_string(), "PATH".to_owned()],
                    remedy: format!(
                        "install PostgreSQL's client ({})",
                        install("postgresql-client")
                    ),
                })
        })?;
        let version = version(&postgres, &controldata)?;
        let major = version
            .split(|c: char| !c.is_ascii_digit())
            .next()
            .and_then(|n| n.parse().ok())
            .unwrap_or(0);
        if major < OLDEST.0 {
            return Err(EngineError::TooOld {
                program: "PostgreSQL",
                version,
                place: folder.to_owned(),
                oldest: OLDEST.1,
            });
        }
        Ok(Programs {
            folder: folder.to_owned(),
            postgres,
            initdb,
            controldata,
            psql,
            version,
            major,
        })
    }

    fn path_folders(&self) -> impl Iterator<Item = PathBuf> {
        let folders: Vec<_> = self
            .path
            .as_deref()
            .map(env::split_paths)
            .into_iter()
            .flatten()
            .collect();
        folders.into_iter().filter(|folder| folder.is_absolute())
    }

    fn looked(&self) -> Vec<String> {
        let mut looked = vec!["PATH".to_owned()];
        looked.extend(self.versioned.iter().map(|(folder, start, on)| {
            format!("{}", folder.join(format!("{start}*")).join(on).display())
        }));
        looked.extend(
            self.folders
                .iter()
                .map(|folder| folder.display().to_string()),
        );
        looked
    }
}

pub(super) fn is_program(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

/// The entries of a folder whose names begin so; none if it can't be read.
pub(super) fn children(folder: &Path, start: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .filter(|entry| {
            entry
                .file_name()
                .to_str()
                .is_some_and(|name| name.starts_with(start))
        })
        .map(|entry| entry.path())
        .collect()
}

/// The numbers in the last part of a path: its version.
fn numbers(path: &Path) -> Vec<u32> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.split(|c: char| !c.is_ascii_digit())
        .filter_map(|digits| digits.parse().ok())
        .collect()
}

pub(super) fn install(package: &str) -> String {
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
    // One package has both on these.
    let package = match (tool, package) {
        (Some((_, "pacman -S")), "postgresql-client") => "postgresql",
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

/// The version that a program of the installation prints. `pg_controldata` is asked first: it comes from the same
/// package and starts in a tenth of the time, since it links a tenth of the libraries.
fn version(postgres: &Path, controldata: &Path) -> Result<String, EngineError> {
    let failed = |source| EngineError::Run {
        program: postgres.to_owned(),
        source,
    };
    let meta = fs::metadata(postgres).map_err(failed)?;
    let stamp = (postgres.to_owned(), meta.modified().ok(), meta.len());
    let mut versions = VERSIONS.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(version) = versions.get(&stamp) {
        return Ok(version.clone());
    }
    let version = match printed_version(controldata) {
        Ok(version) => version,
        Err(_) => printed_version(postgres).map_err(failed)?,
    };
    versions.insert(stamp, version.clone());
    Ok(version)
}

fn printed_version(program: &Path) -> io::Result<String> {
    let output = Command::new(program)
        .arg("--version")
        .env("LC_ALL", "C")
        .output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    // `postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)`; forks write their own name in the brackets.
    match text.trim().split_once(") ") {
        Some((_, version))
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
