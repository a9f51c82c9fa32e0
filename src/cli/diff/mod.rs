//! `cowherd diff`: what differs between two snapshots.

mod json;
mod states;
mod text;

use std::io;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::process::{self, ExitCode};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use clap::ColorChoice;
use cowherd::container::{ContainerError, Live, Order, State};
use cowherd::difference::{
    self, DifferenceError, FilesDifference, Found, RowsWanted, SchemaDifference, Side,
};
use cowherd::engine::Engine;
use cowherd::project::{Project, ProjectError};
use cowherd::schedule::{self, Stop};

use states::Named;

use super::args;
use super::args::Limit;

pub(super) fn diff(args: &args::Diff, color: ColorChoice) -> anyhow::Result<ExitCode> {
    let stop = Stop::new()?;
    let watch = schedule::watch(&stop)?;
    let (project, both) = states::both(args, color, &stop)?;
    end_in_time(&stop);
    let default = !(args.rows || args.schema || args.files);
    let named = !args.table.is_empty();
    let limit = args.limit.unwrap_or(if args.json {
        Limit::All
    } else {
        Limit::Rows(20)
    });
    let compared = Compared {
        files: args.files,
        schema: args.schema || default && !named,
        rows: args.rows || default,
        tables: &args.table,
        stop: &stop,
    };
    let mut output: Box<Output<'_>> = if args.json {
        let mut json = json::Json::new(limit);
        Box::new(move |told| json.told(told))
    } else {
        let mut text = text::Text::new(limit, args.stat);
        Box::new(move |told| text.told(told))
    };
    let compared = compared.all(&project, &both, &mut output);
    let differs = match (compared, stop.asked()) {
        // A reader that has gone, as `head` goes, wanted no more.
        (Err(error), None) if is_gone(&error) => true,
        (Err(error), Some(signal)) if is_interruption(&error) => {
            return Err(ProjectError::Interrupted { signal }.into());
        }
        (differs, _) => differs?,
    };
    drop(watch);
    Ok(ExitCode::from(u8::from(args.exit_code && differs)))
}

/// Ends the program where an order to stop doesn't: while it waits for a reader that reads no more. Containers go with
/// it.
fn end_in_time(stop: &Stop) {
    const ENOUGH: Duration = Duration::from_secs(1);
    let stop = stop.clone();
    thread::spawn(move || {
        stop.wait_until_killed();
        thread::sleep(ENOUGH);
        process::exit(128 + stop.asked().unwrap_or_default());
    });
}

fn is_gone(error: &anyhow::Error) -> bool {
    let error = error.downcast_ref::<io::Error>();
    error.is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

fn is_interruption(error: &anyhow::Error) -> bool {
    matches!(
        error.downcast_ref(),
        Some(
            DifferenceError::Interrupted | DifferenceError::Container(ContainerError::Interrupted)
        )
    )
}

/// What is told of a comparison.
enum Told<'a> {
    /// It begins, with the names of the two.
    Begin(&'a str, &'a str),
    /// What follows is about this service; whether it is the only one.
    Service(&'a str, bool),
    /// The service can't be compared, for this reason.
    Incomparable(&'a str),
    /// The service has the same layers in both.
    SameLayers,
    Files(&'a FilesDifference),
    Schema(&'a SchemaDifference),
    Rows(Found<'a>),
    /// All rows of the service are told.
    RowsEnd,
    /// The comparison is over; whether something differs.
    End(bool),
}

/// Where it is told.
type Output<'o> = dyn FnMut(&Told<'_>) -> io::Result<()> + 'o;

/// What is compared.
struct Compared<'a> {
    files: bool,
    schema: bool,
    rows: bool,
    tables: &'a [String],
    stop: &'a Stop,
}

impl Compared<'_> {
    /// Compares the services of two states; whether something differs.
    fn all(
        &self,
        project: &Project,
        both: &[Named; 2],
        output: &mut Output<'_>,
    ) -> anyhow::Result<bool> {
        output(&Told::Begin(&both[0].name, &both[1].name))?;
        let [before, after] = both.each_ref().map(|named| &named.state);
        let mut names: Vec<&str> = Vec::new();
        for engine in before.services.iter().chain(&after.services) {
            let name = engine.place().service();
            if !names.contains(&name) {
                names.push(name);
            }
        }
        let mut containers = [None, None];
        let mut differs = false;
        for &name in &names {
            output(&Told::Service(name, names.len() == 1))?;
            let engines = [before, after].map(|state| engine(state, name));
            let [Some(one), Some(other)] = engines else {
                let has = &both[usize::from(engines[0].is_none())];
                output(&Told::Incomparable(&format!("only {} has it", has.name)))?;
                differs = true;
                continue;
            };
            let folders = [before, after].map(|state| difference::folders(state, name));
            if one.name() != other.name() {
                let why = format!("{} in one, {} in the other", one.name(), other.name());
                output(&Told::Incomparable(&why))?;
                differs = true;
            } else if folders[0] == folders[1] {
                output(&Told::SameLayers)?;
            } else {
                let served = (self.schema || self.rows) && one.server(false).is_some();
                for (container, state) in containers.iter_mut().zip([before, after]) {
                    if served && container.is_none() {
                        *container = Some(self.start(project, state)?);
                    }
                }
                differs |= self.service([one, other], &folders, &mut containers, output)?;
            }
        }
        output(&Told::End(differs))?;
        Ok(differs)
    }

    fn start(&self, project: &Project, state: &Arc<State>) -> anyhow::Result<Live> {
        let order = Order::unseen(project.on(), state);
        let mut live = order.start(Some(self.stop.killed()))?;
        live.let_logs_go();
        Ok(live)
    }

    fn service(
        &self,
        [before, after]: [&dyn Engine; 2],
        folders: &[Vec<PathBuf>; 2],
        containers: &mut [Option<Live>; 2],
        output: &mut Output<'_>,
    ) -> anyhow::Result<bool> {
        let mut differs = false;
        if self.files {
            let files = difference::files(&folders[0], &folders[1]);
            let files = files.map_err(DifferenceError::from)?;
            differs |= !files.files.is_empty();
            output(&Told::Files(&files))?;
        }
        if !(self.schema || self.rows) {
            return Ok(differs);
        }
        let stop = Some(self.stop.killed());
        let [one, other] = containers.each_mut().map(|live| live.as_deref_mut());
        let (Some(mut before), Some(mut after)) = (
            Side::open(before, &folders[0], one, stop)?,
            Side::open(after, &folders[1], other, stop)?,
        ) else {
            output(&Told::Incomparable("its data are no tables"))?;
            return Ok(differs);
        };
        if self.schema {
            let schema = difference::schema(&mut before, &mut after)?;
            differs |= !schema.objects.is_empty();
            output(&Told::Schema(&schema))?;
        }
        if self.rows {
            let wanted = RowsWanted {
                tables: self.tables,
                stopped: &|| self.stop.asked().is_some(),
            };
            let mut written = Ok(());
            difference::rows(&mut before, &mut after, wanted, &mut |found| {
                differs |= match &found {
                    Found::Row(..) | Found::Sequence(_) => true,
                    Found::Table(table) => table.differs(),
                };
                written = output(&Told::Rows(found));
                match written {
                    Ok(()) => ControlFlow::Continue(()),
                    Err(_) => ControlFlow::Break(()),
                }
            })?;
            written?;
            output(&Told::RowsEnd)?;
        }
        Ok(differs)
    }
}

fn engine<'s>(state: &'s State, service: &str) -> Option<&'s dyn Engine> {
    let mut services = state.services.iter();
    let found = services.find(|engine| engine.place().service() == service);
    found.map(AsRef::as_ref)
}
