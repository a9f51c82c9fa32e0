//! The variables that a person's programs get in a container.

use std::ffi::OsString;

use crate::sandbox::Identity;

/// The caller's own variables, less those that would lead a test to another database, and those
/// that name places which a container hasn't got.
pub fn test_environment(identity: Identity) -> Vec<(OsString, OsString)> {
    let foreign = |name: &str| {
        name.starts_with("PG")
            || [
                "DATABASE_URL",
                "TMPDIR",
                "XDG_RUNTIME_DIR",
                "MYSQL_HOST",
                "MYSQL_UNIX_PORT",
                "MYSQL_TCP_PORT",
                "REDIS_URL",
            ]
            .contains(&name)
            || (name == "HOME" && identity.is_root())
    };
    let mut variables: Vec<(OsString, OsString)> = std::env::vars_os()
        .filter(|(name, _)| !name.to_str().is_some_and(foreign))
        .collect();
    if identity.is_root() {
        variables.push(("HOME".into(), "/tmp".into()));
    }
    variables
}
