//! What init gives up: its user, its groups, its capabilities. All by the system calls themselves: glibc's wrappers
//! would signal threads that this process, a copy, doesn't have (setresuid(2), nptl(7)).

use nix::errno::Errno;
use rustix::process::{Gid, Uid};
use rustix::thread::{
    CapabilitySet, CapabilitySets, remove_capability_from_bounding_set, set_capabilities,
    set_thread_groups, set_thread_res_gid, set_thread_res_uid,
};

use super::program::errno;

/// Empties the bounding set (`PR_CAPBSET_DROP`, prctl(2)), which neither a change of user nor giving up
/// the capabilities empties. Without `CAP_SETPCAP` it is left as it is: as no new privileges are to be
/// had, nothing is to be had from it.
pub(super) fn cut_bounding_set() {
    for capability in 0..64 {
        let capability = CapabilitySet::from_bits_retain(1 << capability);
        if remove_capability_from_bounding_set(capability).is_err() {
            // EINVAL past the kernel's last capability, EPERM without the right.
            return;
        }
    }
}

/// Empties the effective, permitted and inheritable capabilities of this thread, and with them the
/// ambient ones (capabilities(7)).
pub(super) fn drop_capabilities() -> Result<(), Errno> {
    let none = CapabilitySet::empty();
    let sets = CapabilitySets {
        effective: none,
        permitted: none,
        inheritable: none,
    };
    set_capabilities(None, sets).map_err(errno)
}

/// Gives up all groups and becomes `uid` and `gid` for good.
pub(super) fn become_user(uid: u32, gid: u32) -> Result<(), Errno> {
    let (uid, gid) = (Uid::from_raw(uid), Gid::from_raw(gid));
    set_thread_groups(&[])
        .and_then(|()| set_thread_res_gid(gid, gid, gid))
        .and_then(|()| set_thread_res_uid(uid, uid, uid))
        .map_err(errno)
}
