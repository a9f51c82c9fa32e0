//! `cowherd store`: what the store lies on, and a store in a file where its own file system can't share blocks.

use std::fs;
use std::path::Path;
use std::process::ExitCode;

use cowherd::container::LARGE_FILE;
use cowherd::disk;
use cowherd::loop_store::{self, LoopStoreError, Made, Owner, Wish};
use cowherd::project::{self, ProjectError};
use cowherd::schedule::{self, Stop};
use cowherd::units::format_size;

use super::args;
use super::output::{Table, say};

pub(super) fn store(args: &args::Store) -> anyhow::Result<ExitCode> {
    match &args.command {
        Some(args::StoreCommand::Init(init)) => make(init),
        None => status(),
    }
}

fn status() -> anyhow::Result<ExitCode> {
    let store = project::open_store()?;
    let path = store.path();
    let system = disk::file_system(path)?;
    let shared = disk::can_reflink(path)?;
    let mut table = Table::default();
    table.row(["store", &path.display().to_string()]);
    let inside = match loop_store::image_of(path) {
        Some(image) => format!("{} in {}", system.kind, image.display()),
        None => system.kind,
    };
    let (free, total) = (format_size(system.free), format_size(system.total));
    table.row(["file system", &format!("{inside}; {free} of {total} free")]);
    let blocks = match shared {
        true => "shared: the first write to a file costs the same at any size",
        false => {
            "not shared: the first write to a file copies it whole; see `cowherd store init --help`"
        }
    };
    table.row(["blocks", blocks]);
    let large = format_size(LARGE_FILE);
    let layers = match (disk::memory_takes_user_xattrs(), shared) {
        (false, _) => {
            "in the store: tmpfs of this kernel can't carry them, that of Linux 6.6 can".to_owned()
        }
        (true, true) => format!(
            "in memory; in the store for a snapshot that has a file over {large}, to share its blocks"
        ),
        (true, false) => {
            format!("in memory, files over {large} too: here they would be copied as well")
        }
    };
    table.row(["writable layers", &layers]);
    say(&table.to_string())?;
    Ok(ExitCode::SUCCESS)
}

fn make(args: &args::StoreInit) -> anyhow::Result<ExitCode> {
    let variable = |name: &str| std::env::var_os(name);
    let owner = Owner::find(args.user.as_deref(), &variable)?;
    let store = std::path::absolute(owner.store(&variable)?)?;
    // Where a link leads is where the room is.
    let store = fs::canonicalize(&store).unwrap_or(store);
    let image = match &args.image {
        Some(image) => std::path::absolute(image)?,
        None => loop_store::image_beside(&store),
    };
    let wish = Wish {
        store,
        image,
        size: args.size,
        owner,
    };
    let stop = Stop::new()?;
    let watch = schedule::watch(&stop)?;
    let stopped = || stop.asked().is_some();
    let made = loop_store::make(&wish, &stopped).map_err(|error| match (error, stop.asked()) {
        (LoopStoreError::Interrupted, Some(signal)) => {
            anyhow::Error::from(ProjectError::Interrupted { signal })
        }
        (error, _) => error.into(),
    })?;
    drop(watch);
    say(&text(&wish, made)?)?;
    Ok(ExitCode::SUCCESS)
}

fn text(wish: &Wish, made: Made) -> anyhow::Result<String> {
    let (store, name) = (wish.store.display(), &wish.owner.name);
    let system = disk::file_system(&wish.store)?;
    let Some(image) = loop_store::image_of(&wish.store) else {
        let kind = system.kind;
        return Ok(format!(
            "{store} is on {kind}, which shares blocks: nothing to do\n"
        ));
    };
    let size = format_size(system.total);
    let mut text = match made {
        Made::New => format!(
            "made {store} for {name}: up to {size} on XFS, in the file {}\n",
            image.display()
        ),
        Made::Mounted => format!("mounted {store}: {size}, in the file {}\n", image.display()),
        Made::Already => format!(
            "{store} is there already: {size}, in the file {}\n",
            image.display()
        ),
    };
    let around = disk::file_system(&image).map_or(u64::MAX, |around| around.free);
    if made == Made::New && around < wish.size {
        text += &format!(
            "note: the file takes what is used of it, and there are {} for it: writes fail beyond that\n",
            format_size(around)
        );
    }
    text += &boot(&image, &wish.store, name);
    Ok(text)
}

/// What mounts it again after a reboot, unless that is seen to.
fn boot(image: &Path, store: &Path, name: &str) -> String {
    let table = fs::read_to_string("/etc/fstab").unwrap_or_default();
    if loop_store::is_in_fstab(&table, image, store) {
        return String::new();
    }
    let line = loop_store::fstab_line(image, store);
    let mut text = format!(
        "a reboot unmounts it: run this command again then, or add this line to /etc/fstab now:\n{line}\n"
    );
    if !loop_store::is_for_root_alone(image) || !loop_store::is_for_root_alone(store) {
        text += &format!(
            "(only if {name} may become root anyway: who can rename these two says what the boot mounts, and where)\n"
        );
    }
    text
}
