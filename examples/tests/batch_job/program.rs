//! The built example, started as cron would start it.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, SystemTime};

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
        let mut command = Command::new(path());
        command.args(arguments).env_clear().kill_on_drop(true).stdin(Stdio::null());
        command.stdout(Stdio::null()).stderr(File::create(&log).unwrap());
        Self { child: command.spawn().unwrap(), log }
    }

    pub(crate) fn signal(&self, name: &str) {
        let id = self.child.id().expect("a running process").to_string();
        assert!(std::process::Command::new("kill").args(["-s", name, &id]).status().unwrap().success());
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

/// `<target>/<profile>/examples/batch-job`, from `<target>/<profile>/deps/<this test>`. Cargo builds it for
/// `cargo test`, but not when that is given the name of a test: then it can be yesterday's.
fn path() -> PathBuf {
    const BUILD: &str = "run `cargo build -p sluice-examples --examples`, with the profile of the tests";
    let test = std::env::current_exe().unwrap();
    let example = test.ancestors().nth(2).unwrap().join("examples/batch-job");
    assert!(example.exists(), "no {}: {BUILD}", example.display());
    for source in std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/batch-job")).unwrap() {
        let source = source.unwrap().path();
        let stale = changed(&source) > changed(&example);
        assert!(!stale, "the example is older than {}: {BUILD}", source.display());
    }
    example
}

fn changed(file: &Path) -> SystemTime {
    file.metadata().unwrap().modified().unwrap()
}
