//! Under which circumstances the contenders are measured.

use serde::Serialize;
use sluice_testing::{Kind, Server};

use crate::contenders::Contender;
use crate::lane::Keys;
use crate::load::Connections;

/// Databases of a server: one for each contender.
const DATABASES: &str = "64";

#[derive(Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Setting {
    Pipeline,
    NoPipeline,
    OneKey,
    Aof,
    Replica,
}

impl Setting {
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Pipeline => "pipeline of 32, random keys",
            Self::NoPipeline => "no pipeline, random keys",
            Self::OneKey => "pipeline of 32, one key for all",
            Self::Aof => "pipeline of 32, random keys, AOF everysec",
            Self::Replica => "pipeline of 32, random keys, one replica",
        }
    }

    /// Requests that a connection sends at once.
    pub(crate) fn depth(self) -> usize {
        if self == Self::NoPipeline { 1 } else { 32 }
    }

    pub(crate) fn includes(self, contender: &Contender) -> bool {
        match self {
            Self::Pipeline | Self::NoPipeline => true,
            Self::OneKey => contender.on_one_key,
            Self::Aof | Self::Replica => contender.persisted,
        }
    }

    /// The keys of one pass, out of so many.
    pub(crate) fn keys(self, contender: &Contender, count: u32) -> Keys {
        match self {
            Self::OneKey => Keys::One,
            _ if contender.on_new_keys || contender.on_fresh_keys => Keys::Once(0..count),
            _ => Keys::Random(count),
        }
    }
}

/// A server for one setting, and its replica if it has one.
pub(crate) struct Stage {
    pub(crate) server: Server,
    pub(crate) replica: Option<Server>,
}

impl Stage {
    pub(crate) fn start(kind: Kind, setting: Setting, peer_module: Option<&str>) -> Result<Self, String> {
        let mut both = Server::setup(kind).tcp().config(&format!("databases {DATABASES}"));
        if let Some(module) = peer_module {
            both = both.config(&format!("loadmodule {module}"));
        }
        let own: &[&str] = match setting {
            // Rewriting the file would come at another time for each contender.
            Setting::Aof => &["appendonly yes", "appendfsync everysec", "auto-aof-rewrite-percentage 0"],
            // A replica that shares two processors with two others falls behind: it catches up between passes.
            Setting::Replica => &["client-output-buffer-limit replica 0 0 0"],
            _ => &[],
        };
        let server = own.iter().fold(both.clone(), |setup, line| setup.config(line)).start();
        let replica = (setting == Setting::Replica).then(|| both.replica_of(&server).start());
        if replica.is_some() {
            until_connected(&server)?;
        }
        Ok(Self { server, replica })
    }

    pub(crate) fn has_replica(&self) -> bool {
        self.replica.is_some()
    }
}

/// Waits until the replica has its copy of nothing and takes what is written.
fn until_connected(server: &Server) -> Result<(), String> {
    let mut connections = Connections::open(server.port(), 1);
    connections.ask("SET __key__ v", "+OK")?;
    connections.ask("WAIT 1 30000", ":1")?;
    connections.ask("FLUSHALL", "+OK").map(drop)
}
