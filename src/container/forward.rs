//! A loopback port that leads into a container: to a Unix socket, for clients that know none, or to a port of its own.

use std::io;
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::thread::JoinHandle;
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::Container;
use crate::engine::Endpoint;
use crate::sandbox::Inlet;

/// What a port leads to.
#[derive(Debug)]
enum Target {
    /// A Unix socket, as this process reaches it.
    Socket(PathBuf),
    /// A port of the container.
    Port(Inlet, u16),
}

/// How long a server may keep a client waiting that it has no place for yet.
const PATIENCE: Duration = Duration::from_secs(1);

impl Container {
    /// Opens a port of this host that leads to a service. It must not be kept longer than the container.
    ///
    /// # Errors
    /// When no port or no thread can be had.
    pub fn forward(&self, to: &Endpoint) -> io::Result<Forward> {
        Forward::to(match to {
            Endpoint::Socket(socket) => Target::Socket(self.reach(socket)),
            Endpoint::Port(port) => Target::Port(self.running.inlet()?, *port),
        })
    }
}

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
    fn to(target: Target) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        listener.set_nonblocking(true)?;
        let port = listener.local_addr()?.port();
        let (closing, lifeline) = io::pipe()?;
        let thread = std::thread::Builder::new().name("cowherd forward".to_owned());
        let listener = thread.spawn(move || {
            while wait(listener.as_fd(), closing.as_fd()) {
                // A client that is gone by now, or whose service is, has an end of file to read.
                if let Ok((client, _)) = listener.accept() {
                    let _ = carry(client, &target);
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

fn carry(client: TcpStream, target: &Target) -> io::Result<()> {
    client.set_nonblocking(false)?;
    client.set_nodelay(true)?;
    let service = match target {
        // To read, to write and to shut down is the same for both kinds.
        Target::Socket(path) => TcpStream::from(OwnedFd::from(UnixStream::connect(path)?)),
        Target::Port(inlet, port) => {
            let service = inlet.connect(*port, PATIENCE)?;
            service.set_nonblocking(false)?;
            service.set_nodelay(true)?;
            service
        }
    };
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
