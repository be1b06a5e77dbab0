//! The load generator: writes requests, sends them over several connections, checks every reply.
//!
//! One thread serves all connections in turn: it reads and checks the replies to what a connection sent
//! before, and sends its next batch. While it does so, the batches of the other connections lie ready for the
//! server. A request is a copy of bytes that were written beforehand, with the digits of its key put in: that
//! takes a few dozen ns, and a pass of any length stays in a few pages of memory and leaves the processors'
//! shared cache to the server.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::lane::{Keys, Lane};
use crate::wire::{Request, reply_len};

/// Connections at once; with no pipeline, also the number of requests under way.
pub(crate) const CONNECTIONS: usize = 32;

/// Makes sure that a reply that is not the one wanted ends a run: another word, another body, an error,
/// another element, each behind a right one.
pub(crate) fn notices_a_wrong_reply(port: u16) -> Result<(), String> {
    for (line, wanted) in [("PING", "+PANG"), ("ECHO 1", "$1 2"), ("INCR", ""), ("TIME", "*2 :1")] {
        let requests = [Request::new("PING", "+PONG"), Request::new(line, wanted)];
        let pass = Connections::open(port, 1).pass(&requests, &Keys::One, 1, 2, &mut fastrand::Rng::new());
        if pass.is_ok() {
            return Err(format!("the wrong reply to {line} went unnoticed"));
        }
    }
    Ok(())
}

/// What a pass took.
#[derive(Clone, Copy, Serialize)]
pub(crate) struct Pass {
    pub(crate) operations: usize,
    pub(crate) seconds: f64,
    /// Processor time of the whole server process, in user mode and in the kernel.
    pub(crate) cpu_seconds: f64,
}

/// Connections to one server.
pub(crate) struct Connections(Vec<Connection>);

impl Connections {
    pub(crate) fn open(port: u16, count: usize) -> Self {
        Self((0..count).map(|_| Connection::open(port)).collect())
    }

    /// Lets all connections use this database.
    pub(crate) fn select(&mut self, database: usize) -> Result<(), String> {
        let select = Request::new(&format!("SELECT {database}"), "+OK");
        self.0.iter_mut().try_for_each(|connection| connection.ask(&select).map(drop))
    }

    /// Sends one command and gives its reply, as the text of the protocol.
    pub(crate) fn ask(&mut self, line: &str, wanted: &str) -> Result<String, String> {
        self.0[0].ask(&Request::new(line, wanted))
    }

    /// Loads a script and gives the digest by which EVALSHA calls it.
    pub(crate) fn load_script(&mut self, text: &str) -> Result<String, String> {
        let reply = self.0[0].ask(&Request::of_words(&["SCRIPT", "LOAD", text], "$40"))?;
        Ok(reply.split_whitespace().skip(1).collect())
    }

    /// `Redis 8.2.3`
    pub(crate) fn server_name(&mut self) -> Result<String, String> {
        let info = self.ask("INFO server", "")?;
        let field = |name| info.lines().find_map(|line| line.strip_prefix(name));
        match (field("valkey_version:"), field("redis_version:")) {
            (Some(version), _) => Ok(format!("Valkey {version}")),
            (None, Some(version)) => Ok(format!("Redis {version}")),
            _ => Err("the server does not say what it is".to_owned()),
        }
    }

    /// A number from `INFO`.
    pub(crate) fn info(&mut self, section: &str, field: &str) -> Result<f64, String> {
        let info = self.ask(&format!("INFO {section}"), "")?;
        let value = info.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
        value.and_then(|value| value.parse().ok()).ok_or_else(|| format!("INFO {section} has no {field}"))
    }

    /// How many keys are in the selected database.
    pub(crate) fn keys(&mut self) -> Result<u32, String> {
        let reply = self.ask("DBSIZE", "")?;
        reply.trim_end().trim_start_matches(':').parse().map_err(|_| format!("DBSIZE is {reply}"))
    }

    /// Processor time that the server process has used so far, in seconds: what `/proc/<pid>/stat` says as
    /// utime and stime, but in µs instead of hundredths of a second.
    fn cpu_seconds(&mut self) -> Result<f64, String> {
        Ok(self.info("cpu", "used_cpu_user")? + self.info("cpu", "used_cpu_sys")?)
    }

    /// So many operations in all, or as many as there are keys, in batches of `depth` requests. Every reply
    /// is checked.
    pub(crate) fn pass(
        &mut self,
        requests: &[Request],
        keys: &Keys,
        operations: usize,
        depth: usize,
        random: &mut fastrand::Rng,
    ) -> Result<Pass, String> {
        let each = operations.div_ceil(self.0.len());
        let mut lanes = Lane::all(requests, keys, each, self.0.len(), random);
        let mut batch = Vec::new();
        let mut under_way = vec![0; lanes.len()];
        let mut replies = 0;
        let cpu_before = self.cpu_seconds()?;
        let began = Instant::now();
        loop {
            for ((connection, lane), under_way) in self.0.iter_mut().zip(&mut lanes).zip(&mut under_way) {
                connection.read(requests, *under_way)?;
                replies += *under_way;
                batch.clear();
                *under_way = lane.write(depth, &mut batch);
                connection.stream.write_all(&batch).map_err(|error| error.to_string())?;
            }
            if under_way.iter().all(|&requests| requests == 0) {
                break;
            }
        }
        let seconds = began.elapsed().as_secs_f64();
        let cpu_seconds = self.cpu_seconds()? - cpu_before;
        Ok(Pass { operations: replies / requests.len(), seconds, cpu_seconds })
    }

    /// Each of them, for a load of another kind.
    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Connection> {
        self.0.iter_mut()
    }
}

/// One connection, and what it has read of the replies that are not complete.
pub(crate) struct Connection {
    pub(crate) stream: TcpStream,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    /// Reading does not wait.
    polled: bool,
    /// Requests of the current operation that are answered.
    answered: usize,
}

impl Connection {
    fn open(port: u16) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        Self { stream, buffer: vec![0; 1 << 16], start: 0, end: 0, polled: false, answered: 0 }
    }

    /// Whether reading gives up at once if there is nothing to read.
    pub(crate) fn set_polled(&mut self, polled: bool) {
        self.stream.set_nonblocking(polled).unwrap();
        self.polled = polled;
    }

    fn ask(&mut self, request: &Request) -> Result<String, String> {
        let mut bytes = Vec::new();
        request.write(0, &mut bytes);
        self.stream.write_all(&bytes).map_err(|error| error.to_string())?;
        loop {
            if let Some(len) = reply_len(&self.buffer[self.start..self.end]) {
                let reply = self.buffer[self.start..self.start + len].to_vec();
                self.start += len;
                request.check(&reply)?;
                return Ok(String::from_utf8_lossy(&reply).into_owned());
            }
            self.fill()?;
        }
    }

    /// Reads and checks so many replies.
    fn read(&mut self, requests: &[Request], replies: usize) -> Result<(), String> {
        let mut missing = replies;
        while missing > 0 {
            self.fill()?;
            missing = missing
                .checked_sub(self.check(requests)?)
                .ok_or("the server answered more than it was asked")?;
        }
        Ok(())
    }

    /// Checks all replies that are complete, and tells how many those were.
    pub(crate) fn check(&mut self, requests: &[Request]) -> Result<usize, String> {
        let mut checked = 0;
        while let Some(len) = reply_len(&self.buffer[self.start..self.end]) {
            requests[self.answered].check(&self.buffer[self.start..self.start + len])?;
            self.answered = (self.answered + 1) % requests.len();
            self.start += len;
            checked += 1;
        }
        Ok(checked)
    }

    /// Reads what there is; on a connection that does not block, perhaps nothing.
    pub(crate) fn fill(&mut self) -> Result<(), String> {
        self.buffer.copy_within(self.start..self.end, 0);
        (self.start, self.end) = (0, self.end - self.start);
        match self.stream.read(&mut self.buffer[self.end..]) {
            Ok(0) => Err("the server closed the connection".to_owned()),
            Ok(read) => {
                self.end += read;
                Ok(())
            }
            // A blocking connection says the same when its read times out.
            Err(error) if error.kind() == ErrorKind::WouldBlock && self.polled => Ok(()),
            Err(error) => Err(format!("no reply: {error}")),
        }
    }
}
