//! A server that is too old for the module.

use sluice_testing::{Kind, Server};

/// It must neither crash the server in an unknown function nor load and fail later: the log names what is
/// missing.
#[test]
fn redis_6_2_is_told_what_it_lacks() {
    let Err(log) = Server::setup(Kind::Redis62).try_start() else {
        panic!("the module loads on {}", Kind::Redis62.name());
    };
    assert!(log.contains("needs Redis 7.0 or Valkey 8.0 or newer"), "{log}");
    assert!(log.contains("RedisModule_SetAbsExpire"), "{log}");
    assert!(!log.contains("BUG REPORT"), "{log}");
}
