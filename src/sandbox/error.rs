//! What can go wrong with a sandbox, in words.

use std::io;
use std::path::{Path, PathBuf};

use nix::errno::Errno;

/// An error of the sandbox; never a verdict on what runs in it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SandboxError {
    /// The description can't be compiled.
    #[error("can't describe the container to the kernel")]
    Describe(#[from] io::Error),
    /// `clone` failed.
    #[error("can't create the container's namespaces")]
    Clone(#[source] Errno),
    /// A step of the set-up failed.
    #[error("can't {step}")]
    Step {
        /// Which step, from 0.
        index: usize,
        /// The step in words.
        step: String,
        /// Why.
        #[source]
        errno: Errno,
    },
    /// An ordinary user asked for a copy-on-write view of a folder with another file system in it.
    #[error(
        "can't show a copy of {}: another file system is mounted in it, on {}",
        folder.display(),
        inside.display()
    )]
    MountedInside {
        /// The folder.
        folder: PathBuf,
        /// What is mounted, relative to it.
        inside: PathBuf,
    },
    /// A program couldn't be executed.
    #[error("can't run {program}{}", inside(folder.as_deref()))]
    Spawn {
        /// The program as it was named.
        program: String,
        /// Its working folder, when that is what couldn't be entered.
        folder: Option<PathBuf>,
        /// Why.
        #[source]
        errno: Errno,
    },
    /// The conversation with the container's init broke.
    #[error("can't talk to the container")]
    Conversation(#[source] io::Error),
    /// The container ended while it was still needed.
    #[error("the container ended unexpectedly")]
    Gone,
    /// Too many programs at once in one container.
    #[error("can't run more than {0} programs at once in one container")]
    Slots(usize),
    /// Root has nobody to run tests as.
    #[error("can't find the user `nobody` to run services and tests as")]
    NoUser,
    /// A file for the programs' input or output couldn't be made.
    #[error("can't prepare the program's input and output")]
    Stdio(#[source] io::Error),
}

impl SandboxError {
    /// The exit code that a shell has for it: 127 for a program that isn't there, 126 for one that can't
    /// be executed (sh(1)).
    pub fn shell_code(&self) -> i32 {
        match self {
            Self::Spawn {
                errno: Errno::ENOENT,
                folder: None,
                ..
            } => 127,
            _ => 126,
        }
    }

    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        let text = match self {
            Self::Clone(Errno::EPERM) => {
                "this host denies user namespaces; `cowherd doctor` says how to allow them"
            }
            Self::Clone(Errno::ENOSPC | Errno::EUSERS) => {
                "a limit on namespaces is reached: see /proc/sys/user/max_*_namespaces, or use fewer jobs (-j)"
            }
            Self::Clone(Errno::EAGAIN) => {
                "a limit on processes is reached: see `ulimit -u`, or use fewer jobs (-j)"
            }
            Self::Clone(Errno::ENOMEM) => "there is too little memory: use fewer jobs (-j)",
            Self::Step { .. } => "`cowherd doctor` tries each part and says what this host refuses",
            Self::MountedInside { .. } => {
                "the kernel lets only root lay a copy over it: use `files: host` (`exec --host-files`), or mount \
                 it elsewhere"
            }
            Self::Spawn {
                folder: Some(_), ..
            } => "is the folder there in the container too, and may other users enter it?",
            Self::Spawn {
                errno: Errno::ENOENT,
                program,
                ..
            } if program.contains('/') => {
                "is the path right? For a script: is the interpreter there that its first line names?"
            }
            Self::Spawn {
                errno: Errno::ENOENT,
                ..
            } => "is the program installed, and its name spelled right? It is looked for in PATH",
            Self::Spawn {
                errno: Errno::EACCES,
                ..
            } => {
                "is the file executable (chmod +x), and may other users read it and the folders above it?"
            }
            Self::Spawn {
                errno: Errno::EAGAIN,
                ..
            } => "a limit on processes is reached: see `pids_limit` in the spec, and `ulimit -u`",
            Self::Spawn {
                errno: Errno::ENOEXEC,
                ..
            } => "does a script lack its first line, such as #!/bin/sh?",
            Self::NoUser => "create one: useradd --system --no-create-home nobody",
            _ => return None,
        };
        Some(text.to_owned())
    }
}

fn inside(folder: Option<&Path>) -> String {
    folder.map_or_else(String::new, |folder| format!(" in {}", folder.display()))
}
