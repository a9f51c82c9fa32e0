//! The terminal that a program in a container was lent.

use nix::sys::signal::{SigSet, SigmaskHow, Signal};
use nix::unistd::{getpgrp, tcsetpgrp};

/// Puts this process back in the foreground of the terminal on its standard input, after a program in
/// a container had it; does nothing where there is no terminal (tcsetpgrp(3)).
pub fn take_terminal_back() {
    // A process in the background is stopped for asking, unless it blocks the signal.
    let mut stop = SigSet::empty();
    stop.add(Signal::SIGTTOU);
    let before = stop.thread_swap_mask(SigmaskHow::SIG_BLOCK);
    // On something that is no terminal it answers ENOTTY.
    let _ = tcsetpgrp(std::io::stdin(), getpgrp());
    if let Ok(before) = before {
        // The mask was this thread's own a moment ago.
        let _ = before.thread_set_mask();
    }
}
