//! Log lines on standard error, in the form of everything else that is said there.

use std::fmt;

use tracing::{Event, Level, Subscriber};
use tracing_subscriber::fmt::FmtContext;
use tracing_subscriber::fmt::format::{FormatEvent, FormatFields, Writer};
use tracing_subscriber::registry::LookupSpan;

/// Sends log lines to standard error: warnings, more with `-v`, or what `COWHERD_LOG` asks for.
pub(super) fn log(verbose: u8) {
    let level = match verbose {
        0 => "warn",
        1 => "info",
        2 => "debug",
        _ => "trace",
    };
    let filter = tracing_subscriber::EnvFilter::try_from_env("COWHERD_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new(format!("cowherd={level}")));
    let colors = anstream::AutoStream::choice(&std::io::stderr()) != anstream::ColorChoice::Never;
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(false)
        .event_format(Lines { colors })
        .with_writer(std::io::stderr)
        .init();
}

/// `warning: what is wrong`; what only a developer asks for also says where it comes from.
struct Lines {
    colors: bool,
}

impl<S, N> FormatEvent<S, N> for Lines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let metadata = event.metadata();
        let (name, color) = match *metadata.level() {
            Level::ERROR => ("error", "\x1b[1;31m"),
            Level::WARN => ("warning", "\x1b[1;33m"),
            Level::INFO => ("info", "\x1b[1;32m"),
            Level::DEBUG => ("debug", "\x1b[2m"),
            Level::TRACE => ("trace", "\x1b[2m"),
        };
        match self.colors {
            true => write!(writer, "{color}{name}\x1b[0m: ")?,
            false => write!(writer, "{name}: ")?,
        }
        if *metadata.level() >= Level::DEBUG {
            write!(writer, "{}: ", metadata.target())?;
        }
        context.format_fields(writer.by_ref(), event)?;
        writeln!(writer)
    }
}
