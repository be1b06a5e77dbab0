//! Redis goes, stops and comes back.

use sluice_testing::{Kind, Server, has, on_both_servers};
use tokio::task::JoinSet;

use crate::ms;
use crate::program::Proxy;
use crate::upstream::Upstream;

on_both_servers![
    without_redis_the_choice_applies_and_with_it_again_the_limit,
    a_server_that_stops_for_a_moment_gives_no_turns_to_those_who_have_been_answered,
];

async fn without_redis_the_choice_applies_and_with_it_again_the_limit(kind: Kind) {
    if !has("go") {
        return;
    }
    let (mut server, upstream) = (Server::start_tcp(kind), Upstream::start().await);
    let words = "-rate 100/1s -deadline 1s -key";
    let closed = Proxy::start(&server.url(), &upstream.url(), &format!("{words} closed")).await;
    let open = Proxy::start(&server.url(), &upstream.url(), &format!("{words} open -open")).await;
    for proxy in [&closed, &open] {
        assert_eq!(proxy.status("/at/before").await, 200);
    }
    server.kill9();
    let through = upstream.arrivals().len();
    assert_eq!(closed.status("/at/closed").await, 503);
    assert_eq!(upstream.arrivals().len(), through, "nothing passes");
    assert_eq!(open.status("/at/open").await, 200);
    server.start_again();
    for (proxy, key) in [(closed, "closed"), (open, "open")] {
        let end = tokio::time::Instant::now() + ms(20_000);
        while proxy.status("/at/after").await != 200 || server.ask(&format!("EXISTS {key}")).int() == 0 {
            assert!(tokio::time::Instant::now() < end, "{key} goes on");
        }
    }
}

async fn a_server_that_stops_for_a_moment_gives_no_turns_to_those_who_have_been_answered(kind: Kind) {
    if !has("go") {
        return;
    }
    let (server, upstream) = (Server::start_tcp(kind), Upstream::start().await);
    let words = "-rate 1/1s:100 -deadline 1s -key p";
    let proxy = Proxy::start(&server.url(), &upstream.url(), words).await;
    // Many at once, so that it has many connections, on each of which a command could come to a server that is stopped.
    assert_eq!(at_once(&proxy, 40).await, [200; 40]);
    server.freeze();
    assert_eq!(proxy.status("/at/first").await, 503);
    assert_eq!(at_once(&proxy, 40).await, [503; 40]);
    server.thaw();
    let end = tokio::time::Instant::now() + ms(20_000);
    while proxy.status("/at/after").await != 200 {
        assert!(tokio::time::Instant::now() < end, "it goes on");
    }
    // Those before, the one that found out, and the one after.
    assert_eq!(server.connect().info("sluice", "sluice_granted"), "42");
}

async fn at_once(proxy: &Proxy, requests: usize) -> Vec<u16> {
    let requests = (0..requests).map(|_| proxy.get("/at/once").send()).collect::<JoinSet<_>>();
    requests.join_all().await.into_iter().map(|response| response.unwrap().status().as_u16()).collect()
}
