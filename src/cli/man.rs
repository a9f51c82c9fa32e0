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
    let mut written = 1;
    for subcommand in command.get_subcommands() {
        let name = subcommand.get_name().to_owned();
        if subcommand.is_hide_set() || name == "help" {
            continue;
        }
        let name = format!("cowherd-{name}");
        write(folder, &name, &page(subcommand.clone())?)?;
        written += 1;
    }
    write(folder, "cowherd", &page(command)?)?;
    say(&format!(
        "{} in {}\n",
        count(written, "page"),
        folder.display()
    ))?;
    Ok(ExitCode::SUCCESS)
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
