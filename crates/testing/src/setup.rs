//! What a server is to be started with.

use std::fmt::Write as _;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use crate::kind::Kind;
use crate::module::module;

/// The wishes for one server. `Server::setup(kind)` is a server with the module, alone, on a unix socket,
/// that writes nothing to disk; the methods add to that.
#[derive(Clone)]
pub struct Setup {
    pub(crate) kind: Kind,
    /// The module's arguments, or None for a server without it.
    module: Option<String>,
    config: Vec<String>,
    pub(crate) files: Vec<(String, Vec<u8>)>,
    pub(crate) clock_us: Option<i64>,
    /// The clock goes on, `clock_us` ahead of the true time.
    pub(crate) clock_runs: bool,
    pub(crate) tcp: bool,
    /// The slots of a node of a cluster, or None for a server that is none.
    pub(crate) slots: Option<Vec<RangeInclusive<u16>>>,
    pub(crate) replica: bool,
    pub(crate) program: Option<PathBuf>,
    pub(crate) under: Vec<String>,
    pub(crate) preload: Option<PathBuf>,
}

impl Setup {
    pub(crate) fn new(kind: Kind) -> Self {
        Self {
            kind,
            module: Some(String::new()),
            config: Vec::new(),
            files: Vec::new(),
            clock_us: None,
            clock_runs: false,
            tcp: false,
            slots: None,
            replica: false,
            program: None,
            under: Vec::new(),
            preload: None,
        }
    }

    /// Without the module.
    pub fn without_module(mut self) -> Self {
        self.module = None;
        self
    }

    /// With the module, and no arguments to it, as is usual.
    pub fn with_module(self) -> Self {
        self.module_args("")
    }

    /// What follows the module's path after `loadmodule`.
    pub fn module_args(mut self, args: &str) -> Self {
        self.module = Some(args.to_owned());
        self
    }

    /// A line of the server's configuration: `maxmemory 2mb`.
    pub fn config(mut self, line: &str) -> Self {
        self.config.push(line.to_owned());
        self
    }

    /// An append-only file that holds every change before the change is answered.
    pub fn aof(self) -> Self {
        self.config("appendonly yes").config("appendfsync always")
    }

    /// A file that is in the server's folder before it starts: a `dump.rdb` from another server.
    pub fn file(mut self, name: &str, bytes: &[u8]) -> Self {
        self.files.push((name.to_owned(), bytes.to_vec()));
        self
    }

    /// A wall clock that stands still at this time until the test sets it. See `Server::set_clock_ms`.
    pub fn clock_ms(self, unix_ms: i64) -> Self {
        self.clock_us(unix_ms * 1000)
    }

    /// The same in microseconds.
    pub fn clock_us(mut self, unix_us: i64) -> Self {
        self.clock_us = Some(unix_us);
        self
    }

    /// A wall clock that goes on, and that `Server::step_clock_us` sets ahead of the true time or behind it.
    pub fn running_clock(mut self) -> Self {
        self.clock_us = Some(0);
        self.clock_runs = true;
        self
    }

    /// Also listen on a port of 127.0.0.1, which a primary and a cluster node need.
    pub fn tcp(mut self) -> Self {
        self.tcp = true;
        self
    }

    /// A cluster of this one node, which owns all slots. It takes the server two seconds to trust itself.
    pub fn cluster(self) -> Self {
        self.cluster_of(&[0..=16_383])
    }

    /// A node of a cluster, which owns these slots. `Cluster::of` makes several known to each other.
    pub fn cluster_of(mut self, slots: &[RangeInclusive<u16>]) -> Self {
        self.slots = Some(slots.to_vec());
        self.tcp().config("cluster-enabled yes")
    }

    /// The slots that it owns as a node of a cluster.
    pub(crate) fn slots(&self) -> &[RangeInclusive<u16>] {
        self.slots.as_deref().unwrap_or_default()
    }

    /// Another program than that of the kind, whose version is then not checked.
    pub fn program(mut self, path: &Path) -> Self {
        self.program = Some(path.to_path_buf());
        self
    }

    /// The server's program and its arguments behind these words: `valgrind --tool=callgrind`.
    pub fn under(mut self, words: &[impl AsRef<str>]) -> Self {
        self.under = words.iter().map(|word| word.as_ref().to_owned()).collect();
        self
    }

    /// A library to preload into the server's process. `clock_ms` has one of its own; with both, this one has to take
    /// the time from the clock's file, as `c::still` does.
    pub fn preload(mut self, library: &Path) -> Self {
        self.preload = Some(library.to_path_buf());
        self
    }

    /// The configuration file of a server with this folder, this port or none, and this port for a cluster's own talk.
    pub(crate) fn to_text(&self, folder: &Path, port: Option<u16>, bus: Option<u16>) -> String {
        let mut text = format!(
            "dir \"{0}\"\nunixsocket \"{0}/socket\"\nport {1}\n",
            folder.display(),
            port.unwrap_or(0)
        );
        text += "bind 127.0.0.1\nsave \"\"\nappendonly no\ndaemonize no\n";
        // The log goes to standard output, where the messages before logging is set up go too.
        text += "logfile \"\"\nloglevel notice\n";
        // A background thread of the allocator would wait for points in time that a standing clock never
        // reaches.
        text += "jemalloc-bg-thread no\n";
        // A replica that comes is served at once instead of after the usual five seconds for others to join.
        text += "repl-diskless-sync-delay 0\n";
        if self.kind != Kind::Redis62 {
            text += "enable-debug-command local\nenable-module-command local\n";
        }
        if let Some(bus) = bus {
            let _ = writeln!(text, "cluster-port {bus}");
        }
        for line in &self.config {
            let _ = writeln!(text, "{line}");
        }
        if let Some(args) = &self.module {
            let _ = writeln!(text, "loadmodule \"{}\" {args}", module().display());
        }
        text
    }
}
