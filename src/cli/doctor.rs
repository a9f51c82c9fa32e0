//! `cowherd doctor`: a table of what works, and what to paste where something does not.

use std::fmt::Write as _;
use std::io;
use std::process::ExitCode;

use anstream::AutoStream;
use cowherd::doctor::{self, Area, Check, Examination, Remedy, Status};

use super::args;
use super::output::{say, say_json};

/// Where prose is broken.
const WIDTH: usize = 96;
/// The columns of the names.
const NAME: usize = 15;

pub(super) fn doctor(args: &args::Doctor) -> anyhow::Result<ExitCode> {
    let found = doctor::examine(args.jobs.map(|jobs| jobs as usize), &|name| {
        std::env::var_os(name)
    });
    if args.json {
        say_json(&serde_json::to_value(&found)?)?;
    } else {
        say(&painted(&in_words(&found)))?;
    }
    Ok(ExitCode::from(if found.works { 0 } else { 97 }))
}

/// The text with its colours where standard output takes them, and without elsewhere.
fn painted(text: &str) -> String {
    match AutoStream::choice(&io::stdout()) {
        anstream::ColorChoice::Never => anstream::adapter::strip_str(text).to_string(),
        _ => text.to_owned(),
    }
}

fn in_words(found: &Examination) -> String {
    let mut text = format!(
        "cowherd {} on {}, Linux {}\n",
        env!("CARGO_PKG_VERSION"),
        match found.facts.distribution.name.as_str() {
            "" => "an unknown distribution",
            name => name,
        },
        found.facts.kernel.release
    );
    let mut area = None;
    for check in &found.checks {
        if area != Some(check.area) {
            area = Some(check.area);
            let _ = write!(text, "\n\x1b[1m{}\x1b[0m\n", title(check.area));
        }
        text += &line(check);
    }
    text += "\n";
    text += match found.works {
        true => "Everything that `cowherd run` needs works here.\n",
        false => {
            "\x1b[1mSomething that `cowherd run` needs does not work here.\x1b[0m When it is changed as below, run \
             `cowherd doctor` again.\n"
        }
    };
    let mut remedies = found.remedies();
    // What is needed before what is merely better.
    remedies.sort_by_key(|(names, _)| !is_needed(found, names));
    for (names, remedy) in &remedies {
        text += &advice(names, remedy, is_needed(found, names));
    }
    text
}

fn is_needed(found: &Examination, names: &[&str]) -> bool {
    found
        .checks
        .iter()
        .any(|check| check.status == Status::Missing && names.contains(&check.name))
}

fn title(area: Area) -> &'static str {
    match area {
        Area::Host => "host",
        Area::Container => "container",
        Area::Store => "store",
        Area::Limits => "limits",
        Area::Engines => "engines",
    }
}

fn line(check: &Check) -> String {
    let mark = match check.status {
        Status::Ok => "\x1b[32mok\x1b[0m",
        Status::Advisory => "\x1b[1;33m!!\x1b[0m",
        Status::Missing => "\x1b[1;31mno\x1b[0m",
        Status::Untried => "\x1b[2m--\x1b[0m",
    };
    // What a program said may have several lines.
    let finding = check.finding.lines().collect::<Vec<_>>().join("; ");
    format!("  {mark}  {:NAME$} {finding}\n", check.name)
}

/// A remedy. What is to be pasted begins in the first column: a here-document must.
fn advice(names: &[&str], remedy: &Remedy, needed: bool) -> String {
    let mark = if needed {
        "\x1b[1;31mno\x1b[0m"
    } else {
        "\x1b[1;33m!!\x1b[0m"
    };
    let mut text = format!("\n{mark}  \x1b[1m{}\x1b[0m\n", names.join(", "));
    text += &prose(&format!("{}.", sentence(&remedy.cause)));
    for (index, way) in remedy.ways.iter().enumerate() {
        let or = if index > 0 { "or, " } else { "" };
        let end = if way.paste.is_empty() { "." } else { ":" };
        text += &prose(&format!("{}{end}", sentence(&format!("{or}{}", way.text))));
        if !way.paste.is_empty() {
            for pasted in way.paste.lines() {
                let _ = writeln!(text, "\x1b[36m{pasted}\x1b[0m");
            }
        }
    }
    text
}

/// With a capital, unless it begins with a name that has none.
fn sentence(text: &str) -> String {
    let mut chars = text.chars();
    match chars.next() {
        Some(first) if !text.starts_with("cowherd") => {
            first.to_uppercase().collect::<String>() + chars.as_str()
        }
        _ => text.to_owned(),
    }
}

/// Breaks prose into indented lines, never within a quotation of code.
fn prose(text: &str) -> String {
    let mut lines = String::new();
    let mut column = 0;
    let mut word = String::new();
    let mut code = false;
    for c in text.chars().chain([' ']) {
        code ^= c == '`';
        if c != ' ' || code {
            word.push(c);
            continue;
        }
        let length = word.chars().count();
        if column == 0 || column + 1 + length > WIDTH {
            lines += if column == 0 { "    " } else { "\n    " };
            column = 4;
        } else {
            lines.push(' ');
            column += 1;
        }
        column += length;
        lines += &word;
        word.clear();
    }
    lines + "\n"
}
