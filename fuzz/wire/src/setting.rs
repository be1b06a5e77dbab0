//! What the servers are set up as.

use sluice_testing::{Kind, Server, Setup, c};

use crate::words::Words;

/// What one server is among others, and what it does beside answering.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Setting {
    /// Alone, with nothing to it.
    Plain,
    /// With an append-only file, which is loaded again and again.
    Aof,
    /// The primary of a replica that has to be equal when all is quiet.
    Primary,
    /// A replica, written to or not, of a primary that is written to as well.
    Replica,
    /// A cluster of this one node.
    Cluster,
    /// With threads that read and write.
    Threads,
}

impl Setting {
    pub(crate) const ALL: &[Self] =
        &[Self::Plain, Self::Aof, Self::Primary, Self::Replica, Self::Cluster, Self::Threads];

    pub(crate) fn name(self) -> String {
        format!("{self:?}").to_lowercase()
    }

    /// The databases that its clients use.
    pub(crate) fn databases(self) -> usize {
        if self == Self::Cluster { 1 } else { 3 }
    }
}

/// What ends a server by itself, without a command of ours in it, and is left out.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Spared {
    /// Redis: in a transaction CLIENT PAUSE, and then a write to a key whose time is over.
    pub(crate) pause_in_transaction: bool,
    /// From Redis 8 and Valkey 8 on, in a cluster: in a transaction another module's call for a key of another slot,
    /// which is then in two tables.
    pub(crate) module_in_transaction: bool,
}

impl Spared {
    pub(crate) fn by(kind: Kind, setting: Setting) -> Self {
        Self {
            pause_in_transaction: !kind.is_valkey(),
            module_in_transaction: setting == Setting::Cluster && kind != Kind::Redis70,
        }
    }

    pub(crate) fn is_spared(self, words: &Words) -> bool {
        let is = |place: usize, name: &[u8]| words.get(place).is_some_and(|word| word == name);
        (self.pause_in_transaction && is(1, b"PAUSE"))
            || (self.module_in_transaction && is(0, b"CALLER.CALL"))
    }
}

/// The server that is called, and the one beside it.
pub(crate) struct Servers {
    /// Declared first: a replica ends before its primary does.
    pub(crate) called: Server,
    pub(crate) other: Option<Server>,
}

impl Servers {
    pub(crate) fn start(kind: Kind, setting: Setting, under: &[String]) -> Self {
        let caller = format!("loadmodule {}", c::caller().display());
        let setup = || {
            Server::setup(kind)
                .module_args("throttle yes")
                .config("loglevel warning")
                .config("hz 200")
                .config(&caller)
        };
        let called = |setup: Setup| setup.under(under);
        let alone = |setup: Setup| Self { called: called(setup).start(), other: None };
        match setting {
            Setting::Plain => alone(setup()),
            Setting::Aof => alone(setup().aof()),
            Setting::Cluster => alone(setup().cluster()),
            Setting::Threads => {
                let setup = setup().tcp().config("io-threads 4");
                // Later servers do so by themselves.
                alone(if kind == Kind::Redis70 { setup.config("io-threads-do-reads yes") } else { setup })
            }
            Setting::Primary => {
                let called = called(setup().tcp()).start();
                let other = setup().replica_of(&called).start();
                Self { called, other: Some(other) }
            }
            Setting::Replica => {
                let other = setup().tcp().start();
                // Without a file of its own: with one, each of the servers ends by itself when the time of a key is
                // over that was written here, and CLIENT PAUSE is on.
                let called = called(setup().tcp().replica_of(&other)).start();
                Self { called, other: Some(other) }
            }
        }
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = &Server> {
        std::iter::once(&self.called).chain(&self.other)
    }
}
