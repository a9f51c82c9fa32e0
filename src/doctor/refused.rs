//! What a host refused: the step of a container's set-up, or a piece of work in the container.

use nix::errno::Errno;

use crate::event::in_words;
use crate::sandbox::SandboxError;

/// Where the writable layer lay when something was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Changes {
    /// In memory.
    Memory,
    /// In the store.
    Store,
}

/// What was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refused {
    /// New namespaces.
    Namespaces {
        /// What the kernel said.
        errno: Errno,
    },
    /// A step of the set-up.
    Step {
        /// The step in words, as [`SandboxError::Step`] has it.
        step: String,
        /// What the kernel said.
        errno: Errno,
        /// Where the writable layer lies, when the container has one.
        changes: Option<Changes>,
    },
    /// Work in an overlay that was mounted without complaint.
    Work {
        /// In words: `remove a folder`.
        work: String,
        /// What the program that did it said.
        said: String,
        /// Where the writable layer lies.
        changes: Changes,
    },
    /// Anything else.
    Other {
        /// In words.
        said: String,
    },
}

impl Refused {
    /// What an error of the sandbox says was refused.
    pub fn of(error: &SandboxError, changes: Option<Changes>) -> Self {
        match error {
            SandboxError::Clone(errno) => Self::Namespaces { errno: *errno },
            SandboxError::Step { step, errno, .. } => Self::Step {
                step: step.clone(),
                errno: *errno,
                changes,
            },
            other => Self::Other {
                said: in_words(other),
            },
        }
    }

    /// The part of a container that it belongs to.
    pub fn part(&self) -> Part {
        match self {
            Self::Namespaces { .. } | Self::Other { .. } => Part::Namespaces,
            Self::Step { step, .. } => Part::of_step(step).unwrap_or(Part::Mounts),
            Self::Work { .. } => Part::Overlay,
        }
    }

    /// Whether the rest of a container can be set up without what was refused, to find out about it.
    pub(super) fn can_be_left_out(&self) -> bool {
        let Self::Step { step, .. } = self else {
            return false;
        };
        matches!(self.part(), Part::Processes | Part::Network)
            || step.starts_with("mount devpts")
            || step == "set the host name"
    }

    /// The refusal in one line.
    pub fn words(&self) -> String {
        match self {
            Self::Namespaces { errno } => {
                format!("can't create namespaces: {}", errno.desc())
            }
            Self::Step { step, errno, .. } => format!("can't {step}: {}", errno.desc()),
            Self::Work { work, said, .. } => format!("can't {work}: {said}"),
            Self::Other { said } => said.clone(),
        }
    }
}

/// A part of a container, in the order in which they are set up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// Namespaces and the map of users.
    Namespaces,
    /// The view of the host's files, and private ones.
    Mounts,
    /// `/proc`.
    Processes,
    /// `/dev`.
    Devices,
    /// The data: layers under a writable one.
    Overlay,
    /// `lo`.
    Network,
    /// Being an ordinary user without capabilities.
    User,
}

impl Part {
    /// The part that a step belongs to; `None` for one that isn't known.
    ///
    /// ```
    /// use cowherd::doctor::Part;
    /// assert_eq!(Part::of_step("mount proc on /proc"), Some(Part::Processes));
    /// assert_eq!(Part::of_step("dance"), None);
    /// ```
    pub fn of_step(step: &str) -> Option<Self> {
        let inside = |folder: &str| {
            step.split_whitespace()
                .any(|word| word == folder || word.starts_with(&format!("{folder}/")))
        };
        let (verb, rest) = step.split_once(' ')?;
        Some(match (verb, rest) {
            ("begin" | "create", "a network namespace") => Self::Namespaces,
            ("write", _) if rest.starts_with("/proc/self/") => Self::Namespaces,
            ("enter", "the container's cgroup") | ("close" | "reset" | "take", _) => {
                Self::Namespaces
            }
            ("mount", _) if rest.starts_with("proc ") => Self::Processes,
            ("mount", _) if rest.starts_with("overlay ") => Self::Overlay,
            _ if inside("/run/cowherd/dev") || inside("/dev") => Self::Devices,
            _ if inside("/run/cowherd/scratch") => Self::Overlay,
            ("mount" | "make" | "move" | "create", _) if rest != "a user namespace" => Self::Mounts,
            ("enter", _) => Self::Mounts,
            ("bring", _) => Self::Network,
            ("set" | "become" | "keep" | "give" | "drop" | "empty" | "create", _) => Self::User,
            _ => return None,
        })
    }
}
