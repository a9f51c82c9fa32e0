//! `cowherd sqlite-client`: what a container runs where there is no sqlite3.

use std::io::{self, BufReader, IsTerminal, Write};
use std::process::ExitCode;

use cowherd::engine::sqlite_client as client;

use super::args;

pub(super) fn sqlite_client(args: &args::SqliteClient) -> anyhow::Result<ExitCode> {
    let mut output = io::BufWriter::new(io::stdout().lock());
    let Some(script) = &args.script else {
        let (input, prompt) = (io::stdin(), io::stdin().is_terminal());
        let mut errors = io::stderr();
        let well = client::shell(
            &args.database,
            BufReader::new(input),
            &mut output,
            &mut errors,
            prompt,
        )?;
        return Ok(if well {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        });
    };
    if let Err(error) = client::run_script(&args.database, script, &mut output) {
        // What it printed before comes first; a verdict is 1, as sqlite3 has it.
        output.flush()?;
        eprintln!("{}", cowherd::event::in_words(&error));
        return Ok(ExitCode::FAILURE);
    }
    Ok(ExitCode::SUCCESS)
}
