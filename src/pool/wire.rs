//! Lines of JSON over a Unix socket, each with the descriptors that belong to it.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::net::Shutdown;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// The longest line that is read, in bytes: a command may have as long an environment as the kernel allows.
const LONGEST: usize = 16 << 20;

/// One end of a conversation.
#[derive(Debug)]
pub(crate) struct Wire {
    socket: Arc<UnixStream>,
    read: Vec<u8>,
    descriptors: Vec<OwnedFd>,
    /// Lines that go with the next one.
    held: Vec<u8>,
}

impl Wire {
    pub(crate) fn new(socket: impl Into<Arc<UnixStream>>) -> Self {
        Self {
            socket: socket.into(),
            read: Vec::new(),
            descriptors: Vec::new(),
            held: Vec::new(),
        }
    }

    /// What is readable when the other end is gone, or speaks out of turn.
    pub(crate) fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    /// Ends the conversation, whoever else holds a descriptor of it.
    pub(crate) fn close(&self) {
        // One that is closed by the other end is closed.
        let _ = self.socket.shutdown(Shutdown::Both);
    }

    /// Has one line go ahead of the next that is sent, and with it.
    pub(crate) fn hold(&mut self, message: &impl Serialize) -> io::Result<()> {
        serde_json::to_writer(&mut self.held, message)?;
        self.held.push(b'\n');
        Ok(())
    }

    /// Sends one line, with descriptors.
    pub(crate) fn send(
        &mut self,
        message: &impl Serialize,
        descriptors: &[BorrowedFd<'_>],
    ) -> io::Result<()> {
        self.hold(message)?;
        let line = std::mem::take(&mut self.held);
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(3))];
        let mut rights = SendAncillaryBuffer::new(&mut space);
        if !descriptors.is_empty() && !rights.push(SendAncillaryMessage::ScmRights(descriptors)) {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let mut left = line.as_slice();
        while !left.is_empty() {
            let sent = sendmsg(
                &*self.socket,
                &[IoSlice::new(left)],
                &mut rights,
                SendFlags::NOSIGNAL,
            );
            match sent {
                Ok(sent) => {
                    left = &left[sent..];
                    // They have gone with the first byte.
                    rights.clear();
                }
                Err(rustix::io::Errno::INTR) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
        Ok(())
    }

    /// Whether a line is here that [`Wire::receive`] needn't wait for.
    pub(crate) fn has_line(&self) -> bool {
        self.line_end().is_some()
    }

    fn line_end(&self) -> Option<usize> {
        self.read.iter().position(|byte| *byte == b'\n')
    }

    /// Receives one line with its descriptors; `None` when the other end has closed.
    pub(crate) fn receive<T: DeserializeOwned>(&mut self) -> io::Result<Option<(T, Vec<OwnedFd>)>> {
        loop {
            if let Some(end) = self.line_end() {
                let line: Vec<u8> = self.read.drain(..=end).collect();
                let descriptors = std::mem::take(&mut self.descriptors);
                return Ok(Some((serde_json::from_slice(&line)?, descriptors)));
            }
            if self.read.len() > LONGEST {
                return Err(io::Error::other("the line is too long"));
            }
            if !self.fill()? {
                return Ok(None);
            }
        }
    }

    fn fill(&mut self) -> io::Result<bool> {
        let mut bytes = [0; 8192];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(3))];
        let mut rights = RecvAncillaryBuffer::new(&mut space);
        let received = loop {
            let received = recvmsg(
                &*self.socket,
                &mut [IoSliceMut::new(&mut bytes)],
                &mut rights,
                RecvFlags::CMSG_CLOEXEC,
            );
            match received {
                Ok(received) => break received.bytes,
                Err(rustix::io::Errno::INTR) => {}
                // Killed with a request of ours unread: as gone as one that closed.
                Err(rustix::io::Errno::CONNRESET) => return Ok(false),
                Err(errno) => return Err(errno.into()),
            }
        };
        for message in rights.drain() {
            if let RecvAncillaryMessage::ScmRights(descriptors) = message {
                self.descriptors.extend(descriptors);
            }
        }
        self.read.extend_from_slice(&bytes[..received]);
        Ok(received > 0)
    }
}
