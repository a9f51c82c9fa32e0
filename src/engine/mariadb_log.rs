//! Reads of InnoDB's redo log whether it was left at rest.
//!
//! The format is that of MariaDB since 10.8 (`storage/innobase/include/log0log.h`, `mtr0types.h` and
//! `log0recv.cc` of its sources):
//!
//! ```text
//! 0       "Phys", 4 bytes, the LSN of the first byte at 12288
//! 4096    a checkpoint: its LSN, that of its record, …, CRC-32C of what stands before it, at 60
//! 8192    another; the one with the higher LSN holds
//! 12288   mini-transactions, in a ring to the end of the file
//! ```
//!
//! A mini-transaction is records, a byte that is 0 or 1, by turns with each round, and the CRC-32C of the records. A
//! server that shuts down writes a last checkpoint with nothing to redo: its record, `FILE_CHECKPOINT`, is where the
//! checkpoint is, and after it the log ends.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt as _;

/// Where the ring begins.
const START: u64 = 12288;
/// `FORMAT_10_8`.
const FORMAT: &[u8] = b"Phys";
/// The length of a mini-transaction that holds a `FILE_CHECKPOINT` alone.
const CHECKPOINT: u64 = 16;
/// No mini-transaction is longer (`MTR_SIZE_MAX`).
const LONGEST: u64 = 1 << 20;
/// What is kept on both sides of the last record, in bytes: servers read and write whole blocks.
const BESIDE: u64 = 1 << 16;

/// A redo log.
pub(super) struct Log<'f> {
    file: &'f File,
    first: u64,
    capacity: u64,
    checkpoint: u64,
}

impl<'f> Log<'f> {
    /// The log if it is at rest, or else why it is not.
    pub(super) fn at_rest(file: &'f File) -> io::Result<Result<Self, String>> {
        let size = file.metadata()?.len();
        let mut header = [0; 16];
        if size <= START {
            return Ok(Err("InnoDB's log is cut off".to_owned()));
        }
        file.read_exact_at(&mut header, 0)?;
        if &header[..4] != FORMAT {
            return Ok(Err(
                "InnoDB's log has a format that Cowherd can't read".to_owned()
            ));
        }
        let mut latest: Option<(u64, u64)> = None;
        for place in [4096, 8192] {
            let mut block = [0; 64];
            file.read_exact_at(&mut block, place)?;
            if crc32c(&block[..60]) == number(&block[60..]) as u32 {
                let both = (number(&block[..8]), number(&block[8..16]));
                latest = latest.max(Some(both));
            }
        }
        let Some((checkpoint, record)) = latest else {
            return Ok(Err("InnoDB's log has no checkpoint".to_owned()));
        };
        let log = Self {
            file,
            first: number(&header[8..]),
            capacity: size - START,
            checkpoint,
        };
        if checkpoint != record
            || log.first > checkpoint
            || !log.is_checkpoint()?
            || log.goes_on(checkpoint + CHECKPOINT)?
        {
            return Ok(Err(
                "InnoDB's log has changes that are not in the tables: the server did not shut down"
                    .to_owned(),
            ));
        }
        Ok(Ok(log))
    }

    /// The parts of the file that nobody reads: all but the header and the last record.
    pub(super) fn unused(&self) -> [Range<u64>; 2] {
        let at = self.place(self.checkpoint);
        let pages = |offset: u64| offset - offset % 4096;
        let end = START + self.capacity;
        let before = START..pages(at.saturating_sub(BESIDE)).max(START);
        let after = pages(at + BESIDE).min(end)..end;
        // Where the last record is cut by the end of the ring, its other part is at the beginning.
        match after.is_empty() {
            true => [end..end, end..end],
            false => [before, after],
        }
    }

    /// Whether the record at the checkpoint says that it is one.
    fn is_checkpoint(&self) -> io::Result<bool> {
        let bytes = self.bytes(self.checkpoint, CHECKPOINT)?;
        // The kind with the length that follows, no table, no page.
        let named = bytes[..3] == [0xfa, 0, 0] && number(&bytes[3..11]) == self.checkpoint;
        Ok(named && self.is_whole(&bytes, 11, self.checkpoint))
    }

    /// Whether there is a mini-transaction at this LSN.
    fn goes_on(&self, lsn: u64) -> io::Result<bool> {
        let bytes = self.bytes(lsn, LONGEST.min(self.capacity))?;
        let mut at = 0;
        loop {
            let Some(&byte) = bytes.get(at) else {
                return Ok(false);
            };
            if byte <= 1 {
                // One without records is never written.
                return Ok(at > 0 && self.is_whole(&bytes, at, lsn));
            }
            at += 1;
            match byte & 0xf {
                // The length counts the bytes that say it.
                0 => match variable(&bytes[at.min(bytes.len())..]) {
                    Some(length) => at += length + 15,
                    None => return Ok(false),
                },
                length => at += usize::from(length),
            }
        }
    }

    /// Whether the records that end at `end` are of this round of the ring, and as they were written.
    fn is_whole(&self, bytes: &[u8], end: usize, lsn: u64) -> bool {
        let round = (lsn + end as u64 - self.first) / self.capacity;
        let Some(sum) = bytes.get(end + 1..end + 5) else {
            return false;
        };
        u64::from(bytes[end]) == 1 - round % 2 && crc32c(&bytes[..end]) == number(sum) as u32
    }

    fn place(&self, lsn: u64) -> u64 {
        START + (lsn - self.first) % self.capacity
    }

    /// What stands from this LSN on, around the end of the ring.
    fn bytes(&self, lsn: u64, length: u64) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; length as usize];
        let at = self.place(lsn);
        let (head, tail) = bytes.split_at_mut(length.min(START + self.capacity - at) as usize);
        self.file.read_exact_at(head, at)?;
        self.file.read_exact_at(tail, START)?;
        Ok(bytes)
    }
}

/// A length of one to three bytes (`mlog_decode_varint`).
fn variable(bytes: &[u8]) -> Option<usize> {
    let part = |at: usize| bytes.get(at).map(|byte| usize::from(*byte));
    match part(0)? {
        first if first < 0x80 => Some(first),
        first if first < 0xc0 => Some(0x80 + ((first & 0x3f) << 8 | part(1)?)),
        first if first < 0xe0 => {
            let low = part(1)? << 8 | part(2)?;
            Some(0x4080 + ((first & 0x1f) << 16 | low))
        }
        _ => None,
    }
}

/// A number, the most significant byte first, of up to eight bytes.
fn number(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0, |number, byte| number << 8 | u64::from(*byte))
}

/// CRC-32C (RFC 3720, B.4), bit by bit: what it is for is short.
fn crc32c(bytes: &[u8]) -> u32 {
    let mut sum = !0_u32;
    for byte in bytes {
        sum ^= u32::from(*byte);
        for _ in 0..8 {
            sum = sum >> 1 ^ (0x82f6_3b78 & (sum & 1).wrapping_neg());
        }
    }
    !sum
}
