//! A loopback port that leads to a Unix socket, for clients that know no sockets.

use std::io;
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::os::fd::{AsFd as _, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::thread::JoinHandle;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

/// A TCP port of this host's loopback interface that leads to a service, until it is dropped.
///
/// Connections are carried by two threads each. They end with the service's side or the client's.
#[derive(Debug)]
pub struct Forward {
    port: u16,
    lifeline: Option<io::PipeWriter>,
    listener: Option<JoinHandle<()>>,
}

impl Forward {
    /// Listens on a port that the kernel chooses, on 127.0.0.1 alone.
    ///
    /// # Errors
    /// When no port or no thread can be had.
    pub fn to(socket: PathBuf) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        listener.set_nonblocking(true)?;
        let port = listener.local_addr()?.port();
        let (closing, lifeline) = io::pipe()?;
        let thread = std::thread::Builder::new().name("cowherd forward".to_owned());
        let listener = thread.spawn(move || {
            while wait(listener.as_fd(), closing.as_fd()) {
                // A client that is gone by now, or whose service is, has an end of file to read.
                if let Ok((client, _)) = listener.accept() {
                    let _ = carry(client, &socket);
                }
            }
        })?;
        Ok(Self {
            port,
            lifeline: Some(lifeline),
            listener: Some(listener),
        })
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.port
    }
}

impl Drop for Forward {
    fn drop(&mut self) {
        drop(self.lifeline.take());
        if let Some(listener) = self.listener.take() {
            // A panic there has been told.
            let _ = listener.join();
        }
    }
}

/// Waits for a client; `false` once `closing` is closed.
fn wait(listener: BorrowedFd<'_>, closing: BorrowedFd<'_>) -> bool {
    let mut fds = [listener, closing].map(|fd| PollFd::new(fd, PollFlags::POLLIN));
    // Interrupted by a signal, it is asked again.
    let _ = poll(&mut fds, PollTimeout::NONE);
    fds[1].revents().is_none_or(|events| events.is_empty())
}

fn carry(client: TcpStream, socket: &PathBuf) -> io::Result<()> {
    client.set_nonblocking(false)?;
    client.set_nodelay(true)?;
    let service = UnixStream::connect(socket)?;
    let (mut from_client, mut to_client) = (client.try_clone()?, client);
    let (mut from_service, mut to_service) = (service.try_clone()?, service);
    let thread = |name: &str| std::thread::Builder::new().name(name.to_owned());
    thread("cowherd forward in").spawn(move || {
        let _ = io::copy(&mut from_client, &mut to_service);
        let _ = to_service.shutdown(Shutdown::Write);
    })?;
    thread("cowherd forward out").spawn(move || {
        let _ = io::copy(&mut from_service, &mut to_client);
        // The service is gone: the client's side is of no more use.
        let _ = to_client.shutdown(Shutdown::Both);
    })?;
    Ok(())
}
