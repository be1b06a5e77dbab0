//! A running server that ends with its owner.

use std::fs::OpenOptions;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::clock::Clock;
use super::setup::Setup;
use super::{Client, Kind, Reply, spawn};

/// Nothing that a test waits for takes this long, not on a busy machine either.
const PATIENCE: Duration = Duration::from_secs(20);
const SIGKILL: i32 = 9;

/// A server process with a folder of its own. Dropping it kills the process and removes the folder.
///
/// A server that ended otherwise than by `kill9` or `shutdown` fails the test, and a failing test prints the
/// log.
pub(crate) struct Server {
    setup: Setup,
    folder: TempDir,
    clock: Option<Clock>,
    process: Option<Child>,
}

impl Server {
    /// A server with the module and nothing else.
    #[track_caller]
    pub(crate) fn start(kind: Kind) -> Self {
        Self::setup(kind).start()
    }

    pub(crate) fn setup(kind: Kind) -> Setup {
        Setup::new(kind)
    }

    pub(super) fn launch(setup: Setup) -> Result<Self, String> {
        let folder = tempfile::Builder::new().prefix("sluice-").tempdir().unwrap();
        for (name, bytes) in &setup.files {
            std::fs::write(folder.path().join(name), bytes).unwrap();
        }
        let clock = setup.clock_us.map(|us| Clock::create(&folder.path().join("clock"), us));
        let mut server = Self { setup, folder, clock, process: None };
        server.run()?;
        Ok(server)
    }

    /// Starts the process and waits until it is ready to serve. The error is its log.
    fn run(&mut self) -> Result<(), String> {
        assert!(self.process.is_none(), "the server runs already");
        let config = self.dir().join("server.conf");
        std::fs::write(&config, self.setup.to_text(self.dir())).unwrap();
        let _ = std::fs::remove_file(self.socket());
        let log = OpenOptions::new().create(true).append(true).open(self.log_file()).unwrap();

        let mut command = spawn::dies_with_us(self.setup.kind.path());
        // Nothing of the environment of whoever runs the tests changes what a server does.
        command.arg(config).env_clear().env("TZ", "UTC").env("LC_ALL", "C");
        command.stdin(Stdio::null()).stderr(log.try_clone().unwrap()).stdout(log);
        if self.clock.is_some() {
            command
                .env("LD_PRELOAD", sluice_testing::c::clock())
                .env("SLUICE_TEST_CLOCK", self.dir().join("clock"));
        }
        self.process = Some(spawn::spawn(command).unwrap());
        self.wait_until_ready()
    }

    fn wait_until_ready(&mut self) -> Result<(), String> {
        let end = Instant::now() + PATIENCE;
        let mut client = loop {
            if let Some(client) = self.answering() {
                break client;
            }
            let running = self.process.as_mut().unwrap().try_wait().unwrap().is_none();
            if !running || Instant::now() > end {
                // It has ended and said why: `Drop` need not find out that it did.
                self.process.take_if(|_| !running);
                return Err(self.log());
            }
            thread::sleep(Duration::from_millis(1));
        };
        if self.setup.cluster {
            if client.ask("CLUSTER INFO").text().contains("cluster_slots_assigned:0") {
                client.ask("CLUSTER ADDSLOTSRANGE 0 16383").assert_ok();
            }
            until("the cluster is up", || client.ask("CLUSTER INFO").text().contains("cluster_state:ok"));
        }
        if self.setup.replica {
            until("the primary is copied", || client.info("replication", "master_link_status") == "up");
        }
        Ok(())
    }

    /// A connection, if the server is ready. It takes connections earlier: while it still loads its modules,
    /// when it may yet give up, and its data, when it says -LOADING.
    fn answering(&self) -> Option<Client> {
        let mut client = Client::unix(&self.socket()).ok()?;
        let answer = client.try_call(&["PING"]).ok()?;
        (answer == Reply::Simple("PONG".to_owned())).then_some(client)
    }

    /// A connection that speaks RESP2.
    #[track_caller]
    pub(crate) fn connect(&self) -> Client {
        Client::unix(&self.socket()).expect("the server takes connections")
    }

    /// A connection that speaks RESP3.
    #[track_caller]
    pub(crate) fn connect_resp3(&self) -> Client {
        let mut client = self.connect();
        let hello = client.ask("HELLO 3");
        assert!(matches!(hello, Reply::Map(_)), "no RESP3: {hello:?}");
        client
    }

    /// A RESP2 connection over TCP, to a server set up with `tcp()`.
    #[track_caller]
    pub(crate) fn connect_tcp(&self) -> Client {
        Client::tcp(self.port()).expect("the server takes connections")
    }

    #[track_caller]
    pub(crate) fn port(&self) -> u16 {
        self.setup.port.expect("a server set up with tcp()")
    }

    pub(crate) fn kind(&self) -> Kind {
        self.setup.kind
    }

    #[track_caller]
    pub(crate) fn pid(&self) -> u32 {
        self.process.as_ref().expect("a running server").id()
    }

    /// The folder with all that the server writes.
    pub(crate) fn dir(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn log(&self) -> String {
        std::fs::read(self.log_file())
            .map_or_else(|error| error.to_string(), |log| String::from_utf8_lossy(&log).into())
    }

    /// Sets the wall clock of a server set up with one; the next command sees it. `TIME` tells what it is.
    #[track_caller]
    pub(crate) fn set_clock_ms(&self, unix_ms: i64) {
        self.set_clock_us(unix_ms * 1000);
    }

    #[track_caller]
    pub(crate) fn set_clock_us(&self, unix_us: i64) {
        self.clock.as_ref().expect("a server set up with clock_ms or clock_us").set(unix_us);
    }

    /// Ends the server as a crash does: no last word, no last write.
    #[track_caller]
    pub(crate) fn kill9(&mut self) {
        let process = self.process.take().expect("a running server");
        if let Err(status) = kill(process) {
            panic!("{} had ended by itself: {status}\n{}", self.setup.kind.name(), self.log());
        }
    }

    /// Ends the server by `SHUTDOWN <how>`, which is `SAVE` or `NOSAVE`, and waits.
    #[track_caller]
    pub(crate) fn shutdown(&mut self, how: &str) {
        let mut client = self.connect();
        client.send(&["SHUTDOWN", how]);
        client.assert_closed();
        let status = self.process.take().expect("a running server").wait().unwrap();
        assert!(status.success(), "{status}\n{}", self.log());
    }

    /// Starts a server that was ended, in the same folder.
    #[track_caller]
    pub(crate) fn start_again(&mut self) {
        self.run().unwrap_or_else(|log| panic!("{} did not start again:\n{log}", self.setup.kind.name()));
    }

    /// Ends the server without saving and starts it again in the same folder.
    #[track_caller]
    pub(crate) fn restart(&mut self) {
        self.shutdown("NOSAVE");
        self.start_again();
    }

    /// Changes what the next `start_again` starts: `server.change(Setup::without_module)`.
    pub(crate) fn change(&mut self, change: impl FnOnce(Setup) -> Setup) {
        self.setup = change(self.setup.clone());
    }

    /// Waits until this replica has all that the primary has sent.
    #[track_caller]
    pub(crate) fn wait_for(&self, primary: &Self) {
        let offset = primary.connect().info("replication", "master_repl_offset");
        let mut client = self.connect();
        until("the replica is up to date", || client.info("replication", "slave_repl_offset") == offset);
    }

    fn socket(&self) -> PathBuf {
        self.dir().join("socket")
    }

    fn log_file(&self) -> PathBuf {
        self.dir().join("server.log")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let ended = self.process.take().map_or(Ok(()), kill);
        if thread::panicking() {
            eprintln!("log of {}, {ended:?}:\n{}", self.setup.kind.name(), self.log());
        } else if let Err(status) = ended {
            panic!("{} had ended by itself: {status}\n{}", self.setup.kind.name(), self.log());
        }
    }
}

/// Kills the process and waits for it. An error says how it had ended before: its own end counts as soon as
/// it has begun, also when its threads or its core dump still keep it.
fn kill(mut process: Child) -> Result<(), ExitStatus> {
    process.kill().unwrap();
    let status = process.wait().unwrap();
    if status.signal() == Some(SIGKILL) { Ok(()) } else { Err(status) }
}

/// Asks again every millisecond until it is so.
#[track_caller]
pub(crate) fn until(what: &str, mut done: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !done() {
        assert!(Instant::now() < end, "still not so after {PATIENCE:?}: {what}");
        thread::sleep(Duration::from_millis(1));
    }
}
