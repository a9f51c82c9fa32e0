//! What a container's parent and its init say to each other.
//!
//! One `SOCK_SEQPACKET` pair per container. The parent alone holds its end: when it is closed,
//! by whatever death, init reads the end of file and exits, and the kernel ends everything else.
//!
//! ```text
//!   parent                                   child, later init (PID 1)
//!   ──────                                   ─────────────────────────
//!   clone ─────────────────────────────────▶ walks the ops
//!                       ◀── SetupFailed(op, errno)   and exits, or
//!                       ◀── Ready
//!   Spawn(slot, flags) + image, 0, 1, 2 ───▶ vfork, execve
//!                       ◀── Started(slot, pid)  or  SpawnFailed(slot, errno)
//!                                              or  FolderFailed(slot, errno)
//!   Signal(slot, number) ──────────────────▶ kill(-pid)
//!   Socket + a socket for the answer ──────▶ makes a TCP socket, and sends it there
//!                       ◀── Stopped(slot, signal)      Ctrl-Z, or what had to do without a terminal
//!                       ◀── Exited(slot, wait status)
//!   close ─────────────────────────────────▶ exits
//! ```
//!
//! Both ends are the same program, so a message is three native words.

/// How a program stands towards the terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Session {
    /// A session of its own: no terminal, its own process group.
    Own = 0,
    /// Its own process group in the caller's session, in the foreground of the terminal on
    /// descriptor 0 when there is one.
    Foreground = 1,
    /// The caller's own process group: what stops or ends that one does so to the program.
    Callers = 2,
}

impl Session {
    fn numbered(number: i32) -> Option<Self> {
        let all = [Self::Own, Self::Foreground, Self::Callers];
        all.into_iter().find(|session| *session as i32 == number)
    }
}

/// A message in either direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Message {
    SetupFailed { op: i32, errno: i32 },
    Ready,
    Spawn { slot: i32, session: Session },
    Started { slot: i32, pid: i32 },
    SpawnFailed { slot: i32, errno: i32 },
    FolderFailed { slot: i32, errno: i32 },
    Signal { slot: i32, signal: i32 },
    Exited { slot: i32, status: i32 },
    Stopped { slot: i32, signal: i32 },
    Socket,
}

/// The length of every message in bytes.
pub(super) const LENGTH: usize = 12;

impl Message {
    /// The message's bytes.
    pub(super) fn encode(self) -> [u8; LENGTH] {
        let words: [i32; 3] = match self {
            Self::SetupFailed { op, errno } => [1, op, errno],
            Self::Ready => [2, 0, 0],
            Self::Spawn { slot, session } => [3, slot, session as i32],
            Self::Started { slot, pid } => [4, slot, pid],
            Self::SpawnFailed { slot, errno } => [5, slot, errno],
            Self::Signal { slot, signal } => [6, slot, signal],
            Self::Exited { slot, status } => [7, slot, status],
            Self::FolderFailed { slot, errno } => [8, slot, errno],
            Self::Stopped { slot, signal } => [9, slot, signal],
            Self::Socket => [10, 0, 0],
        };
        let mut bytes = [0; LENGTH];
        for (target, word) in bytes.chunks_exact_mut(4).zip(words) {
            target.copy_from_slice(&word.to_ne_bytes());
        }
        bytes
    }

    /// The message in `bytes`; `None` for anything that `encode` doesn't write.
    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        if bytes.len() != LENGTH {
            return None;
        }
        let mut words = [0_i32; 3];
        for (word, source) in words.iter_mut().zip(bytes.chunks_exact(4)) {
            *word = i32::from_ne_bytes([source[0], source[1], source[2], source[3]]);
        }
        let [kind, a, b] = words;
        Some(match kind {
            1 => Self::SetupFailed { op: a, errno: b },
            2 => Self::Ready,
            3 => Self::Spawn {
                slot: a,
                session: Session::numbered(b)?,
            },
            4 => Self::Started { slot: a, pid: b },
            5 => Self::SpawnFailed { slot: a, errno: b },
            6 => Self::Signal { slot: a, signal: b },
            7 => Self::Exited { slot: a, status: b },
            8 => Self::FolderFailed { slot: a, errno: b },
            9 => Self::Stopped { slot: a, signal: b },
            10 => Self::Socket,
            _ => return None,
        })
    }
}
