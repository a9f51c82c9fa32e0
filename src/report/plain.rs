//! One line for each thing that happened, for pipes and CI. Nothing is ever drawn over.

use std::fmt;
use std::io::{self, Write};

use super::Report;
use super::paint::Paint;
use super::teller::Teller;
use crate::event::Event;

/// The plain format.
///
/// Each event's lines are written and flushed at once, so that a log shows how far a run came that
/// was killed.
///
/// ```
/// use cowherd::event::{BuildStep, Event};
/// use cowherd::report::{Plain, Report};
/// use std::time::Duration;
///
/// let step = BuildStep { snapshot: "shop".into(), label: "migrate migrations".into(), index: 2, of: 5 };
/// let mut plain = Plain::new(Box::new(std::io::stderr()), false);
/// let duration = Duration::from_millis(1200);
/// plain.event(&Event::BuildFinished { step, duration, cached: false, bytes: 1536 })?;
/// // Prints `   build shop 2/5 migrate migrations (1.20s, 1.5 KiB)`.
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct Plain {
    to: Box<dyn Write + Send>,
    teller: Teller,
}

impl Plain {
    /// Writes to `to`, with colours or without.
    pub fn new(to: Box<dyn Write + Send>, colours: bool) -> Self {
        Self {
            to,
            teller: Teller::new(Paint { colours }, false),
        }
    }
}

impl fmt::Debug for Plain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Plain")
            .field("teller", &self.teller)
            .finish_non_exhaustive()
    }
}

impl Report for Plain {
    fn event(&mut self, event: &Event) -> io::Result<()> {
        let text = self.teller.tell(event);
        if text.is_empty() {
            return Ok(());
        }
        self.to.write_all(text.as_bytes())?;
        self.to.flush()
    }
}
