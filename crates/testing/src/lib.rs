//! Real servers with the module, for the tests of the client and of what stands on it.
//!
//! A server listens on a port of 127.0.0.1, keeps its files in a folder of its own, ends with the
//! value or with the process, and writes its log when a test panics. The module's own tests have a
//! harness of their own (`tests/servers/harness`), which speaks raw bytes.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on has to stop, and say where"
)]

pub mod c;
mod cluster;
mod example;
mod find;
mod port;
mod server;

pub use cluster::Cluster;
pub use example::example;
pub use find::{Kind, module};
pub use port::free_port;
pub use server::{Server, until};

/// A server for an example: the one that `SLUICE_TEST_REDIS` names, or one that is started for this
/// process and ends with it. It starts empty.
pub fn url() -> String {
    use std::sync::OnceLock;
    static SERVER: OnceLock<Server> = OnceLock::new();
    match std::env::var("SLUICE_TEST_REDIS") {
        Ok(url) if !url.is_empty() => url,
        _ => SERVER.get_or_init(|| Server::start(Kind::Redis82).without_folder()).url(),
    }
}

/// Makes each named `async fn(Kind)` a tokio test on the newest Redis and the newest Valkey.
#[macro_export]
macro_rules! on_both_servers {
    ($($test:ident),+ $(,)?) => { $(
        mod $test {
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn redis_8_2() {
                super::$test($crate::Kind::Redis82).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn valkey_9_1() {
                super::$test($crate::Kind::Valkey91).await;
            }
        }
    )+ };
}
