//! One server.

use std::fs::File;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::LazyLock;
use std::sync::mpsc::{self, Sender};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::{Kind, find, free_port};

const PATIENCE: Duration = Duration::from_secs(20);

/// A server that runs until the value is dropped.
pub struct Server {
    kind: Kind,
    port: u16,
    extra: Vec<String>,
    folder: TempDir,
    process: Option<Child>,
}

impl Server {
    /// A server with the module that writes nothing to disk.
    pub fn start(kind: Kind) -> Self {
        Self::start_with(kind, &["--loadmodule", find::module().to_str().unwrap()])
    }

    /// A server that lacks the module.
    pub fn start_without_module(kind: Kind) -> Self {
        Self::start_with(kind, &[])
    }

    /// A server with these words behind its program, such as `--appendonly yes`; without the module unless they
    /// load it.
    pub fn start_with(kind: Kind, extra: &[&str]) -> Self {
        let folder = tempfile::Builder::new().prefix("sluice-").tempdir().unwrap();
        let extra = extra.iter().map(|word| (*word).to_owned()).collect();
        let mut server = Self { kind, port: free_port(), extra, folder, process: None };
        server.start_again();
        server
    }

    /// Starts a server that was killed, on the same port.
    pub fn start_again(&mut self) {
        let log = File::options().create(true).append(true).open(self.folder.path().join("log")).unwrap();
        let mut command = dies_with_us(&self.kind.program());
        command.args(["--port", &self.port.to_string(), "--bind", "127.0.0.1", "--save", ""]);
        command.args(["--dir", self.folder.path().to_str().unwrap()]).args(&self.extra);
        command.env_clear().stdin(Stdio::null()).stderr(log.try_clone().unwrap()).stdout(log);
        self.process = Some(spawn(command));
        until(&format!("{:?} answers:\n{}", self.kind, self.log()), || {
            let ended = self.process.as_mut().unwrap().try_wait().unwrap();
            assert!(ended.is_none(), "{:?} ended:\n{}", self.kind, self.log());
            self.try_ask::<String>("PING").is_ok()
        });
    }

    /// Removes its folder already: nothing drops a server that lives as long as the process.
    pub(crate) fn without_folder(self) -> Self {
        let _ = std::fs::remove_dir_all(self.folder.path());
        self
    }

    /// Ends it as a crash does.
    pub fn kill9(&mut self) {
        let mut process = self.process.take().expect("a running server");
        process.kill().unwrap();
        process.wait().unwrap();
    }

    /// Stops it without ending it: connections stay open, nothing is answered.
    pub fn freeze(&self) {
        self.signal("STOP");
    }

    /// Lets it go on.
    pub fn thaw(&self) {
        self.signal("CONT");
    }

    fn signal(&self, name: &str) {
        let id = self.process.as_ref().expect("a running server").id().to_string();
        assert!(Command::new("kill").args(["-s", name, &id]).status().unwrap().success());
    }

    /// Its port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Its address for the `redis` crate.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/", self.port)
    }

    /// A client for it.
    pub fn client(&self) -> redis::Client {
        redis::Client::open(self.url()).unwrap()
    }

    /// Sends the words of a line as one command, as an operator with `redis-cli` does.
    #[track_caller]
    pub fn ask<T: redis::FromRedisValue>(&self, line: &str) -> T {
        self.try_ask(line).unwrap_or_else(|error| panic!("{line}: {error}"))
    }

    fn try_ask<T: redis::FromRedisValue>(&self, line: &str) -> redis::RedisResult<T> {
        let mut command = redis::Cmd::new();
        line.split_whitespace().for_each(|word| {
            command.arg(word);
        });
        // Without a timeout, as reads that have one do not go on by themselves after a signal, and one comes
        // whenever a child of this process stops or ends.
        command.query(&mut self.client().get_connection()?)
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("log of {:?}:\n{}", self.kind, self.log());
        }
        if let Some(mut process) = self.process.take() {
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

/// Asks again every millisecond until it is so.
#[track_caller]
pub fn until(what: &str, mut done: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !done() {
        assert!(Instant::now() < end, "still not so after {PATIENCE:?}: {what}");
        thread::sleep(Duration::from_millis(1));
    }
}

type Order = (Command, Sender<Child>);

/// Starts the command from a thread that lives as long as the process: the kernel kills a child when
/// the *thread* that started it ends.
fn spawn(command: Command) -> Child {
    static SPAWNER: LazyLock<Sender<Order>> = LazyLock::new(|| {
        let (orders, inbox) = mpsc::channel::<Order>();
        thread::spawn(move || {
            for (mut command, answer) in inbox {
                answer.send(command.spawn().unwrap()).unwrap();
            }
        });
        orders
    });
    let (answer, answers) = mpsc::channel();
    SPAWNER.send((command, answer)).unwrap();
    answers.recv().unwrap()
}

/// A command that is killed when the test process dies, also when that is interrupted and drops
/// nothing. `setpriv` becomes the program; without it only `Drop` cleans up.
fn dies_with_us(program: &Path) -> Command {
    let setpriv = Path::new("/usr/bin/setpriv");
    if !setpriv.exists() {
        return Command::new(program);
    }
    let mut command = Command::new(setpriv);
    command.args(["--pdeathsig", "KILL", "--"]).arg(program);
    command
}
