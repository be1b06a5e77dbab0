//! A server for examples.

use std::sync::OnceLock;

use crate::kind::Kind;
use crate::server::Server;

/// The address of a server for an example: the one that `SLUICE_TEST_REDIS` names, or one that is started for this
/// process and ends with it. It starts empty.
pub fn url() -> String {
    static SERVER: OnceLock<Server> = OnceLock::new();
    match std::env::var("SLUICE_TEST_REDIS") {
        Ok(url) if !url.is_empty() => url,
        _ => SERVER.get_or_init(|| Server::start_tcp(Kind::Redis82).without_folder()).url(),
    }
}
