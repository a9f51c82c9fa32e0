//! Which kernel brought what.

use serde::Serialize;

/// A kernel's version.
///
/// ```
/// use cowherd::doctor::Kernel;
/// assert!(Kernel::parse("5.4.0-216-generic").is_older_than(5, 11));
/// assert!(!Kernel::parse("6.18.44").is_older_than(6, 6));
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Kernel {
    /// As `uname -r` writes it.
    pub release: String,
    /// Its first two numbers.
    pub version: (u32, u32),
}

/// What containers use that not every kernel has: since when, and what can't be done without.
/// Sources: `close_range(2)`, the kernel's `overlayfs.rst`, `mount_setattr(2)`, and the release notes of Linux 6.6 (tmpfs).
const NEEDED: [((u32, u32), &str); 4] = [
    ((5, 9), "containers can't close inherited descriptors"),
    (
        (5, 11),
        "overlayfs can't be mounted without root, nor with `userxattr`",
    ),
    (
        (5, 12),
        "a whole tree of mounts can't be made read-only (mount_setattr)",
    ),
    (
        (6, 6),
        "tmpfs can't keep what overlayfs notes on folders that are removed (user.* attributes)",
    ),
];

impl Kernel {
    /// Reads `uname -r`. Numbers that aren't there count as 0.
    pub fn parse(release: &str) -> Self {
        let mut numbers = release
            .split(|c: char| !c.is_ascii_digit())
            .map(|digits| digits.parse().unwrap_or(0));
        Self {
            release: release.trim().to_owned(),
            version: (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0)),
        }
    }

    /// Whether it is older than `major.minor`. Distributions bring some novelties to older kernels, so this explains a
    /// refusal and never predicts one.
    pub fn is_older_than(&self, major: u32, minor: u32) -> bool {
        self.version < (major, minor)
    }

    /// What it lacks by its number: since which version it is there, and what can't be done without it.
    pub fn lacks(&self) -> impl Iterator<Item = ((u32, u32), &'static str)> {
        NEEDED
            .into_iter()
            .filter(|((major, minor), _)| self.is_older_than(*major, *minor))
    }
}
