//! From the entries of a spec to tests that can be attempted.

use std::ffi::OsString;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::variables::test_environment;
use super::{Prepared, Project, ProjectError, Request};
use crate::capacity::{self, Limit, Need};
use crate::container::{ContainerError, Order, ProjectFiles, State, base_environment, command_of};
use crate::event::{self, Event};
use crate::plan::{self, CaseAction, PlanError, PlannedTest};
use crate::pool::{Budget, Pool};
use crate::sandbox::cgroup::{Limits, available_memory};
use crate::sandbox::{Command, SandboxError};
use crate::schedule::{Case, Keep, Scheduled, Stop};
use crate::spec::{self, Files, Test, TestKind};

/// How long an attempt may take when neither the spec nor the command line says so.
pub(super) const TIMEOUT: Duration = Duration::from_secs(600);

/// A test that was chosen.
pub(super) struct Chosen {
    pub(super) scheduled: Scheduled,
    pub(super) case: Case,
}

/// How many tests at once where nobody says so: one for each core, as long as memory for their containers is
/// there.
pub fn default_jobs<'o>(orders: impl IntoIterator<Item = &'o Order>) -> usize {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let largest = orders.into_iter().map(Order::memory).max();
    let (Some(each), Some(available)) = (largest, available_memory()) else {
        return cores;
    };
    // Half of what is there is left to the tests themselves and to everybody else.
    let fit = usize::try_from(available / 2 / each.max(1)).unwrap_or(usize::MAX);
    cores.min(fit).max(1)
}

/// How many tests at once, and how many containers for them: as many as were asked for, as far as this host has room. A
/// limit that is too low makes a run slower, not another one, so it goes on with fewer and a warning; only a host without
/// room for a single one refuses.
///
/// # Errors
/// [`ProjectError::NoRoom`].
pub(super) fn jobs(
    asked: Option<usize>,
    chosen: &[Chosen],
) -> Result<(usize, Budget), ProjectError> {
    let orders = || chosen.iter().map(|test| &test.case.order);
    let jobs = asked.unwrap_or_else(|| default_jobs(orders()));
    let at_once = jobs.min(chosen.len()).max(1);
    let need = Need::of_any(orders());
    let Some(room) = capacity::tightest(&need, at_once) else {
        return Ok((jobs, Budget::of_jobs(jobs)));
    };
    let fit = match room.containers() {
        // The pool lets one start at a time, however little memory there is.
        0 if room.limit != Limit::Memory => return Err(ProjectError::NoRoom(room)),
        fit => fit.max(1),
    };
    if fit < at_once && asked.is_some() {
        let remedy = room.remedy(at_once);
        let tests = if fit == 1 { "test runs" } else { "tests run" };
        tracing::warn!(
            "-j {jobs}: {fit} {tests} at a time, as there is no room for more containers, by {room}; {remedy}"
        );
    }
    let jobs = if fit < at_once { fit } else { jobs };
    let budget = Budget::of_jobs(jobs).within(fit);
    capacity::raise_open_files(need.files * budget.containers.min(2 * at_once) as u64);
    Ok((jobs, budget))
}

/// A pool that knows which containers the tests will take, in the order `upcoming`.
pub(super) fn pool_for(
    chosen: &[Chosen],
    upcoming: impl Iterator<Item = usize>,
    budget: Budget,
) -> Result<Pool, ProjectError> {
    let pool = Pool::new(budget).map_err(ProjectError::Pool)?;
    pool.expect_in_order(upcoming.map(|test| &chosen[test].case.order));
    Ok(pool)
}

/// Builds what the chosen tests need and lists them; those whose snapshot could not be built are only
/// counted.
pub(super) fn choose(
    project: &Project,
    request: &Request,
    stop: &Stop,
    sink: &mut dyn FnMut(Event),
) -> Result<(Vec<Chosen>, usize), ProjectError> {
    let spec = project.spec();
    if spec.tests.is_empty() {
        return Err(ProjectError::NoTests);
    }
    let fits = |name: &str| {
        request.filters.is_empty() || request.filters.iter().any(|f| name.contains(f.as_str()))
    };
    // What an entry discovers is known only once its snapshot is there.
    let plain = plan::tests(spec, &|_| Vec::new()).map_err(|error| with_steps(project, error))?;
    let mut wanted: Vec<&str> = Vec::new();
    for (index, test) in spec.tests.iter().enumerate() {
        let discovers = matches!(test.kind, TestKind::Discover { .. });
        let needed = discovers
            || plain
                .iter()
                .any(|case| case.entry == index && fits(&case.name));
        if needed && !wanted.contains(&test.snapshot.as_str()) {
            wanted.push(&test.snapshot);
        }
    }
    let prepared = match wanted.is_empty() {
        true => Vec::new(),
        false => project.prepare(&wanted, stop, sink)?,
    };
    if let Some(signal) = stop.asked() {
        return Err(ProjectError::Interrupted { signal });
    }
    let discovered = discover(project, &prepared, stop)?;
    let all = plan::tests(spec, &|test| {
        discovered
            .iter()
            .find(|(name, _)| *name == test.name)
            .map(|(_, lines)| lines.clone())
            .unwrap_or_default()
    })?;
    let known: Vec<String> = all.iter().map(|case| case.name.clone()).collect();
    let asked: Vec<PlannedTest> = all.into_iter().filter(|case| fits(&case.name)).collect();
    let unbuilt_entry = |entry: usize| {
        let snapshot = &spec.tests[entry].snapshot;
        prepared
            .iter()
            .any(|(name, state)| name == snapshot && state.is_err())
    };
    // What an unbuilt entry would have discovered can't be known: it counts as one.
    let undiscovered = (0..spec.tests.len()).filter(|entry| {
        matches!(spec.tests[*entry].kind, TestKind::Discover { .. }) && unbuilt_entry(*entry)
    });
    let unbuilt = undiscovered.count()
        + asked
            .iter()
            .filter(|case| unbuilt_entry(case.entry))
            .count();
    if asked.is_empty() && unbuilt == 0 {
        return Err(match request.filters.is_empty() {
            true => ProjectError::NoTests,
            false => ProjectError::NoMatch {
                filters: request.filters.clone(),
                known,
            },
        });
    }
    let variables = test_environment(project.on().identity).into();
    let chosen = asked
        .into_iter()
        .filter_map(|case| chosen(project, request, &prepared, &variables, case));
    Ok((chosen.collect(), unbuilt))
}

/// What is wrong with the tests, together with what is wrong with the steps of the snapshots: the user
/// mends all of it at once.
fn with_steps(project: &Project, error: PlanError) -> ProjectError {
    let PlanError::Problems { file, mut problems } = error else {
        return error.into();
    };
    let snapshots = project.spec().snapshots.iter();
    let names: Vec<&str> = snapshots.map(|snapshot| snapshot.name.as_str()).collect();
    if let Err(ProjectError::Plan(PlanError::Problems { problems: more, .. })) =
        project.plan(&names)
    {
        problems.extend(more);
    }
    problems.sort_by_key(|problem| problem.position);
    PlanError::Problems { file, problems }.into()
}

fn chosen(
    project: &Project,
    request: &Request,
    prepared: &[Prepared],
    variables: &Arc<[(OsString, OsString)]>,
    planned: PlannedTest,
) -> Option<Chosen> {
    let test = &project.spec().tests[planned.entry];
    let (_, state) = prepared.iter().find(|(name, _)| *name == test.snapshot)?;
    let state = state.as_ref().ok()?;
    let case = case(project, request, test, variables, &planned, state);
    let scheduled = Scheduled {
        name: planned.name,
        entry: test.name.clone(),
        snapshot: test.snapshot.clone(),
        retries: request.retries.or(test.retries).unwrap_or(0),
        threads: test.threads_required,
    };
    Some(Chosen { scheduled, case })
}

fn case(
    project: &Project,
    request: &Request,
    test: &Test,
    variables: &Arc<[(OsString, OsString)]>,
    case: &PlannedTest,
    state: &Arc<State>,
) -> Case {
    let host = project.on();
    let snapshot = project
        .spec()
        .snapshots
        .iter()
        .find(|snapshot| snapshot.name == test.snapshot);
    let limits = test
        .limits
        .or(snapshot.map(|snapshot| snapshot.limits).unwrap_or_default());
    let client = |ending: &str| {
        let mut services = state.services.iter();
        services.find(|engine| engine.script_ending() == ending)
    };
    let mut command = match &case.action {
        CaseAction::Script(file, ending) => match client(ending) {
            Some(engine) => {
                let exec = engine.client_script(&file.path);
                let mut command = command_of(&exec);
                // What every client gets gives way to the user's own.
                let base = base_environment();
                let own = variables
                    .iter()
                    .filter(|(name, _)| base.iter().any(|(known, _)| name == known));
                command
                    .envs(own.map(|(name, value)| (name, value)))
                    .envs(exec.environment);
                command
            }
            None => Command::new(&file.path),
        },
        CaseAction::Command(argv) => Command::from_argv(argv),
    };
    let mut shown = host.shown.clone();
    if let CaseAction::Script(file, _) = &case.action {
        shown.extend(file.path.parent().map(Path::to_owned));
    }
    command
        .beneath(variables)
        .envs(state.environment())
        .env("COWHERD_TEST", &case.name)
        .envs(&test.environment);
    let folder = test.working_dir.as_deref().unwrap_or(Path::new(""));
    command.current_dir(host.project.join(folder));
    let name = ("COWHERD_TEST".to_owned(), case.name.clone());
    let environment = [name].into_iter().chain(test.environment.clone());
    Case {
        order: Order {
            host: Arc::clone(host),
            state: Arc::clone(state),
            project: project_files(test),
            shown,
            shared: Vec::new(),
            limits: enforceable(limits),
        },
        command,
        copy_up: limits.copied,
        timeout: request.timeout.or(test.timeout).unwrap_or(TIMEOUT),
        keep: Keep {
            when: request.keep,
            test: case.name.clone(),
            spec: project.spec().file.clone(),
            environment: environment.collect(),
            limits: request.keep_limits,
        },
    }
}

/// The limits of a spec, as cgroups take them.
pub(crate) fn enforceable(limits: spec::Limits) -> Limits {
    Limits {
        memory: limits.memory,
        pids: limits.pids,
        cpus: limits.cpus,
    }
}

fn project_files(test: &Test) -> ProjectFiles {
    match test.files {
        Files::Host => ProjectFiles::Host,
        Files::Copy => ProjectFiles::Copy,
    }
}

/// What the `discover` commands print, each in a container over its own snapshot.
fn discover(
    project: &Project,
    prepared: &[Prepared],
    stop: &Stop,
) -> Result<Vec<(String, Vec<String>)>, ProjectError> {
    let mut lines = Vec::new();
    for test in &project.spec().tests {
        let TestKind::Discover { discover, .. } = &test.kind else {
            continue;
        };
        let state = prepared.iter().find(|(name, _)| *name == test.snapshot);
        let Some((_, Ok(state))) = state else {
            continue;
        };
        let host = project.on();
        let order = Order {
            host: Arc::clone(host),
            state: Arc::clone(state),
            project: project_files(test),
            shown: host.shown.clone(),
            shared: Vec::new(),
            limits: Limits::default(),
        };
        let mut command = Command::from_argv(&discover.argv());
        command
            .envs(test_environment(host.identity))
            .envs(state.environment())
            .envs(&test.environment);
        command.current_dir(
            host.project
                .join(test.working_dir.as_deref().unwrap_or(Path::new(""))),
        );
        let killed = Some(stop.killed());
        let printed = order
            .start(killed)
            .and_then(|mut container| container.output_of(&test.name, &command, killed));
        match printed {
            Ok(text) => lines.push((test.name.clone(), text.lines().map(str::to_owned).collect())),
            Err(ContainerError::Command { exit, output, .. }) => {
                return Err(ProjectError::Discover {
                    entry: test.name.clone(),
                    exit,
                    output,
                });
            }
            Err(ContainerError::Sandbox(error @ SandboxError::Spawn { .. })) => {
                return Err(ProjectError::Discover {
                    entry: test.name.clone(),
                    exit: "can't be executed".to_owned(),
                    output: format!(
                        "{}\n{}",
                        event::in_words(&error),
                        error.hint().unwrap_or_default()
                    ),
                });
            }
            Err(ContainerError::Interrupted) => {
                let signal = stop.asked().unwrap_or_default();
                return Err(ProjectError::Interrupted { signal });
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(lines)
}
