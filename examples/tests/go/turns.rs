//! Two proxies keep order and distance; who hangs up gives the turn back; too long a queue is refused.

use sluice_testing::{Kind, Server, has, on_both_servers, until};
use tokio::task::JoinSet;

use crate::monitor::{Monitor, first_turn};
use crate::ms;
use crate::program::Proxy;
use crate::upstream::Upstream;

on_both_servers![
    two_proxies_send_requests_in_order_and_at_their_turns,
    who_hangs_up_gives_the_turn_back,
    too_long_a_queue_is_refused,
    whoever_waits_is_served_before_a_proxy_stops,
];

/// Replicas that give a loaded machine the time it needs.
const PATIENT: &str = "-key p -deadline 10s -max-wait 60s";

async fn two_proxies_send_requests_in_order_and_at_their_turns(kind: Kind) {
    if !has("go") {
        return;
    }
    let (server, upstream) = (Server::start_tcp(kind), Upstream::start().await);
    let words = format!("-rate 10/1s {PATIENT}");
    let proxies = [
        Proxy::start(&server.url(), &upstream.url(), &words).await,
        Proxy::start(&server.url(), &upstream.url(), &words).await,
    ];
    let mut monitor = Monitor::start(&server).await;
    let mut responses = JoinSet::new();
    for n in 0..20 {
        responses.spawn(proxies[n % 2].get(&format!("/at/{n}")).send());
        monitor.next("RATELIMIT.ACQUIRE").await;
    }
    let first = first_turn(&server, "p", 20, ms(100));
    for response in responses.join_all().await {
        assert_eq!(response.unwrap().status(), 200);
    }
    for (n, (name, at)) in (0_u32..).zip(upstream.arrivals()) {
        assert_eq!(name, n.to_string(), "in the order of the server");
        let due = first + ms(100) * n;
        assert!(at + ms(1) >= due, "{name} came {:?} before its turn", due - at);
    }
}

async fn who_hangs_up_gives_the_turn_back(kind: Kind) {
    if !has("go") {
        return;
    }
    let (server, upstream) = (Server::start_tcp(kind), Upstream::start().await);
    let proxy = Proxy::start(&server.url(), &upstream.url(), &format!("-rate 1/50s {PATIENT}")).await;
    assert_eq!(proxy.status("/at/first").await, 200);
    let before = server.ask("GET p");
    let mut monitor = Monitor::start(&server).await;
    for request in [proxy.get("/at/gone"), proxy.post("/upload")] {
        let gone = tokio::spawn(request.send());
        monitor.next("RATELIMIT.ACQUIRE").await;
        gone.abort();
        monitor.next("RATELIMIT.RETURN").await;
        until("it is as before, to the nanosecond", || server.ask("GET p") == before);
    }
}

async fn too_long_a_queue_is_refused(kind: Kind) {
    if !has("go") {
        return;
    }
    let (server, upstream) = (Server::start_tcp(kind), Upstream::start().await);
    let words = "-rate 1/10m -max-wait 1s -deadline 10s -key p";
    let proxy = Proxy::start(&server.url(), &upstream.url(), words).await;
    assert_eq!(proxy.status("/at/first").await, 200);
    let response = proxy.get("/at/second").send().await.unwrap();
    assert_eq!(response.status(), 429);
    let seconds: u64 = response.headers()["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((539..=599).contains(&seconds), "until it could queue: {seconds}");
    assert_eq!(upstream.arrivals().len(), 1);
}

async fn whoever_waits_is_served_before_a_proxy_stops(kind: Kind) {
    if !has("go") {
        return;
    }
    let (server, upstream) = (Server::start_tcp(kind), Upstream::start().await);
    let proxy = Proxy::start(&server.url(), &upstream.url(), &format!("-rate 1/1s {PATIENT}")).await;
    let mut monitor = Monitor::start(&server).await;
    assert_eq!(proxy.status("/at/first").await, 200);
    monitor.next("RATELIMIT.ACQUIRE").await;
    let waiting = tokio::spawn(proxy.get("/at/second").send());
    monitor.next("RATELIMIT.ACQUIRE").await;
    proxy.terminate();
    assert_eq!(waiting.await.unwrap().unwrap().status(), 200);
    assert!(proxy.end().await.success());
}
