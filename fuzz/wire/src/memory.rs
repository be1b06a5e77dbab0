//! What a server's memory is when all is quiet.

use std::thread;
use std::time::{Duration, Instant};

use sluice_testing::{Client, Server};

const TICK: Duration = Duration::from_millis(20);

/// Memory that has not become less for so long does not.
const STEADY: Duration = Duration::from_millis(800);

#[derive(Debug, Clone, Copy)]
pub(crate) struct Memory {
    /// `used_memory`: what has been asked for and not given back.
    pub(crate) used: i64,
    /// What the process has of the machine.
    pub(crate) resident: i64,
}

impl Memory {
    /// Of an empty server that has let go of what it kept for reuse: some of that goes bit by bit, with its ticks.
    pub(crate) fn of(server: &Server) -> Self {
        let mut client = server.connect();
        for line in ["FLUSHALL SYNC", "SCRIPT FLUSH SYNC", "SLOWLOG RESET", "ACL LOG RESET"] {
            client.ask(line);
        }
        let mut least = Self { used: i64::MAX, resident: i64::MAX };
        let mut since = Instant::now();
        while since.elapsed() < STEADY {
            client.ask("MEMORY PURGE");
            let now = Self::now(&mut client);
            if now.used < least.used {
                since = Instant::now();
            }
            least = Self { used: now.used.min(least.used), resident: now.resident.min(least.resident) };
            thread::sleep(TICK);
        }
        least
    }

    fn now(client: &mut Client) -> Self {
        let mut number = |field| client.info("memory", field).parse().expect("a number");
        Self { used: number("used_memory"), resident: number("used_memory_rss") }
    }

    /// The larger of each.
    pub(crate) fn most(self, other: Self) -> Self {
        Self { used: self.used.max(other.used), resident: self.resident.max(other.resident) }
    }

    /// How much more this is.
    pub(crate) fn since(self, before: Self) -> Self {
        Self { used: self.used - before.used, resident: self.resident - before.resident }
    }
}

impl std::fmt::Display for Memory {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{:+} KiB used, {:+} KiB resident", self.used / 1024, self.resident / 1024)
    }
}
