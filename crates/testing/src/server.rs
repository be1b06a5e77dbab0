//! A running server that ends with its owner.

use std::fs::OpenOptions;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use tempfile::TempDir;

use crate::client::Client;
use crate::clock::Clock;
use crate::debug::{self, patience};
use crate::kind::{Kind, in_path};
use crate::port::free_port;
use crate::reply::Reply;
use crate::setup::Setup;
use crate::{c, spawn};

/// A server process with a folder of its own. Dropping it kills the process and removes the folder.
///
/// A server that ended otherwise than by `kill9` or `shutdown` fails the test, and a failing test prints the
/// log.
pub struct Server {
    setup: Setup,
    folder: TempDir,
    clock: Option<Clock>,
    /// These stay the same over restarts.
    port: Option<u16>,
    bus: Option<u16>,
    process: Option<Child>,
}

/// What a setup becomes.
impl Setup {
    /// A replica of that server, which must have been set up with `tcp()`. `start` returns when the replica
    /// has all that the primary had.
    pub fn replica_of(mut self, primary: &Server) -> Self {
        self.replica = true;
        self.config(&format!("replicaof 127.0.0.1 {}", primary.port()))
    }

    /// Starts it and returns when it is ready to serve.
    #[track_caller]
    pub fn start(self) -> Server {
        let (server, started) = Server::launch(self);
        // The log is printed when the test fails.
        assert!(started.is_ok(), "{} did not start", server.kind().name());
        server
    }

    /// As `start`, for a server that may not come up.
    ///
    /// # Errors
    /// The log of a server that ended before it was ready.
    pub fn try_start(self) -> Result<Server, String> {
        let (server, started) = Server::launch(self);
        started.map(|()| server)
    }
}

impl Server {
    /// A server with the module and nothing else.
    #[track_caller]
    pub fn start(kind: Kind) -> Self {
        Self::setup(kind).start()
    }

    /// A server with the module and nothing else, which listens on a port of 127.0.0.1 too.
    #[track_caller]
    pub fn start_tcp(kind: Kind) -> Self {
        Self::setup(kind).tcp().start()
    }

    /// What a server is to be started with.
    pub fn setup(kind: Kind) -> Setup {
        Setup::new(kind)
    }

    /// The server, and the log of one that has not come up.
    pub(crate) fn launch(setup: Setup) -> (Self, Result<(), String>) {
        let folder = tempfile::Builder::new().prefix("sluice-").tempdir().unwrap();
        for (name, bytes) in &setup.files {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, bytes).unwrap();
        }
        let clock = setup.clock_us.map(|us| Clock::create(&folder.path().join("clock"), us));
        let mut server = Self { setup, folder, clock, port: None, bus: None, process: None };
        let started = server.run();
        (server, started)
    }

    /// Starts the process and waits until it is ready to serve. The error is its log.
    fn run(&mut self) -> Result<(), String> {
        assert!(self.process.is_none(), "the server runs already");
        let config = self.dir().join("server.conf");
        if self.setup.tcp {
            self.port.get_or_insert_with(free_port);
        }
        if self.setup.slots.is_some() {
            self.bus.get_or_insert_with(free_port);
        }
        std::fs::write(&config, self.setup.to_text(self.dir(), self.port, self.bus)).unwrap();
        let _ = std::fs::remove_file(self.socket());
        let log = OpenOptions::new().create(true).append(true).open(self.log_file()).unwrap();

        let program = self.setup.program.as_deref().unwrap_or_else(|| self.setup.kind.path());
        let mut command = match &self.setup.under[..] {
            [] => Command::new(program),
            [under, words @ ..] => {
                let mut command = Command::new(in_path(under));
                command.args(words).arg(program);
                command
            }
        };
        // Nothing of the environment of whoever runs the tests changes what a server does.
        command.arg(config).env_clear().env("TZ", "UTC").env("LC_ALL", "C");
        command.stdin(Stdio::null()).stderr(log.try_clone().unwrap()).stdout(log);
        let clock = self.clock.as_ref().map(|_| c::clock());
        if let Some(library) = self.setup.preload.as_deref().or(clock) {
            command.env("LD_PRELOAD", library);
        }
        if clock.is_some() {
            command.env("SLUICE_TEST_CLOCK", self.dir().join("clock"));
            if self.setup.clock_runs {
                command.env("SLUICE_TEST_CLOCK_RUNS", "1");
            }
        }
        self.process = Some(spawn::spawn(command).unwrap());
        self.wait_until_ready()?;
        debug::pause(&self.setup.kind.name(), self.pid());
        Ok(())
    }

    fn wait_until_ready(&mut self) -> Result<(), String> {
        // Under another program it may run a hundred times as slowly.
        let slowness = if self.setup.under.is_empty() { 1 } else { 6 };
        let end = Instant::now() + patience() * slowness;
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
        if let Some(slots) = &self.setup.slots {
            if client.ask("CLUSTER INFO").text().contains("cluster_slots_assigned:0") {
                for slots in slots {
                    let line = format!("CLUSTER ADDSLOTSRANGE {} {}", slots.start(), slots.end());
                    client.ask(&line).assert_ok();
                }
            }
            if slots[..] == [0..=16_383] {
                until("the cluster is up", || client.ask("CLUSTER INFO").text().contains("cluster_state:ok"));
            }
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

    /// Sends the words of a line as one command on a connection of its own, as an operator with `redis-cli` does.
    #[track_caller]
    pub fn ask(&self, line: &str) -> Reply {
        self.connect().ask(line)
    }

    /// A connection that speaks RESP2.
    #[track_caller]
    pub fn connect(&self) -> Client {
        Client::unix(&self.socket()).expect("the server takes connections")
    }

    /// A connection that speaks RESP3.
    #[track_caller]
    pub fn connect_resp3(&self) -> Client {
        let mut client = self.connect();
        let hello = client.ask("HELLO 3");
        assert!(matches!(hello, Reply::Map(_)), "no RESP3: {hello:?}");
        client
    }

    /// A RESP2 connection over TCP, to a server set up with `tcp()`.
    #[track_caller]
    pub fn connect_tcp(&self) -> Client {
        Client::to_port(self.port()).expect("the server takes connections")
    }

    /// Its port on 127.0.0.1, if it was set up with `tcp()`.
    #[track_caller]
    pub fn port(&self) -> u16 {
        self.port.expect("a server set up with tcp()")
    }

    /// Its address as clients write it, if it was set up with `tcp()`.
    #[track_caller]
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/", self.port())
    }

    /// What it is a server of.
    pub fn kind(&self) -> Kind {
        self.setup.kind
    }

    /// What it says that it is: `Redis 8.2.3`. For a program that was named by its path, no [`Kind`] knows that.
    #[must_use]
    pub fn version(&self) -> String {
        let info = self.ask("INFO server");
        let field = |name| info.text().lines().find_map(|line| line.strip_prefix(name));
        match field("valkey_version:") {
            Some(version) => format!("Valkey {version}"),
            None => format!("Redis {}", field("redis_version:").unwrap_or("of no version")),
        }
    }

    /// The id of its process.
    #[track_caller]
    pub fn pid(&self) -> u32 {
        self.process.as_ref().expect("a running server").id()
    }

    /// Whether it was started and not ended by `kill9` or `shutdown`.
    pub fn is_running(&self) -> bool {
        self.process.is_some()
    }

    /// The folder with all that the server writes.
    pub fn dir(&self) -> &Path {
        self.folder.path()
    }

    /// All that it has logged in its life.
    pub fn log(&self) -> String {
        std::fs::read(self.log_file())
            .map_or_else(|error| error.to_string(), |log| String::from_utf8_lossy(&log).into())
    }

    /// Sets the wall clock of a server set up with one; the next command sees it. `TIME` tells what it is.
    #[track_caller]
    pub fn set_clock_ms(&self, unix_ms: i64) {
        self.set_clock_us(unix_ms * 1000);
    }

    /// The same in microseconds.
    #[track_caller]
    pub fn set_clock_us(&self, unix_us: i64) {
        self.clock.as_ref().expect("a server set up with clock_ms or clock_us").set(unix_us);
    }

    /// Sets the clock of a server set up with `running_clock` this far ahead of the true time; negative is behind.
    #[track_caller]
    pub fn step_clock_us(&self, ahead_us: i64) {
        assert!(self.setup.clock_runs, "a server set up with running_clock");
        self.set_clock_us(ahead_us);
    }

    /// Stops it without ending it: connections stay open, nothing is answered.
    #[track_caller]
    pub fn freeze(&self) {
        spawn::signal(self.pid(), Signal::STOP);
    }

    /// Lets it go on.
    #[track_caller]
    pub fn thaw(&self) {
        spawn::signal(self.pid(), Signal::CONT);
    }

    /// Ends the server as a crash does: no last word, no last write.
    #[track_caller]
    pub fn kill9(&mut self) {
        let process = self.process.take().expect("a running server");
        if let Err(status) = kill(process) {
            panic!("{} had ended by itself: {status}\n{}", self.setup.kind.name(), self.log());
        }
    }

    /// Ends the server by `SHUTDOWN <how>`, which is `SAVE` or `NOSAVE`, and waits.
    #[track_caller]
    pub fn shutdown(&mut self, how: &str) {
        let mut client = self.connect();
        client.send(&["SHUTDOWN", how]);
        client.assert_closed();
        let status = self.process.take().expect("a running server").wait().unwrap();
        assert!(status.success(), "{status}\n{}", self.log());
    }

    /// Starts a server that was ended, in the same folder.
    #[track_caller]
    pub fn start_again(&mut self) {
        // The log is printed when the test fails.
        assert!(self.run().is_ok(), "{} did not start again", self.setup.kind.name());
    }

    /// The same for a server that may not come up.
    ///
    /// # Errors
    /// Its log.
    pub fn try_start_again(&mut self) -> Result<(), String> {
        self.run()
    }

    /// Ends the server without saving and starts it again in the same folder.
    #[track_caller]
    pub fn restart(&mut self) {
        self.shutdown("NOSAVE");
        self.start_again();
    }

    /// Changes what the next `start_again` starts: `server.change(Setup::without_module)`.
    pub fn change(&mut self, change: impl FnOnce(Setup) -> Setup) {
        self.setup = change(self.setup.clone());
    }

    /// Waits until this replica has all that the primary has sent.
    #[track_caller]
    pub fn wait_for(&self, primary: &Self) {
        let number = |client: &mut Client, field| client.info("replication", field).parse::<u64>().unwrap();
        let offset = number(&mut primary.connect(), "master_repl_offset");
        let mut client = self.connect();
        // It may have more by then: a primary sends things of its own accord.
        until("the replica is up to date", || number(&mut client, "slave_repl_offset") >= offset);
    }

    /// Removes its folder already: nothing drops a server that lives as long as the process.
    pub(crate) fn without_folder(self) -> Self {
        let _ = std::fs::remove_dir_all(self.dir());
        self
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
        let failed = thread::panicking();
        if (failed || ended.is_err()) && debug::keeps() {
            self.folder.disable_cleanup(true);
            eprintln!("kept: {}", self.dir().display());
        }
        if failed {
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
    if status.signal() == Some(Signal::KILL.as_raw()) { Ok(()) } else { Err(status) }
}

/// Asks again every millisecond until it is so.
#[track_caller]
pub fn until(what: &str, mut done: impl FnMut() -> bool) {
    let end = Instant::now() + patience();
    while !done() {
        assert!(Instant::now() < end, "still not so after {:?}: {what}", patience());
        thread::sleep(Duration::from_millis(1));
    }
}
