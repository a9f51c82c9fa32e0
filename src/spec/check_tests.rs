//! Draft → model: `tests:`.

use std::collections::HashMap;

use super::check::unknown_snapshot;
use super::draft::{Field, Placed, TestDraft};
use super::problem::{Faults, list, quoted};
use super::{CommandLine, Position, Test, TestKind};

/// What stands in a discover command for the test.
const PLACEHOLDER: &str = "{test}";

/// Checks one entry. `seen` has the names so far.
pub(super) fn check_test(
    draft: TestDraft,
    snapshots: &[String],
    seen: &mut HashMap<String, Position>,
    faults: &mut Faults,
) -> Option<Test> {
    let name = test_name(&draft, seen, faults);
    let snapshot = match (&draft.snapshot, snapshots) {
        (Field::Wrong, _) | (Field::Absent, []) => None,
        (Field::Given(written), _) => {
            // Without any snapshot that is what is wrong.
            if !snapshots.is_empty() && !snapshots.contains(&written.value) {
                unknown_snapshot(written, snapshots.iter().map(String::as_str), faults);
            }
            Some(written.value.clone())
        }
        (Field::Absent, [only]) => Some(only.clone()),
        (Field::Absent, many) => {
            let known = list(many.iter().map(String::as_str));
            let message = format!("this test has no `snapshot`; name one of {known}");
            faults.add(draft.place, message);
            None
        }
    };
    if let Some(timeout) = &draft.timeout
        && timeout.value.is_zero()
    {
        let message = "`timeout` can't be 0; leave the key out for no limit";
        faults.add(timeout.place, message);
    }
    let kind = test_kind(&draft, faults);
    Some(Test {
        name: name?,
        snapshot: snapshot?,
        kind: kind?,
        timeout: draft.timeout.map(|timeout| timeout.value),
        retries: draft.retries,
        threads_required: draft.threads_required,
        environment: draft.environment,
        working_dir: draft.working_dir,
        files: draft.files,
        limits: draft.limits,
        position: draft.place.position,
    })
}

fn test_name(
    draft: &TestDraft,
    seen: &mut HashMap<String, Position>,
    faults: &mut Faults,
) -> Option<String> {
    let Placed { value, place } = match &draft.name {
        Field::Given(name) => name,
        Field::Wrong => return None,
        Field::Absent => {
            faults.add(draft.place, "this test has no `name`");
            return None;
        }
    };
    if value.is_empty()
        || value.len() > 200
        || value.trim() != value
        || value.contains(char::is_control)
    {
        let message = format!(
            "{} can't be the name of a test; a name is one line of 1 to 200 bytes without space around it",
            quoted(value)
        );
        faults.add(*place, message);
        return None;
    }
    if let Some(Position { line, column }) = seen.get(value) {
        let message = format!(
            "duplicate test name {}; it already stands at line {line}, column {column}",
            quoted(value)
        );
        faults.add(*place, message);
    } else {
        seen.insert(value.clone(), place.position);
    }
    Some(value.clone())
}

fn test_kind(draft: &TestDraft, faults: &mut Faults) -> Option<TestKind> {
    let TestDraft {
        command,
        each,
        discover,
        ..
    } = draft;
    if command.is_absent() && each.is_absent() && discover.is_absent() {
        let message =
            "this test runs nothing; write `command`, `each`, or `discover` with `command`";
        faults.add(draft.place, message);
        return None;
    }
    if !each.is_absent() {
        let message = "can't stand beside `each`, which runs the files themselves";
        for (other, place) in [
            ("command", command.given().map(|command| command.place)),
            ("discover", discover.given().map(|discover| discover.place)),
        ] {
            if let Some(place) = place {
                faults.add(place, format!("`{other}` {message}"));
            }
        }
        let each = each.given()?;
        if each.value.is_empty() {
            faults.add(
                each.place,
                "`each` is empty; name files, as in `each: checks/*.sql`",
            );
        }
        return Some(TestKind::Each(each.value.clone()));
    }
    if discover.is_absent() {
        return Some(TestKind::Command(command.given()?.value.clone()));
    }
    if command.is_absent() {
        let message = "this test has no `command`; beside `discover` it runs one test, with `{test}` for its name";
        faults.add(draft.place, message);
    }
    let (discover, command) = (discover.given(), command.given()?);
    let has_placeholder = match &command.value {
        CommandLine::Shell(line) => line.contains(PLACEHOLDER),
        CommandLine::Argv(words) => words.iter().any(|word| word.contains(PLACEHOLDER)),
    };
    if !has_placeholder {
        let message = "this `command` runs the same for every test that `discover` prints; \
                       write `{test}` where the test's name goes";
        faults.add(command.place, message);
    }
    Some(TestKind::Discover {
        discover: discover?.value.clone(),
        command: command.value.clone(),
    })
}
