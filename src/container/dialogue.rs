//! A program in a container that is talked to by its standard input and output.

use std::fs::File;
use std::io::{self, BufRead, BufReader, PipeReader, PipeWriter, Write};
use std::os::fd::BorrowedFd;
use std::os::unix::fs::FileExt as _;

use super::stdio::memory_file;
use super::talk::Stoppable;
use super::{Container, ContainerError};
use crate::sandbox::Command;

/// A program that is talked to. It ends with its container at the latest.
#[derive(Debug)]
pub struct Dialogue {
    input: PipeWriter,
    output: BufReader<Stoppable<PipeReader>>,
    errors: File,
}

/// How much of the output is read at once, in bytes.
const AT_ONCE: usize = 256 * 1024;

impl Container {
    /// Starts a program to talk to. A readable `stop` ends every wait for what it says.
    ///
    /// # Errors
    /// As [`Container::spawn`].
    pub fn talk_to(
        &mut self,
        command: &Command,
        stop: Option<BorrowedFd<'_>>,
    ) -> Result<Dialogue, ContainerError> {
        let pipes = || Ok((io::pipe()?, io::pipe()?, memory_file(b"")?));
        let ((theirs_in, input), (output, theirs_out), errors) =
            pipes().map_err(ContainerError::Output)?;
        let output = Stoppable::new(output, stop).map_err(ContainerError::Output)?;
        self.spawn(command, [&theirs_in, &theirs_out, &errors])?;
        Ok(Dialogue {
            input,
            output: BufReader::with_capacity(AT_ONCE, output),
            errors,
        })
    }
}

impl Dialogue {
    /// Says something to the program.
    ///
    /// # Errors
    /// When it has ended.
    pub fn say(&mut self, text: &str) -> io::Result<()> {
        self.input.write_all(text.as_bytes())
    }

    /// Reads the next line that it prints, without the line's end; `false` where there is none any more.
    ///
    /// # Errors
    /// [`io::ErrorKind::Interrupted`] when the order to stop came first.
    pub fn line(&mut self, line: &mut Vec<u8>) -> io::Result<bool> {
        line.clear();
        loop {
            // `read_until` would read on after an interruption.
            let mut heard = self.output.fill_buf()?;
            if heard.is_empty() {
                return Ok(!line.is_empty());
            }
            let read = heard.read_until(b'\n', line)?;
            self.output.consume(read);
            if line.last() == Some(&b'\n') {
                line.pop();
                return Ok(true);
            }
        }
    }

    /// What it has printed to standard error.
    pub fn errors(&self) -> String {
        let length = self.errors.metadata().map_or(0, |file| file.len());
        let mut bytes = vec![0; usize::try_from(length.min(64 * 1024)).unwrap_or(0)];
        let read = self.errors.read_at(&mut bytes, 0).unwrap_or(0);
        String::from_utf8_lossy(&bytes[..read]).into_owned()
    }
}
