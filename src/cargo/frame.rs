//! What libtest prints around the one test of its process, told apart from what the test prints.
//!
//! ```text
//!   ⏎ running 1 test ⏎
//!   …what the test writes past libtest's capture, and with `--nocapture` all that it prints…
//!   test NAME[ - MODE] ... ok ⏎
//!   [⏎ failures: ⏎ ⏎ ---- NAME stdout ---- ⏎ …what was captured… ⏎ ⏎ failures: ⏎     NAME ⏎]
//!   ⏎ test result: …
//! ```
//!
//! With one test thread `test NAME ... ` comes before what the test writes.

/// The verdict of libtest on the one test, with what it captured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// What stands behind the name: `should panic`, `compile fail`.
    pub mode: Option<String>,
    /// `ok`, `FAILED`, or what else stands behind the dots.
    pub word: String,
    /// What the test printed, if libtest captured and shows it.
    pub output: Vec<u8>,
}

/// Reads what the process of one test prints.
///
/// ```
/// use cowherd::cargo::Frame;
///
/// let mut frame = Frame::new("sum", false);
/// let mut shown = frame.feed(b"\nrunning 1 test\npast the cap");
/// shown.extend(frame.feed(b"ture\ntest sum ... ok\n\ntest result: ok. 1 passed; 0 failed\n\n"));
/// let (rest, verdict) = frame.finish();
/// assert_eq!((shown.as_slice(), rest.as_slice()), (&b"past the capture\n"[..], &b""[..]));
/// assert_eq!(verdict.unwrap().word, "ok");
/// ```
#[derive(Debug)]
pub struct Frame {
    name: String,
    serial: bool,
    hides_name: bool,
    state: State,
    held: Vec<u8>,
    mode: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Head,
    Name,
    Body,
    /// What comes may be libtest's, as far as it can be known before the end.
    Held,
}

const HEAD: &[u8] = b"\nrunning 1 test\n";
const NO_TEST: &[u8] = b"\nrunning 0 tests\n";
const RESULT: &str = "\ntest result: ";

impl Frame {
    /// The frame around the test `name`; `serial` when the process has one test thread.
    pub fn new(name: &str, serial: bool) -> Self {
        Self {
            name: name.to_owned(),
            serial,
            hides_name: false,
            state: State::Head,
            held: Vec::new(),
            mode: None,
        }
    }

    /// Keeps the name to itself.
    #[must_use]
    pub fn without_name(mut self) -> Self {
        self.hides_name = true;
        self
    }

    /// Whether the name of the test was given out.
    pub fn has_named(&self) -> bool {
        self.serial && !self.hides_name && [State::Body, State::Held].contains(&self.state)
    }

    /// Takes in what was printed, and gives back what of it the test itself has surely printed; with one test
    /// thread its name, as libtest has it, goes before.
    pub fn feed(&mut self, bytes: &[u8]) -> Vec<u8> {
        self.held.extend_from_slice(bytes);
        let mut shown = Vec::new();
        if self.state == State::Head
            && let Some(at) = find(&self.held, HEAD)
        {
            shown.extend_from_slice(&self.held[..at]);
            self.held.drain(..at + HEAD.len());
            self.state = if self.serial {
                State::Name
            } else {
                State::Body
            };
        }
        if self.state == State::Name {
            let start = format!("test {}", self.name);
            let dots = find(&self.held, b" ... ");
            if let (true, Some(dots)) = (self.held.starts_with(start.as_bytes()), dots) {
                let between = &self.held[start.len()..dots];
                self.mode = mode(between);
                let name = self.held.drain(..dots + 5);
                if !self.hides_name {
                    shown.extend(name);
                }
                self.state = State::Body;
            } else if !starts_alike(&self.held, start.as_bytes()) {
                self.state = State::Body;
            }
        }
        if self.state == State::Body {
            let mut at = self.held.len();
            for mark in self.marks() {
                let place = (0..at).find(|at| starts_alike(&self.held[*at..], mark.as_bytes()));
                at = place.unwrap_or(at);
            }
            let whole = |mark: &String| self.held[at..].starts_with(mark.as_bytes());
            if self.marks().iter().any(whole) {
                self.state = State::Held;
            }
            shown.extend(self.held.drain(..at));
        }
        shown
    }

    /// Where libtest's words may begin.
    fn marks(&self) -> Vec<String> {
        if !self.serial {
            return vec![format!("test {}", self.name)];
        }
        let after = ["test result: ", "successes:\n", "failures:\n"];
        let words = ["ok\n\n", "FAILED\n\n"];
        let both = words.map(|word| after.map(|after| format!("{word}{after}")));
        both.concat()
    }

    /// The end of what was printed: what of it is the test's own, and libtest's verdict. Without one, libtest did not
    /// come to its end.
    pub fn finish(self) -> (Vec<u8>, Option<Verdict>) {
        let text = self.held;
        let mut start = 0;
        loop {
            let mark = if self.serial {
                String::new()
            } else {
                format!("test {}", self.name)
            };
            let Some(at) = find(&text[start..], mark.as_bytes()).map(|at| start + at) else {
                return (text, None);
            };
            let rest = &text[at + mark.len()..];
            if let Some((mode, word, after)) = line(rest, self.serial) {
                let verdict = Verdict {
                    mode: mode.or(self.mode),
                    word,
                    output: captured(after, &self.name),
                };
                return (text[..at].to_vec(), Some(verdict));
            }
            if at + 1 >= text.len() {
                return (text, None);
            }
            start = at + 1;
        }
    }
}

/// Whether what was printed says that the binary knows no test of the name.
pub(super) fn knows_no_test(printed: &[u8]) -> bool {
    find(printed, NO_TEST).is_some()
}

/// Reads `[ - MODE] ... WORD ⏎` (only the word where the name came before) with what has to follow; gives mode,
/// word and the rest.
fn line(text: &[u8], serial: bool) -> Option<(Option<String>, String, &[u8])> {
    let end = find(text, b"\n")?;
    let (line, after) = (&text[..end], &text[end + 1..]);
    let goes_on = ["\ntest result: ", "\nsuccesses:\n", "\nfailures:\n"]
        .iter()
        .any(|next| after.starts_with(next.as_bytes()));
    if !goes_on {
        return None;
    }
    if serial {
        let word = String::from_utf8_lossy(line).into_owned();
        return ["ok", "FAILED"]
            .contains(&word.as_str())
            .then_some((None, word, after));
    }
    let dots = find(line, b" ... ")?;
    let (between, word) = (&line[..dots], &line[dots + 5..]);
    if !(between.is_empty() || between.starts_with(b" - ")) {
        return None;
    }
    Some((
        mode(between),
        String::from_utf8_lossy(word).into_owned(),
        after,
    ))
}

fn mode(between: &[u8]) -> Option<String> {
    let mode = between.strip_prefix(b" - ")?;
    Some(String::from_utf8_lossy(mode).into_owned())
}

/// What stands between `---- NAME stdout ----` and the list of names.
fn captured(after: &[u8], name: &str) -> Vec<u8> {
    let head = format!("\n---- {name} stdout ----\n");
    let Some(start) = find(after, head.as_bytes()) else {
        return Vec::new();
    };
    let text = &after[start + head.len()..];
    let lists = ["successes", "failures"].map(|list| format!("\n\n{list}:\n    {name}\n"));
    // With the last end that there is: the test may print whatever it likes.
    let ends = lists
        .iter()
        .filter_map(|end| find_last(text, format!("{end}{RESULT}").as_bytes()));
    text[..ends.max().unwrap_or(text.len())].to_vec()
}

fn find(text: &[u8], what: &[u8]) -> Option<usize> {
    if what.is_empty() {
        return Some(0);
    }
    text.windows(what.len()).position(|window| window == what)
}

fn find_last(text: &[u8], what: &[u8]) -> Option<usize> {
    text.windows(what.len()).rposition(|window| window == what)
}

/// Whether one of the two is the beginning of the other.
fn starts_alike(text: &[u8], mark: &[u8]) -> bool {
    let length = text.len().min(mark.len());
    text[..length] == mark[..length]
}
