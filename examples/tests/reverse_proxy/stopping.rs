//! Ending in good order.

use sluice_testing::{Kind, Server, on_both_servers, until};

use crate::monitor::Monitor;
use crate::proxy::Proxy;
use crate::upstream::Upstream;

on_both_servers![whoever_waits_is_served_before_it_ends, a_second_signal_ends_it_at_once];

async fn whoever_waits_is_served_before_it_ends(kind: Kind) {
    let (server, upstream) = (Server::start_tcp(kind), Upstream::start().await);
    let mut proxy = Proxy::start(&server.url(), &upstream.url(), "--rate 1/1s --deadline 10s").await;
    assert_eq!(proxy.get("/at/first").await.status(), 200);
    let mut monitor = Monitor::start(&server).await;
    let waiting = tokio::spawn(proxy.request("/at/second").send());
    monitor.next("RATELIMIT.ACQUIRE").await;
    proxy.terminate();
    assert_eq!(waiting.await.unwrap().unwrap().status(), 200);
    assert_eq!(proxy.ended().await, Some(0));
    assert_eq!(upstream.arrivals().len(), 2);
}

async fn a_second_signal_ends_it_at_once(kind: Kind) {
    let (server, upstream) = (Server::start_tcp(kind), Upstream::start().await);
    let mut proxy = Proxy::start(&server.url(), &upstream.url(), "--rate 1/1s --deadline 10s").await;
    let mut monitor = Monitor::start(&server).await;
    let waiting = tokio::spawn(proxy.request("/never").send());
    monitor.next("RATELIMIT.ACQUIRE").await;
    proxy.terminate();
    until("it stops", || proxy.log().contains("stopping"));
    proxy.terminate();
    assert_eq!(proxy.ended().await, Some(1));
    assert!(waiting.await.unwrap().is_err());
}
