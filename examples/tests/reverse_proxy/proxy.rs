//! One proxy: the program itself, in a process of its own.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::thread;

use reqwest::{Client, RequestBuilder, Response};
use sluice_testing::{Signal, example, signal};
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::ms;

/// A proxy that runs until the value is dropped.
pub(crate) struct Proxy {
    address: SocketAddr,
    process: Child,
    log: Arc<Mutex<String>>,
    /// Ends when it has logged its last line.
    logged: JoinHandle<()>,
    /// What it said when it listened.
    pub(crate) line: String,
}

impl Proxy {
    /// Starts it on a free port, with these words behind its addresses.
    pub(crate) async fn start(redis: &str, upstream: &str, words: &str) -> Self {
        let mut command = command();
        command.args(["--listen", "127.0.0.1:0", "--redis", redis, "--upstream", upstream]);
        command.args(words.split_whitespace()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut process = command.spawn().unwrap();

        let log = Arc::new(Mutex::new(String::new()));
        let logged = tokio::spawn(copy(process.stderr.take().unwrap(), Arc::clone(&log)));
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let line = timeout(ms(20_000), lines.next_line()).await.unwrap().unwrap();
        let line = line.unwrap_or_else(|| panic!("it ended:\n{}", log.lock().unwrap()));
        let address = line.split_once("http://").and_then(|(_, rest)| rest.split_once(": ")).unwrap().0;
        Self { address: address.parse().unwrap(), process, log, logged, line }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// A request on a connection of its own.
    pub(crate) fn request(&self, path: &str) -> RequestBuilder {
        client().get(self.url(path))
    }

    pub(crate) async fn get(&self, path: &str) -> Response {
        self.request(path).send().await.unwrap()
    }

    pub(crate) fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    /// Asks it to stop, as a supervisor does.
    pub(crate) fn terminate(&self) {
        signal(self.process.id().expect("a running proxy"), Signal::TERM);
    }

    /// How it ended. Its log is whole then.
    pub(crate) async fn ended(&mut self) -> Option<i32> {
        let status = timeout(ms(20_000), self.process.wait()).await.unwrap().unwrap();
        timeout(ms(20_000), &mut self.logged).await.unwrap().unwrap();
        status.code()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("log of the proxy on {}:\n{}", self.address, self.log());
        }
    }
}

/// A client with connections of its own, which gives up where a test would hang.
pub(crate) fn client() -> Client {
    Client::builder().timeout(ms(60_000)).build().unwrap()
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
pub(crate) fn command() -> Command {
    let setpriv = Path::new("/usr/bin/setpriv");
    let mut command = if setpriv.exists() {
        let mut command = Command::new(setpriv);
        command.args(["--pdeathsig", "KILL", "--"]).arg(example("reverse-proxy"));
        command
    } else {
        Command::new(example("reverse-proxy"))
    };
    command.env_remove("RUST_LOG").env("NO_COLOR", "1").stdin(Stdio::null()).kill_on_drop(true);
    command
}
