//! What to run, and for how long.

use std::time::Duration;

use clap::{Parser, Subcommand, ValueEnum};
use sluice_testing::Kind;

use crate::scenario::Scenario;

/// Breaks servers on purpose while clients work, and checks what the clients were told.
#[derive(Parser)]
pub(crate) struct Options {
    /// How long all of it may take
    #[arg(long, env = "SECONDS", default_value_t = 200)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=86_400))]
    seconds: u64,

    /// Only this server
    #[arg(long, env = "SERVER")]
    server: Option<Name>,

    /// Only this scenario
    #[arg(long, env = "ONLY")]
    only: Option<Scenario>,

    /// What the clients' choices follow from; another one each time if it is not given
    #[arg(long, env = "SEED")]
    seed: Option<u64>,

    /// How many servers or clusters are broken at the same time
    #[arg(long, env = "JOBS", default_value_t = 2)]
    #[arg(value_parser = clap::value_parser!(u16).range(1..))]
    jobs: u16,

    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

/// What this program is when it starts itself.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// A process that stands on the Rust client, until its standard input ends
    #[command(hide = true)]
    Process { url: String, seed: u64 },
}

#[derive(Clone, Copy, ValueEnum)]
enum Name {
    #[value(name = "redis_7_0")]
    Redis70,
    #[value(name = "redis_8_2")]
    Redis82,
    #[value(name = "valkey_8_1")]
    Valkey81,
    #[value(name = "valkey_9_1")]
    Valkey91,
}

impl Name {
    fn kind(self) -> Kind {
        match self {
            Self::Redis70 => Kind::Redis70,
            Self::Redis82 => Kind::Redis82,
            Self::Valkey81 => Kind::Valkey81,
            Self::Valkey91 => Kind::Valkey91,
        }
    }
}

/// `SERVER=` of the same run.
pub(crate) fn name(kind: Kind) -> String {
    let names = Name::value_variants().iter().find(|name| name.kind() == kind);
    names.and_then(Name::to_possible_value).map_or_else(String::new, |value| value.get_name().to_owned())
}

impl Options {
    /// Each scenario on each server, in the order in which they begin.
    pub(crate) fn cells(&self) -> Vec<(Scenario, Kind)> {
        let kinds = self.server.map_or_else(|| Kind::ALL.to_vec(), |name| vec![name.kind()]);
        let scenarios = self.only.map_or_else(|| Scenario::value_variants().to_vec(), |only| vec![only]);
        scenarios.iter().flat_map(|scenario| kinds.iter().map(|kind| (*scenario, *kind))).collect()
    }

    /// How long one of them may take.
    pub(crate) fn share(&self, scenario: Scenario) -> Duration {
        let cells = self.cells();
        let parts: u32 = cells.iter().map(|(scenario, _)| scenario.parts()).sum();
        let at_once = u32::from(self.jobs).min(u32::try_from(cells.len()).unwrap_or(u32::MAX));
        Duration::from_secs(self.seconds) * scenario.parts() * at_once / parts
    }

    pub(crate) fn jobs(&self) -> usize {
        self.jobs.into()
    }

    pub(crate) fn seed(&self) -> u64 {
        self.seed.unwrap_or_else(|| fastrand::u64(..1_000_000_000))
    }
}
