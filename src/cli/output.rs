//! What a command prints for its user: text on standard output, and the words in it.

use std::io::{self, Write as _};
use std::path::Path;
use std::time::{Duration, SystemTime};

use cowherd::store::SnapshotRecord;

/// Writes to standard output. A reader that has gone, as `head` goes, wanted no more.
pub(super) fn say(text: &str) -> anyhow::Result<()> {
    let mut output = io::stdout().lock();
    match output
        .write_all(text.as_bytes())
        .and_then(|()| output.flush())
    {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        done => Ok(done?),
    }
}

/// Writes a value as JSON, and a line's end.
pub(super) fn say_json(value: &serde_json::Value) -> anyhow::Result<()> {
    say(&format!("{value:#}\n"))
}

/// Columns with two spaces between them.
#[derive(Debug, Default)]
pub(super) struct Table {
    rows: Vec<Vec<String>>,
    right: Vec<usize>,
}

impl Table {
    pub(super) fn new(header: &[&str]) -> Self {
        let mut table = Self::default();
        table.row(header.iter().copied());
        table
    }

    /// The columns that numbers stand in.
    pub(super) fn right(mut self, columns: &[usize]) -> Self {
        self.right = columns.to_vec();
        self
    }

    pub(super) fn row(&mut self, cells: impl IntoIterator<Item = impl Into<String>>) {
        self.rows.push(cells.into_iter().map(Into::into).collect());
    }
}

impl std::fmt::Display for Table {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let width = |column: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..columns).map(width).collect();
        for row in &self.rows {
            let mut line = String::new();
            for (column, cell) in row.iter().enumerate() {
                let width = widths[column];
                line += &match self.right.contains(&column) {
                    true => format!("{cell:>width$}  "),
                    false => format!("{cell:width$}  "),
                };
            }
            writeln!(f, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

/// How long ago something was, in words: `3 minutes ago`.
pub(super) fn ago(time: SystemTime) -> String {
    // A time of the future is another clock's.
    let passed = time.elapsed().unwrap_or(Duration::ZERO).as_secs();
    let (number, unit) = match passed {
        0..60 => return "just now".to_owned(),
        60..3_600 => (passed / 60, "minute"),
        3_600..86_400 => (passed / 3_600, "hour"),
        86_400..5_184_000 => (passed / 86_400, "day"),
        _ => (passed / 2_592_000, "month"),
    };
    format!("{} ago", count(number, unit))
}

/// `1 layer`, `2 layers`.
pub(super) fn count(number: u64, what: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {what}{plural}")
}

/// Seconds since 1970, for JSON.
pub(super) fn timestamp(time: SystemTime) -> u64 {
    time.duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs()
}

/// A path as it is seen from the current folder.
pub(super) fn seen_from_here(path: &Path) -> String {
    let here = std::env::current_dir().ok();
    let here = here.filter(|here| here.parent().is_some());
    let below = here.and_then(|here| path.strip_prefix(here).map(Path::to_owned).ok());
    below.as_deref().unwrap_or(path).display().to_string()
}

/// Whether a spec file is certainly not there: on a disk that is not mounted it may be.
pub(super) fn is_gone(spec: &Path) -> bool {
    spec.try_exists().is_ok_and(|exists| !exists)
}

/// How the store came to have a snapshot by itself; `None` for one of a spec.
pub(super) fn origin(snapshot: &SnapshotRecord) -> Option<&'static str> {
    snapshot
        .services
        .as_ref()
        .map(|_| match snapshot.committed {
            true => "committed",
            false => "imported",
        })
}
