//! The options of MariaDB's and MySQL's servers: the user's, and Cowherd's own.

use std::collections::BTreeMap;

use super::EngineError;
use super::mariadb_find::Product;
use crate::spec::Service;

/// Options that a container depends on.
const OWN: [&str; 21] = [
    "aria_log_dir_path",
    "basedir",
    "bind_address",
    "bootstrap",
    "console",
    "datadir",
    "defaults_extra_file",
    "defaults_file",
    "general_log_file",
    "initialize",
    "initialize_insecure",
    "innodb_data_file_path",
    "innodb_data_home_dir",
    "innodb_log_group_home_dir",
    "innodb_undo_directory",
    "log_error",
    "no_defaults",
    "pid_file",
    "skip_networking",
    "socket",
    "user",
];

/// Options that the files are made with: a server that gets others later refuses them.
const OF_FILES: [&str; 5] = [
    "innodb_log_file_size",
    "innodb_page_size",
    "innodb_undo_tablespaces",
    "innodb_checksum_algorithm",
    "lower_case_table_names",
];

/// What makes a start cheap and is not seen by a test. What each saves is in `architecture.md`.
const FAST: [(&str, &str); 10] = [
    // Nothing that a container writes has to survive a power cut, nor to be written past the page cache, which all
    // containers share for what lies below.
    ("innodb_flush_method", "nosync"),
    ("innodb_doublewrite", "OFF"),
    ("innodb_buffer_pool_load_at_startup", "OFF"),
    ("innodb_buffer_pool_dump_at_shutdown", "OFF"),
    // What is sealed needs no purge and no merge of changes by who starts from it.
    ("innodb_fast_shutdown", "0"),
    // Of asynchronous requests, and of memory that is locked for them, a host has few.
    ("innodb_use_native_aio", "OFF"),
    ("innodb_temp_data_file_path", "ibtmp1:1M:autoextend"),
    // In MiB; 64 is the default.
    ("innodb_autoextend_increment", "1"),
    // The tables of a cache are made ahead, for all of its size.
    ("key_buffer_size", "1M"),
    ("innodb_log_buffer_size", "2M"),
];

/// The same for MariaDB alone.
const FAST_MARIADB: [(&str, &str); 2] = [
    ("aria_pagecache_buffer_size", "2M"),
    ("innodb_log_file_size", "4M"),
];

/// The same for MySQL alone; 8 MiB is the least (documentation, `innodb_redo_log_capacity`), and a binary log is
/// on by default, which MariaDB's is not.
const FAST_MYSQL: [(&str, &str); 3] = [
    ("innodb_redo_log_capacity", "8M"),
    ("skip_log_bin", ""),
    ("loose_mysqlx", "OFF"),
];

/// Memory that is touched is memory per container: what a test reads fills it.
const POOL: (&str, &str) = ("innodb_buffer_pool_size", "32M");

/// For a server that builds a layer.
const POOL_BUILDING: (&str, &str) = ("innodb_buffer_pool_size", "128M");

/// As Debian's and the projects' images have it, and as PostgreSQL's databases are: without it, MariaDB before 11.6 has
/// `latin1`, as no configuration of the host's is read.
const CHARACTERS: (&str, &str) = ("character_set_server", "utf8mb4");

/// The file of the process id, in the data folder.
pub(super) const PID_FILE: &str = "cowherd.pid";

/// The settings of one service, sorted out.
#[derive(Debug)]
pub(super) struct Settings {
    product: Product,
    /// The user's options, by lower-case name with underscores.
    pub(super) options: BTreeMap<String, String>,
    /// The port.
    pub(super) port: u16,
}

impl Settings {
    /// Those of the service, which listens on `port` unless it says otherwise.
    pub(super) fn of(service: &Service, product: Product, port: u16) -> Result<Self, EngineError> {
        check_database(&service.database)?;
        let refuse = |setting: &str, why: &str| EngineError::Setting {
            engine: product.name(),
            setting: setting.to_owned(),
            why: why.to_owned(),
        };
        let (mut options, mut port) = (BTreeMap::new(), port);
        for (name, value) in &service.settings {
            let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
            let option = name.to_ascii_lowercase().replace('-', "_");
            if option.is_empty() || !option.chars().all(plain) || value.contains('\0') {
                return Err(refuse(name, "this is no name or value of an option"));
            }
            // The server takes a prefix of these too.
            let bare = ["loose_", "maximum_", "enable_", "disable_", "skip_"]
                .iter()
                .find_map(|prefix| option.strip_prefix(prefix))
                .unwrap_or(&option);
            if OWN.contains(&bare) || OWN.contains(&option.as_str()) {
                return Err(refuse(name, "containers depend on Cowherd's own value"));
            } else if option == "port" {
                port = value.parse().map_err(|_| refuse(name, "this is no port"))?;
            } else {
                options.insert(option, value.clone());
            }
        }
        Ok(Self {
            product,
            options,
            port,
        })
    }

    /// The options that data files are made with.
    pub(super) fn initial(&self) -> Vec<String> {
        let of_files = |name: &str| OF_FILES.contains(&name);
        let own = self.own(true, of_files);
        let files = self.options.iter().filter(|(name, _)| of_files(name));
        let files = files.map(|(name, value)| option(name, value));
        own.chain(files).collect()
    }

    /// All options but for those that say where things are.
    pub(super) fn all(&self, building: bool) -> Vec<String> {
        let own = self.own(building, |_| true);
        let theirs = self.options.iter();
        own.chain(theirs.map(|(name, value)| option(name, value)))
            .collect()
    }

    /// Cowherd's own, but for those that the user gives and that `theirs` leaves to them.
    fn own(&self, building: bool, theirs: impl Fn(&str) -> bool) -> impl Iterator<Item = String> {
        let more: &[(&str, &str)] = match self.product {
            Product::MariaDb => &FAST_MARIADB,
            Product::Mysql => &FAST_MYSQL,
        };
        let pool = match building {
            true => POOL_BUILDING,
            false => POOL,
        };
        let pairs = FAST.iter().chain(more).chain([&CHARACTERS]).copied();
        let pairs = pairs.chain([pool]);
        // Of one that is given twice, both must be possible.
        let given = move |name: &str| theirs(name) && self.options.contains_key(name);
        let pairs = pairs.filter(move |(name, _)| !given(name));
        pairs.map(|(name, value)| option(name, value))
    }
}

fn option(name: &str, value: &str) -> String {
    match value {
        "" => format!("--{name}"),
        value => format!("--{name}={value}"),
    }
}

fn check_database(name: &str) -> Result<(), EngineError> {
    let own = ["mysql", "sys", "performance_schema", "information_schema"];
    let why = match name {
        "" => "it has no name",
        _ if own.contains(&name.to_ascii_lowercase().as_str()) => {
            "the server keeps this name for itself"
        }
        _ if name.chars().count() > 64 => "names have at most 64 characters",
        _ if name.ends_with(' ') => "a name can't end with a space",
        _ if name.chars().any(|c| c > '\u{ffff}') => {
            "its name has a character that is not possible"
        }
        _ if name.contains(['\0', '\n']) => "its name has a character that is not possible",
        _ => return Ok(()),
    };
    Err(EngineError::Database {
        database: name.to_owned(),
        why,
    })
}
