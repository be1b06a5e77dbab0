//! A process of one of the programs.

use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;

use reqwest::{Client, RequestBuilder};
use sluice_testing::{Signal, go_programs, signal};
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::timeout;

use crate::{MODULE, ms};

/// It is killed when the value is dropped.
pub(crate) struct Program {
    name: &'static str,
    process: Child,
    output: Lines<BufReader<ChildStdout>>,
    log: Arc<Mutex<String>>,
}

impl Program {
    pub(crate) async fn start(name: &'static str, words: &str) -> Self {
        let folder = tokio::task::spawn_blocking(|| go_programs(MODULE)).await.unwrap();
        let mut command = command(&folder.join(name));
        command.args(words.split_whitespace()).kill_on_drop(true).stdin(Stdio::null());
        let mut process = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let log = Arc::default();
        tokio::spawn(copy(process.stderr.take().unwrap(), Arc::clone(&log)));
        let output = BufReader::new(process.stdout.take().unwrap()).lines();
        Self { name, process, output, log }
    }

    /// The next line that it prints; none when it has ended.
    pub(crate) async fn line(&mut self) -> Option<String> {
        let line = timeout(ms(60_000), self.output.next_line()).await;
        line.unwrap_or_else(|_| panic!("{} says nothing", self.name)).unwrap()
    }

    pub(crate) fn signal(&self, of: Signal) {
        signal(self.process.id().expect("a running process"), of);
    }

    /// What else it prints until it ends, and how.
    pub(crate) async fn end(mut self) -> (Vec<String>, ExitStatus) {
        let mut lines = Vec::new();
        while let Some(line) = self.line().await {
            lines.push(line);
        }
        (lines, timeout(ms(60_000), self.process.wait()).await.unwrap().unwrap())
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("log of {}:\n{}", self.name, self.log.lock().unwrap());
        }
    }
}

async fn copy(output: impl AsyncRead + Unpin, log: Arc<Mutex<String>>) {
    let mut lines = BufReader::new(output).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        let mut log = log.lock().unwrap();
        log.push_str(&line);
        log.push('\n');
    }
}

/// The program, which is killed with this process, also when that is interrupted and drops nothing.
fn command(program: &Path) -> Command {
    let setpriv = Path::new("/usr/bin/setpriv");
    if !setpriv.exists() {
        return Command::new(program);
    }
    let mut command = Command::new(setpriv);
    command.args(["--pdeathsig", "KILL", "--"]).arg(program);
    command
}

/// A proxy that listens.
pub(crate) struct Proxy {
    url: String,
    program: Program,
}

impl Proxy {
    /// Starts it on a free port, with these words behind its addresses.
    pub(crate) async fn start(redis: &str, upstream: &str, words: &str) -> Self {
        let words = format!("-listen 127.0.0.1:0 -redis {redis} -upstream {upstream} {words}");
        let mut program = Program::start("proxy", &words).await;
        let line = program.line().await.expect("it listens");
        let url = line.split_once(": ").unwrap().0.to_owned();
        Self { url, program }
    }

    /// A request on a connection of its own.
    pub(crate) fn get(&self, path: &str) -> RequestBuilder {
        client().get(format!("{}{path}", self.url))
    }

    /// One with a body.
    pub(crate) fn post(&self, path: &str) -> RequestBuilder {
        client().post(format!("{}{path}", self.url)).body("a small body")
    }

    pub(crate) async fn status(&self, path: &str) -> u16 {
        self.get(path).send().await.unwrap().status().as_u16()
    }

    pub(crate) fn terminate(&self) {
        self.program.signal(Signal::TERM);
    }

    pub(crate) async fn end(self) -> ExitStatus {
        self.program.end().await.1
    }
}

fn client() -> Client {
    Client::builder().timeout(ms(60_000)).build().unwrap()
}
