//! What is broken, and what has to be true all the same.

mod client;
mod cluster;
mod durability;
mod exclusion;
mod failover;
mod limits;
mod sentinel;
mod shards;
mod verdict;
mod void;

use std::any::Any;
use std::time::{Duration, Instant};

use clap::ValueEnum;
use fastrand::Rng;
use sluice_testing::Kind;

/// What there is to run.
#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum Scenario {
    /// kill -9 under each way to persist
    Durability,
    /// Clients that pause and die, a clock that steps
    Exclusion,
    /// What a limit lets through, over time
    Limits,
    /// A primary, two replicas and a Sentinel
    Failover,
    /// Three primaries with a replica each
    Cluster,
    /// Three processes on the Rust client, behind a network that fails
    Client,
}

impl Scenario {
    /// Runs it on one server.
    pub(crate) fn run(self, cell: &Cell) -> Outcome {
        match self {
            Self::Durability => durability::run(cell),
            Self::Exclusion => exclusion::run(cell),
            Self::Limits => limits::run(cell),
            Self::Failover => failover::run(cell),
            Self::Cluster => cluster::run(cell),
            Self::Client => client::run(cell),
        }
    }

    /// Its part of the time: clusters take long to start and to fail over.
    pub(crate) fn parts(self) -> u32 {
        match self {
            Self::Durability | Self::Exclusion | Self::Limits => 3,
            Self::Failover | Self::Client => 4,
            Self::Cluster => 5,
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Durability => "durability",
            Self::Exclusion => "exclusion",
            Self::Limits => "limits",
            Self::Failover => "failover",
            Self::Cluster => "cluster",
            Self::Client => "client",
        }
    }
}

/// A scenario on a server.
pub(crate) struct Cell {
    pub(crate) kind: Kind,
    pub(crate) seed: u64,
    end: Instant,
}

impl Cell {
    pub(crate) fn new(kind: Kind, seed: u64, end: Instant) -> Self {
        Self { kind, seed, end }
    }

    /// Whether that much of its time is left.
    pub(crate) fn has_left(&self, time: Duration) -> bool {
        self.end.saturating_duration_since(Instant::now()) > time
    }

    /// For the choices of the scenario itself.
    pub(crate) fn rng(&self) -> Rng {
        Rng::with_seed(self.seed)
    }
}

/// What came of a cell.
#[derive(Default)]
pub(crate) struct Outcome {
    /// One line.
    pub(crate) figures: String,
    /// What was violated, with the calls that show it.
    pub(crate) faults: Vec<String>,
}

impl Outcome {
    pub(crate) fn panicked(panic: &(dyn Any + Send)) -> Self {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("a panic");
        Self { figures: "stopped".to_owned(), faults: vec![text.to_owned()] }
    }
}
