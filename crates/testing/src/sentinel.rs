//! A sentinel, which names the primary.

use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use crate::client::Client;
use crate::port::free_port;
use crate::server::{Server, until};
use crate::spawn;

/// A process that watches one primary under the name `primary`, alone. Dropping it kills the process.
pub struct Sentinel {
    port: u16,
    process: Child,
    _folder: TempDir,
}

impl Sentinel {
    /// Watches a primary that was set up with `tcp()`. Returns when it knows the primary's one replica.
    pub fn watching(primary: &Server) -> Self {
        let folder = tempfile::Builder::new().prefix("sluice-sentinel-").tempdir().unwrap();
        let port = free_port();
        let config = folder.path().join("sentinel.conf");
        let text = format!(
            "port {port}\nbind 127.0.0.1\ndir \"{}\"\nsentinel monitor primary 127.0.0.1 {} 1\n\
             sentinel down-after-milliseconds primary 60000\n",
            folder.path().display(),
            primary.port()
        );
        std::fs::write(&config, text).unwrap();
        let mut command = Command::new(primary.kind().path());
        command.arg(config).arg("--sentinel").env_clear().stdin(Stdio::null());
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let sentinel = Self { port, process: spawn::spawn(command).unwrap(), _folder: folder };
        until("the sentinel listens", || Client::to_port(port).is_ok());
        let mut client = Client::to_port(port).unwrap();
        until("the sentinel knows the replica", || {
            client.ask("SENTINEL REPLICAS primary").array().len() == 1
        });
        sentinel
    }

    /// Its address as clients write it.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/", self.port)
    }

    /// Makes the replica the primary, and returns when the sentinel names it.
    #[track_caller]
    pub fn fail_over(&self) {
        let mut client = Client::to_port(self.port).unwrap();
        let ask = "SENTINEL GET-MASTER-ADDR-BY-NAME primary";
        let before = client.ask(ask);
        // A replica has to be known for a while before it may be chosen.
        until("the sentinel begins", || !client.ask("SENTINEL FAILOVER primary").is_error());
        until("the sentinel names the replica", || client.ask(ask) != before);
    }
}

impl Drop for Sentinel {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
