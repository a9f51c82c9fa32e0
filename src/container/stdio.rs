//! Files and pipes for the input and output of programs in a container.

use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::os::fd::OwnedFd;

use nix::fcntl::{FcntlArg, OFlag};
use nix::sys::memfd::{MFdFlags, memfd_create};

use super::ContainerError;

/// `/dev/null`, for a program that reads nothing.
///
/// # Errors
/// When it can't be opened.
pub fn null() -> Result<File, ContainerError> {
    File::options()
        .read(true)
        .write(true)
        .open("/dev/null")
        .map_err(ContainerError::Writable)
}

/// A pipe for a service's log; this end doesn't block.
pub(super) fn log_pipe() -> io::Result<(File, OwnedFd)> {
    let (ours, theirs) = nix::unistd::pipe2(OFlag::O_CLOEXEC)?;
    nix::fcntl::fcntl(&ours, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
    Ok((File::from(ours), theirs))
}

/// A file in memory with `bytes` in it, to be read from its start.
pub(super) fn memory_file(bytes: &[u8]) -> io::Result<File> {
    let mut file = File::from(memfd_create(c"cowherd", MFdFlags::MFD_CLOEXEC)?);
    file.write_all(bytes)?;
    file.rewind()?;
    Ok(file)
}

/// The last lines of what a program printed.
pub(super) fn last_lines(mut output: &File) -> io::Result<String> {
    const SHOWN: u64 = 16 * 1024;
    let length = output.metadata()?.len();
    output.seek(io::SeekFrom::Start(length.saturating_sub(SHOWN)))?;
    let mut bytes = Vec::new();
    output.read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
