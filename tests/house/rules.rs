//! The rules: each goes from sources to complaints, which say where and what to do.

use super::code::{Source, Word};
use super::{LONG, LONGEST, PROGRAM, RANKS, ROOMS, TOP_LEVEL, UNSAFE};

fn rank(module: &str) -> Option<u8> {
    RANKS
        .iter()
        .find(|(name, _)| *name == module)
        .map(|(_, rank)| *rank)
}

/// The names that a path or a `{…}` group begins with, where `after` follows `crate::`.
fn heads(after: &str) -> Vec<&str> {
    let word = |s: &'_ str| {
        s.find(|c: char| !c.is_alphanumeric() && c != '_')
            .unwrap_or(s.len())
    };
    let Some(group) = after.strip_prefix('{') else {
        return vec![&after[..word(after)]];
    };
    let mut names = Vec::new();
    let (mut depth, mut fresh) = (0, true);
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' => fresh |= depth == 0,
            c if fresh && !c.is_whitespace() => {
                names.push(&group[at..at + word(&group[at..])]);
                fresh = false;
            }
            _ => {}
        }
    }
    names
}

pub(super) fn layering(sources: &[Source]) -> Vec<String> {
    let mut complaints = Vec::new();
    for source in sources {
        let module = source.module();
        if PROGRAM.contains(&module) {
            let names = source.words().flat_map(|word| {
                from_root(source, &word)
                    .into_iter()
                    .map(move |name| (name, word.place))
            });
            complaints.extend(names.filter(|(name, _)| !PROGRAM.contains(name)).map(|(name, (file, line))| {
                format!("{file}:{line}: the program sees the library from outside: `cowherd::{name}`")
            }));
            continue;
        }
        let Some(own) = rank(module) else {
            complaints.push(format!(
                "{}: `{module}` has no rank: add it to RANKS",
                source.path
            ));
            continue;
        };
        for word in source.words() {
            for name in from_root(source, &word) {
                let used = rank(name);
                if name == module || used.unwrap_or(7) < own || (used.is_none() && own == 7) {
                    continue;
                }
                let what = used.map_or("an item of lib.rs".into(), |used| format!("rank {used}"));
                complaints.push(word.complain(&format!(
                    "`{module}` (rank {own}) can't use `{name}` ({what}): move what both need to a lower rank, \
                     or pass it in as data"
                )));
            }
        }
    }
    complaints
}

/// The names below the crate's root that a path starting at `word` leads to.
fn from_root<'s>(source: &Source, word: &Word<'s>) -> Vec<&'s str> {
    let Some(path) = word.after.strip_prefix("::").map(str::trim_start) else {
        return Vec::new();
    };
    match word.text {
        "crate" if !word.before.ends_with('$') => heads(path),
        "super" => {
            // As many of them as the file lies deep lead out of the module.
            let deep =
                source.path.matches('/').count() + usize::from(!source.path.ends_with("/mod.rs"));
            let (mut supers, mut before) = (1, word.before);
            while let Some(rest) = before.trim_end().strip_suffix("::")
                && let Some(rest) = rest.trim_end().strip_suffix("super")
            {
                (supers, before) = (supers + 1, rest);
            }
            let names = if supers >= deep {
                heads(path)
            } else {
                Vec::new()
            };
            names
                .into_iter()
                .filter(|name| rank(name).is_some())
                .collect()
        }
        _ => Vec::new(),
    }
}

/// Whether `path`, below `src`, lies in `room`.
fn lies_in(path: &str, room: &str) -> bool {
    match room.strip_suffix('*') {
        Some(start) => path.starts_with(start),
        None => {
            path == room
                || path
                    .strip_prefix(room)
                    .is_some_and(|rest| rest == ".rs" || rest.starts_with('/'))
        }
    }
}

/// The names under `[dependencies]`, as code writes them.
fn dependencies(manifest: &str) -> Vec<String> {
    let section = manifest
        .split("\n[dependencies]\n")
        .nth(1)
        .unwrap_or_default();
    let section = section.split("\n[").next().unwrap_or_default();
    section
        .lines()
        .filter(|line| !line.starts_with(['#', ' ', '\t', ']', '}']))
        .filter_map(|line| line.split_once('='))
        .map(|(name, _)| {
            name.trim()
                .split('.')
                .next()
                .unwrap_or_default()
                .replace('-', "_")
        })
        .collect()
}

pub(super) fn foreign_crates(manifest: &str, sources: &[Source]) -> Vec<String> {
    let mut complaints = Vec::new();
    let dependencies = dependencies(manifest);
    for name in &dependencies {
        let Some((_, rooms)) = ROOMS.iter().find(|(crate_name, _)| crate_name == name) else {
            complaints.push(format!(
                "Cargo.toml: `{name}` has no room: give it one file in ROOMS, or drop it"
            ));
            continue;
        };
        let named = |word: &Word<'_>| {
            word.text == name
                && !word.before.ends_with("::")
                && (word.after.starts_with("::") || word.before.ends_with("use"))
        };
        let mut used = false;
        for source in sources {
            let Some(word) = source.words().find(named) else {
                continue;
            };
            used = true;
            if !rooms.iter().any(|room| lies_in(&source.path, room)) {
                let rooms = rooms.join(", ");
                complaints.push(word.complain(&format!(
                    "`{name}` is named in {rooms} only: call through there"
                )));
            }
        }
        // A crate isn't missed before there is code where it belongs; `*` waits for the topmost layer.
        let built = |source: &Source| {
            let home = |room: &&str| match *room {
                "main.rs" | "lib.rs" => false,
                "*" => lies_in(&source.path, "cli"),
                room => lies_in(&source.path, room),
            };
            !source.code.trim().is_empty() && rooms.iter().any(home)
        };
        if !used && sources.iter().any(built) {
            complaints.push(format!("Cargo.toml: nothing uses `{name}`: remove it"));
        }
    }
    for (name, _) in ROOMS {
        if !dependencies.iter().any(|dependency| dependency == name) {
            complaints.push(format!(
                "tests/house.rs: `{name}` is no dependency: remove it from ROOMS"
            ));
        }
    }
    complaints
}

pub(super) fn unsafe_islands(sources: &[Source]) -> Vec<String> {
    let outside = sources
        .iter()
        .filter(|source| !UNSAFE.contains(&source.path.as_str()));
    let islands = UNSAFE.join(", ");
    let complaint = |word: Word<'_>| {
        word.complain(&format!(
            "`unsafe` stands in {islands} only: call a safe function there"
        ))
    };
    outside
        .flat_map(|source| {
            source
                .words()
                .filter(|word| word.text == "unsafe")
                .map(complaint)
        })
        .collect()
}

pub(super) fn unfinished(sources: &[Source]) -> Vec<String> {
    let complaint = |word: Word<'_>| {
        let what = match word.text {
            "todo" | "unimplemented" if word.after.starts_with('!') => {
                "write the code, or return an error"
            }
            "ignore" if word.before.ends_with("#[") => "make the test pass, or delete it",
            "ignore" if word.before.ends_with(',') && word.after.starts_with(")]") => {
                "skip inside the test, and say so"
            }
            _ => return None,
        };
        Some(word.complain(&format!("`{}`: {what}", word.text)))
    };
    sources
        .iter()
        .flat_map(Source::words)
        .filter_map(complaint)
        .collect()
}

pub(super) fn too_long(sources: &[Source]) -> Vec<String> {
    let lines = |source: &Source| source.code.lines().count();
    for source in sources.iter().filter(|source| lines(source) > LONG) {
        println!("note: {} has {} lines", source.path, lines(source));
    }
    let long = sources.iter().filter(|source| lines(source) > LONGEST);
    long.map(|source| format!("{}: {} lines: split it by idea", source.path, lines(source)))
        .collect()
}

pub(super) fn strangers(entries: &[&str]) -> Vec<String> {
    let known = |name: &str| {
        TOP_LEVEL.contains(&name)
            || name.starts_with("LICENSE")
            || name.starts_with('.')
            || name == "target"
    };
    let strangers = entries.iter().filter(|name| !known(name));
    strangers
        .map(|name| format!("{name}: put it into one of {}", TOP_LEVEL.join(", ")))
        .collect()
}
