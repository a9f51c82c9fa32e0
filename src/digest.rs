//! Labelled hashing: every field of a digest carries its name and its length, so
//! that no two different lists of fields can give the same bytes.

use std::fmt::{self, Write as _};
use std::io::{self, Read};

use sha2::{Digest as _, Sha256, Sha384};

/// The SHA-384 of `bytes` in lower-case hexadecimal digits, for those who ask for that one.
pub(crate) fn sha384(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(96);
    for byte in Sha384::digest(bytes) {
        // A `String` takes everything.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// A SHA-256 value, written as 64 lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest([u8; 32]);

impl Digest {
    /// The digest of everything that `reader` gives, with the number of bytes read.
    ///
    /// # Errors
    /// Whatever the reader returns.
    pub fn of_reader(mut reader: impl Read) -> io::Result<(Self, u64)> {
        let mut hash = Sha256::new();
        let mut buffer = vec![0; 128 * 1024];
        let mut total = 0;
        loop {
            match reader.read(&mut buffer) {
                Ok(0) => return Ok((Self(hash.finalize().into()), total)),
                Ok(n) => {
                    hash.update(&buffer[..n]);
                    total += n as u64;
                }
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
    }

    /// The digest of `bytes`.
    ///
    /// ```
    /// let empty = cowherd::digest::Digest::of(b"");
    /// assert!(empty.to_string().starts_with("e3b0c44298fc1c14"));
    /// ```
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// Reads the 64 hexadecimal digits that `Display` writes; `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.as_bytes();
        if text.len() != 64 {
            return None;
        }
        let digit = |c: u8| match c {
            b'0'..=b'9' => Some(c - b'0'),
            b'a'..=b'f' => Some(c - b'a' + 10),
            _ => None,
        };
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(text.chunks_exact(2)) {
            *byte = digit(pair[0])? << 4 | digit(pair[1])?;
        }
        Some(Self(bytes))
    }

    /// The first 12 digits: what people are shown.
    pub fn short(&self) -> String {
        self.to_string()[..12].to_owned()
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// A digest in the making, over bytes that come one after the other.
#[derive(Clone, Default)]
pub struct Hasher(Sha256);

impl Hasher {
    /// Adds bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The digest of all bytes so far.
    pub fn finish(self) -> Digest {
        Digest(self.0.finalize().into())
    }
}

/// A digest over named fields.
///
/// Each field is written as `len(label) label len(value) value`, lengths as eight
/// big-endian bytes: moving a byte from one field to the next changes the result.
///
/// ```
/// use cowherd::digest::Labelled;
/// let a = Labelled::new("example").field("x", b"ab").field("y", b"c").finish();
/// let b = Labelled::new("example").field("x", b"a").field("y", b"bc").finish();
/// assert_ne!(a, b);
/// ```
#[must_use]
pub struct Labelled(Sha256);

impl Labelled {
    /// Starts a digest of one kind; `kind` keeps digests of different things apart.
    pub fn new(kind: &str) -> Self {
        Self(Sha256::new()).field("kind", kind.as_bytes())
    }

    /// Adds a field.
    pub fn field(mut self, label: &str, value: &[u8]) -> Self {
        for part in [label.as_bytes(), value] {
            self.0.update((part.len() as u64).to_be_bytes());
            self.0.update(part);
        }
        self
    }

    /// The digest of all fields so far.
    pub fn finish(self) -> Digest {
        Digest(self.0.finalize().into())
    }
}
