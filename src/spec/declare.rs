//! A spec that is written in Rust. It becomes the tree that the same spec in YAML is read into, with the places of
//! the calls, so that reading and checking it are the same, and so are the keys of its steps.

use std::panic::Location;
use std::path::Path;

use super::declare_service::ServiceDeclaration;
use super::declared::{
    Calls, add_setting, command_node, each_key_once, entry, list, map, source_file, text,
};
use super::problem::{Faults, Place, SpecError};
use super::source::Source;
use super::yaml::{Entry, Node};
use super::{CommandLine, Spec, check, read};

/// Checks a spec that is declared in code, with relative paths that start in `folder`.
///
/// ```
/// use cowherd::spec::declare;
///
/// let spec = declare("/srv/shop".as_ref(), |spec| {
///     spec.snapshot("shop", |shop| {
///         shop.engine("postgres").migrate("migrations").sql("seed/*.sql")
///     })
///     .snapshot("shop-big", |big| big.from("shop").sql("seed/big.sql"))
/// })?;
/// assert_eq!(spec.snapshots[1].services[0].database, "shop");
///
/// let error = declare("/srv/shop".as_ref(), |spec| spec.snapshot("shop", |shop| shop.engine("postgrs")));
/// assert!(error.unwrap_err().to_string().contains("unknown engine `postgrs`; did you mean `postgres`?"));
/// # Ok::<(), cowherd::spec::SpecError>(())
/// ```
///
/// # Errors
/// Everything that is wrong, each with the place of the call that says it.
#[track_caller]
pub fn declare(
    folder: &Path,
    snapshots: impl FnOnce(Declaration) -> Declaration,
) -> Result<Spec, SpecError> {
    let calls = Calls::of(Location::caller());
    let Declaration { snapshots, .. } = snapshots(Declaration {
        calls,
        snapshots: Vec::new(),
    });
    let folder = std::path::absolute(folder).map_err(|source| SpecError::Unreadable {
        file: folder.to_owned(),
        source,
    })?;
    let file = source_file(&folder, Path::new(calls.file));
    // Only for the line of a problem; a program may run where its sources are not.
    let source = Source::new(std::fs::read_to_string(&file).unwrap_or_default());
    let mut faults = Faults::default();
    let fields = vec![
        entry("version", calls.outer, text("1", calls.outer)),
        entry("snapshots", calls.outer, map(snapshots, calls.outer)),
    ];
    let mut root = map(fields, calls.outer);
    each_key_once(&mut root, &mut faults);
    let draft = read::read(Some(&root), &source, &|_| None, &mut faults);
    let checked = check::check(draft, &mut faults);
    if !faults.is_empty() {
        return Err(faults.into_error(super::seen_from_here(&file), &source));
    }
    let checked = checked.in_folder(&folder);
    Ok(Spec {
        file,
        folder,
        snapshots: checked.snapshots,
        tests: checked.tests,
        packages: checked.packages,
        scratch: checked.scratch,
    })
}

/// The snapshots of a spec, one after the other.
#[derive(Debug)]
#[must_use]
pub struct Declaration {
    calls: Calls,
    snapshots: Vec<Entry>,
}

impl Declaration {
    /// A snapshot with this name; `content` says what it is.
    #[track_caller]
    pub fn snapshot(
        mut self,
        name: &str,
        content: impl FnOnce(SnapshotDeclaration) -> SnapshotDeclaration,
    ) -> Self {
        let place = self.calls.place(Location::caller(), "snapshot");
        let calls = self.calls.within(place);
        let snapshot = content(SnapshotDeclaration {
            calls,
            fields: Vec::new(),
            services: Vec::new(),
            steps: Vec::new(),
            on: None,
        });
        let mut fields = snapshot.fields;
        if let Some(first) = snapshot.services.first() {
            let place = first.place;
            fields.push(entry("services", place, map(snapshot.services, place)));
        }
        if let Some(first) = snapshot.steps.first() {
            let place = first.place;
            fields.push(entry("steps", place, list(snapshot.steps, place)));
        }
        self.snapshots.push(entry(name, place, map(fields, place)));
        self
    }
}

/// One snapshot: its engine, or several services, or the snapshot that it starts from; then its steps, in order. Each
/// method is the key of `cowherd.yaml` that it is named after. Texts stand for themselves: `$` has no meaning.
#[derive(Debug)]
#[must_use]
pub struct SnapshotDeclaration {
    calls: Calls,
    fields: Vec<Entry>,
    services: Vec<Entry>,
    steps: Vec<Node>,
    on: Option<(String, Place)>,
}

impl SnapshotDeclaration {
    /// The engine of its one service: `postgres`, `sqlite`, `mariadb`, `mysql` or `redis`.
    #[track_caller]
    pub fn engine(self, name: &str) -> Self {
        self.field(Location::caller(), "engine", name)
    }

    /// The database to create and connect to, where it is not called as the snapshot.
    #[track_caller]
    pub fn database(self, name: &str) -> Self {
        self.field(Location::caller(), "database", name)
    }

    /// A setting of the engine, as it writes it.
    #[track_caller]
    pub fn setting(mut self, name: &str, value: &str) -> Self {
        let place = self.calls.place(Location::caller(), "setting");
        add_setting(&mut self.fields, name, value, place);
        self
    }

    /// The folder of the engine's programs, when it is not a usual one.
    #[track_caller]
    pub fn bin_dir(self, folder: &str) -> Self {
        self.field(Location::caller(), "bin_dir", folder)
    }

    /// One of several services, in place of [`engine`](Self::engine).
    #[track_caller]
    pub fn service(
        mut self,
        name: &str,
        content: impl FnOnce(ServiceDeclaration) -> ServiceDeclaration,
    ) -> Self {
        let place = self.calls.place(Location::caller(), "service");
        let calls = self.calls.within(place);
        let service = content(ServiceDeclaration::new(calls));
        self.services
            .push(entry(name, place, service.into_node(place)));
        self
    }

    /// The snapshot that it starts from, with the services of that one.
    #[track_caller]
    pub fn from(self, name: &str) -> Self {
        self.field(Location::caller(), "from", name)
    }

    /// The snapshot that it starts from and that the store has by itself, imported or committed; its services are
    /// declared here as they were there.
    #[track_caller]
    pub fn stored(self, name: &str) -> Self {
        self.field(Location::caller(), "stored", name)
    }

    /// Which service the steps are for that follow; needed when there are several.
    #[track_caller]
    pub fn on(mut self, service: &str) -> Self {
        let place = self.calls.place(Location::caller(), "on");
        self.on = Some((service.to_owned(), place));
        self
    }

    /// A step: the migrations of a folder, whose tool is detected.
    #[track_caller]
    pub fn migrate(self, folder: &str) -> Self {
        self.step(Location::caller(), "migrate", |place| text(folder, place))
    }

    /// A step: the migrations of a folder by the rules of this tool: `sql`, `flyway`, `sqlx`, `refinery`, `diesel`,
    /// `golang-migrate` or `dbmate`.
    #[track_caller]
    pub fn migrate_as(self, tool: &str, folder: &str) -> Self {
        self.step(Location::caller(), "migrate_as", |place| {
            let tool = entry("tool", place, text(tool, place));
            map(vec![tool, entry("dir", place, text(folder, place))], place)
        })
    }

    /// A step: SQL files, by a path or a pattern.
    #[track_caller]
    pub fn sql(self, files: &str) -> Self {
        self.step(Location::caller(), "sql", |place| text(files, place))
    }

    /// A step: files of Redis commands, by a path or a pattern.
    #[track_caller]
    pub fn redis(self, files: &str) -> Self {
        self.step(Location::caller(), "redis", |place| text(files, place))
    }

    /// A step: a command with the database's variables, as in `.run("./load.sh", ["data/*.csv"])`. The inputs are all
    /// files that it reads: the step is taken again when one of them changes.
    #[track_caller]
    pub fn run<'i>(
        self,
        command: impl Into<CommandLine>,
        inputs: impl IntoIterator<Item = &'i str>,
    ) -> Self {
        self.run_step(Location::caller(), "run", command.into(), inputs, &[])
    }

    /// As [`run`](Self::run), with further variables.
    #[track_caller]
    pub fn run_with<'i>(
        self,
        command: impl Into<CommandLine>,
        inputs: impl IntoIterator<Item = &'i str>,
        environment: &[(&str, &str)],
    ) -> Self {
        let here = Location::caller();
        self.run_step(here, "run_with", command.into(), inputs, environment)
    }

    /// The most memory for each container, in bytes.
    #[track_caller]
    pub fn mem_limit(self, bytes: u64) -> Self {
        self.field(Location::caller(), "mem_limit", &bytes.to_string())
    }

    /// The most that a test of `cowherd run` may have its container write to its data, in bytes.
    #[track_caller]
    pub fn copy_up(self, bytes: u64) -> Self {
        self.field(Location::caller(), "copy_up", &bytes.to_string())
    }

    /// The most processes and threads for each container.
    #[track_caller]
    pub fn pids_limit(self, number: u64) -> Self {
        self.field(Location::caller(), "pids_limit", &number.to_string())
    }

    /// The most processors for each container, as in `1.5`.
    #[track_caller]
    pub fn cpus(self, number: f64) -> Self {
        self.field(Location::caller(), "cpus", &number.to_string())
    }

    fn field(mut self, call: &'static Location<'static>, key: &str, value: &str) -> Self {
        let place = self.calls.place(call, key);
        self.fields.push(entry(key, place, text(value, place)));
        self
    }

    fn step(
        mut self,
        call: &'static Location<'static>,
        method: &str,
        content: impl FnOnce(Place) -> Node,
    ) -> Self {
        let place = self.calls.place(call, method);
        let kind = method.split('_').next().unwrap_or(method);
        let mut fields = vec![entry(kind, place, content(place))];
        if let Some((service, place)) = &self.on {
            fields.push(entry("on", *place, text(service, *place)));
        }
        self.steps.push(map(fields, place));
        self
    }

    fn run_step<'i>(
        self,
        call: &'static Location<'static>,
        method: &str,
        command: CommandLine,
        inputs: impl IntoIterator<Item = &'i str>,
        environment: &[(&str, &str)],
    ) -> Self {
        self.step(call, method, |place| {
            let command = command_node(command, place);
            let inputs = inputs.into_iter().map(|input| text(input, place));
            let variables = environment.iter();
            let variables = variables.map(|(name, value)| entry(name, place, text(value, place)));
            let fields = vec![
                entry("command", place, command),
                entry("inputs", place, list(inputs.collect(), place)),
                entry("environment", place, map(variables.collect(), place)),
            ];
            map(fields, place)
        })
    }
}

impl From<&str> for CommandLine {
    /// A line for the shell.
    fn from(line: &str) -> Self {
        Self::Shell(line.to_owned())
    }
}

impl<const N: usize> From<[&str; N]> for CommandLine {
    /// A program and its arguments.
    fn from(words: [&str; N]) -> Self {
        Self::Argv(words.map(str::to_owned).to_vec())
    }
}
