//! Who the processes of a container are.

use std::fs;

use nix::unistd::{User, getegid, geteuid};

use super::error::SandboxError;

/// The user and group that services and tests run as: the caller's own, or, for root, a user
/// without rights. Nothing in a container ever runs as uid 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity {
    uid: u32,
    gid: u32,
    root: bool,
    user_namespace: bool,
}

impl Identity {
    /// The identity for containers started by this process: its own effective ids, or those of the
    /// user `nobody` when it runs as root, as in most CI containers.
    ///
    /// # Errors
    /// When root finds no user `nobody` to run as.
    pub fn of_caller() -> Result<Self, SandboxError> {
        let (uid, gid) = (geteuid(), getegid());
        if !uid.is_root() {
            return Ok(Self {
                uid: uid.as_raw(),
                gid: gid.as_raw(),
                root: false,
                user_namespace: true,
            });
        }
        let nobody = User::from_name("nobody")
            .ok()
            .flatten()
            .ok_or(SandboxError::NoUser)?;
        Ok(Self {
            uid: nobody.uid.as_raw(),
            gid: nobody.gid.as_raw(),
            root: true,
            user_namespace: unprivileged_namespaces_allowed(),
        })
    }

    /// The user and group ids inside, which are the same outside.
    pub fn user(&self) -> (u32, u32) {
        (self.uid, self.gid)
    }

    /// Whether Cowherd itself runs as root, so that files for the container must be given to its user.
    pub fn is_root(&self) -> bool {
        self.root
    }

    /// Whether containers get a user namespace: always for an ordinary user; for root, whose mounts
    /// need none, wherever the host lets an ordinary user have one.
    pub fn has_user_namespace(&self) -> bool {
        self.user_namespace
    }
}

fn unprivileged_namespaces_allowed() -> bool {
    let read = |path: &str| {
        fs::read_to_string(path)
            .ok()
            .and_then(|text| text.trim().parse::<u64>().ok())
    };
    read("/proc/sys/user/max_user_namespaces") != Some(0)
        && read("/proc/sys/kernel/unprivileged_userns_clone") != Some(0)
        && read("/proc/sys/kernel/apparmor_restrict_unprivileged_userns").unwrap_or(0) == 0
}
