//! `cowherd export`: a snapshot as one file.

use std::fs::File;
use std::io::{self, IsTerminal as _, Seek as _, Write};
use std::path::Path;
use std::process::ExitCode;

use clap::ColorChoice;
use cowherd::carry::{self, Exported, Parcel};
use cowherd::container::State;
use cowherd::disk::Unnamed;
use cowherd::project::Project;
use cowherd::schedule::{self, Stop};
use cowherd::store::Layer;
use cowherd::units::format_size;

use super::failure::Refusal;
use super::output::{count, say};
use super::{args, meant};

pub(super) fn export(args: &args::Export, color: ColorChoice) -> anyhow::Result<ExitCode> {
    let stop = Stop::new()?;
    let watch = schedule::watch(&stop)?;
    let target = Target::of(&args.archive)?;
    let of = |name: &str| meant::meant(args.spec.file.as_deref(), Some(name), color, &stop);
    let (project, state) = of(&args.snapshot)?;
    let since = match &args.since {
        None => None,
        Some(name) => Some((name.as_str(), of(name)?.1.chain())),
    };
    let since = since
        .as_ref()
        .map(|(name, chain)| (*name, chain.as_slice()));
    let folder = target.folder(&project);
    let file = Unnamed::new(folder)?;
    let stopped = || stop.asked().is_some();
    let path = &args.archive;
    let exported = write(&project, &state, since, file.file(), path, &stopped)
        .map_err(|error| super::failure::stopped(error, &stop))?;
    target.take(file)?;
    drop(watch);
    if matches!(target, Target::File(_)) {
        say(&text(args, &exported))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn write(
    project: &Project,
    state: &State,
    since: Option<(&str, &[Layer])>,
    file: &File,
    path: &Path,
    stopped: &(dyn Fn() -> bool + Sync),
) -> Result<Exported, carry::CarryError> {
    let mut snapshots = project.spec().snapshots.iter();
    let snapshot = snapshots.find(|snapshot| snapshot.name == state.snapshot);
    let parcel = Parcel {
        name: &state.snapshot,
        chain: &state.chain(),
        services: snapshot.map_or(&[], |snapshot| &snapshot.services),
        engines: &state.services,
    };
    carry::export(project.store(), &parcel, since, file, path, stopped)
}

fn text(args: &args::Export, exported: &Exported) -> String {
    let left_out = match exported.left_out {
        0 => String::new(),
        number => format!(
            ", without {} that {} has",
            count(number as u64, "layer"),
            args.since.as_deref().unwrap_or("the other side")
        ),
    };
    format!(
        "{}: {} of {}{left_out}, {} in {}\n",
        args.archive.display(),
        count(exported.layers as u64, "layer"),
        args.snapshot,
        format_size(exported.unpacked),
        format_size(exported.bytes),
    )
}

/// Where the file goes.
enum Target<'a> {
    /// A regular file, which is there whole or not at all.
    File(&'a Path),
    /// What can't be sought in: it gets the finished file.
    Stream(&'a Path),
    Output,
}

impl<'a> Target<'a> {
    fn of(path: &'a Path) -> anyhow::Result<Self> {
        if path.as_os_str() != "-" {
            let stream = path
                .metadata()
                .is_ok_and(|there| !there.is_file() && !there.is_dir());
            return Ok(if stream {
                Self::Stream(path)
            } else {
                Self::File(path)
            });
        }
        match io::stdout().is_terminal() {
            false => Ok(Self::Output),
            true => Err(Refusal {
                code: 2,
                message: "can't write the file to a terminal".to_owned(),
                hint: "name a file, or let another program read it: `cowherd export shop - | …`"
                    .to_owned(),
            }
            .into()),
        }
    }

    /// Where the file is made.
    fn folder<'f>(&self, project: &'f Project) -> &'f Path
    where
        'a: 'f,
    {
        match self {
            Self::File(path) => match path.parent() {
                Some(folder) if !folder.as_os_str().is_empty() => folder,
                _ => Path::new("."),
            },
            Self::Stream(_) | Self::Output => project.store().path(),
        }
    }

    fn take(&self, made: Unnamed) -> anyhow::Result<()> {
        match self {
            Self::File(path) => Ok(made.name(path)?),
            Self::Stream(path) => pass_on(made.file(), File::options().write(true).open(path)?),
            Self::Output => pass_on(made.file(), io::stdout().lock()),
        }
    }
}

fn pass_on(mut made: &File, mut to: impl Write) -> anyhow::Result<()> {
    made.rewind()?;
    io::copy(&mut made, &mut to)?;
    Ok(to.flush()?)
}
