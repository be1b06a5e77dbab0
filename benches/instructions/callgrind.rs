//! A server under callgrind, and how many instructions it executed in its life.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use std::{fs, thread};

use redis::Value;
use sluice_testing::c;
use tempfile::TempDir;

use crate::contenders::{Contender, Module};

/// So many keys; each is used in turn.
const KEYS: usize = 100;

/// The size of a pipeline.
const BATCH: usize = 50;

/// The lengths of the two runs, in commands a key: start-up, loading and warm-up cancel in the difference.
const SHORT: usize = 10;
const LONG: usize = 60;

/// The programs that a run takes.
pub(crate) struct Programs {
    server: PathBuf,
    sluice: PathBuf,
    folder: TempDir,
}

impl Programs {
    /// Finds the server and the module.
    pub(crate) fn prepare() -> Self {
        let server = Path::new(env!("CARGO_MANIFEST_DIR")).join("../.servers/redis-8.2.3/redis-server");
        assert!(server.exists(), "no {}: run `scripts/servers`", server.display());
        let sluice = sluice_testing::module().to_path_buf();
        let folder = tempfile::Builder::new().prefix("sluice-").tempdir().unwrap();
        Self { server, sluice, folder }
    }

    /// Instructions for one round of the contender's commands, the server's own included.
    pub(crate) fn count(&self, contender: &Contender) -> u64 {
        let [short, long] = [SHORT, LONG].map(|rounds| Server::start(self, contender).run(contender, rounds));
        (long - short) / ((LONG - SHORT) * KEYS) as u64
    }
}

struct Server {
    process: Child,
    folder: TempDir,
}

impl Server {
    fn start(programs: &Programs, contender: &Contender) -> Self {
        let folder = tempfile::Builder::new().prefix("run-").tempdir_in(&programs.folder).unwrap();
        let path = |name| folder.path().join(name).to_str().unwrap().to_owned();
        let module = match contender.module {
            Module::Sluice => programs.sluice.as_path(),
            Module::Floor => c::floor(),
        };
        let process = Command::new("valgrind")
            .env("LD_PRELOAD", c::still())
            .args(["--tool=callgrind", &format!("--callgrind-out-file={}", path("out"))])
            .arg(format!("--log-file={}", path("log")))
            .arg(&programs.server)
            .args(["--port", "0", "--unixsocket", &path("socket"), "--save", "", "--dir", &path("")])
            // The fewest of the server's own rounds, which come by time and not by work.
            .args(["--hz", "1", "--loglevel", "warning", "--loadmodule"])
            .arg(module)
            .stdout(Stdio::null())
            .spawn()
            .expect("valgrind");
        Self { process, folder }
    }

    /// Runs the commands over all keys so many times, and returns the instructions of the server's whole life.
    fn run(mut self, contender: &Contender, rounds: usize) -> u64 {
        let mut connection = self.connect();
        for command in contender.before {
            let _ = pipe(&mut connection, (0..KEYS).map(|key| words(command, key)));
        }
        let once =
            || (0..KEYS).flat_map(|key| contender.commands.iter().map(move |command| words(command, key)));
        let all: Vec<_> = (0..=rounds).flat_map(|_| once()).collect();
        for some in all.chunks(BATCH * contender.commands.len()) {
            let replies = pipe(&mut connection, some.iter().cloned());
            for (reply, expected) in replies.iter().zip(contender.replies.iter().cycle()) {
                assert!(begins(reply, expected), "{}: {reply:?} instead of {expected:?}...", contender.name);
            }
        }
        let _ = redis::cmd("SHUTDOWN").arg("NOSAVE").query::<()>(&mut connection);
        assert!(self.process.wait().unwrap().success());
        let log = fs::read_to_string(self.folder.path().join("log")).unwrap();
        let total = log.lines().find_map(|line| line.split_once("Collected : "));
        total.unwrap_or_else(|| panic!("no total:\n{log}")).1.trim().parse().unwrap()
    }

    fn connect(&mut self) -> redis::Connection {
        let url = format!("redis+unix://{}", self.folder.path().join("socket").to_str().unwrap());
        let client = redis::Client::open(url).unwrap();
        let end = Instant::now() + Duration::from_secs(60);
        loop {
            if let Ok(connection) = client.get_connection() {
                return connection;
            }
            assert!(self.process.try_wait().unwrap().is_none(), "the server ended");
            assert!(Instant::now() < end, "the server does not start");
            thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn words(command: &str, key: usize) -> redis::Cmd {
    let mut words = redis::Cmd::new();
    command.split(' ').for_each(|word| {
        words.arg(word.replace('*', &format!("{key:03}")));
    });
    words
}

fn pipe(connection: &mut redis::Connection, commands: impl Iterator<Item = redis::Cmd>) -> Vec<Value> {
    let mut pipe = redis::pipe();
    commands.for_each(|command| {
        pipe.add_command(command);
    });
    pipe.query(connection).unwrap()
}

fn begins(reply: &Value, expected: &[i64]) -> bool {
    match reply {
        Value::Array(values) => {
            expected.len() <= values.len()
                && expected.iter().zip(values).all(|(int, value)| *value == Value::Int(*int))
        }
        Value::Int(int) => expected == [*int],
        Value::Okay | Value::SimpleString(_) | Value::Nil => expected.is_empty(),
        _ => false,
    }
}
