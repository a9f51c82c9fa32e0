//! A MariaDB server without a container.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::Context as _;
use cowherd::container::base_environment;
use cowherd::engine::Ready;
use cowherd::engine::mariadb_warm::converse;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::{SOCKET, Shop};
use crate::bare::{free_port, until_ready};

/// What a server without a container is started with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Options {
    /// What a container's is.
    Cowherds,
    /// The same, and room for many databases.
    Large,
    /// What says where things are, and nothing else.
    Stock,
}

/// A server without a container; dropping it kills it.
pub(super) struct Bare {
    child: Child,
    pub(super) socket: PathBuf,
}

impl Bare {
    /// Starts one on the folder `data`, as the containers' user, and waits for the line that says that it is ready.
    pub(super) fn start(shop: &Shop<'_>, data: &Path, options: Options) -> anyhow::Result<Self> {
        let engine = &shop.state.services[0];
        let server = engine.server(false).context("the engine has a server")?;
        // In a folder that is the server's own.
        let socket = data.join(SOCKET);
        let port = free_port()?;
        let own = ["--datadir=", "--socket=", "--port="];
        let places = [
            "--no-defaults",
            "--basedir=",
            "--bind-address=",
            "--pid-file=",
        ];
        let arguments = server.exec.args.iter().filter(|argument| {
            let argument = argument.to_string_lossy();
            let among = |names: &[&str]| names.iter().any(|name| argument.starts_with(name));
            match options {
                Options::Cowherds | Options::Large => !among(&own),
                Options::Stock => among(&places),
            }
        });
        let large = (options == Options::Large).then_some("--innodb-buffer-pool-size=512M");
        let mut command = Command::new(&server.exec.program);
        command
            .args(arguments)
            .arg(format!("--datadir={}", data.display()))
            .arg(format!("--socket={}", socket.display()))
            .arg(format!("--port={port}"))
            .args(large)
            .env_clear()
            .envs(base_environment())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let mut child = shop.as_user(&mut command).spawn()?;
        let Ready::Line(ready) = &server.ready else {
            anyhow::bail!("its log says when it is ready");
        };
        let mut log = until_ready(&mut child, ready)?;
        std::thread::spawn(move || std::io::copy(&mut log, &mut std::io::sink()));
        Ok(Self { child, socket })
    }

    pub(super) fn ask(&self, database: &str) -> anyhow::Result<()> {
        Ok(converse(&self.socket, "root", database)?)
    }

    /// Ends it in order.
    pub(super) fn stop(mut self) -> anyhow::Result<()> {
        kill(
            Pid::from_raw(self.child.id().cast_signed()),
            Signal::SIGTERM,
        )?;
        let status = self.child.wait()?;
        anyhow::ensure!(
            status.success(),
            "the server did not stop in order: {status}"
        );
        Ok(())
    }
}

impl Drop for Bare {
    fn drop(&mut self) {
        // Nothing of it is used again.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_file(&self.socket);
    }
}
