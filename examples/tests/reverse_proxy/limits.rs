//! Refusing, and what has a limit of its own.

use std::time::Instant;

use reqwest::Method;
use sluice_testing::{Kind, Server, on_both_servers};

use crate::monitor::Monitor;
use crate::ms;
use crate::proxy::{Proxy, client};
use crate::upstream::Upstream;

on_both_servers![
    refuse_mode_says_what_the_limit_is_and_when_to_come_back,
    each_client_behind_a_trusted_proxy_has_a_limit,
    a_rate_may_be_of_any_kind,
    a_longer_queue_than_the_longest_wait_is_refused,
    a_server_without_the_module_is_logged_and_passes_nothing,
    an_upstream_that_asks_to_be_left_alone_is_by_all_replicas,
    preflights_and_exempt_paths_pass_uncounted,
];

async fn refuse_mode_says_what_the_limit_is_and_when_to_come_back(kind: Kind) {
    let (server, upstream) = (Server::start_tcp(kind), Upstream::start().await);
    let words = "--rate 240/1h:2 --mode refuse --key header:x-api-key --deadline 10s";
    let proxy = Proxy::start(&server.url(), &upstream.url(), words).await;
    assert_eq!(proxy.get("/").await.status(), 400, "without the header");
    for (key, status, standing) in [
        ("a", 200, r#""default";r=1"#),
        ("a", 200, r#""default";r=0"#),
        ("b", 200, r#""default";r=1"#),
        ("a", 429, r#""default";r=0"#),
    ] {
        let response = proxy.request("/").header("x-api-key", key).send().await.unwrap();
        assert_eq!(response.status(), status);
        let headers = response.headers();
        let (left, seconds) = headers["ratelimit"].to_str().unwrap().rsplit_once(";t=").unwrap();
        assert_eq!(left, standing);
        assert!((1..=15).contains(&seconds.parse().unwrap()));
        assert_eq!(headers["ratelimit-policy"], r#""default";q=240;w=3600;sluice-burst=2"#);
        assert_eq!(headers.contains_key("retry-after"), status == 429);
        if status == 429 {
            assert_eq!(headers["content-type"], "application/problem+json");
            assert_eq!(headers["retry-after"], seconds);
        }
    }
    let key = format!("proxy:{}:header:x-api-key:b", upstream.host());
    assert_eq!(server.ask(&format!("EXISTS {key}")).int(), 1);
}

async fn each_client_behind_a_trusted_proxy_has_a_limit(kind: Kind) {
    let (server, upstream) = (Server::start_tcp(kind), Upstream::start().await);
    let words = "--rate 1/1h --mode refuse --key ip --deadline 10s --trusted-proxy 10.0.0.0/8";
    let strict = Proxy::start(&server.url(), &upstream.url(), words).await;
    let words = format!("{words} --trusted-proxy 127.0.0.1 --prefix trusting:");
    let trusting = Proxy::start(&server.url(), &upstream.url(), &words).await;
    for (claim, by_strict, by_trusting) in
        [("192.0.2.1", 200, 200), ("192.0.2.2", 429, 200), ("192.0.2.9, 192.0.2.1", 429, 429)]
    {
        for (proxy, status) in [(&strict, by_strict), (&trusting, by_trusting)] {
            let response = proxy.request("/").header("x-forwarded-for", claim).send().await.unwrap();
            assert_eq!(response.status(), status, "{claim}");
        }
    }
}

async fn a_rate_may_be_of_any_kind(kind: Kind) {
    let (server, upstream) = (Server::start_tcp(kind), Upstream::start().await);
    for (rate, says, passes, policy, stored) in [
        ("1/h", "1 in 1h, evenly spaced, in all", 1, "q=1;w=3600", ":1/3600000:1"),
        ("1/h:3", "1 in 1h, 3 of them at once, in all", 3, "q=1;w=3600;sluice-burst=3", ":1/3600000:3"),
        ("2/60min:strict", "2 in any 1h in all", 2, "q=2;w=3600;sluice-kind=strict", ":2/3600000:S"),
        (
            "2/1000w:align=4d",
            "2 in each 19years 1month 29days 19h 26m 24s of the calendar in all",
            2,
            "q=2;w=604800000;sluice-kind=align",
            ":2/604800000000:A345600000",
        ),
    ] {
        let words = format!("--rate {rate} --mode refuse --deadline 10s --prefix {rate}");
        let proxy = Proxy::start(&server.url(), &upstream.url(), &words).await;
        assert!(proxy.line.contains(&format!("at most {says} to")), "{}", proxy.line);
        for nth in 0..=passes {
            let response = proxy.get("/").await;
            assert_eq!(response.status(), if nth < passes { 200 } else { 429 }, "{rate}");
            assert_eq!(response.headers()["ratelimit-policy"], format!("\"default\";{policy}"));
        }
        let state = server.ask(&format!("GET {rate}all"));
        assert!(state.text().ends_with(stored), "{}", state.text());
    }
}

async fn a_longer_queue_than_the_longest_wait_is_refused(kind: Kind) {
    let (server, upstream) = (Server::start_tcp(kind), Upstream::start().await);
    let words = "--rate 1/10m --max-wait 1s --deadline 10s";
    let proxy = Proxy::start(&server.url(), &upstream.url(), words).await;
    assert!(proxy.line.ends_with("others wait up to 1s; without Redis nothing passes"), "{}", proxy.line);
    assert_eq!(proxy.get("/at/1").await.status(), 200);
    let response = proxy.get("/at/2").await;
    assert_eq!(response.status(), 429);
    let seconds: u64 = response.headers()["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((539..=599).contains(&seconds), "until it could queue: {seconds}");
    assert_eq!(upstream.arrivals().len(), 1);
}

async fn a_server_without_the_module_is_logged_and_passes_nothing(kind: Kind) {
    let (server, upstream) = (Server::setup(kind).without_module().tcp().start(), Upstream::start().await);
    let words = "--rate 1/1s --on-outage open --deadline 10s";
    let proxy = Proxy::start(&server.url(), &upstream.url(), words).await;
    assert_eq!(proxy.get("/at/1").await.status(), 500);
    assert!(upstream.arrivals().is_empty());
    sluice_testing::until("the log says what to do", || proxy.log().contains("load the module"));
}

async fn an_upstream_that_asks_to_be_left_alone_is_by_all_replicas(kind: Kind) {
    let (server, upstream) = (Server::start_tcp(kind), Upstream::start().await);
    let words = "--rate 2/1s --deadline 10s --prefix p:";
    let one = Proxy::start(&server.url(), &upstream.url(), words).await;
    let other = Proxy::start(&server.url(), &upstream.url(), words).await;
    let mut monitor = Monitor::start(&server).await;
    // Turns are half a second apart: when the upstream says so, another waits for the next one already.
    assert_eq!(one.get("/at/first").await.status(), 200);
    monitor.next("RATELIMIT.ACQUIRE").await;
    let busy = tokio::spawn(one.request("/busy").send());
    monitor.next("RATELIMIT.ACQUIRE").await;
    let waiting = tokio::spawn(other.request("/at/waiting").send());
    monitor.next("RATELIMIT.ACQUIRE").await;
    let response = busy.await.unwrap().unwrap();
    assert_eq!(response.status(), 429);
    assert_eq!(response.headers()["retry-after"], "2");
    let held = Instant::now();
    assert_eq!(one.get("/at/after").await.status(), 200);
    assert_eq!(waiting.await.unwrap().unwrap().status(), 200);
    assert!(held.elapsed() >= ms(1900), "{:?}", held.elapsed());
    let names: Vec<_> = upstream.arrivals().into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["first", "waiting", "after"]);

    let words = "--rate 100/1h:100 --mode refuse --deadline 10s --prefix capped: --max-hold 60s";
    let capped = Proxy::start(&server.url(), &upstream.url(), words).await;
    let words = "--rate 100/1h:100 --mode refuse --deadline 10s --prefix not: --max-hold 0s";
    let not = Proxy::start(&server.url(), &upstream.url(), words).await;
    for (proxy, status) in [(capped, 429), (not, 200)] {
        assert_eq!(proxy.get("/busy").await.status(), 429);
        assert_eq!(proxy.get("/at/next").await.status(), status);
    }
}

async fn preflights_and_exempt_paths_pass_uncounted(kind: Kind) {
    let (server, upstream) = (Server::start_tcp(kind), Upstream::start().await);
    let words = "--rate 1/1h --mode refuse --deadline 10s --exempt OPTIONS --exempt /health --prefix a:";
    let proxy = Proxy::start(&server.url(), &upstream.url(), words).await;
    for _ in 0..3 {
        let preflight = client().request(Method::OPTIONS, proxy.url("/a")).send().await.unwrap();
        assert_eq!(
            (preflight.status().as_u16(), preflight.headers().contains_key("ratelimit")),
            (200, false)
        );
        assert_eq!(proxy.get("/health").await.status(), 200);
    }
    assert_eq!(
        (proxy.get("/a").await.status().as_u16(), proxy.get("/a").await.status().as_u16()),
        (200, 429)
    );
    let words = "--rate 1/1h --mode refuse --deadline 10s --exempt - --prefix b:";
    let proxy = Proxy::start(&server.url(), &upstream.url(), words).await;
    for status in [200, 429] {
        let preflight = client().request(Method::OPTIONS, proxy.url("/a")).send().await.unwrap();
        assert_eq!(preflight.status(), status);
    }
}
