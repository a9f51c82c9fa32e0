//! Files with holes: blocks that a file system does not keep, and reads as zeros.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt as _;

use nix::errno::Errno;
use nix::fcntl::{FallocateFlags, fallocate};
use nix::unistd::{Whence, lseek};

/// The smallest piece that is looked at: a page, as holes are made of whole ones.
const PIECE: usize = 4096;

/// Gives back what of a file is zeros and not a hole. It reads the same afterwards; a file system that has no holes
/// keeps it as it is.
///
/// # Errors
/// When the file can't be read or changed.
pub fn dig_holes(file: &File) -> io::Result<()> {
    let size = file.metadata()?.len();
    let mut buffer = vec![0; 64 * PIECE];
    let mut at = 0;
    while at < size {
        let data = match lseek(file, at.cast_signed(), Whence::SeekData) {
            Ok(data) => data.cast_unsigned(),
            // The rest is a hole, which may have blocks nevertheless: those that were only reserved.
            Err(Errno::ENXIO) => return clear(file, at..size),
            // Nothing is known of holes here.
            Err(Errno::EINVAL) => at,
            Err(errno) => return Err(errno.into()),
        };
        clear(file, at..data - data % PIECE as u64)?;
        at = data - data % PIECE as u64;
        let read = file.read_at(&mut buffer, at)?;
        if read == 0 {
            break;
        }
        let mut zeros: Option<Range<u64>> = None;
        for (number, piece) in buffer[..read].chunks(PIECE).enumerate() {
            let start = at + (number * PIECE) as u64;
            let end = start + piece.len() as u64;
            if piece.iter().all(|byte| *byte == 0) {
                zeros = Some(zeros.map_or(start, |run| run.start)..end);
            } else if let Some(run) = zeros.take() {
                clear(file, run)?;
            }
        }
        if let Some(run) = zeros {
            clear(file, run)?;
        }
        at += read as u64;
    }
    Ok(())
}

/// Makes a range of a file a hole; where the file system has none, it stays as it is.
///
/// # Errors
/// When the file can't be changed.
pub fn clear(file: &File, range: Range<u64>) -> io::Result<()> {
    let flags = FallocateFlags::FALLOC_FL_PUNCH_HOLE | FallocateFlags::FALLOC_FL_KEEP_SIZE;
    let length = range.end.saturating_sub(range.start);
    if length == 0 {
        return Ok(());
    }
    match fallocate(file, flags, range.start.cast_signed(), length.cast_signed()) {
        Ok(()) | Err(Errno::EOPNOTSUPP | Errno::ENOSYS) => Ok(()),
        Err(errno) => Err(errno.into()),
    }
}
