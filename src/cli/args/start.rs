//! Arguments of what is needed once: a first spec, a look at the machine, completions, manual pages.

use std::path::PathBuf;

/// Writes a starter spec.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    cowherd init                             in an empty folder: a small example that runs\n  \
    cowherd init --print                     only show what would be written\n  \
    cowherd init --engine postgres           when its guess is wrong\n\n\
    It looks for migrations, SQL files and test commands, and takes the engine from .env files, Compose \
    files and dependencies. No file is overwritten, but cowherd.yaml with --force.")]
pub(in super::super) struct Init {
    /// Overwrite cowherd.yaml.
    #[arg(long)]
    pub(in super::super) force: bool,

    /// Print the spec, and write nothing.
    #[arg(long, conflicts_with = "force")]
    pub(in super::super) print: bool,

    /// The engine, in place of what the project's files say: postgres or sqlite.
    #[arg(long, value_name = "ENGINE")]
    pub(in super::super) engine: Option<String>,
}

/// Examines this machine.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
                  cowherd doctor                           before the first run, and when one is refused\n  \
                  cowherd doctor --json > doctor.json      to attach to a report\n\n\
                  It starts containers as cowherd run does, works in them, and looks at the store, the limits and \
                  the databases' programs. In its table ok works; !! works, but slower or with less than could \
                  be had; no is needed and does not work; -- could not be tried. Below stands what to do about \
                  it, ready to be pasted.\n\n\
                  Exit codes: 0 when everything that cowherd run needs works, 97 when something does not.")]
pub(in super::super) struct Doctor {
    /// Hold the limits of this machine against so many tests at once, as in cowherd run -j.
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(in super::super) jobs: Option<u32>,

    /// The same as one JSON object, for programs.
    #[arg(long)]
    pub(in super::super) json: bool,
}

/// Prints a completion script.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    source <(cowherd completions bash)       in ~/.bashrc\n  \
    cowherd completions zsh > ~/.zfunc/_cowherd\n  \
    cowherd completions fish > ~/.config/fish/completions/cowherd.fish")]
pub(in super::super) struct Completions {
    /// The shell.
    #[arg(value_name = "SHELL")]
    pub(in super::super) shell: clap_complete::Shell,
}

/// Prints the manual page.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    cowherd man | man -l -                   read it\n  \
    cowherd man --dir /usr/local/share/man/man1")]
pub(in super::super) struct Man {
    /// Write a page for each subcommand to this folder.
    #[arg(long, value_name = "DIR")]
    pub(in super::super) dir: Option<PathBuf>,
}
