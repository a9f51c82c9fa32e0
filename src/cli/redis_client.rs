//! `cowherd redis-client`: what a container runs for `.redis` files that are tests.

use std::io::{self, Write};
use std::process::ExitCode;

use cowherd::engine::redis_client::{Target, run_script};

use super::args;

pub(super) fn redis_client(args: &args::RedisClient) -> anyhow::Result<ExitCode> {
    let mut output = io::BufWriter::new(io::stdout().lock());
    let password = std::env::var("REDISCLI_AUTH").ok();
    let target = Target {
        socket: &args.socket,
        database: &args.database,
        password: password.as_deref(),
    };
    if let Err(error) = run_script(&target, &args.script, &mut output) {
        // What was answered before comes first.
        output.flush()?;
        eprintln!("{}", cowherd::event::in_words(&error));
        return Ok(ExitCode::FAILURE);
    }
    Ok(ExitCode::SUCCESS)
}
