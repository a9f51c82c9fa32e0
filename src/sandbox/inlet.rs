//! Connections to the ports of a container, made from outside of it.
//!
//! A socket belongs to the network namespace in which it was made, whoever holds it (`network_namespaces(7)`). The
//! container's init makes one on request and hands it over; it is connected here.

use std::io::{self, IoSlice};
use std::net::{Ipv4Addr, SocketAddrV4, TcpStream};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{
    AddressFamily, ControlMessage, MsgFlags, SockFlag, SockType, sendmsg, socketpair,
};

use super::message::{LENGTH, Message};
use super::running::again;
use super::sys;

/// The way to the ports of a container, for as long as it lives.
#[derive(Debug)]
pub struct Inlet {
    control: OwnedFd,
}

impl Inlet {
    pub(super) fn new(control: OwnedFd) -> Self {
        Self { control }
    }

    /// Connects to a port of the container's 127.0.0.1. One that somebody listens on answers at once, and so does one
    /// that nobody does; `patience` is for a server that has more clients waiting than it takes.
    ///
    /// # Errors
    /// When nobody listens there, the container is gone, or the server takes nobody within `patience`.
    pub fn connect(&self, port: u16, patience: Duration) -> io::Result<TcpStream> {
        let stream = TcpStream::from(self.socket()?);
        stream.set_nonblocking(true)?;
        match rustix::net::connect(&stream, &SocketAddrV4::new(Ipv4Addr::LOCALHOST, port)) {
            Ok(()) => {}
            Err(rustix::io::Errno::INPROGRESS) => {
                let mut fds = [PollFd::new(stream.as_fd(), PollFlags::POLLOUT)];
                let patience = PollTimeout::try_from(patience).unwrap_or(PollTimeout::MAX);
                if again(|| poll(&mut fds, patience))? == 0 {
                    return Err(io::ErrorKind::TimedOut.into());
                }
                if let Some(error) = stream.take_error()? {
                    return Err(error);
                }
            }
            Err(errno) => return Err(errno.into()),
        }
        Ok(stream)
    }

    /// A TCP socket of the container's network.
    fn socket(&self) -> io::Result<OwnedFd> {
        let (ours, theirs) = socketpair(
            AddressFamily::Unix,
            SockType::SeqPacket,
            None,
            SockFlag::SOCK_CLOEXEC,
        )?;
        let order = Message::Socket.encode();
        let fds = [theirs.as_raw_fd()];
        let (message, rights) = ([IoSlice::new(&order)], [ControlMessage::ScmRights(&fds)]);
        let control = self.control.as_raw_fd();
        again(|| sendmsg::<()>(control, &message, &rights, MsgFlags::MSG_NOSIGNAL, None))?;
        // An init that ends without an answer closes what it was sent.
        drop(theirs);
        let received = again(|| sys::receive(ours.as_fd(), &mut [0; LENGTH]))?;
        let socket = received.and_then(|(_, [socket, ..])| socket);
        socket.ok_or_else(|| io::ErrorKind::NotConnected.into())
    }
}
