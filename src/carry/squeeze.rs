//! Zstandard: how layers are compressed.
//!
//! Level, window and the size of what each thread gets are fixed, so that the same layer always gives the same bytes:
//! with one worker or more, the number of workers makes no difference to zstd's output.

use std::io::{self, BufRead, BufReader, Read, Write};

use zstd::stream::raw::CParameter;
use zstd::stream::{read, write};

/// Fast enough for a disk; data folders are compressed to a fifth all the same.
const LEVEL: i32 = 1;

/// The logarithm of the window, in bytes: what decompressing takes of memory.
const WINDOW: u32 = 20;

/// What one worker gets at a time, in bytes.
const JOB: u32 = 4 << 20;

const WORKERS: u32 = 2;

/// Compresses what is written to it.
pub(super) struct Squeeze<W: Write>(write::Encoder<'static, W>);

impl<W: Write> Squeeze<W> {
    pub(super) fn new(to: W) -> io::Result<Self> {
        let mut encoder = write::Encoder::new(to, LEVEL)?;
        encoder.include_checksum(true)?;
        encoder.set_parameter(CParameter::WindowLog(WINDOW))?;
        encoder.multithread(WORKERS)?;
        encoder.set_parameter(CParameter::JobSize(JOB))?;
        Ok(Self(encoder))
    }

    pub(super) fn finish(self) -> io::Result<W> {
        self.0.finish()
    }
}

impl<W: Write> Write for Squeeze<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// Decompresses one frame.
pub(super) struct Unsqueeze<R: Read>(read::Decoder<'static, BufReader<R>>);

impl<R: Read> Unsqueeze<R> {
    /// A frame whose window takes more memory than those written here is refused when it is read.
    pub(super) fn new(from: R) -> io::Result<Self> {
        let from = BufReader::with_capacity(256 << 10, from);
        let mut decoder = read::Decoder::with_buffer(from)?.single_frame();
        decoder.window_log_max(WINDOW + 3)?;
        Ok(Self(decoder))
    }

    /// Ends, and says whether there is nothing behind the frame.
    pub(super) fn finish(self) -> io::Result<bool> {
        Ok(self.0.finish().fill_buf()?.is_empty())
    }
}

impl<R: Read> Read for Unsqueeze<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}
