//! Entries of `tests:` turned into single tests.

use std::path::{Path, PathBuf};

use super::error::{InputError, PlanError, Problem};
use super::files::{self, Folders, name_of};
use crate::migrate::script::Dialect;
use crate::spec::{CommandLine, Service, Spec, Test, TestKind};

/// A file that is a test.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaseFile {
    /// The file, absolute.
    pub path: PathBuf,
    /// Its path below the spec's folder with `/`, or its own name when it is elsewhere.
    pub name: String,
}

/// One test.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedTest {
    /// The full name: the entry's name, or `entry::file`, or `entry::line`.
    pub name: String,
    /// The index of its entry in [`Spec::tests`].
    pub entry: usize,
    /// What to run.
    pub action: CaseAction,
}

/// What a test runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CaseAction {
    /// A command; never empty.
    Command(Vec<String>),
    /// A file with this ending, for the client of the snapshot's first engine that takes such.
    Script(CaseFile, &'static str),
}

/// The files that `each:` names: those of one pattern in natural order, no file twice. `folder` is
/// the spec's.
///
/// # Errors
/// Every path that is missing and every pattern that matches nothing.
pub fn expand_each(folder: &Path, patterns: &[String]) -> Result<Vec<CaseFile>, Vec<InputError>> {
    let folder = super::absolute(folder);
    let (paths, errors) = files::expand(&folder, patterns, Folders::Refused("sql"));
    if !errors.is_empty() {
        return Err(errors);
    }
    let mut cases: Vec<CaseFile> = Vec::new();
    for path in paths {
        // Two tests can't have one name; nor would the second run tell anything new.
        if cases.iter().all(|case| case.path != path) {
            cases.push(CaseFile {
                name: name_of(&folder, &path),
                path,
            });
        }
    }
    Ok(cases)
}

/// The tests of a spec, in its order. `discovered` gives the lines that an entry's `discover`
/// command printed; empty lines are passed over.
///
/// # Errors
/// All files that entries name and that are not there.
pub fn tests(
    spec: &Spec,
    discovered: &dyn Fn(&Test) -> Vec<String>,
) -> Result<Vec<PlannedTest>, PlanError> {
    let mut tests = Vec::new();
    let mut problems = Vec::new();
    for (entry, test) in spec.tests.iter().enumerate() {
        let mut add = |name: String, action| {
            tests.push(PlannedTest {
                name,
                entry,
                action,
            });
        };
        match &test.kind {
            TestKind::Command(command) => {
                add(test.name.clone(), CaseAction::Command(command.argv()));
            }
            TestKind::Each(patterns) => match expand_each(&spec.folder, patterns) {
                Ok(cases) => {
                    for case in cases {
                        let name = format!("{}::{}", test.name, case.name);
                        match action(spec, test, case) {
                            Ok(action) => add(name, action),
                            Err(error) => problems.push(Problem {
                                position: test.position,
                                error,
                            }),
                        }
                    }
                }
                Err(errors) => problems.extend(errors.into_iter().map(|error| Problem {
                    position: test.position,
                    error,
                })),
            },
            TestKind::Discover { command, .. } => {
                for line in discovered(test) {
                    let line = line.trim();
                    if !line.is_empty() {
                        let action = CaseAction::Command(fill_in(command, line));
                        add(format!("{}::{line}", test.name), action);
                    }
                }
            }
        }
    }
    if problems.is_empty() {
        Ok(tests)
    } else {
        Err(PlanError::Problems {
            file: spec.file.clone(),
            problems,
        })
    }
}

fn action(spec: &Spec, test: &Test, case: CaseFile) -> Result<CaseAction, InputError> {
    let extension = case.path.extension().unwrap_or_default();
    let endings = ["sql", "redis"].into_iter();
    let mut endings = endings.filter(|ending| extension.eq_ignore_ascii_case(ending));
    let Some(ending) = endings.next() else {
        let program = case.path.to_string_lossy().into_owned();
        return Ok(CaseAction::Command(vec![program]));
    };
    let snapshot = spec
        .snapshots
        .iter()
        .find(|other| other.name == test.snapshot);
    let mut services = snapshot.into_iter().flat_map(|snapshot| &snapshot.services);
    let takes = |service: &Service| match Dialect::of_engine(&service.engine) {
        Some(_) => ending == "sql",
        None => ending == "redis" && ["redis", "valkey"].contains(&service.engine.as_str()),
    };
    match services.any(takes) {
        true => Ok(CaseAction::Script(case, ending)),
        false => Err(InputError::NoClient {
            name: case.name,
            snapshot: test.snapshot.clone(),
            ending,
        }),
    }
}

/// Puts a test's name where `{test}` stands. In a shell's line it becomes one word, whatever
/// characters it holds.
fn fill_in(command: &CommandLine, test: &str) -> Vec<String> {
    match command {
        CommandLine::Argv(argv) => argv.iter().map(|arg| arg.replace("{test}", test)).collect(),
        CommandLine::Shell(line) => {
            let plain = |c: char| c.is_ascii_alphanumeric() || "_-./:@%+=,".contains(c);
            let word = if test.chars().all(plain) {
                test.to_owned()
            } else {
                format!("'{}'", test.replace('\'', r"'\''"))
            };
            CommandLine::Shell(line.replace("{test}", &word)).argv()
        }
    }
}
