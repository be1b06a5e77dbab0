//! What a server is to be started with.

use std::fmt::Write as _;
use std::net::TcpListener;
use std::path::Path;
use std::sync::atomic::{AtomicU16, Ordering};

use super::{Kind, Server, module};

/// The wishes for one server. `Server::setup(kind)` is a server with the module, alone, on a unix socket,
/// that writes nothing to disk; the methods add to that.
#[derive(Clone)]
pub(crate) struct Setup {
    pub(super) kind: Kind,
    /// The module's arguments, or None for a server without it.
    module: Option<String>,
    config: Vec<String>,
    pub(super) files: Vec<(String, Vec<u8>)>,
    pub(super) clock_us: Option<i64>,
    pub(super) port: Option<u16>,
    pub(super) cluster: bool,
    pub(super) replica: bool,
}

impl Setup {
    pub(super) fn new(kind: Kind) -> Self {
        Self {
            kind,
            module: Some(String::new()),
            config: Vec::new(),
            files: Vec::new(),
            clock_us: None,
            port: None,
            cluster: false,
            replica: false,
        }
    }

    pub(crate) fn without_module(mut self) -> Self {
        self.module = None;
        self
    }

    pub(crate) fn with_module(self) -> Self {
        self.module_args("")
    }

    /// What follows the module's path after `loadmodule`.
    pub(crate) fn module_args(mut self, args: &str) -> Self {
        self.module = Some(args.to_owned());
        self
    }

    /// A line of the server's configuration: `maxmemory 2mb`.
    pub(crate) fn config(mut self, line: &str) -> Self {
        self.config.push(line.to_owned());
        self
    }

    /// An append-only file that holds every change before the change is answered.
    pub(crate) fn aof(self) -> Self {
        self.config("appendonly yes").config("appendfsync always")
    }

    /// A file that is in the server's folder before it starts: a `dump.rdb` from another server.
    pub(crate) fn file(mut self, name: &str, bytes: &[u8]) -> Self {
        self.files.push((name.to_owned(), bytes.to_vec()));
        self
    }

    /// A wall clock that stands still at this time until the test sets it. See `Server::set_clock_ms`.
    pub(crate) fn clock_ms(self, unix_ms: i64) -> Self {
        self.clock_us(unix_ms * 1000)
    }

    pub(crate) fn clock_us(mut self, unix_us: i64) -> Self {
        self.clock_us = Some(unix_us);
        self
    }

    /// Also listen on a port of 127.0.0.1, which a primary and a cluster node need.
    pub(crate) fn tcp(mut self) -> Self {
        self.port.get_or_insert_with(free_port);
        self
    }

    /// A replica of that server, which must have been set up with `tcp()`. `start` returns when the replica
    /// has all that the primary had.
    pub(crate) fn replica_of(mut self, primary: &Server) -> Self {
        self.replica = true;
        self.config(&format!("replicaof 127.0.0.1 {}", primary.port()))
    }

    /// A cluster of this one node, which owns all slots. It takes the server two seconds to trust itself.
    pub(crate) fn cluster(mut self) -> Self {
        self.cluster = true;
        let bus = free_port();
        self.tcp().config("cluster-enabled yes").config(&format!("cluster-port {bus}"))
    }

    #[track_caller]
    pub(crate) fn start(self) -> Server {
        let name = self.kind.name();
        self.try_start().unwrap_or_else(|log| panic!("{name} did not start:\n{log}"))
    }

    /// As `start`, but a server that ends before it is ready is its log.
    pub(crate) fn try_start(self) -> Result<Server, String> {
        Server::launch(self)
    }

    /// The server's configuration file.
    pub(super) fn to_text(&self, folder: &Path) -> String {
        let mut text = format!(
            "dir \"{0}\"\nunixsocket \"{0}/socket\"\nport {1}\n",
            folder.display(),
            self.port.unwrap_or(0)
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
        for line in &self.config {
            let _ = writeln!(text, "{line}");
        }
        if let Some(args) = &self.module {
            let _ = writeln!(text, "loadmodule \"{}\" {args}", module::path().display());
        }
        text
    }
}

/// A port that nobody listens on, never offered twice by this process. It is below those that the kernel
/// hands out to outgoing connections, so none of them can take it before the server does.
fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let first = 20_000 + u16::try_from(std::process::id() % 100).unwrap() * 100;
    loop {
        let port = first + NEXT.fetch_add(1, Ordering::Relaxed);
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}
