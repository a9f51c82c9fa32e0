//! Ctrl-C and its kin: gently at first, with force the second time.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};

use nix::sys::eventfd::{EfdFlags, EventFd};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// The order to stop, shared by everything that runs.
#[derive(Debug, Clone)]
pub struct Stop {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    signal: AtomicI32,
    killed: EventFd,
}

impl Stop {
    /// An order not yet given.
    ///
    /// # Errors
    /// When no descriptor is to be had.
    pub fn new() -> io::Result<Self> {
        let killed = EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)?;
        Ok(Self {
            inner: Arc::new(Inner {
                signal: AtomicI32::new(0),
                killed,
            }),
        })
    }

    /// Asks for a gentle stop: what runs may end, nothing new starts.
    pub fn ask(&self, signal: i32) {
        // The first signal decides the exit code.
        let _ = self
            .inner
            .signal
            .compare_exchange(0, signal, Ordering::AcqRel, Ordering::Acquire);
    }

    /// Orders everything to be killed.
    pub fn kill(&self, signal: i32) {
        self.ask(signal);
        // It can only fail when the counter is full, and then it is readable already.
        let _ = self.inner.killed.write(1);
    }

    /// The signal that asked for the stop.
    pub fn asked(&self) -> Option<i32> {
        Some(self.inner.signal.load(Ordering::Acquire)).filter(|signal| *signal != 0)
    }

    /// A descriptor that is readable from the order to kill on.
    pub fn killed(&self) -> BorrowedFd<'_> {
        self.inner.killed.as_fd()
    }

    /// Waits for the order to kill.
    pub fn wait_until_killed(&self) {
        use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
        let mut fds = [PollFd::new(self.killed(), PollFlags::POLLIN)];
        while !matches!(poll(&mut fds, PollTimeout::NONE), Ok(n) if n > 0) {}
    }

    /// Whether the order to kill was given.
    pub fn is_killed(&self) -> bool {
        use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
        let mut fds = [PollFd::new(self.killed(), PollFlags::POLLIN)];
        matches!(poll(&mut fds, PollTimeout::ZERO), Ok(n) if n > 0)
    }
}

/// The signals that end a run.
pub(super) struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
}

impl Signals {
    /// Takes the signals over from their default action.
    pub(super) fn listen() -> io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    /// Waits for the next one and passes it on; returns whether it was the order to kill. Ctrl-C asks
    /// gently the first time; a terminal that is gone, or a CI system that ends the job, won't wait.
    pub(super) async fn next(&mut self, stop: &Stop) -> bool {
        let (kind, force) = tokio::select! {
            _ = self.interrupt.recv() => (SignalKind::interrupt(), stop.asked().is_some()),
            _ = self.terminate.recv() => (SignalKind::terminate(), true),
            _ = self.hangup.recv() => (SignalKind::hangup(), true),
        };
        if force {
            stop.kill(kind.as_raw_value());
        } else {
            stop.ask(kind.as_raw_value());
        }
        force
    }
}

/// Passes signals on to a [`Stop`] while nothing runs yet that could be let run to its end: the first one
/// is the order to kill. Ends when it is dropped.
#[derive(Debug)]
pub struct Watch {
    end: Option<tokio::sync::oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

/// Starts a [`Watch`].
///
/// # Errors
/// When the signal handlers can't be set up.
pub fn watch(stop: &Stop) -> io::Result<Watch> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let mut signals = {
        let _inside = runtime.enter();
        Signals::listen()?
    };
    let (end, mut ended) = tokio::sync::oneshot::channel();
    let stop = stop.clone();
    let thread = std::thread::spawn(move || {
        runtime.block_on(async {
            loop {
                tokio::select! {
                    _ = &mut ended => return,
                    _ = signals.next(&stop) => stop.kill(stop.asked().unwrap_or_default()),
                }
            }
        });
    });
    Ok(Watch {
        end: Some(end),
        thread: Some(thread),
    })
}

impl Drop for Watch {
    fn drop(&mut self) {
        drop(self.end.take());
        if let Some(thread) = self.thread.take() {
            // It holds nothing that a panic could have left half done.
            let _ = thread.join();
        }
    }
}
