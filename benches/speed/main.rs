//! `make bench`: throughput, latency and memory of Sluice's commands beside the server's own and the usual
//! scripts.
//!
//! Starts its own servers, measures everything on each in one run, and prints tables. `docs/benchmarks.md`
//! says how it is measured and how to read it. A reply that is not the one expected ends the run with an
//! error; what was measured until then has been written.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a benchmark that cannot go on has to stop, and its figures go to standard output"
)]

mod chart;
mod contenders;
mod effects;
mod footprint;
mod lane;
mod latency;
mod load;
mod options;
mod results;
mod setting;
mod summary;
mod tables;
mod throughput;
mod wire;

use std::process::ExitCode;
use std::sync::LazyLock;
use std::time::Instant;

use clap::Parser;
use sluice_testing::Kind;

use contenders::{Contender, SET_PX, Yardstick};
use footprint::{Growth, Memory};
use latency::Latency;
use load::Connections;
use options::Options;
use results::{Comparison, Results, ServerResults, SettingResults};
use setting::{Setting, Stage};

/// When the run began, for its messages.
static BEGAN: LazyLock<Instant> = LazyLock::new(Instant::now);

fn main() -> ExitCode {
    LazyLock::force(&BEGAN);
    // Cargo starts it in the folder of its package; files are named from that of the workspace.
    std::env::set_current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/..")).unwrap();
    let options = Options::parse();
    match run(&options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("speed: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<(), String> {
    let mut report = Report::new(options);
    let measured = options.servers().into_iter().try_for_each(|kind| measure(kind, options, &mut report));
    let Report { results, saved, .. } = report;
    measured.map_err(|error| match saved {
        true => format!("{error}\nspeed: what was measured until then is in {}", options.saved()),
        false => error,
    })?;
    let tables = tables::markdown(&results);
    println!("{tables}");
    options.publish(&results, &tables)?;
    eprintln!("done in {} s", BEGAN.elapsed().as_secs());
    Ok(())
}

/// All that is measured on one server. A process serves the settings that differ in the load alone, and the
/// latencies; each of the others has its own.
fn measure(kind: Kind, options: &Options, report: &mut Report<'_>) -> Result<(), String> {
    let on = |setting| Bench::start(kind, setting, options);

    let mut bench = on(Setting::Pipeline)?;
    load::notices_a_wrong_reply(bench.stage.server.port())?;
    report.begin(&bench.name, comparisons(&bench.contenders));
    let pipeline = bench.throughput(Setting::Pipeline, options)?;
    report.add(|server| server.settings.push(pipeline))?;
    let no_pipeline = bench.throughput(Setting::NoPipeline, options)?;
    let rate = half_of_peak(&no_pipeline);
    report.add(|server| server.settings.push(no_pipeline))?;
    // With the states that are there now.
    let latencies = bench.latencies(rate, options)?;
    report.add(|server| (server.latency_rate, server.latencies) = (Some(rate), latencies))?;
    let one_key = bench.throughput(Setting::OneKey, options)?;
    report.add(|server| server.settings.push(one_key))?;
    drop(bench);

    for setting in [Setting::Aof, Setting::Replica] {
        let measured = on(setting)?.throughput(setting, options)?;
        report.add(|server| server.settings.push(measured))?;
    }
    let memory = on(Setting::Pipeline)?.memory(options)?;
    report.add(|server| server.memory = memory)?;
    let growth = on(Setting::Pipeline)?.growth(options.growth_keys(kind), options)?;
    report.add(|server| server.growth = growth)
}

/// All that has been measured so far; it is written whenever a section comes to it.
struct Report<'a> {
    options: &'a Options,
    results: Results,
    saved: bool,
}

impl<'a> Report<'a> {
    fn new(options: &'a Options) -> Self {
        let extent = options.extent();
        let results = Results {
            machine: options::machine(),
            keys: extent.keys,
            rounds: extent.rounds,
            servers: Vec::new(),
        };
        Self { options, results, saved: false }
    }

    /// The sections that follow are of this server.
    fn begin(&mut self, name: &str, comparisons: Vec<Comparison>) {
        self.results.servers.push(ServerResults::new(name, comparisons));
    }

    fn add(&mut self, section: impl FnOnce(&mut ServerResults)) -> Result<(), String> {
        section(self.results.servers.last_mut().unwrap());
        self.options.save(&self.results)?;
        self.saved = true;
        Ok(())
    }
}

/// A server with our connections to it, and the contenders as it knows them.
struct Bench {
    name: String,
    contenders: Vec<Contender>,
    connections: Connections,
    stage: Stage,
}

impl Bench {
    fn start(kind: Kind, setting: Setting, options: &Options) -> Result<Self, String> {
        let stage = Stage::start(kind, setting, options.peer_module())?;
        let mut connections = Connections::open(stage.server.port(), load::CONNECTIONS);
        let contenders = contenders::all(&mut connections, &options.peer_commands())?;
        Ok(Self { name: connections.server_name()?, contenders, connections, stage })
    }

    fn step(&self, what: &str) {
        let seconds = BEGAN.elapsed().as_secs();
        eprintln!("{seconds:>4} s  {}: {what}", self.name);
    }

    fn throughput(&mut self, setting: Setting, options: &Options) -> Result<SettingResults, String> {
        self.step(setting.title());
        let Self { contenders, connections, stage, .. } = self;
        let extent = options.extent();
        let mut measured =
            throughput::measure(connections, contenders, setting, extent, stage.has_replica())?;
        effects::measure(connections, contenders, setting, extent, stage, &mut measured)?;
        Ok(SettingResults { setting, measured })
    }

    fn latencies(&mut self, rate: f64, options: &Options) -> Result<Vec<Latency>, String> {
        self.step("latency");
        latency::measure(self.stage.server.port(), &self.contenders, rate, options.latency_extent())
    }

    fn memory(&mut self, options: &Options) -> Result<Vec<Memory>, String> {
        self.step("memory");
        footprint::memory(&mut self.connections, &self.contenders, options.memory_keys())
    }

    fn growth(&mut self, sizes: &[u32], options: &Options) -> Result<Vec<Growth>, String> {
        self.step("many keys");
        footprint::growth(&mut self.connections, &self.contenders, sizes, options.extent())
    }
}

/// Each contender with each of its yardsticks, and with itself if it has none.
fn comparisons(contenders: &[Contender]) -> Vec<Comparison> {
    let pairs = contenders.iter().flat_map(|contender| {
        let own = Yardstick { name: SET_PX, goal: None };
        let yardsticks =
            if contender.yardsticks.is_empty() { vec![own] } else { contender.yardsticks.clone() };
        yardsticks.into_iter().map(|it| (contender.name.clone(), it))
    });
    pairs.map(|(name, it)| Comparison { name, yardstick: it.name.to_owned(), goal: it.goal }).collect()
}

/// The rate for the latencies of all: the server is half busy with the plain SET.
fn half_of_peak(no_pipeline: &SettingResults) -> f64 {
    no_pipeline.of(SET_PX).unwrap().summary(|pass| pass.a_second()).median / 2.0
}
