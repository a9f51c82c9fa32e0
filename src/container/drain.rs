//! Logs that nobody waits for: one thread of the process reads them all and throws them away.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, AsRawFd};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};

/// The pipes that are read to their ends (epoll(7)), each under the number of its descriptor.
struct Drain {
    epoll: Epoll,
    pipes: Mutex<HashMap<u64, File>>,
}

/// Reads `log`, a pipe that doesn't block, to its end from now on.
///
/// # Errors
/// When there is no descriptor or thread left.
pub(super) fn drain(log: impl AsFd) -> io::Result<()> {
    static DRAIN: OnceLock<io::Result<Drain>> = OnceLock::new();
    static READER: OnceLock<io::Result<()>> = OnceLock::new();
    let as_told = |error: &io::Error| io::Error::new(error.kind(), error.to_string());
    let drain = DRAIN.get_or_init(Drain::new).as_ref().map_err(as_told)?;
    let reader = READER.get_or_init(|| {
        let thread = std::thread::Builder::new().name("cowherd logs".to_owned());
        thread.spawn(|| drain.read_all()).map(drop)
    });
    reader.as_ref().map_err(as_told)?;
    drain.add(log.as_fd().try_clone_to_owned()?.into())
}

impl Drain {
    fn new() -> io::Result<Self> {
        Ok(Self {
            epoll: Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?,
            pipes: Mutex::default(),
        })
    }

    fn pipes(&self) -> MutexGuard<'_, HashMap<u64, File>> {
        // Nothing can panic while the lock is held.
        self.pipes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, pipe: File) -> io::Result<()> {
        let number = pipe.as_raw_fd() as u64;
        let mut pipes = self.pipes();
        let event = EpollEvent::new(EpollFlags::EPOLLIN, number);
        self.epoll.add(&pipe, event)?;
        pipes.insert(number, pipe);
        Ok(())
    }

    fn read_all(&self) {
        let mut events = [EpollEvent::empty(); 64];
        let mut buffer = vec![0; 64 * 1024];
        loop {
            let ready = match self.epoll.wait(&mut events, EpollTimeout::NONE) {
                Ok(ready) => &events[..ready],
                Err(Errno::EINTR) => continue,
                Err(_) => return,
            };
            let mut pipes = self.pipes();
            for event in ready {
                let read = pipes
                    .get_mut(&event.data())
                    .map(|pipe| pipe.read(&mut buffer));
                let more = match read {
                    Some(Ok(read)) => read > 0,
                    Some(Err(error)) => {
                        use io::ErrorKind::{Interrupted, WouldBlock};
                        matches!(error.kind(), Interrupted | WouldBlock)
                    }
                    None => continue,
                };
                if !more && let Some(pipe) = pipes.remove(&event.data()) {
                    // Closing alone would leave it in the set while another process holds the pipe's end.
                    let _ = self.epoll.delete(&pipe);
                }
            }
        }
    }
}
