//! Ending in good order.

use reqwest::Response;
use sluice_testing::{Kind, Server, on_both_servers, until};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::monitor::Monitor;
use crate::ms;
use crate::proxy::Proxy;
use crate::upstream::Upstream;

on_both_servers![
    whoever_waits_is_served_before_it_ends,
    a_second_signal_ends_it_at_once,
    half_a_head_is_not_waited_for_for_ever,
    stopping_takes_no_longer_than_it_may,
];

/// The connection was closed, or the one to the upstream was a moment before it.
fn is_cut_off(outcome: reqwest::Result<Response>) -> bool {
    outcome.map_or(true, |response| response.status() == 502)
}

/// Connections on which half a head has come.
async fn half_heads(proxy: &Proxy, number: usize) -> Vec<TcpStream> {
    let mut connections = Vec::new();
    for _ in 0..number {
        let mut connection = TcpStream::connect(proxy.address()).await.unwrap();
        connection.write_all(b"GET / HT").await.unwrap();
        connections.push(connection);
    }
    connections
}

async fn half_a_head_is_not_waited_for_for_ever(kind: Kind) {
    let (server, upstream) = (Server::start_tcp(kind), Upstream::start().await);
    let words = "--rate 100/1s --deadline 10s --header-timeout 300ms";
    let mut proxy = Proxy::start(&server.url(), &upstream.url(), words).await;
    for mut connection in half_heads(&proxy, 3).await {
        let ended = timeout(ms(20_000), connection.read_to_end(&mut Vec::new())).await;
        assert!(ended.is_ok(), "the connection stays");
    }
    assert_eq!(proxy.get("/at/after").await.status(), 200);
    let _half = half_heads(&proxy, 50).await;
    proxy.terminate();
    assert_eq!(proxy.ended().await, Some(0), "nothing was cut off that had begun");
}

async fn stopping_takes_no_longer_than_it_may(kind: Kind) {
    let (server, upstream) = (Server::start_tcp(kind), Upstream::start().await);
    let words = "--rate 100/1s --deadline 10s --header-timeout 1h --grace 300ms";
    let mut proxy = Proxy::start(&server.url(), &upstream.url(), words).await;
    let mut monitor = Monitor::start(&server).await;
    let _half = half_heads(&proxy, 20).await;
    let never = tokio::spawn(proxy.request("/never").send());
    monitor.next("RATELIMIT.ACQUIRE").await;
    proxy.terminate();
    assert_eq!(proxy.ended().await, Some(1));
    assert!(proxy.log().contains("not done within --grace"), "{}", proxy.log());
    assert!(is_cut_off(never.await.unwrap()));
}

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
    assert!(is_cut_off(waiting.await.unwrap()));
}
