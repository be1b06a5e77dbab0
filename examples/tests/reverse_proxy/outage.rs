//! Redis goes, and comes back.

use std::time::Instant;

use sluice_testing::{Kind, Server, on_both_servers};
use tokio::task::JoinSet;

use crate::ms;
use crate::proxy::Proxy;
use crate::upstream::Upstream;

on_both_servers![
    without_redis_the_choice_applies_and_with_it_again_the_limit,
    a_proxy_may_start_before_redis,
];

async fn start(server: &Server, upstream: &Upstream, outage: &str) -> Proxy {
    let words = format!("--rate 5/1s --deadline 1s --on-outage {outage} --prefix {outage}:");
    Proxy::start(&server.url(), &upstream.url(), &words).await
}

/// Asks until the server decides again, which the headers tell.
async fn goes_on(server: &Server, proxy: &Proxy, outage: &str) {
    let start = Instant::now();
    loop {
        let response = proxy.get("/at/after").await;
        if response.status() == 200 && server.ask(&format!("EXISTS {outage}:all")).int() == 1 {
            assert!(response.headers().contains_key("ratelimit"));
            return;
        }
        assert!(start.elapsed() < ms(20_000), "{outage} goes on");
    }
}

async fn without_redis_the_choice_applies_and_with_it_again_the_limit(kind: Kind) {
    let (mut server, upstream) = (Server::start_tcp(kind), Upstream::start().await);
    let closed = start(&server, &upstream, "closed").await;
    let open = start(&server, &upstream, "open").await;
    let local = start(&server, &upstream, "local").await;
    for proxy in [&closed, &open, &local] {
        assert_eq!(proxy.get("/at/before").await.status(), 200);
    }
    server.kill9();

    let through = upstream.arrivals().len();
    assert_eq!(closed.get("/at/closed").await.status(), 503);
    assert_eq!(upstream.arrivals().len(), through, "nothing passes");
    for _ in 0..3 {
        let response = open.get("/at/open").await;
        assert_eq!(response.status(), 200);
        assert!(!response.headers().contains_key("ratelimit"), "nobody decided");
    }
    let (paced, mut requests) = (Instant::now(), JoinSet::new());
    for _ in 0..4 {
        requests.spawn(local.request("/at/local").send());
    }
    for response in requests.join_all().await {
        assert_eq!(response.unwrap().status(), 200);
    }
    assert!(paced.elapsed() >= ms(600), "{:?}", paced.elapsed());

    server.start_again();
    goes_on(&server, &closed, "closed").await;
    goes_on(&server, &open, "open").await;
    goes_on(&server, &local, "local").await;
}

async fn a_proxy_may_start_before_redis(kind: Kind) {
    let (mut server, upstream) = (Server::start_tcp(kind), Upstream::start().await);
    server.kill9();
    let proxy = start(&server, &upstream, "closed").await;
    assert_eq!(proxy.get("/at/before").await.status(), 503);
    server.start_again();
    goes_on(&server, &proxy, "closed").await;
}
