//! Files and pipes for the input and output of programs in a container.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::fcntl::{FcntlArg, OFlag};
use nix::sys::memfd::{MFdFlags, memfd_create};

use super::ContainerError;
use crate::sandbox::Slot;

/// `/dev/null`, for a program that reads nothing.
///
/// # Errors
/// When it can't be opened.
pub(super) fn null() -> Result<File, ContainerError> {
    File::options()
        .read(true)
        .write(true)
        .open("/dev/null")
        .map_err(ContainerError::Writable)
}

/// A pipe; the first end is this process's own and doesn't block. The other belongs to `owner`, so that
/// programs in the container can open it by name (`/dev/stderr`, `/proc/self/fd/1`).
pub(super) fn pipe(owner: Option<(u32, u32)>) -> io::Result<(File, OwnedFd)> {
    let (ours, theirs) = nix::unistd::pipe2(OFlag::O_CLOEXEC)?;
    nix::fcntl::fcntl(&ours, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
    if let Some((uid, gid)) = owner {
        std::os::unix::fs::fchown(&theirs, Some(uid), Some(gid))?;
    }
    Ok((File::from(ours), theirs))
}

/// A file in memory with `bytes` in it, to be read from its start.
pub(super) fn memory_file(bytes: &[u8]) -> io::Result<File> {
    let mut file = File::from(memfd_create(c"cowherd", MFdFlags::MFD_CLOEXEC)?);
    file.write_all(bytes)?;
    file.rewind()?;
    Ok(file)
}

/// Where what a program prints is kept.
#[derive(Debug)]
pub(super) enum Keep {
    /// All of it, in a file.
    All(File),
    /// Its end, in memory.
    End(Tail),
}

/// What a program prints, on its way from a pipe.
///
/// Programs get a pipe and not the file itself: a shell's `> /dev/stderr` would truncate the file with all
/// that was printed before.
#[derive(Debug)]
pub(super) struct Printed {
    /// The program.
    pub(super) program: Slot,
    ours: File,
    /// Held so that the pipe never ends, however often the program closes its side: an end would be
    /// readable for ever.
    _theirs: OwnedFd,
    keep: Keep,
}

impl Printed {
    /// What `program` writes to the pipe whose ends these are.
    pub(super) fn new(program: Slot, (ours, theirs): (File, OwnedFd), keep: Keep) -> Self {
        Self {
            program,
            ours,
            _theirs: theirs,
            keep,
        }
    }

    /// The pipe's descriptor, readable when there is something in it.
    pub(super) fn pipe(&self) -> BorrowedFd<'_> {
        self.ours.as_fd()
    }

    /// Takes in what the pipe has, at most about as much as a pipe can hold: a program that never stops
    /// printing must not keep its reader from looking at the clock.
    ///
    /// # Errors
    /// When the file can't be written.
    pub(super) fn take_in(&mut self) -> io::Result<()> {
        // The default capacity of a pipe (pipe(7)).
        const CAPACITY: usize = 64 * 1024;
        let mut buffer = vec![0; CAPACITY];
        let mut taken = 0;
        while taken < CAPACITY {
            match self.ours.read(&mut buffer) {
                Ok(0) => return Ok(()),
                Ok(n) => {
                    taken += n;
                    match &mut self.keep {
                        Keep::All(file) => file.write_all(&buffer[..n])?,
                        Keep::End(tail) => tail.push(&buffer[..n]),
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// The end of what was printed; nothing where all of it is in a file.
    pub(super) fn end(&self) -> String {
        match &self.keep {
            Keep::All(_) => String::new(),
            Keep::End(tail) => tail.text(),
        }
    }
}

/// The last bytes of a text that may be long.
#[derive(Debug, Default)]
pub(super) struct Tail(VecDeque<u8>);

impl Tail {
    /// How many bytes are kept.
    const KEPT: usize = 16 * 1024;

    /// Adds to the text.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        let bytes = &bytes[bytes.len().saturating_sub(Self::KEPT)..];
        self.0.extend(bytes);
        let excess = self.0.len().saturating_sub(Self::KEPT);
        self.0.drain(..excess);
    }

    /// What is kept.
    pub(super) fn text(&self) -> String {
        let (start, end) = self.0.as_slices();
        String::from_utf8_lossy(&[start, end].concat()).into_owned()
    }
}
