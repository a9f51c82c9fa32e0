//! What to do about something, as text and as commands to paste.

use std::path::Path;

use serde::Serialize;

use super::Facts;

/// Why something is as it is, and what helps.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Remedy {
    /// The cause, in one sentence.
    pub cause: String,
    /// Any of these helps; the best comes first.
    pub ways: Vec<Way>,
}

/// One way to help.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Way {
    /// What it is, in a few words.
    pub text: String,
    /// Commands or a part of a file, as they are to be pasted; empty when there is nothing to paste.
    pub paste: String,
}

impl Remedy {
    pub(super) fn new(cause: impl Into<String>, ways: impl IntoIterator<Item = Way>) -> Self {
        Self {
            cause: cause.into(),
            ways: ways.into_iter().collect(),
        }
    }
}

impl Way {
    pub(super) fn new(text: impl Into<String>, paste: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            paste: paste.into(),
        }
    }

    /// A way without commands.
    pub(super) fn told(text: impl Into<String>) -> Self {
        Self::new(text, "")
    }
}

/// Sets a kernel parameter, now and at each boot (sysctl.d(5)).
pub(super) fn sysctl(facts: &Facts, name: &str, value: &str) -> Way {
    let (text, sudo) = if facts.is_guest() {
        (
            "on the machine that runs this container, at once and at each boot",
            "sudo ",
        )
    } else {
        ("at once, and at each boot", facts.sudo())
    };
    let file = name.rsplit('.').next().unwrap_or(name).replace('_', "-");
    Way::new(
        text,
        format!(
            "{sudo}sysctl -w {name}={value}\necho '{name} = {value}' | {sudo}tee /etc/sysctl.d/60-{file}.conf"
        ),
    )
}

/// An `AppArmor` profile that gives a program user namespaces and restricts nothing else, as Ubuntu
/// 24.04 ships them for browsers (apparmor.d(5); the release notes of Ubuntu 24.04).
pub(super) fn apparmor_profile(facts: &Facts) -> Way {
    let sudo = facts.sudo();
    let program = quoted(&facts.program);
    Way::new(
        "a profile for this program; when it moves, another one for its new path",
        format!(
            "{sudo}tee /etc/apparmor.d/cowherd >/dev/null <<'END'\n\
             abi <abi/4.0>,\n\
             include <tunables/global>\n\
             profile cowherd {program} flags=(unconfined) {{\n  \
               userns,\n  \
               include if exists <local/cowherd>\n\
             }}\n\
             END\n\
             {sudo}apparmor_parser -r /etc/apparmor.d/cowherd"
        ),
    )
}

/// A path as `AppArmor` takes it: what it would take for a pattern is escaped.
fn quoted(path: &Path) -> String {
    let mut text = String::from("\"");
    for c in path.to_string_lossy().chars() {
        if matches!(c, '*' | '?' | '[' | ']' | '{' | '}' | '"' | '\\') {
            text.push('\\');
        }
        text.push(c);
    }
    text.push('"');
    text
}

/// A word as a shell takes it.
pub(super) fn word(path: &Path) -> String {
    let text = path.to_string_lossy();
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+:@%,=".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        text.into_owned()
    } else {
        format!("'{}'", text.replace('\'', "'\\''"))
    }
}
