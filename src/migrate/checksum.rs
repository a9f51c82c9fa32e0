//! The checksums that tools keep of their migrations.

use std::hash::{Hash as _, Hasher as _};

use siphasher::sip::SipHasher13;

/// Flyway's: CRC-32 of the lines without their ends, as a number with a sign (`ChecksumCalculator`). `text` is without
/// a byte-order mark.
pub(super) fn flyway(text: &str) -> i32 {
    let mut hasher = crc32fast::Hasher::new();
    for line in text.split(['\n', '\r']) {
        hasher.update(line.as_bytes());
    }
    hasher.finalize().cast_signed()
}

/// Refinery's: `SipHash` 1-3 of name, version and text as Rust hashes them (`Migration::unapplied`). Versions have 32
/// bits, and 64 where the application asks for them: `wide`.
pub(super) fn refinery(name: &str, version: i64, wide: bool, sql: &str) -> u64 {
    let mut hasher = SipHasher13::new();
    name.hash(&mut hasher);
    match i32::try_from(version) {
        Ok(version) if !wide => version.hash(&mut hasher),
        _ => version.hash(&mut hasher),
    }
    sql.hash(&mut hasher);
    hasher.finish()
}
