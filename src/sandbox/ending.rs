//! How this process ends as another one did.

use nix::sys::resource::{Resource, setrlimit};
use nix::sys::signal::{SigSet, SigmaskHow, Signal, raise};

use super::running::Exit;
use super::sys;

/// Ends this process as a program ended that ran in its place: whoever waits for it sees the same code or
/// signal. No core is written of this process.
pub fn end_like(exit: Exit) -> ! {
    let number = match exit {
        Exit::Code(code) => std::process::exit(code),
        Exit::Signal(number) => number,
    };
    if let Ok(signal) = Signal::try_from(number) {
        // Failures only leave the code below, which is what a shell makes of a signal.
        let _ = setrlimit(Resource::RLIMIT_CORE, 0, 0);
        sys::default_signals();
        let mut only = SigSet::empty();
        only.add(signal);
        let _ = only.thread_swap_mask(SigmaskHow::SIG_UNBLOCK);
        let _ = raise(signal);
    }
    std::process::exit(exit.shell_code())
}
