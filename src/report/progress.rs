//! The live display on a terminal. What it shows is decided in `live`; this is the only user of
//! `indicatif`, which draws at a bounded rate, keeps the clocks of the display going between events,
//! and gives way when something is printed for good.

use std::fmt;
use std::io::{self, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle, TermLike};

use super::Report;
use super::live::Live;
use super::paint::Paint;
use crate::event::Event;

/// How often the display is brought up to date.
const TICK: Duration = Duration::from_millis(100);

/// The live format, on standard error.
///
/// It must be a terminal that moves the cursor: [`console`](super::console) decides that.
pub struct Progress {
    live: Arc<Mutex<Live>>,
    bar: ProgressBar,
    ticking: bool,
}

impl Progress {
    /// A display with colours or without. Nothing is drawn before the first event.
    pub fn new(colours: bool) -> Self {
        let live = Arc::new(Mutex::new(Live::new(Paint { colours })));
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden());
        bar.set_style(style(&live));
        bar.set_draw_target(ProgressDrawTarget::term_like_with_hz(
            Box::new(Screen::default()),
            20,
        ));
        Self {
            live,
            bar,
            ticking: false,
        }
    }
}

impl fmt::Debug for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Progress")
            .field("live", &self.live)
            .finish_non_exhaustive()
    }
}

impl Report for Progress {
    fn event(&mut self, event: &Event) -> io::Result<()> {
        let text = locked(&self.live).note(event, Instant::now());
        let print = || -> io::Result<()> {
            let mut stderr = io::stderr().lock();
            stderr.write_all(text.as_bytes())?;
            stderr.flush()
        };
        if matches!(event, Event::RunFinished(_)) {
            self.bar.finish_and_clear();
            return print();
        }
        let printed = if text.is_empty() {
            Ok(())
        } else {
            self.bar.suspend(print)
        };
        if !self.ticking {
            self.ticking = true;
            self.bar.enable_steady_tick(TICK);
        }
        printed
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        // After an error the display must not stay behind on the screen.
        if !self.bar.is_finished() {
            self.bar.finish_and_clear();
        }
    }
}

/// A style whose only element is the whole frame.
fn style(live: &Arc<Mutex<Live>>) -> ProgressStyle {
    let live = Arc::clone(live);
    ProgressStyle::default_bar()
        .template("{frame}")
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .with_key(
            "frame",
            move |_: &indicatif::ProgressState, to: &mut dyn fmt::Write| {
                let (columns, rows) = size();
                let frame = locked(&live).frame(Instant::now(), columns.into(), rows.into());
                let _ = to.write_str(&frame.join("\n"));
            },
        )
}

/// A panic while the lock was held leaves a display that may be wrong by one event: still shown.
fn locked(live: &Mutex<Live>) -> MutexGuard<'_, Live> {
    live.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Columns and rows of the terminal, asked anew for each frame, so that the display follows a resize.
/// One column less than there are: a terminal may wrap a line that fills its last column.
fn size() -> (u16, u16) {
    match rustix::termios::tcgetwinsize(io::stderr()) {
        Ok(size) if size.ws_col > 1 && size.ws_row > 0 => (size.ws_col - 1, size.ws_row),
        _ => (79, 24),
    }
}

/// The terminal as `indicatif` draws on it.
///
/// `indicatif` fills each line with spaces up to the last column. When the window becomes narrower,
/// a terminal wraps such lines, and what was one line is two, of which only one is cleared later. So
/// the filling is replaced by "clear to the end of the line" and a newline.
#[derive(Debug, Default)]
struct Screen {
    /// What is to be written at the next flush, and whether a line of it is complete.
    pending: Mutex<(String, bool)>,
}

impl Screen {
    fn pending(&self) -> MutexGuard<'_, (String, bool)> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds "move the cursor by `n`" (ECMA-48, 8.3.18 to 8.3.22).
    fn cursor(&self, n: usize, direction: char) {
        use std::fmt::Write as _;
        if n > 0 {
            let _ = write!(self.pending().0, "\x1b[{n}{direction}");
        }
    }
}

impl TermLike for Screen {
    fn width(&self) -> u16 {
        size().0
    }

    fn height(&self) -> u16 {
        size().1
    }

    fn move_cursor_up(&self, n: usize) -> io::Result<()> {
        self.cursor(n, 'A');
        Ok(())
    }

    fn move_cursor_down(&self, n: usize) -> io::Result<()> {
        self.cursor(n, 'B');
        Ok(())
    }

    fn move_cursor_right(&self, n: usize) -> io::Result<()> {
        self.cursor(n, 'C');
        Ok(())
    }

    fn move_cursor_left(&self, n: usize) -> io::Result<()> {
        self.cursor(n, 'D');
        Ok(())
    }

    fn write_line(&self, line: &str) -> io::Result<()> {
        self.write_str(line)?;
        self.pending().1 = true;
        Ok(())
    }

    fn write_str(&self, text: &str) -> io::Result<()> {
        let mut pending = self.pending();
        if text.bytes().all(|b| b == b' ') {
            pending.0 += "\x1b[K";
            pending.1 = true;
        } else {
            if std::mem::take(&mut pending.1) {
                pending.0 += "\r\n";
            }
            pending.0 += text;
        }
        Ok(())
    }

    fn clear_line(&self) -> io::Result<()> {
        self.pending().0 += "\r\x1b[2K";
        Ok(())
    }

    fn flush(&self) -> io::Result<()> {
        let (text, _) = std::mem::take(&mut *self.pending());
        let mut stderr = io::stderr().lock();
        stderr.write_all(text.as_bytes())?;
        stderr.flush()
    }
}
