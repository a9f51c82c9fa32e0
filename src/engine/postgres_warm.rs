//! A first connection to a server that waits for its test, so that the test's own is not the first.
//!
//! The first backend of a server builds the files that hold the relation cache (`pg_internal.init`), opens the
//! catalogues, which an overlay then copies up, and reads them into the shared buffers.

use std::path::Path;
use std::time::Duration;

use super::postgres_wire::Session;
use super::{EngineError, Socket};

/// How long a server that is up may take for an answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// Connects, asks for nothing but an answer, and takes leave.
pub(super) fn converse(socket: &Path, user: &str, database: &str) -> Result<(), EngineError> {
    let socket = Socket::patient(socket, PATIENCE)
        .map_err(|error| EngineError::file("connect to", socket, error))?;
    let parameters = [("user", user), ("database", database)];
    let mut session = Session::begin(socket, &parameters, "use the database once")?;
    session.run("SELECT 1")?;
    session.end()
}
