//! All that a run found out, as it goes into the JSON, and what follows from it.

use serde::Serialize;

use crate::footprint::{Growth, Memory};
use crate::latency::Latency;
use crate::load::Pass;
use crate::setting::Setting;
use crate::summary::Summary;
use crate::throughput::Measured;

#[derive(Serialize)]
pub(crate) struct Results {
    /// Processor, its number, and the kernel.
    pub(crate) machine: String,
    pub(crate) keys: u32,
    pub(crate) rounds: usize,
    pub(crate) servers: Vec<ServerResults>,
}

/// As far as it has been measured.
#[derive(Serialize)]
pub(crate) struct ServerResults {
    /// `Redis 8.2.3`
    pub(crate) name: String,
    /// With each contender's yardsticks: the names of those that it is compared with, and the goals.
    pub(crate) comparisons: Vec<Comparison>,
    pub(crate) settings: Vec<SettingResults>,
    /// Requests a second at which the latencies were measured.
    pub(crate) latency_rate: Option<f64>,
    pub(crate) latencies: Vec<Latency>,
    pub(crate) memory: Vec<Memory>,
    pub(crate) growth: Vec<Growth>,
}

/// One contender beside one other.
#[derive(Clone, Serialize)]
pub(crate) struct Comparison {
    pub(crate) name: String,
    /// Nothing is its yardstick when this is its own name.
    pub(crate) yardstick: String,
    /// So many times as fast it has to be on Redis 8.2.3 with a pipeline of 32.
    pub(crate) goal: Option<f64>,
}

#[derive(Serialize)]
pub(crate) struct SettingResults {
    pub(crate) setting: Setting,
    pub(crate) measured: Vec<Measured>,
}

impl ServerResults {
    /// Nothing is measured yet.
    pub(crate) fn new(name: &str, comparisons: Vec<Comparison>) -> Self {
        Self {
            name: name.to_owned(),
            comparisons,
            settings: Vec::new(),
            latency_rate: None,
            latencies: Vec::new(),
            memory: Vec::new(),
            growth: Vec::new(),
        }
    }

    pub(crate) fn setting(&self, setting: Setting) -> Option<&SettingResults> {
        self.settings.iter().find(|it| it.setting == setting)
    }
}

impl SettingResults {
    pub(crate) fn of(&self, name: &str) -> Option<&Measured> {
        self.measured.iter().find(|it| it.name == name)
    }

    /// How many times as fast as its yardstick a contender was, a ratio for each round, by the clock.
    pub(crate) fn ratio(&self, comparison: &Comparison) -> Option<Summary> {
        self.compare(comparison, Pass::a_second)
    }

    /// The same by the processor time of the server.
    pub(crate) fn cpu_ratio(&self, comparison: &Comparison) -> Option<Summary> {
        self.compare(comparison, |pass| 1.0 / pass.cpu_ns())
    }

    fn compare(&self, comparison: &Comparison, speed: impl Fn(&Pass) -> f64) -> Option<Summary> {
        let (own, other) = (self.of(&comparison.name)?, self.of(&comparison.yardstick)?);
        Some(Summary::of(own.passes.iter().zip(&other.passes).map(|(own, other)| speed(own) / speed(other))))
    }
}

impl Measured {
    pub(crate) fn summary(&self, of: impl Fn(&Pass) -> f64) -> Summary {
        Summary::of(self.passes.iter().map(of))
    }
}

impl Pass {
    /// Operations a second.
    pub(crate) fn a_second(&self) -> f64 {
        self.operations as f64 / self.seconds
    }

    /// Processor time of the server for one operation, in ns.
    pub(crate) fn cpu_ns(&self) -> f64 {
        self.cpu_seconds * 1e9 / self.operations as f64
    }

    /// The share of the time in which the server was busy: above 1 if several of its threads were.
    pub(crate) fn busy(&self) -> f64 {
        self.cpu_seconds / self.seconds
    }
}
