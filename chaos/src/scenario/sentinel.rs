//! A Sentinel that watches one primary.

use std::os::unix::fs::symlink;
use std::time::Duration;

use sluice_testing::{Kind, Server};

use crate::now::within;

const SOON: Duration = Duration::from_secs(30);

/// It ends with its value.
pub(crate) struct Sentinel(Server);

impl Sentinel {
    /// Returns when it knows the primary and so many replicas of it.
    pub(crate) fn start(kind: Kind, primary: u16, replicas: usize) -> Self {
        // Every server is a Sentinel if that is its name.
        let folder = std::env::temp_dir().join(format!("sluice-sentinel-{}-{primary}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let program = folder.join("redis-sentinel");
        let _ = std::fs::remove_file(&program);
        symlink(kind.path(), &program).unwrap();
        let mut setup = Server::setup(kind).without_module().tcp().program(&program);
        for line in [
            format!("sentinel monitor group 127.0.0.1 {primary} 1"),
            "sentinel down-after-milliseconds group 1000".to_owned(),
            "sentinel failover-timeout group 5000".to_owned(),
        ] {
            setup = setup.config(&line);
        }
        let sentinel = Self(setup.start());
        let _ = std::fs::remove_dir_all(&folder);
        let known = || sentinel.0.ask("SENTINEL REPLICAS group").array().len() == replicas;
        assert!(within(SOON, known), "Sentinel does not see the replicas");
        sentinel
    }

    /// The port of the primary as it knows it.
    pub(crate) fn primary(&self) -> u16 {
        self.0.ask("SENTINEL GET-MASTER-ADDR-BY-NAME group").array()[1].text().parse().unwrap()
    }

    /// The port of the primary that it promotes in place of another.
    pub(crate) fn promoted(&self, instead_of: u16) -> u16 {
        let mut port = instead_of;
        let changed = || {
            port = self.primary();
            port != instead_of
        };
        assert!(within(SOON, changed), "Sentinel promotes nobody:\n{}", self.0.log());
        port
    }
}
