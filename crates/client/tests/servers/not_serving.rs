//! Servers that answer, but do not serve: an outage like any other.

use sluice_client::{Decision, Error, Limit, Limiter, Outage};
use sluice_testing::{Kind, Server, on_both_servers, until};

use crate::healing::ms;

on_both_servers![
    a_server_that_lacks_replicas_is_an_outage,
    a_server_without_memory_is_an_outage_for_new_keys,
    a_server_that_a_script_keeps_is_an_outage,
];

fn limiter(server: &Server, outage: Outage) -> Limiter {
    Limiter::new(server.client(), Limit::per_hour(100), outage).deadline(ms(5000))
}

/// As was chosen, and the other way round.
async fn is_an_outage(server: &Server, key: &str, says: &str) {
    assert_eq!(*limiter(server, Outage::Open).acquire(key).await.unwrap(), Decision::Unchecked);
    assert!(limiter(server, Outage::local(2)).try_acquire(key).await.unwrap().is_granted());
    let error = limiter(server, Outage::Closed).try_acquire(key).await.unwrap_err();
    assert!(matches!(&error, Error::NotServing(error) if error.code() == Some(says)), "{error}");
}

async fn a_server_that_lacks_replicas_is_an_outage(kind: Kind) {
    let server = Server::start_tcp(kind);
    server.ask("CONFIG SET min-replicas-to-write 1").assert_ok();
    is_an_outage(&server, "k", "NOREPLICAS").await;
    server.ask("CONFIG SET min-replicas-to-write 0").assert_ok();
    assert!(limiter(&server, Outage::Closed).acquire("k").await.unwrap().is_granted());
}

async fn a_server_without_memory_is_an_outage_for_new_keys(kind: Kind) {
    let server = Server::start_tcp(kind);
    assert!(limiter(&server, Outage::Closed).acquire("known").await.unwrap().is_granted());
    server.ask("CONFIG SET maxmemory 1").assert_ok();
    is_an_outage(&server, "new", "OOM").await;
    assert!(limiter(&server, Outage::Closed).acquire("known").await.unwrap().is_granted());
}

async fn a_server_that_a_script_keeps_is_an_outage(kind: Kind) {
    let server = Server::start_tcp(kind);
    server.ask("CONFIG SET busy-reply-threshold 1").assert_ok();
    let mut endless = server.connect();
    endless.send(&["EVAL", "while true do end", "0"]);
    until("the script is noticed", || server.connect().call(&["PING"]).is_error());
    is_an_outage(&server, "k", "BUSY").await;
    server.ask("SCRIPT KILL").assert_ok();
    until("the script is dead", || !server.connect().call(&["PING"]).is_error());
    assert!(limiter(&server, Outage::Closed).acquire("k").await.unwrap().is_granted());
}
