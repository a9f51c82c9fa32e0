//! Reads a script for two at once: the caller gets the bytes, a listener what they mean.

use std::io::{self, Read};

use super::dialect::Dialect;
use super::lexer::Lexer;
use super::listener::Listener;
use super::script::{HEAD, ScriptError, check_head};

/// Reads all of a script for `listener`.
pub(crate) fn listen<L: Listener>(
    inner: impl Read,
    dialect: Dialect,
    listener: L,
) -> io::Result<Result<L, ScriptError>> {
    let mut tee = Tee::new(inner, dialect, listener);
    io::copy(&mut tee, &mut io::sink())?;
    Ok(tee.finish())
}

/// A reader whose bytes go through a [`Lexer`] too.
pub(super) struct Tee<R, L> {
    inner: R,
    head: Vec<u8>,
    lexer: Lexer<L>,
    error: Option<ScriptError>,
}

impl<R: Read, L: Listener> Tee<R, L> {
    pub(super) fn new(inner: R, dialect: Dialect, listener: L) -> Self {
        let lexer = Lexer::new(dialect, listener);
        Self {
            inner,
            head: Vec::with_capacity(HEAD),
            lexer,
            error: None,
        }
    }

    /// The listener, once everything has been read.
    pub(super) fn finish(mut self) -> Result<L, ScriptError> {
        if self.head.len() < HEAD {
            self.begin();
        }
        match self.error {
            Some(error) => Err(error),
            None => Ok(self.lexer.finish()),
        }
    }

    /// The first bytes are there: they tell whether the rest is a script.
    fn begin(&mut self) {
        match check_head(&self.head) {
            Ok(mark) => self.lexer.feed(&self.head[mark..]),
            Err(error) => self.error = Some(error),
        }
    }
}

impl<R: Read, L: Listener> Read for Tee<R, L> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        let mut fresh = &buffer[..read];
        if self.head.len() < HEAD {
            let missing = (HEAD - self.head.len()).min(fresh.len());
            self.head.extend_from_slice(&fresh[..missing]);
            fresh = &fresh[missing..];
            if self.head.len() == HEAD {
                self.begin();
            }
        }
        if self.error.is_none() {
            self.lexer.feed(fresh);
        }
        Ok(read)
    }
}
