//! How long a lock takes from one client to the next that waits: from the RELEASE that is sent until the waiting
//! client has read its reply, over loopback TCP, with a PING in the same rounds as the yardstick.
//!
//! ```text
//! make bench-handover                                  redis-server on the PATH, and those in .servers/
//! cargo bench -p sluice-benches --bench handover -- /path/to/a-server    this one
//! ```

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a benchmark that cannot go on has to stop, and its figures go to standard output"
)]

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// Hand-overs that are measured on each server, after as many as a tenth of them to warm up.
const ROUNDS: usize = 5_000;

/// So many wait in the second measurement, each for its turn. Below the 1024 files that a process may have open.
const CROWD: usize = 500;

fn main() {
    let named: Vec<_> =
        std::env::args().skip(1).filter(|arg| !arg.starts_with("--")).map(PathBuf::from).collect();
    let servers = if named.is_empty() { installed() } else { named };
    println!("RELEASE sent to the next waiter's reply read, in µs, {ROUNDS} times each\n");
    println!(
        "| server        | PING median |    p99 | 1 waits: median |    p99 | {CROWD} wait: median |    p99 |"
    );
    println!(
        "|---------------|------------:|-------:|----------------:|-------:|------------------:|-------:|"
    );
    for path in servers {
        let server = Server::start(&path);
        let (pings, alone) = hand_overs(&server, 1);
        let (_, crowded) = hand_overs(&server, CROWD);
        println!(
            "| {:<13} | {:>11.1} | {:>6.1} | {:>15.1} | {:>6.1} | {:>17.1} | {:>6.1} |",
            server.version(),
            pings.median(),
            pings.p99(),
            alone.median(),
            alone.p99(),
            crowded.median(),
            crowded.p99(),
        );
    }
}

/// The `redis-server` on the PATH and all that `make test` has fetched, as far as the module supports them.
fn installed() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../.servers");
    let fetched = ["redis-8.2.3/redis-server", "valkey-8.1.8/valkey-server", "valkey-9.1.2/valkey-server"];
    let fetched = fetched.map(|server| root.join(server)).into_iter().filter(|path| path.exists());
    [PathBuf::from("redis-server")].into_iter().chain(fetched).collect()
}

/// Times of PINGs and of hand-overs, in turn, while so many clients wait. Who had the lock queues up again at once.
fn hand_overs(server: &Server, waiting: usize) -> (Times, Times) {
    let mut watcher = server.connect();
    let mut holder = server.connect();
    let mut ids = 0_u64;
    let mut next_id = || {
        ids += 1;
        format!("owner-{ids}")
    };
    let mut held_as = next_id();
    assert_eq!(holder.ask(&["LOCK.TRY", "k", &held_as, "PX", "3600000"])[0], "1");
    let mut queue: VecDeque<(Client, String)> = VecDeque::new();
    for _ in 0..waiting {
        queue.push_back((server.connect(), next_id()));
        let (client, owner) = queue.back_mut().unwrap();
        client.send(&["LOCK.ACQUIRE", "k", owner, "PX", "3600000", "BLOCK", "0"]);
        watcher.until_waiting(queue.len());
    }
    let (mut pings, mut times) = (Times::default(), Times::default());
    for round in 0..ROUNDS + ROUNDS / 10 {
        let began = Instant::now();
        assert_eq!(holder.ask(&["PING"]), ["PONG"]);
        let ping = began.elapsed();

        let (mut next, next_held_as) = queue.pop_front().unwrap();
        let began = Instant::now();
        holder.send(&["LOCK.RELEASE", "k", &held_as]);
        let reply = next.read();
        let handed_over = began.elapsed();
        assert_eq!((reply[0].as_str(), holder.read()[0].as_str()), ("1", "1"));

        if round >= ROUNDS / 10 {
            pings.0.push(ping);
            times.0.push(handed_over);
        }
        let owner = next_id();
        holder.send(&["LOCK.ACQUIRE", "k", &owner, "PX", "3600000", "BLOCK", "0"]);
        queue.push_back((holder, owner));
        watcher.until_waiting(waiting);
        (holder, held_as) = (next, next_held_as);
    }
    drop(queue);
    watcher.until_waiting(0);
    assert_eq!(holder.ask(&["LOCK.RELEASE", "k", &held_as]), ["1"]);
    (pings, times)
}

#[derive(Default)]
struct Times(Vec<Duration>);

impl Times {
    fn median(&self) -> f64 {
        self.at(50)
    }

    fn p99(&self) -> f64 {
        self.at(99)
    }

    /// The time that so many of a hundred do not exceed, in µs.
    fn at(&self, percent: usize) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_unstable();
        sorted[(sorted.len() * percent).div_ceil(100) - 1].as_secs_f64() * 1e6
    }
}

/// A server with the module, on a port of its own, that writes nothing to disk and ends with its owner.
struct Server {
    process: Child,
    port: u16,
}

impl Server {
    fn start(path: &Path) -> Self {
        // The benchmark is <target>/release/deps/handover-<hash>.
        let program = std::env::current_exe().unwrap();
        let module = program.parent().and_then(Path::parent).unwrap().join("libsluice.so");
        assert!(module.exists(), "no {}: build it with `cargo build --release`", module.display());
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let process = Command::new(path)
            .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"])
            .args(["--logfile", "/dev/null", "--loadmodule"])
            .arg(module)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let server = Self { process, port };
        let end = Instant::now() + Duration::from_secs(10);
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(Instant::now() < end, "{} does not start", path.display());
            thread::sleep(Duration::from_millis(5));
        }
        server
    }

    fn connect(&self) -> Client {
        let stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        Client(BufReader::new(stream))
    }

    /// `Redis 8.2.3`
    fn version(&self) -> String {
        let info = self.connect().ask(&["INFO", "server"]).remove(0);
        let field = |name| info.lines().find_map(|line| line.strip_prefix(name));
        match field("valkey_version:") {
            Some(version) => format!("Valkey {version}"),
            None => format!("Redis {}", field("redis_version:").unwrap()),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A connection that speaks RESP2, and no more of it than is needed here.
struct Client(BufReader<TcpStream>);

impl Client {
    fn ask(&mut self, words: &[&str]) -> Vec<String> {
        self.send(words);
        self.read()
    }

    fn send(&mut self, words: &[&str]) {
        let mut bytes = format!("*{}\r\n", words.len());
        for word in words {
            bytes += &format!("${}\r\n{word}\r\n", word.len());
        }
        self.0.get_mut().write_all(bytes.as_bytes()).unwrap();
    }

    /// The words of a reply, however they are nested.
    fn read(&mut self) -> Vec<String> {
        let mut line = String::new();
        self.0.read_line(&mut line).unwrap();
        let (kind, text) = line.trim_end().split_at(1);
        match kind {
            "+" | ":" => vec![text.to_owned()],
            "$" => {
                let mut body = vec![0; text.parse::<usize>().unwrap() + 2];
                std::io::Read::read_exact(&mut self.0, &mut body).unwrap();
                body.truncate(body.len() - 2);
                vec![String::from_utf8(body).unwrap()]
            }
            "*" => (0..text.parse().unwrap()).flat_map(|_: usize| self.read()).collect(),
            _ => panic!("{line}"),
        }
    }

    /// Asks until so many wait: only then is there somebody to hand over to.
    fn until_waiting(&mut self, count: usize) {
        let count = count.to_string();
        while *self.ask(&["LOCK.INFO", "k"]).last().unwrap() != count {}
    }
}
