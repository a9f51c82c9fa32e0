//! The settings of PostgreSQL: the user's, Cowherd's own, and those of the cluster and the database.

use std::collections::BTreeMap;
use std::path::Path;

use super::EngineError;
use crate::spec::Service;

/// Settings that a container depends on.
const OWN: [&str; 11] = [
    "config_file",
    "data_directory",
    "event_source",
    "external_pid_file",
    "hba_file",
    "ident_file",
    "listen_addresses",
    "log_destination",
    "logging_collector",
    "unix_socket_directories",
    "unix_socket_permissions",
];

/// Settings of the database that are made when it is created.
const OF_DATABASE: [&str; 3] = ["encoding", "icu_locale", "locale"];

/// What makes a start cheap and is not seen by a test. None of these may be one that `pg_control` records
/// (`wal_level`, `max_connections`, `max_worker_processes` …): a server that starts with another value writes WAL at once.
pub(super) const FAST: [(&str, &str); 10] = [
    // Nothing that a container writes has to survive a power cut.
    ("fsync", "off"),
    ("full_page_writes", "off"),
    ("synchronous_commit", "off"),
    // Memory that is touched is memory per container.
    ("shared_buffers", "16MB"),
    ("huge_pages", "off"),
    // The server tries out that many descriptors with dup() when it starts.
    ("max_files_per_process", "256"),
    // On a copy-on-write file system a new segment costs less than an old one renamed and overwritten.
    ("wal_recycle", "off"),
    ("wal_init_zero", "off"),
    ("log_destination", "stderr"),
    ("logging_collector", "off"),
];

/// For a server that builds a layer: no checkpoint and no worker in between, since the freeze does what they would.
pub(super) const BUILDING: [(&str, &str); 3] = [
    ("autovacuum", "off"),
    ("checkpoint_timeout", "1h"),
    ("max_wal_size", "4GB"),
];

/// The settings of one service, sorted out.
#[derive(Debug)]
pub(super) struct Settings {
    /// Parameters of the server, by lower-case name.
    pub(super) server: BTreeMap<String, String>,
    /// Options of `CREATE DATABASE`: `encoding`, `icu_locale`, `locale`.
    pub(super) database: BTreeMap<String, String>,
    /// The port.
    pub(super) port: u16,
}

impl Settings {
    /// Those of the service, which listens on `port` unless it says otherwise.
    pub(super) fn of(service: &Service, port: u16) -> Result<Self, EngineError> {
        check_database(&service.database)?;
        let (mut settings, mut options, mut port) = (BTreeMap::new(), BTreeMap::new(), port);
        for (name, value) in &service.settings {
            let lower = name.to_ascii_lowercase();
            let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '.';
            if lower.is_empty() || !lower.chars().all(plain) || value.contains('\0') {
                return Err(refuse(name, "this is no name or value of a parameter"));
            } else if OWN.contains(&lower.as_str()) {
                return Err(refuse(name, "containers depend on Cowherd's own value"));
            } else if lower == "port" {
                port = value.parse().map_err(|_| refuse(name, "this is no port"))?;
            } else if OF_DATABASE.contains(&lower.as_str()) {
                options.insert(lower, value.clone());
            } else {
                settings.insert(lower, value.clone());
            }
        }
        Ok(Self {
            server: settings,
            database: options,
            port,
        })
    }
}

/// The error for a setting that is not possible.
pub(super) fn refuse(setting: &str, why: &str) -> EngineError {
    EngineError::Setting {
        engine: "PostgreSQL",
        setting: setting.to_owned(),
        why: why.to_owned(),
    }
}

/// The locale of the cluster. Every choice sorts by code point, so results are the same on every machine; the
/// UTF-8 ones also know upper and lower case beyond ASCII.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Locale {
    /// PostgreSQL's own C.UTF-8, since 17: no part of it comes from the host.
    Builtin,
    /// The C library's C.UTF-8.
    Utf8,
    /// Where the C library has none.
    Plain,
}

impl Locale {
    pub(super) fn of_this_host(major: u32) -> Self {
        if major >= 17 {
            return Self::Builtin;
        }
        // musl takes any name; glibc wants the file.
        let there = [
            "/usr/lib/locale/C.utf8",
            "/usr/lib/locale/C.UTF-8",
            "/lib/ld-musl-x86_64.so.1",
        ];
        let there = there.iter().any(|path| Path::new(path).exists());
        if there || Path::new("/lib/ld-musl-aarch64.so.1").exists() {
            Self::Utf8
        } else {
            Self::Plain
        }
    }

    fn args(self) -> &'static [&'static str] {
        match self {
            Self::Builtin => &[
                "--locale=C",
                "--locale-provider=builtin",
                "--builtin-locale=C.UTF-8",
            ],
            Self::Utf8 => &["--locale=C.UTF-8", "--lc-messages=C"],
            Self::Plain => &["--locale=C"],
        }
    }
}

pub(super) fn initdb_args(locale: Locale) -> Vec<&'static str> {
    // The first write to the WAL copies a segment up: 1 MB instead of 16.
    let mut args = vec![
        "--wal-segsize=1",
        "--auth=trust",
        "--username=postgres",
        "--encoding=UTF8",
        "--no-sync",
    ];
    args.extend(locale.args());
    args
}

fn check_database(name: &str) -> Result<(), EngineError> {
    let why = match name {
        "" => "it has no name",
        "template0" | "template1" => "PostgreSQL keeps this name for itself",
        _ if name.len() > 63 => "PostgreSQL cuts names after 63 bytes",
        _ if name.contains(['\0', '\n']) => "its name has a character that is not possible",
        _ => return Ok(()),
    };
    Err(EngineError::Database {
        database: name.to_owned(),
        why,
    })
}
