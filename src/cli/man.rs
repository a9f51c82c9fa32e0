//! `cowherd man`: the manual pages, made from the same texts as `--help`.

use std::fs;
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::CommandFactory as _;
use clap_mangen::Man;

use super::args;
use super::output::{count, say};

pub(super) fn man(args: &args::Man) -> anyhow::Result<ExitCode> {
    let mut command = args::Args::command();
    // So that each page calls its subcommand `cowherd run`, and names it `cowherd-run(1)`.
    command.build();
    let Some(folder) = &args.dir else {
        say(&page(command)?)?;
        return Ok(ExitCode::SUCCESS);
    };
    fs::create_dir_all(folder).with_context(|| format!("can't create {}", folder.display()))?;
    let written = write_all(folder, "cowherd", &command)?;
    say(&format!(
        "{} in {}\n",
        count(written, "page"),
        folder.display()
    ))?;
    Ok(ExitCode::SUCCESS)
}

/// Writes the page of a command and those of its subcommands, and says how many they are.
fn write_all(folder: &Path, name: &str, command: &clap::Command) -> anyhow::Result<u64> {
    let mut written = 1;
    write(folder, name, &page(command.clone())?)?;
    for subcommand in command.get_subcommands() {
        let own = subcommand.get_name();
        if !subcommand.is_hide_set() && own != "help" {
            written += write_all(folder, &format!("{name}-{own}"), subcommand)?;
        }
    }
    Ok(written)
}

fn page(command: clap::Command) -> anyhow::Result<String> {
    let mut page = Vec::new();
    Man::new(command).render(&mut page)?;
    Ok(String::from_utf8_lossy(&page).into_owned())
}

fn write(folder: &Path, name: &str, page: &str) -> anyhow::Result<()> {
    let path = folder.join(format!("{name}.1"));
    fs::write(&path, page).with_context(|| format!("can't write {}", path.display()))
}
