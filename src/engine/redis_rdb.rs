//! Proves that a Redis data folder is at rest: one dump, whole, and nothing beside it.
//!
//! ```text
//! REDIS0010   or VALKEY080: magic and version
//! …           what the databases hold
//! ff          the end (RDB_OPCODE_EOF)
//! 8 bytes     CRC-64 of all before, little-endian; 0 where `rdbchecksum` is off
//! ```

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::EngineError;

/// The dump's name: a Redis with no configuration writes the same.
pub(super) const DUMP: &str = "dump.rdb";

/// The opcode of the end, and the check sum behind it.
const TAIL: usize = 9;

/// Fails unless the dump in `data` is there and whole.
pub(super) fn prove_whole(data: &Path) -> Result<(), EngineError> {
    let path = data.join(DUMP);
    let unclean = |why: &str| EngineError::Unclean {
        path: path.clone(),
        why: why.to_owned(),
    };
    match examine(&path) {
        Ok(None) => Ok(()),
        Ok(Some(why)) => Err(unclean(why)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Err(unclean("the server has not saved its data"))
        }
        Err(error) => Err(EngineError::file("read", path, error)),
    }
}

/// What is wrong with a dump.
fn examine(path: &Path) -> io::Result<Option<&'static str>> {
    let mut file = File::open(path)?;
    let mut buffer = vec![0; 256 * 1024];
    // The last bytes that were read, which may be the tail.
    let (mut held, mut crc, mut first) = (Vec::new(), 0, true);
    loop {
        let read = match file.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        held.extend_from_slice(&buffer[..read]);
        if first && held.len() >= 6 {
            if !held.starts_with(b"REDIS") && !held.starts_with(b"VALKEY") {
                return Ok(Some("this is no dump of Redis"));
            }
            first = false;
        }
        let done = held.len().saturating_sub(TAIL);
        crc = crc64(crc, &held[..done]);
        held.drain(..done);
    }
    let [0xff, sum @ ..] = held.as_slice() else {
        return Ok(Some("the dump has no end: it was cut off"));
    };
    let sum = sum.try_into().map_or(0, u64::from_le_bytes);
    let crc = crc64(crc, &[0xff]);
    Ok((sum != 0 && sum != crc).then_some("the dump's check sum is wrong"))
}

/// The polynomial of Redis' `crc64.c` (Jones), its bits in reverse.
const POLYNOMIAL: u64 = 0x95ac_9329_ac4b_c9b5;

const TABLE: [u64; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let (mut crc, mut bit) = (byte as u64, 0);
        while bit < 8 {
            crc = if crc & 1 == 1 {
                crc >> 1 ^ POLYNOMIAL
            } else {
                crc >> 1
            };
            bit += 1;
        }
        table[byte] = crc;
        byte += 1;
    }
    table
};

fn crc64(crc: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(crc, |crc, byte| {
        TABLE[usize::from(crc as u8 ^ byte)] ^ crc >> 8
    })
}

/// Removes what belongs to one run of a server: dumps that were never finished, and a log of changes, which holds
/// nothing that the dump lacks.
pub(super) fn strip(data: &Path) -> Result<(), EngineError> {
    let failed = |error| EngineError::file("read", data, error);
    for entry in fs::read_dir(data).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let ends = |ending: &str| {
            Path::new(&*name)
                .extension()
                .is_some_and(|own| own == ending)
        };
        let temporary = name.starts_with("temp-") && (ends("rdb") || ends("aof"));
        let path: PathBuf = entry.path();
        let removed = match () {
            () if name == "appendonlydir" => fs::remove_dir_all(&path),
            () if temporary || name == "appendonly.aof" => fs::remove_file(&path),
            () => Ok(()),
        };
        removed.map_err(|error| EngineError::file("remove", path, error))?;
    }
    Ok(())
}
