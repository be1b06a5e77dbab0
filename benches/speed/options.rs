//! What is measured, how often, and where the results go.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Parser, ValueEnum};
use sluice_testing::Kind;

use crate::chart;
use crate::results::Results;
use crate::tables;
use crate::throughput::Extent;

/// A peer for the smoke run, which measures everything: its key is gone a ms later.
const FLEETING: &str = "SET __key__ v PX 1";

/// Below this heading of a page, `--docs` replaces everything.
const HEADING: &str = "\n## Results\n";

/// Throughput, latency and memory of Sluice beside the server's own commands and the usual scripts.
#[derive(Parser)]
pub(crate) struct Options {
    /// Only this server
    #[arg(long, env = "SERVER")]
    server: Option<Name>,

    /// Times that everything is measured; the medians are shown
    #[arg(long, env = "ROUNDS", default_value_t = 5)]
    #[arg(value_parser = clap::value_parser!(u16).range(1..))]
    rounds: u16,

    /// Keys that the requests are about
    #[arg(long, env = "KEYS", default_value_t = 100_000)]
    #[arg(value_parser = clap::value_parser!(u32).range(1000..=1_000_000))]
    keys: u32,

    /// Another module, loaded beside ours
    #[arg(long, env = "PEER_MODULE")]
    peer_module: Option<String>,

    /// A command to measure too, with __key__ for the key; several with a ; between them
    #[arg(long, env = "PEER_COMMAND", value_delimiter = ';')]
    peer_command: Vec<String>,

    /// Everything, but small: shows that it works and that all replies are right; its figures mean nothing
    #[arg(long, conflicts_with = "docs")]
    smoke: bool,

    /// Where the results go as JSON: rewritten, as are the tables, whenever a section is measured
    #[arg(long, default_value = "target/bench/speed.json")]
    json: PathBuf,

    /// Where the tables go as Markdown
    #[arg(long, default_value = "target/bench/speed.md")]
    markdown: PathBuf,

    /// Where the throughput of the first server goes as an SVG chart
    #[arg(long, default_value = "target/bench/speed.svg")]
    chart: PathBuf,

    /// Replaces all that this Markdown file has below its heading "## Results"
    #[arg(long)]
    docs: Option<PathBuf>,

    /// Said by `cargo bench`
    #[arg(long, hide = true)]
    bench: bool,
}

#[derive(Clone, Copy, ValueEnum)]
#[value(rename_all = "verbatim")]
enum Name {
    #[value(name = "redis_8_2")]
    Redis82,
    #[value(name = "redis_7_0")]
    Redis70,
    #[value(name = "valkey_9_1")]
    Valkey91,
}

impl Options {
    /// The servers, that of the promises first.
    pub(crate) fn servers(&self) -> Vec<Kind> {
        match self.server {
            None => vec![Kind::Redis82, Kind::Redis70, Kind::Valkey91],
            Some(Name::Redis82) => vec![Kind::Redis82],
            Some(Name::Redis70) => vec![Kind::Redis70],
            Some(Name::Valkey91) => vec![Kind::Valkey91],
        }
    }

    pub(crate) fn extent(&self) -> Extent {
        if self.smoke {
            return Extent { keys: 1000, rounds: 2, pass: Duration::from_millis(5) };
        }
        Extent { keys: self.keys, rounds: self.rounds.into(), pass: Duration::from_millis(350) }
    }

    /// A p99.9 needs some tens of thousands of requests.
    pub(crate) fn latency_extent(&self) -> Extent {
        let pass = Duration::from_millis(if self.smoke { 20 } else { 1000 });
        Extent { pass, ..self.extent() }
    }

    pub(crate) fn memory_keys(&self) -> u32 {
        if self.smoke { 1000 } else { 1_000_000 }
    }

    /// Sizes at which the cost of a command is measured, ascending. The largest takes a minute to load: the
    /// first server shows it for all.
    pub(crate) fn growth_keys(&self, kind: Kind) -> &'static [u32] {
        match kind {
            _ if self.smoke => &[100, 1000],
            kind if kind == self.servers()[0] => &[10_000, 100_000, 1_000_000, 10_000_000],
            _ => &[10_000, 100_000, 1_000_000],
        }
    }

    pub(crate) fn peer_module(&self) -> Option<&str> {
        self.peer_module.as_deref().filter(|path| !path.is_empty())
    }

    pub(crate) fn peer_commands(&self) -> Vec<&str> {
        let own = self.smoke.then_some(FLEETING);
        let given = self.peer_command.iter().map(|line| line.trim()).filter(|line| !line.is_empty());
        own.into_iter().chain(given).collect()
    }

    /// Writes what there is so far, so that a run that ends early has not been in vain.
    pub(crate) fn save(&self, results: &Results) -> Result<(), String> {
        write(&self.json, &(serde_json::to_string_pretty(results).unwrap() + "\n"))?;
        write(&self.markdown, &tables::markdown(results))
    }

    /// The files of `save`, for a message.
    pub(crate) fn saved(&self) -> String {
        format!("{} and {}", self.json.display(), self.markdown.display())
    }

    /// Writes what is made of a whole run.
    pub(crate) fn publish(&self, results: &Results, tables: &str) -> Result<(), String> {
        create_folder_of(&self.chart)?;
        chart::draw(&self.chart, &results.servers[0])?;
        let Some(file) = &self.docs else { return Ok(()) };
        let page = std::fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?;
        let (kept, _) =
            page.split_once(HEADING).ok_or_else(|| format!("{} has no heading Results", file.display()))?;
        write(file, &format!("{kept}{HEADING}\n{tables}"))
    }
}

/// In one step: whoever ends the run, the file is either as it was or whole.
fn write(file: &Path, text: &str) -> Result<(), String> {
    create_folder_of(file)?;
    let fresh = file.with_extension("new");
    let written = std::fs::write(&fresh, text).and_then(|()| std::fs::rename(&fresh, file));
    written.map_err(|error| format!("{}: {error}", file.display()))
}

fn create_folder_of(file: &Path) -> Result<(), String> {
    let folder = file.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder).map_err(|error| format!("{}: {error}", folder.display()))
}

/// `Intel(R) Xeon(R) Processor, 2 processors, Linux 6.1.0`, as far as the machine says.
pub(crate) fn machine() -> String {
    let read = |file| std::fs::read_to_string(file).unwrap_or_default();
    let cpus = read("/proc/cpuinfo");
    let model =
        cpus.lines().find(|line| line.starts_with("model name")).and_then(|line| line.split_once(": "));
    let model = model.map_or("unknown processor", |(_, model)| model.trim());
    let count = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let kernel = read("/proc/sys/kernel/osrelease");
    format!("{model}, {count} of them, Linux {}", kernel.trim())
}
