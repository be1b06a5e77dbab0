//! The built example, started as cron would start it.

use std::fs::File;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use sluice_testing::{Signal, example};
use tokio::process::{Child, Command};
use tokio::time::timeout;

/// Far beyond what any run here takes.
const PATIENCE: Duration = Duration::from_secs(60);

/// A process of the example, killed when the value is dropped.
pub(crate) struct Process {
    child: Child,
    log: PathBuf,
}

/// A process that has ended.
pub(crate) struct Ended {
    /// None: a signal ended it.
    pub(crate) code: Option<i32>,
    pub(crate) log: String,
}

impl Process {
    /// Starts the example with these arguments; its log goes to the file.
    pub(crate) fn start(arguments: &[&str], log: PathBuf) -> Self {
        let mut command = Command::new(example("batch-job"));
        command.args(arguments).env_clear().kill_on_drop(true).stdin(Stdio::null());
        command.stdout(Stdio::null()).stderr(File::create(&log).unwrap());
        Self { child: command.spawn().unwrap(), log }
    }

    pub(crate) fn signal(&self, signal: Signal) {
        sluice_testing::signal(self.child.id().expect("a running process"), signal);
    }

    /// What it has logged so far.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }

    pub(crate) async fn end(mut self) -> Ended {
        let status = timeout(PATIENCE, self.child.wait()).await;
        let status = status.unwrap_or_else(|_| panic!("still running:\n{}", self.log())).unwrap();
        Ended { code: status.code(), log: self.log() }
    }
}
