//! Who a store is made for.

use std::ffi::OsString;
use std::path::PathBuf;

use nix::unistd::{User, geteuid};

use super::LoopStoreError;
use crate::store::{Store, StoreError};

/// A user of this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    /// The name.
    pub name: String,
    pub(super) uid: u32,
    pub(super) gid: u32,
    home: PathBuf,
}

impl Owner {
    /// The user of this name; without one, who has called sudo(8), or else the caller.
    ///
    /// # Errors
    /// When there is no such user.
    pub fn find(
        name: Option<&str>,
        variable: &dyn Fn(&str) -> Option<OsString>,
    ) -> Result<Self, LoopStoreError> {
        let sudo = variable("SUDO_USER").and_then(|name| name.into_string().ok());
        let name = name.map(str::to_owned).or(sudo);
        let user = match &name {
            Some(name) => User::from_name(name),
            None => User::from_uid(geteuid()),
        };
        let user = user.ok().flatten();
        let user = user.ok_or_else(|| LoopStoreError::NoUser(name.unwrap_or_default()))?;
        Ok(Self {
            name: user.name,
            uid: user.uid.as_raw(),
            gid: user.gid.as_raw(),
            home: user.dir,
        })
    }

    /// Where this user's store is: [`Store::default_path`], but that the home in the variables of somebody else is not
    /// this user's.
    ///
    /// # Errors
    /// As [`Store::default_path`].
    pub fn store(
        &self,
        variable: &dyn Fn(&str) -> Option<OsString>,
    ) -> Result<PathBuf, StoreError> {
        if self.uid == geteuid().as_raw() {
            return Store::default_path(variable);
        }
        Store::default_path(&|name| match name {
            "XDG_DATA_HOME" => None,
            "HOME" => Some(self.home.clone().into_os_string()),
            name => variable(name),
        })
    }
}
